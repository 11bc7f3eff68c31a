"""The Klaviyo stand-in, asked by Klaviyo's own Python library."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from klaviyo_api import KlaviyoAPI
from openapi_client.api_arg_options import USE_DICTIONARY_FOR_RESPONSE_DATA
from openapi_client.exceptions import ApiException

from sandbox.klaviyo import create_app
from sandbox.klaviyo.limits import RATES, published_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLAIN = {USE_DICTIONARY_FOR_RESPONSE_DATA: True}
HEADERS = {
    "Authorization": "Klaviyo-API-Key pk_sandbox",
    "revision": "2026-07-15",
    "Content-Type": "application/vnd.api+json",
}


class Library:
    """The vendor's library, its API groups kept: each access to one wraps all methods anew."""

    def __init__(self, url: str, key: str = "pk_sandbox") -> None:
        api = KlaviyoAPI(key, max_retries=1, test_host=url)
        self.accounts, self.lists, self.profiles = api.Accounts, api.Lists, api.Profiles

    def make_list(self, name: str = "VIP") -> str:
        body = {"data": {"type": "list", "attributes": {"name": name}}}
        return str(self.lists.create_list(body, options=PLAIN)["data"]["id"])

    def start_import(self, list_id: str, *profiles: dict[str, Any]) -> dict[str, Any]:
        body = import_body(list_id, *({"type": "profile", "attributes": p} for p in profiles))
        return dict(self.profiles.bulk_import_profiles(body, options=PLAIN)["data"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.profiles.get_bulk_import_profiles_job(job_id, options=PLAIN)["data"]["attributes"])

    def ids_on(self, list_id: str) -> list[str]:
        found = self.lists.get_profile_ids_for_list(list_id, page_size=100, options=PLAIN)
        return [profile["id"] for profile in found["data"]]


def import_body(list_id: str, *profiles: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": list(profiles)}},
            "relationships": {"lists": {"data": [{"type": "list", "id": list_id}]}},
        }
    }


def ids_body(ids: list[str]) -> dict[str, Any]:
    return {"data": [{"type": "profile", "id": one} for one in ids]}


def refused(call: Callable[[], Any]) -> ApiException:
    with pytest.raises(ApiException) as caught:
        call()
    return caught.value


@pytest.fixture
def klaviyo(run: Any) -> Iterator[Any]:
    with run(create_app) as running:
        yield running


@pytest.fixture
def library(klaviyo: Any) -> Library:
    return Library(klaviyo.url)


