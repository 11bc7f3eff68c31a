"""What the vendor was asked for and never confirmed, what it refuses whole, and who is asked for again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pyroaring import BitMap
from sqlalchemy import select

from app.services import connections_syncs, erase
from app.store.models.connections import Sync, SyncMember, SyncRun
from connectors.base import RowRejected, Transient
from connectors.klaviyo import Klaviyo
from connectors.mailchimp import Mailchimp
from tests.contract.connectors.conftest import KEYS
from tests.integration.sync.checks import adds_up, reasons, stored
from tests.integration.sync.conftest import addresses

if TYPE_CHECKING:
    from tests.integration.sync.conftest import ShopUnderTest

ADDING = {"klaviyo": "POST /api/profile-bulk-import-jobs", "mailchimp": "POST /3.0/lists/*/segments/*"}
ALWAYS = 100_000


def well_again(shop: ShopUnderTest) -> None:
    shop.standin.client.delete("/sandbox/faults").raise_for_status()
    shop.standin.time.pass_(60)


class TestALostAnswer:
    def test_who_left_meanwhile_is_taken_off(self, shop: ShopUnderTest) -> None:
        members, joining = shop.customers(range(1, 21)), shop.customers(range(21, 26))
        shop.connect()
        shop.run(members)
        shop.standin.fault(ADDING[shop.vendor], "answer_lost", count=5)
        assert shop.run(members | joining).state == "failed"
        well_again(shop)
        assert shop.there() == addresses(members | joining)  # the vendor did it, and nobody told us
        result = shop.run(members)
        assert (result.state, result.counts["removed"]) == ("done", 5)
        assert shop.there() == addresses(members)

    def test_who_is_a_member_still_is_sent_again_and_counts_as_added(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.standin.fault(ADDING[shop.vendor], "answer_lost", count=5)
        shop.run(members)
        well_again(shop)
        result = shop.run(members)
        assert (result.state, result.counts["added"]) == ("done", 20)
        assert shop.run(members).counts["unchanged"] == 20

    def test_the_address_is_sealed_while_it_is_on_its_way(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        shop.connect()
        shop.standin.fault(ADDING[shop.vendor], "answer_lost", count=5)
        shop.run(members)
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = session.scalars(select(SyncMember)).all()
        assert [(row.state, row.at_vendor) for row in rows] == [("sending", True)] * 3
        assert all(row.sealed_address and b"example.com" not in row.sealed_address for row in rows)

    def test_what_one_part_of_a_request_brought_is_kept_when_the_next_fails(
        self, shop: ShopUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        members = shop.customers(range(1, 9))
        shop.connect()
        adapter, method = {"klaviyo": (Klaviyo, "_import"), "mailchimp": (Mailchimp, "_add")}[shop.vendor]
        real, faults = getattr(adapter, method), [RowRejected("invalid", "One of these."), None, Transient("Down.")]

        def send(*arguments: Any) -> Any:
            fault = faults.pop(0)
            if fault is not None:
                raise fault
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(adapter, method, send)
            assert shop.run(members).state == "failed"
        with shop.rooms.store.reading(shop.ctx) as session:
            states = [row.state for row in session.scalars(select(SyncMember))]
        assert sorted(states) == [{"klaviyo": "pending", "mailchimp": "present"}[shop.vendor], *["sending"] * 7]
        assert shop.run(members).counts["added"] == 7
        assert shop.there() == addresses(members)

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_job_that_was_lost_forgets_nobody_whom_it_put_there(self, shop: ShopUnderTest) -> None:
        members, joining = shop.customers(range(1, 21)), shop.customers(range(21, 26))
        shop.connect()
        shop.run(members)
        shop.standin.fault("GET /api/profile-bulk-import-jobs/*", "404", count=1)
        lost = shop.run(members | joining)
        assert reasons(shop, lost.run_id)["failed", "job_lost"] == list(joining)
        well_again(shop)
        assert shop.there() == addresses(members | joining)
        assert shop.run(members).counts["removed"] == 5
        assert shop.there() == addresses(members)


class TestARequestThatIsRefused:
    def test_whoever_is_in_it_marks_nobody_and_pauses_with_the_reason(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 41))
        shop.connect()
        shop.standin.fault(ADDING[shop.vendor], "400", count=ALWAYS)
        results = []
        calls = shop.calls_of(lambda: results.append(shop.run(members)))
        assert sum(call["method"] == "POST" for call in calls) <= 8
        assert results[0].state == "failed"
        assert adds_up(results[0].counts)
        shown = connections_syncs.get(shop.rooms, shop.ctx, shop.sync_id)
        assert "Every request is refused" in shown["problem"]
        assert stored(shop, Sync, 1).state == "paused"
        well_again(shop)
        connections_syncs.resume(shop.rooms, shop.ctx, shop.sync_id)
        assert shop.run(members).counts["added"] == 40
        assert shop.there() == addresses(members)

    def test_with_one_member_in_it_is_tried_again(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 2))
        shop.connect()
        shop.standin.fault(ADDING[shop.vendor], "400", count=ALWAYS)
        assert shop.run(members).counts["failed"] == 1
        well_again(shop)
        assert shop.run(members).counts["added"] == 1
        assert shop.there() == addresses(members)


class TestARunThatStops:
    def test_has_an_outcome_for_everyone(self, shop: ShopUnderTest) -> None:
        members, joining = shop.customers(range(1, 11)), shop.customers(range(11, 21))
        shop.connect()
        shop.run(members)
        shop.standin.fault(ADDING[shop.vendor], "503", count=ALWAYS)
        result = shop.run(members | joining)
        assert result.state == "failed"
        assert adds_up(result.counts)
        assert reasons(shop, result.run_id) == {("unchanged", ""): list(members), ("failed", "not_sent"): list(joining)}
        assert stored(shop, SyncRun, result.run_id).queried == 20

    def test_before_it_began_too(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.standin.fault("GET *", "503", count=ALWAYS)
        result = shop.run(members)
        assert reasons(shop, result.run_id) == {("failed", "not_sent"): list(members)}
        assert stored(shop, SyncRun, result.run_id).queried == 10

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_while_the_vendor_works_says_so(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.standin.fault("GET /api/profile-bulk-import-jobs/*", "503", count=ALWAYS)
        result = shop.run(members)
        assert result.state == "failed"
        assert reasons(shop, result.run_id) == {("failed", "in_progress"): list(members)}

    def test_to_ask_for_approval_too(self, shop: ShopUnderTest) -> None:
        members, joining = shop.customers(range(1, 11)), shop.customers(range(11, 13))
        shop.connect()
        shop.run(members)
        staying = BitMap(range(1, 4))
        result = shop.run(staying | joining)
        assert result.state == "needs_approval"
        assert adds_up(result.counts)
        assert reasons(shop, result.run_id) == {
            ("unchanged", ""): list(staying),
            ("skipped", "waits_for_approval"): list(joining),
        }


class TestTheErased:
    def test_are_taken_off_by_the_next_run_of_a_sync_by_hand(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect(schedule="manual")
        shop.run(members)
        erase.erase_customer(shop.rooms, shop.ctx, 1003)
        result = shop.run(members)
        assert result.counts["removed"] == 1
        assert shop.there() == addresses(members - BitMap([3]))

    def test_wait_for_nobodys_approval(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        erase.erase_customer(shop.rooms, shop.ctx, 1003)
        result = shop.run(members & BitMap(range(1, 6)))
        assert (result.state, result.counts["removed"]) == ("needs_approval", 1)
        assert shop.there() == addresses(members - BitMap([3]))

    def test_alone_need_no_approval_even_if_they_are_all(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 3))
        shop.connect()
        shop.run(members)
        erase.erase_customer(shop.rooms, shop.ctx, 1001)
        assert shop.run(members).state == "done"
        assert shop.there() == addresses(BitMap([2]))


@pytest.mark.parametrize("vendor", ["mailchimp"], indirect=True)
class TestWhoWasLeftOut:
    def test_is_tagged_within_a_day_after_she_joined_the_audience_herself(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11), email_consent="NOT_SUBSCRIBED")
        shop.connect()
        assert shop.run(members).counts["skipped"] == 10
        self.joins(shop, "ann3@example.com")
        assert shop.rows_sent(shop.calls_of(lambda: shop.run(members))) == ([], [])
        shop.clock.advance(timedelta(days=1))
        result = shop.run(members)
        assert (result.counts["added"], result.counts["skipped"]) == (1, 9)
        assert shop.there() == ["ann3@example.com"]
        assert shop.consent() == {"ann3@example.com": "subscribed"}

    def test_is_asked_for_once_a_day(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11), email_consent="NOT_SUBSCRIBED")
        shop.connect()
        shop.run(members)
        shop.clock.advance(timedelta(days=1))
        joined, _ = shop.rows_sent(shop.calls_of(lambda: shop.run(members)))
        assert sorted(joined) == addresses(members)
        assert shop.rows_sent(shop.calls_of(lambda: shop.run(members))) == ([], [])

    def joins(self, shop: ShopUnderTest, address: str) -> None:
        audience = stored(shop, Sync, 1).target_id.split(":")[0]
        answer = requests.post(
            f"{shop.standin.url}/3.0/lists/{audience}",
            auth=("user", KEYS["mailchimp"]),
            json={"members": [{"email_address": address, "status": "subscribed"}], "update_existing": False},
            timeout=10,
        )
        answer.raise_for_status()
