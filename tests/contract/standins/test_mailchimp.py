"""The Mailchimp stand-in, asked by Mailchimp's own Python library."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import mailchimp_marketing
import pytest
from mailchimp_marketing.api_client import ApiClientError

from sandbox.mailchimp import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loopback is plain HTTP; loading certificates takes long
KEY = ("encore", "sandbox-us1")


class Library:
    """The vendor's library on the one audience of the sandbox's account."""

    def __init__(self, url: str, **config: str) -> None:
        self.api = mailchimp_marketing.Client(config or {"api_key": "sandbox-us1", "server": "us1"})
        self.api.api_client.host = f"{url}/3.0"

    @property
    def lists(self) -> Any:
        return self.api.lists

    def audience(self) -> str:
        return str(self.lists.get_all_lists()["lists"][0]["id"])

    def add(self, audience: str, *emails: str, update: bool = False, **more: Any) -> dict[str, Any]:
        members = [{"email_address": email, "status": "subscribed", **more} for email in emails]
        return dict(self.lists.batch_list_members(audience, {"members": members, "update_existing": update}))

    def tag(self, audience: str, name: str = "VIP") -> str:
        return str(self.lists.create_segment(audience, {"name": name, "static_segment": []})["id"])

    def change(self, audience: str, tag: str, **changes: list[str]) -> dict[str, Any]:
        return dict(self.lists.batch_segment_members(changes, audience, tag))

    def tagged(self, audience: str, tag: str, **more: Any) -> list[str]:
        found = self.lists.get_segment_members_list(audience, tag, count=1000, **more)
        return [member["email_address"] for member in found["members"]]


def md5(email: str) -> str:
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def problem(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ApiClientError) as caught:
        call()
    return {**json.loads(caught.value.text), "http_status": caught.value.status_code}


@pytest.fixture
def mailchimp(run: Any) -> Iterator[Any]:
    with run(create_app) as running:
        yield running


@pytest.fixture
def library(mailchimp: Any) -> Library:
    return Library(mailchimp.url)


@pytest.fixture
def audience(library: Library) -> str:
    return library.audience()


class TestEveryOperationAsTheVendorsLibrarySendsIt:
    @pytest.fixture(autouse=True)
    def _judged_by_the_document(self, documents: Path, mailchimp: Any) -> Iterator[None]:
        yield
        judged = [(call["operation"], call["valid"]) for call in mailchimp.calls()]
        assert judged
        assert all(valid for _, valid in judged), judged
        assert mailchimp.refusals() == []

    def test_names_the_account(self, library: Library) -> None:
        assert library.api.root.get_root()["account_name"] == "Encore demo shop"
        assert library.api.ping.get() == {"health_status": "Everything's Chimpy!"}

    def test_takes_oauth_tokens_too(self, mailchimp: Any) -> None:
        library = Library(mailchimp.url, access_token="sandbox-us1", server="us1")
        assert library.api.root.get_root()["account_name"] == "Encore demo shop"

    def test_has_one_audience_without_double_opt_in(self, library: Library) -> None:
        (found,) = library.lists.get_all_lists()["lists"]
        assert (found["name"], found["double_optin"]) == ("Encore demo shop", False)
        assert library.lists.get_list(found["id"])["stats"]["member_count"] == 0

    def test_shows_the_audiences_that_a_merchant_made(self, library: Library, mailchimp: Any) -> None:
        for double in (False, True):
            mailchimp.post("/sandbox/audiences", {"name": "Wholesale", "double_optin": double})
        found = library.lists.get_all_lists()["lists"]
        assert [(one["name"], one["double_optin"]) for one in found] == [
            ("Encore demo shop", False),
            ("Wholesale", True),
        ]
        assert len(library.lists.get_list_merge_fields(found[1]["id"])["merge_fields"]) == 4

    def test_takes_new_contacts_in_batches(self, library: Library, audience: str) -> None:
        answer = library.add(audience, "Ann@shop.example", "bob@shop.example", merge_fields={"FNAME": "X"})
        assert [one["email_address"] for one in answer["new_members"]] == ["Ann@shop.example", "bob@shop.example"]
        assert (answer["total_created"], answer["error_count"]) == (2, 0)
        assert answer["new_members"][0]["id"] == md5("ann@shop.example")
        assert answer["new_members"][0]["merge_fields"] == {"FNAME": "X"}

    def test_leaves_known_contacts_alone_unless_told_to_update(self, library: Library, audience: str) -> None:
        library.add(audience, "ann@shop.example")
        answer = library.add(audience, "ann@shop.example", "bob@shop.example", language="fr")
        assert [one["error_code"] for one in answer["errors"]] == ["ERROR_CONTACT_EXISTS"]
        assert answer["total_created"] == 1
        answer = library.add(audience, "ann@shop.example", update=True, language="fr")
        assert [one["language"] for one in answer["updated_members"]] == ["fr"]

    def test_reports_contacts_that_it_will_not_take(self, library: Library, audience: str) -> None:
        answer = library.add(audience, "no address", "ann@shop.example")
        assert [(one["email_address"], one["error_code"]) for one in answer["errors"]] == [
            ("no address", "ERROR_GENERIC")
        ]
        assert answer["total_created"] == 1

    def test_puts_one_contact_by_hash(self, library: Library, audience: str) -> None:
        body = {"email_address": "Ann@shop.example", "status_if_new": "transactional"}
        assert library.lists.set_list_member(audience, md5("ann@shop.example"), body)["status"] == "transactional"
        again = {**body, "status_if_new": "subscribed"}
        assert library.lists.set_list_member(audience, md5("ann@shop.example"), again)["status"] == "transactional"
        assert library.lists.get_list_member(audience, md5("ann@shop.example"))["status"] == "transactional"

    def test_makes_tags_lists_them_and_deletes_them(self, library: Library, audience: str) -> None:
        tag = library.tag(audience, "VIP")
        assert library.lists.get_segment(audience, tag)["type"] == "static"
        assert [one["name"] for one in library.lists.list_segments(audience)["segments"]] == ["VIP"]
        library.lists.delete_segment(audience, tag)
        assert library.lists.list_segments(audience)["total_items"] == 0

    def test_changes_a_tag_and_drops_unknown_addresses_into_errors(self, library: Library, audience: str) -> None:
        library.add(audience, "ann@shop.example", "bob@shop.example")
        tag = library.tag(audience)
        first = library.change(audience, tag, members_to_add=["ANN@shop.example", "nobody@shop.example"])
        assert (first["total_added"], first["total_removed"]) == (1, 0)
        assert first["errors"][0]["email_addresses"] == ["nobody@shop.example"]
        second = library.change(
            audience, tag, members_to_add=["bob@shop.example"], members_to_remove=["ann@shop.example"]
        )
        assert (second["total_added"], second["total_removed"], second["errors"]) == (1, 1, [])
        assert library.tagged(audience, tag) == ["bob@shop.example"]

    def test_reads_a_tag_back_in_pages_with_chosen_fields(self, library: Library, audience: str) -> None:
        emails = [f"{n}@shop.example" for n in range(5)]
        library.add(audience, *emails)
        tag = library.tag(audience)
        library.change(audience, tag, members_to_add=emails)
        page = library.lists.get_segment_members_list(
            audience, tag, count=2, offset=2, fields=["members.email_address", "total_items"]
        )
        rows = [{"email_address": "2@shop.example"}, {"email_address": "3@shop.example"}]
        assert page == {"members": rows, "total_items": 5}

    def test_gives_only_the_fields_that_were_asked_for(self, library: Library) -> None:
        assert library.lists.get_all_lists(fields=["total_items"]) == {"total_items": 1}
        found = library.lists.get_all_lists(exclude_fields=["lists", "_links", "constraints"])
        assert found == {"total_items": 1}

    def test_shows_unsubscribed_contacts_of_a_tag_only_if_asked(
        self, library: Library, audience: str, mailchimp: Any
    ) -> None:
        mailchimp.post("/sandbox/profiles", {"email": "no@shop.example", "status": "unsubscribed"})
        tag = library.tag(audience)
        library.change(audience, tag, members_to_add=["no@shop.example"])
        assert library.tagged(audience, tag) == []
        assert library.tagged(audience, tag, include_unsubscribed=True) == ["no@shop.example"]

    def test_adds_merge_fields_and_keeps_their_values(self, library: Library, audience: str) -> None:
        library.lists.add_list_merge_field(audience, {"tag": "LTV", "name": "Value", "type": "number"})
        tags = [one["tag"] for one in library.lists.get_list_merge_fields(audience)["merge_fields"]]
        assert tags == ["FNAME", "LNAME", "ADDRESS", "PHONE", "LTV"]
        answer = library.add(audience, "ann@shop.example", merge_fields={"LTV": 12.5, "UNKNOWN": "x"})
        assert answer["new_members"][0]["merge_fields"] == {"LTV": 12.5}
        answer = library.add(audience, "bob@shop.example", merge_fields={"LTV": "much"})
        assert answer["errors"][0]["field"] == "LTV"

    def test_carries_out_batches_and_packs_the_answers(self, library: Library, audience: str, mailchimp: Any) -> None:
        body = {"email_address": "ann@shop.example", "status_if_new": "subscribed"}
        operations = [
            {
                "method": "PUT",
                "path": f"/lists/{audience}/members/{md5('ann@shop.example')}",
                "body": json.dumps(body),
                "operation_id": "row-1",
            },
            {"method": "GET", "path": f"/lists/{audience}/members/{md5('nobody@shop.example')}"},
        ]
        started = library.api.batches.start({"operations": operations})
        state = library.api.batches.status(started["id"])
        assert (state["status"], state["finished_operations"], state["errored_operations"]) == ("finished", 2, 1)
        with tarfile.open(fileobj=io.BytesIO(mailchimp.client.get(state["response_body_url"]).content)) as archive:
            answers = json.load(archive.extractfile(archive.getmembers()[0]))  # type: ignore[arg-type]
        assert [(one["operation_id"], one["status_code"]) for one in answers] == [("row-1", 200), ("", 404)]
        assert json.loads(answers[0]["response"])["email_address"] == "ann@shop.example"


class TestConsent:
    STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")

    def test_no_tag_operation_changes_a_status(self, library: Library, audience: str, mailchimp: Any) -> None:
        people = {f"{status}@shop.example": status for status in self.STATUSES}
        mailchimp.post("/sandbox/profiles", [{"email": e, "status": s} for e, s in people.items()])
        tag = library.tag(audience)
        library.change(audience, tag, members_to_add=list(people))
        library.change(audience, tag, members_to_remove=list(people))
        library.add(audience, *people)
        library.lists.delete_segment(audience, tag)
        assert mailchimp.state()["consent"] == people

    def test_an_unsubscribed_person_is_not_subscribed_again(
        self, library: Library, audience: str, mailchimp: Any
    ) -> None:
        mailchimp.post("/sandbox/profiles", {"email": "no@shop.example", "status": "unsubscribed"})
        body = {"email_address": "no@shop.example", "status_if_new": "subscribed", "status": "subscribed"}
        found = problem(lambda: library.lists.set_list_member(audience, md5("no@shop.example"), body))
        assert (found["title"], found["http_status"]) == ("Member In Compliance State", 400)
        assert "compliance state" in library.add(audience, "no@shop.example", update=True)["errors"][0]["error"]
        assert mailchimp.state()["consent"] == {"no@shop.example": "unsubscribed"}

    def test_a_permanently_deleted_person_stays_out(self, library: Library, audience: str, mailchimp: Any) -> None:
        mailchimp.post("/sandbox/profiles", {"email": "gone@shop.example", "forgotten": True})
        body = {"email_address": "gone@shop.example", "status_if_new": "subscribed"}
        found = problem(lambda: library.lists.set_list_member(audience, md5("gone@shop.example"), body))
        assert found["title"] == "Forgotten Email Not Subscribed"
        found = problem(lambda: library.lists.get_list_member(audience, md5("gone@shop.example")))
        assert found["http_status"] == 404

    def test_syncing_tags_takes_away_those_that_are_not_named(
        self, library: Library, audience: str, mailchimp: Any
    ) -> None:
        library.add(audience, "ann@shop.example")
        tag = library.tag(audience)
        library.change(audience, tag, members_to_add=["ann@shop.example"])
        body = {
            "members": [{"email_address": "ann@shop.example", "tags": ["New"]}],
            "update_existing": True,
            "sync_tags": True,
        }
        library.lists.batch_list_members(audience, body)
        assert {one["name"]: one["members"] for one in mailchimp.state()["tags"]} == {
            "VIP": [],
            "New": ["ann@shop.example"],
        }


class TestLimits:
    def test_a_batch_takes_500_members(self, library: Library, audience: str, mailchimp: Any) -> None:
        emails = [f"{n}@shop.example" for n in range(501)]
        assert library.add(audience, *emails[:500])["total_created"] == 500
        assert problem(lambda: library.add(audience, *emails))["http_status"] == 400
        assert mailchimp.refusals() == ["limit"]
        assert len(mailchimp.state()["members"]) == 500

    @pytest.mark.parametrize("name", ["members_to_add", "members_to_remove"])
    def test_a_tag_takes_500_changes_each_way(self, library: Library, audience: str, mailchimp: Any, name: str) -> None:
        tag = library.tag(audience)
        emails = [f"{n}@shop.example" for n in range(501)]
        library.change(audience, tag, members_to_add=emails[:500], members_to_remove=emails[:500])
        assert problem(lambda: library.change(audience, tag, **{name: emails}))["http_status"] == 400
        assert mailchimp.refusals() == ["limit"]

    def test_pages_have_at_most_1000_rows(self, mailchimp: Any) -> None:
        assert mailchimp.client.get("/3.0/lists?count=1001", auth=KEY).status_code == 400

    def test_the_eleventh_call_at_once_is_turned_away(self, mailchimp: Any) -> None:
        mailchimp.fault("GET /3.0/ping", "hang", count=10, seconds=60)
        with ThreadPoolExecutor(10) as pool, httpx.Client(auth=KEY, timeout=60, verify=NO_TLS) as client:
            waiting = [pool.submit(client.get, f"{mailchimp.url}/3.0/ping") for _ in range(10)]
            end = time.monotonic() + 60
            while [one["fault"] for one in mailchimp.calls()].count("hang") < 10:
                assert time.monotonic() < end, "ten calls never hung"
                time.sleep(0.01)
            answer = mailchimp.client.get("/3.0/ping", auth=KEY)
            mailchimp.client.delete("/sandbox/faults").raise_for_status()
            assert [type(one.exception()) for one in waiting] == [httpx.RemoteProtocolError] * 10
        assert answer.status_code == 429
        assert not [name for name in answer.headers if "ratelimit" in name or name == "retry-after"]
        assert mailchimp.refusals() == ["connections"]

    def test_a_wrong_key_is_refused(self, mailchimp: Any) -> None:
        library = Library(mailchimp.url, api_key="other-us1", server="us1")
        found = problem(library.api.root.get_root)
        assert (found["title"], found["http_status"]) == ("API Key Invalid", 401)
        assert mailchimp.refusals() == ["auth"]

    def test_a_tag_name_is_taken_once_whatever_its_case(self, library: Library, audience: str) -> None:
        library.tag(audience, "VIP")
        assert "already exists" in problem(lambda: library.tag(audience, "vip"))["detail"]


class TestFaults:
    def test_throttling_may_come_as_a_403_without_a_body(self, mailchimp: Any) -> None:
        mailchimp.fault("*", "empty_body", status=403)
        answer = mailchimp.client.get("/3.0/ping", auth=KEY)
        assert (answer.status_code, answer.content) == (403, b"")

    def test_a_429_tells_no_time_to_wait(self, mailchimp: Any) -> None:
        mailchimp.fault("*", "429")
        answer = mailchimp.client.get("/3.0/ping", auth=KEY)
        assert (answer.status_code, answer.json()["title"]) == (429, "Too Many Requests")
        assert "Retry-After" not in answer.headers

    def test_a_lost_answer_has_still_done_its_work(self, library: Library, audience: str, mailchimp: Any) -> None:
        mailchimp.fault("POST /3.0/lists/*", "answer_lost")
        with pytest.raises(ApiClientError):
            library.add(audience, "ann@shop.example")
        assert mailchimp.state()["consent"] == {"ann@shop.example": "subscribed"}

    def test_a_tag_may_be_deleted_behind_the_clients_back(
        self, library: Library, audience: str, mailchimp: Any
    ) -> None:
        tag = library.tag(audience)
        mailchimp.client.delete(f"/sandbox/tags/{tag}").raise_for_status()
        assert problem(lambda: library.change(audience, tag, members_to_add=[]))["http_status"] == 404


class TestBatches:
    def test_advance_with_time(self, run: Any) -> None:
        with run(create_app, job_seconds=8) as mailchimp:
            library = Library(mailchimp.url)
            batch = library.api.batches.start({"operations": [{"method": "GET", "path": "/ping"}]})
            states = [batch["status"]]
            for _ in range(4):
                mailchimp.time.pass_(2)
                states.append(library.api.batches.status(batch["id"])["status"])
            assert states == ["pending", "preprocessing", "started", "finalizing", "finished"]

    def test_cut_off_by_a_kill_are_finished_by_the_next_start(self, run: Any) -> None:
        with run(create_app, job_seconds=8) as mailchimp:
            library = Library(mailchimp.url)
            batch = library.api.batches.start({"operations": [{"method": "GET", "path": "/ping"}]})
            data = mailchimp.app.extensions["standin"].data
            assert data.take_batch(mailchimp.time.moment + timedelta(seconds=9)) is not None
        with run(create_app) as mailchimp:
            mailchimp.time.pass_(9)
            assert Library(mailchimp.url).api.batches.status(batch["id"])["status"] == "finished"


class TestMemory:
    def test_survives_a_restart(self, run: Any) -> None:
        with run(create_app) as mailchimp:
            library = Library(mailchimp.url)
            audience = library.audience()
            library.add(audience, "ann@shop.example")
            library.change(audience, library.tag(audience), members_to_add=["ann@shop.example"])
            before = mailchimp.state()
        with run(create_app) as mailchimp:
            assert mailchimp.state() == before


class TestJudging:
    def test_a_route_that_is_not_there_is_a_recorded_failure(self, mailchimp: Any) -> None:
        assert mailchimp.client.delete("/3.0/lists/x/members/y", auth=KEY).status_code == 404
        assert mailchimp.refusals() == ["route"]

    def test_a_body_that_the_document_forbids_is_refused(self, documents: Path, mailchimp: Any, audience: str) -> None:
        body = {"members": [{"email_address": "ann@shop.example", "status": "maybe"}]}
        answer = mailchimp.client.post(f"/3.0/lists/{audience}", auth=KEY, json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "members.0.status"
        assert mailchimp.refusals() == ["document"]


class TestThePage:
    def test_shows_tags_contacts_status_and_calls(self, library: Library, audience: str, mailchimp: Any) -> None:
        mailchimp.post("/sandbox/profiles", {"email": "no@shop.example", "status": "unsubscribed"})
        tag = library.tag(audience, "Summer buyers")
        library.change(audience, tag, members_to_add=["no@shop.example"])
        page = mailchimp.client.get(f"/sandbox?tag={tag}").text
        for text in ("Summer buyers", "no@shop.example", "unsubscribed", "/3.0/lists"):
            assert text in page

    def test_its_form_changes_a_status_as_the_person_would(self, mailchimp: Any) -> None:
        form = {"email": "ann@shop.example", "status": "unsubscribed"}
        assert mailchimp.client.post("/sandbox/profiles", data=form).status_code == 303
        assert mailchimp.state()["consent"] == {"ann@shop.example": "unsubscribed"}