class TestEveryOperationAsTheVendorsLibrarySendsIt:
    @pytest.fixture(autouse=True)
    def _judged_by_the_document(self, documents: Path, klaviyo: Any) -> Iterator[None]:
        yield
        judged = [(call["operation"], call["valid"]) for call in klaviyo.calls()]
        assert judged
        assert all(valid for _, valid in judged), judged
        assert klaviyo.refusals() == []

    def test_names_the_account(self, library: Library) -> None:
        found = library.accounts.get_accounts(options=PLAIN)["data"]
        assert found[0]["attributes"]["contact_information"]["organization_name"] == "Encore demo shop"

    def test_lists_the_lists_and_makes_one(self, library: Library) -> None:
        made = library.make_list("VIP")
        found = library.lists.get_lists(options=PLAIN)["data"]
        assert [one["attributes"]["name"] for one in found] == ["Newsletter", "Loyalty programme", "VIP"]
        assert found[-1]["id"] == made

    def test_finds_lists_by_name(self, library: Library) -> None:
        made = [library.make_list("VIP"), library.make_list("VIP")]
        found = library.lists.get_lists(filter='equals(name,"VIP")', options=PLAIN)["data"]
        assert [one["id"] for one in found] == made

    def test_counts_the_profiles_of_a_list(self, library: Library) -> None:
        made = library.make_list()
        library.start_import(made, {"email": "ann@shop.example"}, {"email": "bob@shop.example"})
        one = library.lists.get_list(made, additional_fields_list=["profile_count"], options=PLAIN)
        assert one["data"]["attributes"]["profile_count"] == 2

    def test_imports_profiles_into_a_list(self, library: Library, klaviyo: Any) -> None:
        made = library.make_list()
        job = library.start_import(
            made, {"email": "Ann@Shop.example", "first_name": "Ann", "properties": {"tier": "gold"}}
        )
        assert library.job(job["id"])["status"] == "complete"
        profile = library.lists.get_profiles_for_list(made, options=PLAIN)["data"][0]["attributes"]
        assert (profile["email"], profile["first_name"]) == ("ann@shop.example", "Ann")
        assert profile["properties"] == {"tier": "gold"}
        assert profile["joined_group_at"] == klaviyo.time.moment.isoformat()

    def test_reports_rows_that_failed_with_their_place(self, library: Library) -> None:
        made = library.make_list()
        job = library.start_import(made, {"email": "ann@shop.example"}, {"email": "not an address"})
        state = library.job(job["id"])
        assert (state["total_count"], state["completed_count"], state["failed_count"]) == (2, 1, 1)
        errors = library.profiles.get_errors_for_bulk_import_profiles_job(job["id"], options=PLAIN)["data"]
        assert errors[0]["attributes"]["source"]["pointer"] == "/data/attributes/profiles/data/1/attributes/email"
        assert errors[0]["attributes"]["original_payload"]["attributes"] == {"email": "not an address"}

    def test_gives_the_profiles_of_a_job(self, library: Library) -> None:
        made = library.make_list()
        job = library.start_import(made, {"email": "ann@shop.example"}, {"email": "bob@shop.example"})
        found = library.profiles.get_profiles_for_bulk_import_profiles_job(job["id"], options=PLAIN)["data"]
        assert [one["attributes"]["email"] for one in found] == ["ann@shop.example", "bob@shop.example"]

    def test_finds_profiles_by_any_of_several_addresses(self, library: Library) -> None:
        library.start_import(library.make_list(), *({"email": f"{n}@shop.example"} for n in "abc"))
        wanted = 'any(email,["a@shop.example","C@shop.example","nobody@shop.example"])'
        found = library.profiles.get_profiles(filter=wanted, options=PLAIN)["data"]
        assert [one["attributes"]["email"] for one in found] == ["a@shop.example", "c@shop.example"]

    def test_finds_members_of_one_list_by_address(self, library: Library) -> None:
        first, second = library.make_list("first"), library.make_list("second")
        library.start_import(first, {"email": "ann@shop.example"})
        library.start_import(second, {"email": "bob@shop.example"})
        wanted = 'any(email,["ann@shop.example","bob@shop.example"])'
        found = library.lists.get_profiles_for_list(first, filter=wanted, options=PLAIN)["data"]
        assert [one["attributes"]["email"] for one in found] == ["ann@shop.example"]

    def test_gives_only_the_fields_that_were_asked_for(self, library: Library) -> None:
        made = library.make_list()
        library.start_import(made, {"email": "ann@shop.example", "first_name": "Ann"})
        found = library.lists.get_profiles_for_list(made, fields_profile=["email"], options=PLAIN)["data"]
        assert found[0]["attributes"] == {"email": "ann@shop.example"}

    def test_takes_profiles_off_a_list_and_puts_them_back_by_id(self, library: Library) -> None:
        made = library.make_list()
        library.start_import(made, {"email": "ann@shop.example"}, {"email": "bob@shop.example"})
        ids = library.ids_on(made)
        library.lists.remove_profiles_from_list(made, ids_body(ids[:1]))
        assert library.ids_on(made) == ids[1:]
        library.lists.add_profiles_to_list(made, ids_body(ids[:1]))
        library.lists.add_profiles_to_list(made, ids_body(ids[:1]))
        assert library.ids_on(made) == [ids[1], ids[0]]

    def test_pages_with_cursors(self, library: Library) -> None:
        made = library.make_list()
        library.start_import(made, *({"email": f"{n}@shop.example"} for n in range(7)))
        found: list[str] = []
        cursor = None
        for _ in range(3):
            page = library.lists.get_profile_ids_for_list(made, page_size=3, page_cursor=cursor, options=PLAIN)
            found += [one["id"] for one in page["data"]]
            cursor = page["links"].get("next")
        assert cursor is None
        assert found == library.ids_on(made)
        assert len(found) == 7


