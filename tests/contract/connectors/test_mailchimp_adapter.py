"""What the Mailchimp adapter does at Mailchimp, and what it makes of Mailchimp's moods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connectors.base import (
    TARGET_GONE,
    Member,
    Misconfigured,
    NotAuthorised,
    RowRejected,
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


@pytest.fixture
def destination(mailchimp: Running, connectors_for: Callable[..., VendorConnectors]) -> Iterator[AudienceDestination]:
    made = opened(connectors_for("mailchimp", mailchimp), "mailchimp")
    yield made
    made.close()


@pytest.fixture
def audience(mailchimp: Running) -> str:
    return str(mailchimp.state()["lists"][0]["id"])


@pytest.fixture
def tag(destination: AudienceDestination, audience: str) -> str:
    return destination.ensure_target(TargetWish(name="Encore: VIP", container_id=audience)).id


def tagged(mailchimp: Running, target_id: str) -> list[str]:
    segment = int(target_id.partition(":")[2])
    return next(row["members"] for row in mailchimp.state()["tags"] if row["id"] == segment)


def seed(mailchimp: Running, **given: Any) -> None:
    mailchimp.app.extensions["standin"].data.seed_member(given, NOW)


class TestAccountAndTags:
    def test_the_account_is_named(self, destination: AudienceDestination) -> None:
        account = destination.check()
        assert account.id
        assert account.name

    def test_a_wrong_key_says_what_to_do(
        self, mailchimp: Running, connectors_for: Callable[..., VendorConnectors]
    ) -> None:
        destination = opened(connectors_for("mailchimp", mailchimp), "mailchimp", "wrong-us1")
        with pytest.raises(NotAuthorised, match="connect again"):
            destination.check()

    def test_audiences_and_their_tags_are_found(
        self, destination: AudienceDestination, audience: str, tag: str
    ) -> None:
        found = destination.discover()
        assert [container.id for container in found.containers] == [audience]
        assert [(target.id, target.name, target.container_id) for target in found.targets] == [
            (tag, "Encore: VIP", audience)
        ]

    def test_a_tag_is_told_with_its_size_and_audience(self, destination: AudienceDestination, tag: str) -> None:
        sent(destination.add_members(tag, people(3, consent="single")))
        target = destination.target(tag)
        assert (target.name, target.kind, target.member_count) == ("Encore: VIP", "tag", 3)
        assert target.container_name

    def test_a_tag_that_is_gone_is_misconfigured(
        self, mailchimp: Running, destination: AudienceDestination, audience: str, tag: str
    ) -> None:
        data = mailchimp.app.extensions["standin"].data
        data.delete_tag(data.tag(audience, tag.partition(":")[2]))
        with pytest.raises(Misconfigured) as caught:
            destination.target(tag)
        assert caught.value.code == TARGET_GONE

    def test_a_new_tag_needs_an_audience(self, destination: AudienceDestination) -> None:
        with pytest.raises(Misconfigured, match="audience"):
            destination.ensure_target(TargetWish(name="Nowhere"))

    def test_a_taken_name_is_refused(self, destination: AudienceDestination, audience: str, tag: str) -> None:
        with pytest.raises(RowRejected, match="already exists"):
            destination.ensure_target(TargetWish(name="Encore: VIP", container_id=audience))

    def test_server_in_an_id_reaches_mailchimp_as_it_is(
        self, mailchimp: Running, destination: AudienceDestination
    ) -> None:
        # The library would replace the word by its data centre.
        with pytest.raises(Misconfigured):
            destination.target("server1:2")
        assert mailchimp.last_call()["path"].endswith("/lists/server1")


class TestConsent:
    def test_people_who_consented_come_in_as_subscribed(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        outcomes = sent(destination.add_members(tag, people(2, consent="single")))
        assert results(outcomes) == {1: "done", 2: "done"}
        assert mailchimp.state()["consent"] == {
            "ann1@example.com": "subscribed",
            "ann2@example.com": "subscribed",
        }

    def test_people_without_consent_are_left_out_with_the_reason(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        outcomes = sent(destination.add_members(tag, people(2)))
        assert [(o.result, o.code) for o in outcomes] == [("skipped", "no_consent")] * 2
        assert mailchimp.state()["consent"] == {}

    def test_they_come_in_as_transactional_if_the_merchant_says_so(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        outcomes = sent(destination.add_members(tag, people(1), without_consent="transactional"))
        assert results(outcomes) == {1: "done"}
        assert mailchimp.state()["consent"] == {"ann1@example.com": "transactional"}

    @pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "transactional", "pending"])
    @pytest.mark.parametrize("consent", ["none", "confirmed"])
    def test_whoever_the_audience_knows_is_tagged_and_keeps_the_status(
        self, mailchimp: Running, destination: AudienceDestination, tag: str, status: str, consent: Any
    ) -> None:
        seed(mailchimp, email="ann1@example.com", status=status)
        outcomes = sent(destination.add_members(tag, people(1, consent=consent)))
        assert results(outcomes) == {1: "done"}
        assert mailchimp.state()["consent"] == {"ann1@example.com": status}
        assert tagged(mailchimp, tag) == ["ann1@example.com"]

    def test_an_audience_that_asks_to_confirm_takes_only_confirmed_consent(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        with mailchimp.app.extensions["standin"].data.db.writing() as db:
            db.execute("UPDATE lists SET double_optin = 1")
        single = Member(1, "ann1@example.com", consent="single")
        confirmed = Member(2, "ann2@example.com", consent="confirmed")
        outcomes = sent(destination.add_members(tag, [single, confirmed]))
        assert {o.key: (o.result, o.code) for o in outcomes} == {
            1: ("skipped", "consent_not_confirmed"),
            2: ("done", ""),
        }
        assert mailchimp.state()["consent"] == {"ann2@example.com": "subscribed"}

    def test_leaving_takes_the_tag_and_nothing_else(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        seed(mailchimp, email="ann1@example.com", status="subscribed", tags=["Encore: VIP"])
        assert results(sent(destination.remove_members(tag, people(1)))) == {1: "done"}
        assert tagged(mailchimp, tag) == []
        assert mailchimp.state()["consent"] == {"ann1@example.com": "subscribed"}


class TestAddingAndRemoving:
    def test_five_hundred_go_in_a_call(self, mailchimp: Running, destination: AudienceDestination, tag: str) -> None:
        sizes = [len(batch) for batch in destination.add_members(tag, people(1001, consent="single"))]
        assert sizes == [500, 500, 1]
        assert len(tagged(mailchimp, tag)) == 1001
        assert mailchimp.refusals() == []

    def test_sending_twice_changes_nothing(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        sent(destination.add_members(tag, people(40, consent="single")))
        before = mailchimp.state()
        outcomes = sent(destination.add_members(tag, people(40, consent="single")))
        assert set(results(outcomes).values()) == {"done"}
        after = mailchimp.state()
        assert (after["tags"], after["consent"]) == (before["tags"], before["consent"])

    def test_an_address_that_mailchimp_refuses_fails_alone_with_its_reason(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        members = [*people(20, consent="single"), Member(99, "broken", consent="single")]
        outcomes = sent(destination.add_members(tag, members))
        (failed,) = [outcome for outcome in outcomes if outcome.result == "failed"]
        assert failed.key == 99
        assert failed.code
        assert failed.message
        assert len(tagged(mailchimp, tag)) == 20

    def test_someone_deleted_for_good_fails_with_that_reason(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        seed(mailchimp, email="ann1@example.com", forgotten=True)
        (outcome,) = sent(destination.add_members(tag, people(1, consent="single")))
        assert (outcome.result, outcome.code) == ("failed", "forgotten")

    def test_a_first_load_reads_the_tag_once_however_many_are_left_out(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        members = people(1500)
        outcomes = sent(destination.add_members(tag, members))
        assert {o.result for o in outcomes} == {"skipped"}
        reads = [c for c in mailchimp.calls() if c["path"].endswith("/members") and c["method"] == "GET"]
        assert len(reads) == 1

    def test_removing_someone_who_is_not_there_counts_as_removed(
        self, destination: AudienceDestination, tag: str
    ) -> None:
        assert results(sent(destination.remove_members(tag, people(30)))) == dict.fromkeys(range(1, 31), "done")

    def test_someone_comes_back_after_leaving(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        for _ in range(2):
            sent(destination.add_members(tag, people(30, consent="single")))
            assert len(tagged(mailchimp, tag)) == 30
            sent(destination.remove_members(tag, people(30)))
            assert tagged(mailchimp, tag) == []

    def test_read_back_shows_every_status(self, mailchimp: Running, destination: AudienceDestination, tag: str) -> None:
        statuses = ["subscribed", "unsubscribed", "cleaned", "transactional"]
        for number, status in enumerate(statuses, 1):
            seed(mailchimp, email=f"ann{number}@example.com", status=status, tags=["Encore: VIP"])
        found = {member.email for page in destination.read_back(tag) for member in page}
        assert found == {f"ann{n}@example.com" for n in range(1, 5)}


class TestFaults:
    @pytest.mark.parametrize("kind", ["500", "503", "reset", "answer_lost", "truncated", "html", "empty_body"])
    @pytest.mark.parametrize("route", ["POST /3.0/lists/??????????", "POST /3.0/lists/*/segments/*"])
    def test_a_passing_fault_is_ridden_out_and_nobody_is_lost(
        self, mailchimp: Running, destination: AudienceDestination, tag: str, kind: str, route: str
    ) -> None:
        mailchimp.fault(route, kind, count=2)
        outcomes = sent(destination.add_members(tag, people(3, consent="single")))
        assert results(outcomes) == {1: "done", 2: "done", 3: "done"}
        assert len(tagged(mailchimp, tag)) == 3
        assert mailchimp.get("/sandbox/faults")["faults"] == []

    @pytest.mark.parametrize(
        ("kind", "more"), [("429", {}), ("empty_body", {"status": 429}), ("empty_body", {"status": 403})]
    )
    def test_throttling_in_all_its_forms_is_waited_for(
        self,
        mailchimp: Running,
        destination: AudienceDestination,
        tag: str,
        pace: QuickPace,
        kind: str,
        more: dict[str, int],
    ) -> None:
        mailchimp.fault("POST *", kind, count=2, **more)
        outcomes = sent(destination.add_members(tag, people(1, consent="single")))
        assert results(outcomes) == {1: "done"}
        assert len(pace.slept) == 2

    def test_throttling_without_end_is_handed_to_the_caller(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        mailchimp.fault("*", "empty_body", count=50, status=429)
        with pytest.raises(Throttled):
            destination.target(tag)

    def test_an_error_without_a_body_is_an_error(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        mailchimp.fault("*", "empty_body", count=50, status=502)
        with pytest.raises(Transient, match="502"):
            destination.target(tag)

    def test_a_call_that_hangs_ends_in_a_timeout_and_is_not_repeated_at_once(
        self, mailchimp: Running, connectors_for: Callable[..., VendorConnectors], tag: str, pace: QuickPace
    ) -> None:
        hasty = opened(connectors_for("mailchimp", mailchimp, read_timeout=2, attempts=2), "mailchimp")
        mailchimp.fault("GET /3.0/lists/*", "hang", seconds=30)
        assert hasty.target(tag).name == "Encore: VIP"
        assert max(pace.slept) >= 5
        hasty.close()

    def test_a_key_revoked_in_between_asks_to_reconnect(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        mailchimp.fault("POST *", "401")
        with pytest.raises(NotAuthorised):
            sent(destination.add_members(tag, people(1, consent="single")))

    def test_a_refusal_in_words_is_no_throttling(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        mailchimp.fault("POST *", "403")  # with a problem document, unlike the bare 403 that means "slower"
        with pytest.raises(NotAuthorised, match="refuses access"):
            sent(destination.add_members(tag, people(1, consent="single")))

    def test_a_request_refused_whole_is_halved_until_the_rest_goes_through(
        self, mailchimp: Running, destination: AudienceDestination, tag: str
    ) -> None:
        mailchimp.fault("POST /3.0/lists/??????????", "400")
        outcomes = sent(destination.add_members(tag, people(4, consent="single")))
        assert set(results(outcomes).values()) == {"done"}
        assert len(tagged(mailchimp, tag)) == 4
