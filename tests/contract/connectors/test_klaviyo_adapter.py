"""What the Klaviyo adapter does at Klaviyo, and what it makes of Klaviyo's moods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connectors import klaviyo as adapter_module
from connectors.base import (
    TARGET_GONE,
    Member,
    Misconfigured,
    NotAuthorised,
    TargetWish,
    Throttled,
    Transient,
)
from tests.contract.connectors.conftest import QuickPace, opened, people, results, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.base import AudienceDestination
    from connectors.registry import VendorConnectors
    from tests.contract.standins.conftest import Running

NOW = datetime(2026, 11, 23, tzinfo=UTC)
IMPORT = "POST /api/profile-bulk-import-jobs"


@pytest.fixture
def destination(klaviyo: Running, connectors_for: Callable[..., VendorConnectors]) -> Iterator[AudienceDestination]:
    made = opened(connectors_for("klaviyo", klaviyo), "klaviyo")
    yield made
    made.close()


@pytest.fixture
def list_id(destination: AudienceDestination) -> str:
    return destination.ensure_target(TargetWish(name="Encore: VIP")).id


def on_list(klaviyo: Running, list_id: str) -> list[str]:
    return next(row["members"] for row in klaviyo.state()["lists"] if row["id"] == list_id)


class TestAccountAndLists:
    def test_the_account_is_named(self, destination: AudienceDestination) -> None:
        account = destination.check()
        assert account.id
        assert account.name

    def test_a_wrong_key_says_what_to_do(
        self, klaviyo: Running, connectors_for: Callable[..., VendorConnectors]
    ) -> None:
        destination = opened(connectors_for("klaviyo", klaviyo), "klaviyo", "pk_wrong")
        with pytest.raises(NotAuthorised, match="connect again"):
            destination.check()

    def test_all_pages_of_lists_are_found(self, destination: AudienceDestination) -> None:
        for number in range(11):  # Klaviyo tells ten lists a page
            destination.ensure_target(TargetWish(name=f"List {number}"))
        names = [target.name for target in destination.discover().targets]
        assert names == ["Newsletter", "Loyalty programme", *(f"List {n}" for n in range(11))]

    def test_a_list_is_told_with_its_size(self, destination: AudienceDestination, list_id: str) -> None:
        sent(destination.add_members(list_id, people(3)))
        target = destination.target(list_id)
        assert (target.name, target.kind, target.member_count) == ("Encore: VIP", "list", 3)

    def test_a_list_that_is_gone_is_misconfigured(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        klaviyo.app.extensions["standin"].data.delete_list(list_id)
        with pytest.raises(Misconfigured) as caught:
            destination.target(list_id)
        assert caught.value.code == TARGET_GONE

    def test_a_list_is_not_made_twice_when_the_answer_is_lost(
        self, klaviyo: Running, destination: AudienceDestination
    ) -> None:
        klaviyo.fault("POST /api/lists", "answer_lost")
        with pytest.raises(Transient):
            destination.ensure_target(TargetWish(name="Once"))
        assert [row["name"] for row in klaviyo.state()["lists"]].count("Once") == 1


class TestAdding:
    def test_a_job_is_pending_and_then_finished(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        klaviyo.post("/sandbox/settings", {"job_seconds": 5})
        outcomes = sent(destination.add_members(list_id, people(3)))
        assert results(outcomes) == {1: "pending", 2: "pending", 3: "pending"}
        job_id = outcomes[0].job_id or ""
        assert not destination.poll(job_id).finished
        klaviyo.time.pass_(6)
        state = destination.poll(job_id)
        assert (state.finished, state.failures, state.lost) == (True, (), False)
        assert on_list(klaviyo, list_id) == ["ann1@example.com", "ann2@example.com", "ann3@example.com"]

    def test_sending_twice_changes_nothing(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        sent(destination.add_members(list_id, people(3)))
        before = klaviyo.state()
        sent(destination.add_members(list_id, people(3)))
        after = klaviyo.state()
        assert after["lists"] == before["lists"]
        assert after["consent"] == before["consent"]

    def test_consent_stays_as_it_is_for_everyone(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        data = klaviyo.app.extensions["standin"].data
        data.seed_profile({"email": "ann1@example.com", "consent": "UNSUBSCRIBED"}, NOW)
        data.seed_profile({"email": "ann2@example.com", "consent": "SUBSCRIBED"}, NOW)
        sent(destination.add_members(list_id, people(3, consent="confirmed")))
        assert klaviyo.state()["consent"] == {
            "ann1@example.com": "UNSUBSCRIBED",
            "ann2@example.com": "SUBSCRIBED",
            "ann3@example.com": "NEVER_SUBSCRIBED",
        }

    def test_a_name_that_we_lack_does_not_blank_theirs(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        data = klaviyo.app.extensions["standin"].data
        data.seed_profile({"email": "ann1@example.com", "last_name": "Marlowe"}, NOW)
        sent(destination.add_members(list_id, [Member(1, "ann1@example.com", first_name="Ann")]))
        profile = klaviyo.state()["profiles"][0]
        assert (profile["first_name"], profile["last_name"]) == ("Ann", "Marlowe")

    def test_an_invalid_row_among_many_fails_alone_with_its_reason(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        members = [*people(20), Member(99, "no at sign.example.com")]
        outcomes = sent(destination.add_members(list_id, members))
        failures = destination.poll(outcomes[0].job_id or "").failures
        assert [(f.email, f.code, f.message) for f in failures] == [
            ("no at sign.example.com", "invalid", "Invalid email address")
        ]
        assert len(on_list(klaviyo, list_id)) == 20

    def test_more_failures_than_a_page_are_all_told(self, destination: AudienceDestination, list_id: str) -> None:
        members = [Member(n, f"broken{n}") for n in range(150)]
        outcomes = sent(destination.add_members(list_id, members))
        failures = destination.poll(outcomes[0].job_id or "").failures
        assert {failure.email for failure in failures} == {f"broken{n}" for n in range(150)}

    def test_a_request_keeps_both_limits(
        self,
        klaviyo: Running,
        destination: AudienceDestination,
        list_id: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(adapter_module, "PROFILES_PER_JOB", 4)
        sizes = [len(batch) for batch in destination.add_members(list_id, people(10))]
        assert sizes == [4, 4, 2]
        monkeypatch.setattr(adapter_module, "BYTES_PER_JOB", 250)
        list(destination.add_members(list_id, people(10)))
        bodies = [call["bytes"] for call in klaviyo.calls() if f"POST {call['path']}" == IMPORT][3:]
        assert max(bodies) < 250 + 200  # rows and the envelope around them
        assert len(bodies) > 3

    def test_ten_thousand_profiles_are_one_call(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        assert [len(batch) for batch in destination.add_members(list_id, people(10_001))] == [10_000, 1]
        assert len(on_list(klaviyo, list_id)) == 10_001
        assert klaviyo.refusals() == []

    def test_the_next_request_waits_until_the_caller_asks(
        self,
        klaviyo: Running,
        destination: AudienceDestination,
        list_id: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(adapter_module, "PROFILES_PER_JOB", 2)
        requests = destination.add_members(list_id, people(6))
        next(requests)
        assert len(on_list(klaviyo, list_id)) == 2

    def test_a_job_that_klaviyo_forgot_is_lost(self, destination: AudienceDestination) -> None:
        assert destination.poll("no-such-job").lost

    def test_a_request_refused_whole_still_gets_the_good_rows_through(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        klaviyo.fault(IMPORT, "400")  # no row named: parts are tried
        outcomes = sent(destination.add_members(list_id, people(4)))
        assert [outcome.result for outcome in outcomes] == ["pending"] * 4
        assert len(on_list(klaviyo, list_id)) == 4


class TestRemoving:
    def test_members_are_looked_up_and_taken_off(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        sent(destination.add_members(list_id, people(5)))
        outcomes = sent(destination.remove_members(list_id, people(3)))
        assert results(outcomes) == {1: "done", 2: "done", 3: "done"}
        assert all(outcome.remote_id for outcome in outcomes)
        assert on_list(klaviyo, list_id) == ["ann4@example.com", "ann5@example.com"]

    def test_consent_and_profile_survive(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        data = klaviyo.app.extensions["standin"].data
        data.seed_profile({"email": "ann1@example.com", "consent": "SUBSCRIBED", "lists": [list_id]}, NOW)
        sent(destination.remove_members(list_id, people(1)))
        assert klaviyo.state()["consent"] == {"ann1@example.com": "SUBSCRIBED"}

    def test_someone_who_is_not_there_counts_as_removed(self, destination: AudienceDestination, list_id: str) -> None:
        assert results(sent(destination.remove_members(list_id, people(2)))) == {1: "done", 2: "done"}

    def test_a_known_id_needs_no_look_up(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        sent(destination.add_members(list_id, people(1)))
        (page,) = list(destination.read_back(list_id))
        calls = len(klaviyo.calls())
        member = Member(1, "ann1@example.com", remote_id=page[0].remote_id)
        sent(destination.remove_members(list_id, [member]))
        assert [call["method"] for call in klaviyo.calls()[calls:]] == ["DELETE"]
        assert on_list(klaviyo, list_id) == []

    def test_a_stale_id_is_looked_up_anew(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        sent(destination.add_members(list_id, people(1)))
        klaviyo.fault("DELETE /api/lists/*", "404")
        member = Member(1, "ann1@example.com", remote_id="01STALE")
        (outcome,) = sent(destination.remove_members(list_id, [member]))
        assert outcome.remote_id not in {None, "01STALE"}
        assert on_list(klaviyo, list_id) == []

    def test_addresses_are_looked_up_a_hundred_at_a_time(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        sent(destination.add_members(list_id, people(230)))
        calls = len(klaviyo.calls())
        sent(destination.remove_members(list_id, people(230)))
        assert [call["method"] for call in klaviyo.calls()[calls:]] == ["GET", "GET", "GET", "DELETE"]
        assert on_list(klaviyo, list_id) == []

    def test_an_address_with_quotes_and_plus_is_found(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        members = [Member(1, "o'hara+club@example.com")]
        sent(destination.add_members(list_id, members))
        sent(destination.remove_members(list_id, members))
        assert on_list(klaviyo, list_id) == []


class TestReadBack:
    def test_all_pages_come(self, destination: AudienceDestination, list_id: str) -> None:
        sent(destination.add_members(list_id, people(150)))
        pages = list(destination.read_back(list_id))
        assert [len(page) for page in pages] == [100, 50]
        assert all(member.remote_id for page in pages for member in page)


class TestFaults:
    @pytest.mark.parametrize("kind", ["500", "503", "reset", "answer_lost", "truncated", "html", "empty_body"])
    def test_a_passing_fault_is_ridden_out_and_nobody_is_lost(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str, kind: str
    ) -> None:
        klaviyo.fault(IMPORT, kind, count=2)
        outcomes = sent(destination.add_members(list_id, people(3)))
        assert results(outcomes) == {1: "pending", 2: "pending", 3: "pending"}
        assert len(on_list(klaviyo, list_id)) == 3

    def test_the_vendor_s_wait_is_kept(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str, pace: QuickPace
    ) -> None:
        klaviyo.fault(IMPORT, "429", count=2, retry_after=7)
        sent(destination.add_members(list_id, people(1)))
        assert len([wait for wait in pace.slept if 7 <= wait < 8]) == 2

    def test_a_long_wait_is_handed_to_the_caller(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str, pace: QuickPace
    ) -> None:
        klaviyo.fault(IMPORT, "429", retry_after=3600)
        with pytest.raises(Throttled) as caught:
            sent(destination.add_members(list_id, people(1)))
        assert caught.value.retry_after == 3600
        assert pace.slept == []

    def test_a_vendor_that_stays_down_is_given_up(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        klaviyo.fault(IMPORT, "502", count=50)
        before = len(klaviyo.calls())
        with pytest.raises(Transient, match="502"):
            sent(destination.add_members(list_id, people(1)))
        assert len(klaviyo.calls()) - before == 5

    def test_a_call_that_hangs_ends_in_a_timeout_and_is_not_repeated_at_once(
        self, klaviyo: Running, connectors_for: Callable[..., VendorConnectors], list_id: str, pace: QuickPace
    ) -> None:
        hasty = opened(connectors_for("klaviyo", klaviyo, read_timeout=2, attempts=2), "klaviyo")
        klaviyo.fault("GET /api/lists/*", "hang", seconds=30)
        assert hasty.target(list_id).name == "Encore: VIP"
        assert max(pace.slept) >= 5
        hasty.close()

    def test_a_key_revoked_in_between_asks_to_reconnect(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        klaviyo.fault(IMPORT, "401")
        with pytest.raises(NotAuthorised):
            sent(destination.add_members(list_id, people(1)))

    def test_no_message_holds_an_address(
        self, klaviyo: Running, destination: AudienceDestination, list_id: str
    ) -> None:
        outcomes = sent(destination.add_members(list_id, [Member(1, "ann1@example.com\x00")]))
        state = destination.poll(outcomes[0].job_id or "")
        assert "ann1" not in str([failure.message for failure in state.failures])


class TestPace:
    def test_a_burst_is_spread_over_the_vendor_s_window(
        self, klaviyo: Running, connectors_for: Callable[..., VendorConnectors], pace: QuickPace
    ) -> None:
        destination = opened(connectors_for("klaviyo", klaviyo), "klaviyo")
        for _ in range(3):
            destination.check()  # one a second, fifteen a minute
        assert len(pace.slept) == 2
        assert sum(pace.slept) > 1.5

    def test_two_openings_of_one_account_share_its_windows(
        self, klaviyo: Running, connectors_for: Callable[..., VendorConnectors], pace: QuickPace
    ) -> None:
        connectors = connectors_for("klaviyo", klaviyo)
        opened(connectors, "klaviyo").check()
        opened(connectors, "klaviyo").check()
        assert len(pace.slept) == 1

    def test_connections_are_kept(self, destination: AudienceDestination, list_id: str) -> None:
        for _ in range(5):
            destination.discover()
        pool: Any = destination._client.rest_client.pool_manager.pools  # type: ignore[attr-defined]
        (only,) = [pool[key] for key in pool.keys()]  # noqa: SIM118 - not a dictionary
        assert only.num_connections == 1