class TestConsent:
    def test_no_list_operation_and_no_import_changes_it(self, library: Library, klaviyo: Any) -> None:
        people = {
            "yes@shop.example": "SUBSCRIBED",
            "no@shop.example": "UNSUBSCRIBED",
            "new@shop.example": "NEVER_SUBSCRIBED",
        }
        klaviyo.post("/sandbox/profiles", [{"email": e, "consent": c} for e, c in people.items()])
        made = library.make_list()
        library.start_import(made, *({"email": email, "first_name": "X"} for email in people))
        library.lists.remove_profiles_from_list(made, ids_body(library.ids_on(made)))
        assert klaviyo.state()["consent"] == people

    def test_is_told_with_the_profile_if_asked_for(self, library: Library, klaviyo: Any) -> None:
        klaviyo.post(
            "/sandbox/profiles",
            {"email": "no@shop.example", "consent": "unsubscribed", "suppressions": ["HARD_BOUNCE"]},
        )
        found = library.profiles.get_profiles(additional_fields_profile=["subscriptions"], options=PLAIN)
        marketing = found["data"][0]["attributes"]["subscriptions"]["email"]["marketing"]
        assert marketing["consent"] == "UNSUBSCRIBED"
        assert marketing["can_receive_email_marketing"] is False
        assert [one["reason"] for one in marketing["suppression"]] == ["HARD_BOUNCE"]

    def test_has_no_route_that_could_change_it(self, klaviyo: Any) -> None:
        answer = klaviyo.client.post("/api/profile-subscription-bulk-create-jobs", headers=HEADERS, json={})
        assert answer.status_code == 404
        assert klaviyo.refusals() == ["route"]


class TestImportJobs:
    def test_advance_with_time(self, run: Any) -> None:
        with run(create_app, job_seconds=10) as klaviyo:
            library = Library(klaviyo.url)
            made = library.make_list()
            job = library.start_import(made, {"email": "ann@shop.example"})
            states = [job["attributes"]["status"]]
            for _ in range(2):
                klaviyo.time.pass_(5)
                states.append(library.job(job["id"])["status"])
            assert states == ["queued", "processing", "complete"]
            assert len(library.ids_on(made)) == 1

    def test_change_nothing_before_they_are_done(self, run: Any) -> None:
        with run(create_app, job_seconds=10) as klaviyo:
            library = Library(klaviyo.url)
            made = library.make_list()
            library.start_import(made, {"email": "ann@shop.example"})
            assert library.ids_on(made) == []

    def test_are_finished_by_a_restarted_stand_in(self, run: Any) -> None:
        with run(create_app, job_seconds=10) as klaviyo:
            library = Library(klaviyo.url)
            made = library.make_list()
            job = library.start_import(made, {"email": "ann@shop.example"})
        with run(create_app) as klaviyo:
            klaviyo.time.pass_(11)
            library = Library(klaviyo.url)
            assert library.job(job["id"])["status"] == "complete"
            assert len(library.ids_on(made)) == 1

    def test_are_carried_out_once_however_many_calls_find_them_due(self, run: Any) -> None:
        with run(create_app, job_seconds=10) as klaviyo, ThreadPoolExecutor(8) as pool:
            library = Library(klaviyo.url)
            rows = [{"email": f"row {n}"} for n in range(200)]
            job = library.start_import(library.make_list(), *rows)
            klaviyo.time.pass_(10)
            paths = ["/sandbox/state"] * 8
            assert [one.status_code for one in pool.map(klaviyo.client.get, paths)] == [200] * 8
            assert library.job(job["id"])["failed_count"] == 200
            errors = library.profiles.get_errors_for_bulk_import_profiles_job
            found = errors(job["id"], page_size=100, page_cursor=None, options=PLAIN)
            more = errors(job["id"], page_size=100, page_cursor=found["links"]["next"], options=PLAIN)
            assert "next" not in more["links"]
            assert len({one["id"] for one in found["data"] + more["data"]}) == 200

    def test_merge_into_the_profile_that_is_there(self, library: Library, klaviyo: Any) -> None:
        made = library.make_list()
        library.start_import(made, {"email": "ann@shop.example", "first_name": "Ann", "properties": {"a": 1}})
        library.start_import(made, {"email": "ANN@shop.example", "first_name": None, "properties": {"b": 2}})
        (profile,) = klaviyo.state()["profiles"]
        assert profile["first_name"] == "Ann"
        assert profile["properties"] == {"a": 1, "b": 2}

    def test_refuse_a_list_that_is_gone(self, library: Library, klaviyo: Any) -> None:
        made = library.make_list()
        klaviyo.client.delete(f"/sandbox/lists/{made}").raise_for_status()
        assert refused(lambda: library.start_import(made, {"email": "ann@shop.example"})).status == 404


