"""A segment is kept in a list or tag: only differences travel, and every member has an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyroaring import BitMap
from sqlalchemy import select

from app.services import connections_syncs
from app.services.sync_segment import Membership, preview_sync
from app.services.sync_segment_log import outcomes_of
from app.store.models.connections import Sync, SyncMember
from app.store.models.customers import Customer, Suppression
from tests.integration.sync.checks import adds_up, reasons
from tests.integration.sync.conftest import NOW, addresses

if TYPE_CHECKING:
    from tests.integration.sync.conftest import ShopUnderTest


class TestDifferences:
    def test_a_first_run_sends_all_and_a_second_nothing(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 61))
        shop.connect()
        first = shop.run(members)
        assert first.state == "done"
        assert first.counts["added"] == 60
        assert adds_up(first.counts)
        assert shop.there() == addresses(members)
        second = []
        calls = shop.calls_of(lambda: second.append(shop.run(members)))
        assert shop.rows_sent(calls) == ([], [])
        assert second[0].counts["unchanged"] == 60
        assert second[0].counts["added"] == 0

    def test_ten_join_and_seven_leave_and_exactly_these_seventeen_rows_go_out(self, shop: ShopUnderTest) -> None:
        everyone = shop.customers(range(1, 71))
        shop.connect()
        before = everyone - BitMap(range(61, 71))
        shop.run(before)
        after = everyone - BitMap(range(1, 8))
        results = []
        calls = shop.calls_of(lambda: results.append(shop.run(after)))
        joined, left = shop.rows_sent(calls)
        assert sorted(joined) == addresses(range(61, 71))
        assert len(left) == 7
        assert shop.there() == addresses(after)
        assert results[0].counts == {
            "queried": 63,
            "added": 10,
            "updated": 0,
            "unchanged": 53,
            "skipped": 0,
            "failed": 0,
            "removed": 7,
            "removal_failed": 0,
        }

    def test_someone_who_left_can_come_back(self, shop: ShopUnderTest) -> None:
        everyone = shop.customers(range(1, 21))
        shop.connect()
        shop.run(everyone)
        shop.run(everyone - BitMap([5]))
        assert len(shop.there()) == 19
        assert shop.run(everyone).counts["added"] == 1
        assert shop.there() == addresses(everyone)

    def test_a_changed_address_leaves_and_comes(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.run(members)
        shop.customer(3, "third@example.com")
        result = shop.run(members)
        assert (result.counts["added"], result.counts["removed"]) == (1, 1)
        assert shop.there() == sorted([*addresses(members - BitMap([3])), "third@example.com"])

    def test_a_new_order_of_a_member_sends_nothing(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        shop.customer(3)  # touched at a later moment, with the same contact
        calls = shop.calls_of(lambda: shop.run(members))
        assert shop.rows_sent(calls) == ([], [])

    def test_an_empty_segment_is_a_run_too(self, shop: ShopUnderTest) -> None:
        shop.connect()
        result = shop.run(BitMap())
        assert (result.state, result.counts["queried"]) == ("done", 0)

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_changed_name_is_an_update(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        shop.customer(3, contact={"first_name": "Zoe"})
        result = shop.run(members)
        assert (result.counts["updated"], result.counts["unchanged"]) == (1, 9)
        names = {row["email"]: row["first_name"] for row in shop.standin.state()["profiles"]}
        assert names["ann3@example.com"] == "Zoe"


class TestOutcomes:
    def test_whoever_can_t_be_sent_has_a_reason(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        members |= BitMap(
            [
                shop.customer(11, None),
                shop.customer(12, "not deliverable", email_valid=False),
                shop.customer(13, erased_at=NOW),
                shop.customer(14, merged_into=1),
                shop.customer(15),
                shop.customer(16, "Ann1@Example.com"),
                99,
            ]
        )
        with shop.rooms.store.session(shop.ctx) as session:
            email_hash = shop.rooms.vault.email_hash("ann15@example.com")
            session.add(
                Suppression(
                    shop_id=shop.ctx.shop_id, email_hash=email_hash, reason="hard_bounce", at=NOW, evidence=None
                )
            )
        shop.connect()
        result = shop.run(members)
        assert reasons(shop, result.run_id) == {
            ("added", ""): [1, 2, 3],
            ("skipped", "no_address"): [11],
            ("skipped", "invalid_address"): [12],
            ("skipped", "erased"): [13],
            ("skipped", "merged"): [14],
            ("skipped", "suppressed"): [15],
            ("skipped", "duplicate_address"): [16],
            ("skipped", "unknown_customer"): [99],
        }
        assert adds_up(result.counts)
        assert result.state == "done"

    def test_two_customers_with_one_address_are_one_row_until_both_left(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        members.add(shop.customer(50, "ann1@example.com"))
        shop.connect()
        shop.run(members)
        assert len(shop.there()) == 10
        result = shop.run(members - BitMap([1]))  # the other one still stands for the address
        assert result.counts["removed"] == result.counts["added"] == 0
        assert len(shop.there()) == 10
        assert shop.run(members - BitMap([1, 50])).counts["removed"] == 1
        assert len(shop.there()) == 9

    def test_a_refused_row_fails_alone_and_is_not_tried_until_it_changes(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 31))
        members.add(shop.customer(99, "broken@"))
        shop.connect()
        first = shop.run(members)
        assert first.state == "partial"
        assert (first.counts["added"], first.counts["failed"]) == (30, 1)
        assert adds_up(first.counts)
        calls = shop.calls_of(lambda: shop.run(members))
        assert shop.rows_sent(calls) == ([], [])
        shop.customer(99, "mended@example.com")
        third = shop.run(members)
        assert (third.state, third.counts["added"], third.counts["failed"]) == ("done", 1, 0)
        assert "mended@example.com" in shop.there()

    def test_an_unreadable_contact_fails_alone(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        members.add(shop.customer(4, contact={}))
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 4)).contact = b"sealed by a lost key"
        shop.connect()
        result = shop.run(members)
        assert reasons(shop, result.run_id)["failed", "unreadable_contact"] == [4]
        assert adds_up(result.counts)

    def test_someone_suppressed_later_is_taken_off(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        shop.customer(4, erased_at=NOW, email_hash=None)
        result = shop.run(members)
        assert result.counts["removed"] == 1
        assert "ann4@example.com" not in shop.there()

    def test_no_address_stands_open_in_what_is_remembered_or_logged(
        self, shop: ShopUnderTest, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        members = shop.customers(range(1, 6))
        members.add(shop.customer(99, "broken@"))
        shop.connect()
        result = shop.run(members)
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = session.scalars(select(SyncMember)).all()
            remembered = "".join(str(vars(row)) for row in rows)
            remembered += "".join(group.message for group in outcomes_of(session, shop.ctx, result.run_id))
        logged = capsys.readouterr()
        for text in (remembered, logged.out, logged.err, caplog.text):
            assert "example.com" not in text
            assert "broken@" not in text


class TestConsent:
    def test_what_the_vendor_knows_of_consent_stays_as_it_is(self, shop: ShopUnderTest) -> None:
        data = shop.standin.app.extensions["standin"].data
        if shop.vendor == "klaviyo":
            data.seed_profile({"email": "ann1@example.com", "consent": "UNSUBSCRIBED"}, NOW)
        else:
            data.seed_member({"email": "ann1@example.com", "status": "unsubscribed"}, NOW)
        before = shop.consent()
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        assert "ann1@example.com" in shop.there()
        assert shop.consent()["ann1@example.com"] == before["ann1@example.com"]
        shop.run(members - BitMap([1]))
        assert "ann1@example.com" not in shop.there()
        assert shop.consent()["ann1@example.com"] == before["ann1@example.com"]

    @pytest.mark.parametrize("vendor", ["mailchimp"], indirect=True)
    def test_members_without_consent_are_left_out_until_they_consent(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 6))
        members.add(shop.customer(9, email_consent="NOT_SUBSCRIBED"))
        shop.connect()
        first = shop.run(members)
        assert reasons(shop, first.run_id)["skipped", "no_consent"] == [9]
        calls = shop.calls_of(lambda: shop.run(members))
        assert shop.rows_sent(calls) == ([], [])
        shop.customer(9)
        assert shop.run(members).counts["added"] == 1
        assert shop.consent()["ann9@example.com"] == "subscribed"

    @pytest.mark.parametrize("vendor", ["mailchimp"], indirect=True)
    def test_the_merchant_may_let_them_in_as_transactional(self, shop: ShopUnderTest) -> None:
        members = BitMap([shop.customer(9, email_consent="UNSUBSCRIBED")])
        shop.connect()
        assert shop.run(members).counts["skipped"] == 1
        connections_syncs.change(shop.rooms, shop.ctx, shop.sync_id, None, "transactional")
        assert shop.run(members).counts["added"] == 1
        assert shop.consent() == {"ann9@example.com": "transactional"}

    def test_no_call_ever_asks_to_subscribe_or_unsubscribe(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        shop.run(members - BitMap([1, 2]))
        paths = {call["path"] for call in shop.standin.calls()}
        assert not [path for path in paths if "subscription" in path or "suppression" in path or "actions" in path]
        assert shop.standin.refusals() == []


class TestMassRemoval:
    def test_more_than_thirty_percent_asks_first_and_sends_nothing(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.run(members)
        fewer = (members - BitMap(range(1, 8))) | BitMap([shop.customer(30)])
        result = shop.run(fewer)
        assert result.state == "needs_approval"
        assert "7 of 20" in (result.problem or "")
        assert shop.there() == addresses(members)
        assert connections_syncs.get(shop.rooms, shop.ctx, shop.sync_id)["state"] == "needs_attention"

    def test_exactly_thirty_percent_goes_through(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.run(members)
        assert shop.run(members - BitMap(range(1, 7))).state == "done"

    def test_all_of_them_asks_however_few(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 2))
        shop.connect()
        shop.run(members)
        assert shop.run(BitMap()).state == "needs_approval"

    def test_an_approval_lets_that_run_through_and_no_other(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.run(members)
        half = members - BitMap(range(1, 11))
        assert shop.run(half).state == "needs_approval"
        result = shop.run(half, approve_removals=True)
        assert (result.state, result.counts["removed"]) == ("done", 10)
        assert connections_syncs.get(shop.rooms, shop.ctx, shop.sync_id)["problem"] is None
        assert shop.run(BitMap()).state == "needs_approval"

    def test_an_approval_covers_no_more_than_was_looked_at(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21))
        shop.connect()
        shop.run(members)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Sync, (shop.ctx.shop_id, 1)).approved_removals = 10
        assert shop.run(members - BitMap(range(1, 13))).state == "needs_approval"
        assert shop.run(members - BitMap(range(1, 11))).state == "done"


class TestPreview:
    def test_it_says_what_a_run_will_do_and_sends_nothing(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 21)) | BitMap([shop.customer(40, None)])
        shop.connect()
        shop.run(members)
        shop.customer(30)
        after = (members - BitMap([1, 2, 3])) | BitMap([30])
        previews = []
        calls = shop.calls_of(
            lambda: previews.append(preview_sync(shop.rooms, shop.ctx, shop.sync_id, who=Membership(after, NOW)))
        )
        assert {call["method"] for call in calls} == {"GET"}
        counts = previews[0].plan.counts()
        result = shop.run(after)
        assert counts["to_add"] == result.counts["added"] == 1
        assert counts["to_remove"] == result.counts["removed"] == 3
        assert counts["unchanged"] == result.counts["unchanged"]
        assert counts["skipped"] == result.counts["skipped"] == 1
        assert not previews[0].first_run
