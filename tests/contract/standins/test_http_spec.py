"""How calls are held against a vendor's published document, and what holds without one."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from werkzeug.datastructures import MultiDict

from sandbox.http_spec import SentRequest, Spec, json_schema, vendor_spec
from sandbox.klaviyo import create_app as create_klaviyo
from sandbox.mailchimp import create_app as create_mailchimp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KLAVIYO = {
    "Authorization": "Klaviyo-API-Key pk_sandbox",
    "revision": "2026-07-15",
    "Content-Type": "application/vnd.api+json",
}


def spec() -> Spec:
    person = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "nullable": {"type": "string"},
            "born": {"type": "string", "format": "date-time", "nullable": True},
            "boss": {"$ref": "#/components/schemas/Person", "nullable": True},
        },
    }
    document = {
        "openapi": "3.0.0",
        "info": {"title": "People", "version": "1"},
        "servers": [{"url": "https://people.example/v1"}],
        "paths": {
            "/people": {
                "post": {
                    "operationId": "add",
                    "parameters": [{"name": "page[size]", "in": "query", "schema": {"type": "integer", "maximum": 10}}],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Person"}}},
                    },
                    "responses": {"204": {"description": "done"}},
                }
            },
            "/people/{id}": {
                "get": {
                    "operationId": "one",
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {
                        "200": {
                            "description": "found",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Person"}}},
                        }
                    },
                }
            },
        },
        "components": {"schemas": {"Person": person}},
    }
    return Spec(document)


def problems(body: Any = None, query: str = "", path: str = "/people") -> list[tuple[str, str]]:
    pairs = [tuple(part.split("=")) for part in query.split("&") if part]
    judge = spec()
    sent = SentRequest(
        judge,
        "POST",
        path,
        MultiDict(pairs),
        {"Content-Type": "application/json"},
        orjson.dumps(body) if body is not None else b"",
    )
    return [(problem.where, problem.pointer) for problem in judge.request_problems(sent, path)]


class TestARequest:
    def test_may_be_right(self) -> None:
        body = {"name": "Ann", "born": None, "boss": {"name": "Bob", "boss": None}}
        assert problems(body, "page[size]=10") == []

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({}, ("body", "")),
            ({"name": 1}, ("body", "/name")),
            ({"name": "Ann", "nullable": None}, ("body", "/nullable")),
            ({"name": "Ann", "born": "yesterday"}, ("body", "/born")),
            ({"name": "Ann", "boss": {"name": None}}, ("body", "/boss")),
            (None, ("body", "")),
        ],
    )
    def test_may_have_a_wrong_body(self, body: Any, where: tuple[str, str]) -> None:
        assert problems(body) == [where]

    @pytest.mark.parametrize("query", ["page[size]=11", "page[size]=x", "page=1"])
    def test_may_have_a_wrong_parameter(self, query: str) -> None:
        assert problems({"name": "Ann"}, query) == [("parameter", query.split("=", maxsplit=1)[0])]

    def test_may_address_nothing(self) -> None:
        assert problems({"name": "Ann"}, path="/animals") == [("route", "")]


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("status", "body", "where"),
        [
            (200, b'{"name": "Ann"}', []),
            (200, b'{"name": null}', ["body"]),
            (200, b"<html>", ["body"]),
            (201, b'{"name": "Ann"}', ["status"]),
        ],
    )
    def test_is_judged_by_its_status(self, status: int, body: bytes, where: list[str]) -> None:
        found = spec().response_problems("GET", "/people/1", status, "application/json", body)
        assert [problem.where for problem in found] == where


class TestNullable:
    def test_widens_an_enumeration(self) -> None:
        plain = json_schema({"type": "string", "enum": ["a"], "nullable": True})
        assert plain == {"type": ["string", "null"], "enum": ["a", None]}


class TestThePublishedDocuments:
    @pytest.mark.parametrize("vendor", ["klaviyo", "mailchimp"])
    def test_are_loaded_once(self, documents: Path, vendor: str) -> None:
        assert vendor_spec(vendor) is not None
        assert vendor_spec(vendor) is vendor_spec(vendor)

    def test_may_lie_in_another_folder(
        self, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_documents: None
    ) -> None:
        content = gzip.decompress((documents / "klaviyo" / "stable-2026-07-15.json.gz").read_bytes())
        folder = tmp_path / "elsewhere" / "specs" / "klaviyo"
        folder.mkdir(parents=True)
        (folder / "stable-2026-07-15.json.gz").write_bytes(gzip.compress(content, 1))
        monkeypatch.setenv("ENCORE_SHARED", str(tmp_path / "elsewhere"))
        found = vendor_spec("klaviyo")
        assert found is not None
        assert found.operation("GET", "/api/lists") is not None
        assert vendor_spec("mailchimp") is None


@pytest.fixture
def fresh_documents() -> Iterator[None]:
    vendor_spec.cache_clear()
    yield
    vendor_spec.cache_clear()


class TestWithoutADocument:
    @pytest.fixture(autouse=True)
    def _nothing_at_hand(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_documents: None) -> None:
        monkeypatch.setenv("ENCORE_SHARED", str(tmp_path / "nowhere"))

    def test_klaviyo_still_enforces_what_stands_in_prose(self, run: Any) -> None:
        with run(create_klaviyo, windows=True) as klaviyo:
            body = {"data": [{"type": "profile", "id": "x"}] * 1001}
            made = klaviyo.state()["lists"][0]["id"]
            url = f"/api/lists/{made}/relationships/profiles"
            assert klaviyo.client.post(url, headers=KLAVIYO, json=body).status_code == 400
            assert klaviyo.last_call()["valid"] is None
            answers = [klaviyo.client.get("/api/accounts", headers=KLAVIYO).status_code for _ in range(2)]
            assert answers == [200, 429]
            assert klaviyo.refusals() == ["limit", "window"]

    def test_mailchimp_still_enforces_what_stands_in_prose(self, run: Any) -> None:
        with run(create_mailchimp) as mailchimp:
            made = mailchimp.state()["lists"][0]["id"]
            members = [{"email_address": f"{n}@x.co", "status": "subscribed"} for n in range(501)]
            answer = mailchimp.client.post(f"/3.0/lists/{made}", auth=("any", "sandbox-us1"), json={"members": members})
            assert answer.status_code == 400
            assert mailchimp.refusals() == ["limit"]

    @pytest.mark.parametrize("body", [None, [], {"data": None}, {"data": {"attributes": []}}])
    def test_a_shapeless_body_is_refused_in_the_vendors_form(self, run: Any, body: Any) -> None:
        with run(create_klaviyo) as klaviyo:
            for path in ("/api/lists", "/api/profile-bulk-import-jobs"):
                answer = klaviyo.client.post(path, headers=KLAVIYO, json=body)
                assert answer.status_code == 400
                assert answer.json()["errors"][0]["code"] == "invalid"

    @pytest.mark.parametrize(
        "path", ["/3.0/batches", "/3.0/lists/{}", "/3.0/lists/{}/segments", "/3.0/lists/{}/merge-fields"]
    )
    @pytest.mark.parametrize("body", [None, [], {}])
    def test_a_body_without_what_it_must_have_is_refused(self, run: Any, path: str, body: Any) -> None:
        with run(create_mailchimp) as mailchimp:
            made = mailchimp.state()["lists"][0]["id"]
            answer = mailchimp.client.post(path.format(made), auth=("any", "sandbox-us1"), json=body)
            assert answer.status_code == 400
            assert answer.json()["title"] == "Invalid Resource"