class TestLimits:
    def post_import(self, klaviyo: Any, count: int, **more: Any) -> httpx.Response:
        made = klaviyo.client.get("/api/lists", headers=HEADERS).json()["data"][0]["id"]
        rows = [{"type": "profile", "attributes": {"email": f"{n}@x.co", **more}} for n in range(count)]
        body = import_body(made, *rows)
        return klaviyo.client.post("/api/profile-bulk-import-jobs", headers=HEADERS, json=body, timeout=30)

    def test_ten_thousand_profiles_pass_and_one_more_does_not(self, klaviyo: Any) -> None:
        assert self.post_import(klaviyo, 10_000).status_code == 202
        answer = self.post_import(klaviyo, 10_001)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/profiles/data"
        assert klaviyo.app.extensions["standin"].data.db.number("SELECT count(*) FROM profiles") == 10_000
        assert klaviyo.refusals() == ["limit"]

    def test_five_megabytes_are_the_most(self, klaviyo: Any) -> None:
        assert self.post_import(klaviyo, 60, title="x" * 90_000).status_code == 413

    def test_a_profile_has_at_most_100_kilobytes(self, klaviyo: Any) -> None:
        answer = self.post_import(klaviyo, 1, title="x" * 100_001)
        assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/profiles/data/0"

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_a_list_takes_1000_ids_a_call(self, klaviyo: Any, method: str) -> None:
        made = klaviyo.state()["lists"][0]["id"]
        url = f"{klaviyo.url}/api/lists/{made}/relationships/profiles"
        answer = klaviyo.client.request(method, url, headers=HEADERS, json=ids_body([f"01{n}" for n in range(1001)]))
        assert answer.status_code == 400
        assert klaviyo.refusals() == ["limit"]

    def test_pages_have_at_most_100_rows(self, klaviyo: Any) -> None:
        answer = klaviyo.client.get("/api/profiles?page[size]=101", headers=HEADERS)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"] == {"parameter": "page[size]"}

    @pytest.mark.parametrize(
        ("header", "value", "status"),
        [
            ("revision", "2024-02-15", 400),
            ("Authorization", "Klaviyo-API-Key pk_other", 401),
            ("Authorization", "Bearer pk_sandbox", 401),
        ],
    )
    def test_headers_must_be_right(self, klaviyo: Any, header: str, value: str, status: int) -> None:
        answer = klaviyo.client.get("/api/accounts", headers={**HEADERS, header: value})
        assert answer.status_code == status
        assert {"id", "code", "title", "detail"} <= answer.json()["errors"][0].keys()


class TestRateWindows:
    def get(self, klaviyo: Any) -> httpx.Response:
        return klaviyo.client.get("/api/accounts", headers=HEADERS)

    def test_a_full_burst_window_answers_429_with_retry_after_alone(self, run: Any) -> None:
        with run(create_app, windows=True) as klaviyo:
            first, second = self.get(klaviyo), self.get(klaviyo)
            assert (first.status_code, second.status_code) == (200, 429)
            assert second.headers["Retry-After"] == "1"
            assert not [name for name in second.headers if name.lower().startswith("ratelimit")]
            klaviyo.time.pass_(1)
            assert self.get(klaviyo).status_code == 200

    def test_success_tells_the_state_of_the_steady_window(self, run: Any) -> None:
        with run(create_app, windows=True) as klaviyo:
            klaviyo.time.pass_(20)
            headers = self.get(klaviyo).headers
            told = [headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
            assert told == ["15", "14", "40"]

    def test_a_full_steady_window_waits_for_the_minute(self, run: Any) -> None:
        with run(create_app, windows=True) as klaviyo:
            for _ in range(15):
                assert self.get(klaviyo).status_code == 200
                klaviyo.time.pass_(1)
            answer = self.get(klaviyo)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "45")

    def test_lists_are_made_at_most_150_times_a_day(self, run: Any) -> None:
        with run(create_app, windows=True) as klaviyo:
            body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
            for _ in range(150):
                klaviyo.time.pass_(1)
                assert klaviyo.client.post("/api/lists", headers=HEADERS, json=body).status_code == 201
            klaviyo.time.pass_(60)
            answer = klaviyo.client.post("/api/lists", headers=HEADERS, json=body)
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 3600

    def test_counting_profiles_is_rarer_than_reading_a_list(self, run: Any) -> None:
        with run(create_app, windows=True) as klaviyo:
            url = f"{klaviyo.url}/api/lists/{klaviyo.state()['lists'][0]['id']}"
            counted = f"{url}?additional-fields[list]=profile_count"
            answers = [klaviyo.client.get(one, headers=HEADERS).status_code for one in (counted, counted, url, url)]
            assert answers == [200, 429, 200, 200]

    def test_our_own_table_equals_the_published_one(self, documents: Path, klaviyo: Any) -> None:
        routes = {rule.endpoint: rule for rule in klaviyo.app.url_map.iter_rules()}
        for operation, rate in RATES.items():
            rule = routes[operation]
            (method,) = set(rule.methods) - {"HEAD", "OPTIONS"}
            path = rule.rule.replace("<", "").replace(">", "")
            assert published_rate(method, path) == rate, operation


class TestFaults:
    @pytest.mark.parametrize("kind", ["500", "503", "524"])
    def test_a_status_comes_in_the_vendors_form(self, library: Library, klaviyo: Any, kind: str) -> None:
        klaviyo.fault("GET /api/accounts", kind)
        error = refused(library.accounts.get_accounts)
        assert error.status == int(kind)
        assert library.accounts.get_accounts(options=PLAIN)["data"]

    def test_a_429_names_the_seconds_that_were_asked_for(self, klaviyo: Any) -> None:
        klaviyo.fault("*", "429", retry_after=7)
        answer = klaviyo.client.get("/api/accounts", headers=HEADERS)
        assert answer.headers["Retry-After"] == "7"

    def test_a_401_ends_after_its_count(self, library: Library, klaviyo: Any) -> None:
        klaviyo.fault("/api/*", "401", count=2)
        assert [refused(library.accounts.get_accounts).status for _ in range(2)] == [401, 401]
        assert library.accounts.get_accounts(options=PLAIN)["data"]

    def test_a_lost_answer_has_still_done_its_work(self, klaviyo: Any) -> None:
        klaviyo.fault("POST /api/lists", "answer_lost")
        body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
        with pytest.raises(httpx.RemoteProtocolError):
            klaviyo.client.post("/api/lists", headers=HEADERS, json=body)
        assert [one["name"] for one in klaviyo.state()["lists"]][-1] == "VIP"
        assert klaviyo.last_call()["answered"] is False

    def test_a_reset_has_done_nothing(self, klaviyo: Any) -> None:
        klaviyo.fault("POST /api/lists", "reset")
        body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
        with pytest.raises(httpx.RemoteProtocolError):
            klaviyo.client.post("/api/lists", headers=HEADERS, json=body)
        assert len(klaviyo.state()["lists"]) == 2

    def test_a_truncated_answer_breaks_off(self, klaviyo: Any) -> None:
        klaviyo.fault("*", "truncated")
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            klaviyo.client.get("/api/lists", headers=HEADERS)

    def test_a_hanging_call_is_let_go_on_reset(self, klaviyo: Any) -> None:
        klaviyo.fault("*", "hang", seconds=60)
        with pytest.raises(httpx.ReadTimeout):
            klaviyo.client.get("/api/lists", headers=HEADERS, timeout=0.2)
        klaviyo.client.delete("/sandbox/faults").raise_for_status()
        assert klaviyo.client.get("/api/lists", headers=HEADERS).status_code == 200

    def test_pages_and_empty_bodies_stand_in_for_json(self, klaviyo: Any) -> None:
        klaviyo.fault("*", "html")
        klaviyo.fault("*", "empty_body")
        answers = [klaviyo.client.get("/api/lists", headers=HEADERS) for _ in range(2)]
        assert [(one.status_code, one.text[:6]) for one in answers] == [(502, "<html>"), (200, "")]

    def test_a_fault_that_does_not_exist_is_refused(self, klaviyo: Any) -> None:
        answer = klaviyo.client.post("/sandbox/faults", json={"route": "*", "kind": "explode"})
        assert answer.status_code == 400


class TestJudging:
    def test_a_call_that_the_document_forbids_is_refused_and_listed(self, documents: Path, klaviyo: Any) -> None:
        body = {"data": {"type": "list", "attributes": {"name": "VIP", "opt_in_process": "maybe"}}}
        answer = klaviyo.client.post("/api/lists", headers=HEADERS, json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"]["pointer"] == "/data/attributes/opt_in_process"
        assert klaviyo.refusals() == ["document"]
        assert klaviyo.last_call()["valid"] is False

    def test_a_parameter_that_does_not_exist_is_refused(self, documents: Path, klaviyo: Any) -> None:
        answer = klaviyo.client.get("/api/lists?page[number]=2", headers=HEADERS)
        assert answer.json()["errors"][0]["source"] == {"parameter": "page[number]"}

    def test_a_wrong_answer_of_our_own_is_a_fault(
        self, documents: Path, klaviyo: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sandbox.klaviyo.documents.account", lambda _: {"type": "account"})
        answer = klaviyo.client.get("/api/accounts", headers=HEADERS)
        assert answer.status_code == 500
        assert set(klaviyo.refusals()) == {"answer"}

    @pytest.mark.parametrize("wanted", ['contains(email,"a")', "any(email,[", 'equals(nope,"a")'])
    def test_a_filter_that_klaviyo_would_not_read_is_refused(self, klaviyo: Any, wanted: str) -> None:
        answer = klaviyo.client.get("/api/profiles", params={"filter": wanted}, headers=HEADERS)
        assert answer.status_code == 400
        assert klaviyo.refusals() == ["limit"]

    def test_no_secret_is_kept(self, library: Library, klaviyo: Any) -> None:
        library.accounts.get_accounts(options=PLAIN)
        assert klaviyo.last_call()["headers"]["Authorization"] == "Klaviyo-API-Key [hidden]"


class TestThePage:
    def test_shows_lists_members_consent_jobs_and_calls(self, library: Library, klaviyo: Any) -> None:
        made = library.make_list("Summer buyers")
        klaviyo.post("/sandbox/profiles", {"email": "no@shop.example", "consent": "UNSUBSCRIBED"})
        library.start_import(made, {"email": "no@shop.example", "first_name": "<b>Ann</b>"})
        page = klaviyo.client.get(f"/sandbox?list={made}").text
        for text in ("Summer buyers", "no@shop.example", "unsubscribed", "complete", "&lt;b&gt;Ann"):
            assert text in page

    def test_its_form_changes_consent_as_the_person_would(self, klaviyo: Any) -> None:
        form = {"email": "ann@shop.example", "consent": "SUBSCRIBED"}
        assert klaviyo.client.post("/sandbox/profiles", data=form).status_code == 303
        assert klaviyo.state()["consent"] == {"ann@shop.example": "SUBSCRIBED"}

    def test_a_reset_brings_back_the_first_day(self, library: Library, klaviyo: Any) -> None:
        first = klaviyo.state()
        library.start_import(library.make_list(), {"email": "ann@shop.example"})
        klaviyo.post("/sandbox/reset", {})
        assert klaviyo.state() == first
        assert klaviyo.calls() == []
