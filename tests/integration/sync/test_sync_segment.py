"""A segment is kept in a list or tag: only differences travel, and every member has an outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pyroaring import BitMap
from sqlalchemy import select

from app.errors import Conflict
from app.services import connections, connections_syncs
from app.services.sync_segment import Membership, Patience, due, preview_sync
from app.services.sync_segment_log import outcomes_of
from app.store.models.connections import Connection, Sync, SyncMember, SyncRun
from app.store.models.customers import Customer, Suppression
from tests.contract.connectors.conftest import KEYS
from tests.integration.sync.conftest import NOW, addresses

if TYPE_CHECKING:
    from typing import Any

    from tests.integration.sync.conftest import ShopUnderTest


def adds_up(counts: dict[str, int]) -> bool:
    return counts["queried"] == sum(counts[name] for name in ("added", "updated", "unchanged", "skipped", "failed"))


def stored(shop: ShopUnderTest, kind: type, *key: int) -> Any:
    with shop.rooms.store.reading(shop.ctx) as session:
        return session.get(kind, (shop.ctx.shop_id, *key))


def reasons(shop: ShopUnderTest, run_id: int) -> dict[tuple[str, str], list[int]]:
    with shop.rooms.store.reading(shop.ctx) as session:
        return {
            (g.outcome, g.code): list(BitMap.deserialize(g.members)) for g in outcomes_of(session, shop.ctx, run_id)
        }


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


class TestTrouble:
    def test_a_list_that_is_gone_stops_the_sync_and_is_not_made_anew(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        data = shop.standin.app.extensions["standin"].data
        if shop.vendor == "klaviyo":
            data.delete_list(stored(shop, Sync, 1).target_id)
        else:
            audience, segment = stored(shop, Sync, 1).target_id.split(":")
            data.delete_tag(data.tag(audience, segment))
        result = shop.run(members)
        assert result.state == "failed"
        assert "no longer has" in (result.problem or "")
        assert stored(shop, Sync, 1).state == "paused"
        names = [row["name"] for row in shop.standin.state()["lists"] + shop.standin.state().get("tags", [])]
        assert "Encore: VIP" not in names
        with pytest.raises(Conflict):
            shop.run(members)

    def test_a_revoked_key_asks_to_reconnect_and_the_mapping_survives(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members)
        shop.standin.fault("*", "401", count=3)
        assert shop.run(members).state == "failed"
        assert stored(shop, Connection, 1).state == "needs_reconnect"
        assert stored(shop, Sync, 1).state == "paused"
        shop.standin.client.delete("/sandbox/faults").raise_for_status()
        again = connections.connect(shop.rooms, shop.ctx, shop.vendor, KEYS[shop.vendor])
        assert (again["id"], again["state"], again["syncs"]) == ("con_1", "connected", 1)
        assert shop.run(members).counts["unchanged"] == 10

    def test_a_key_sealed_under_a_lost_ring_asks_to_reconnect(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        shop.connect()
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Connection, (shop.ctx.shop_id, 1)).sealed = b"sealed by a lost key"
        assert shop.run(members).state == "failed"
        assert stored(shop, Connection, 1).state == "needs_reconnect"

    def test_a_vendor_that_is_down_is_tried_later_and_then_not_any_more(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        shop.connect()
        shop.standin.fault("*", "503", count=10_000)
        waits = []
        for _ in range(5):
            assert shop.run(members).state == "failed"
            waits.append((stored(shop, Sync, 1).not_before - shop.clock.now()) / timedelta(minutes=1))
        assert waits == [5, 10, 20, 40, 80]
        assert stored(shop, Sync, 1).state == "paused"
        shop.standin.client.delete("/sandbox/faults").raise_for_status()
        connections_syncs.resume(shop.rooms, shop.ctx, shop.sync_id)
        assert shop.run(members).state == "done"
        assert stored(shop, Sync, 1).faults_in_a_row == 0

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_long_wait_that_the_vendor_asks_for_is_kept(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        shop.connect()
        shop.standin.fault("POST *", "429", retry_after=7200)
        assert shop.run(members).state == "failed"
        assert stored(shop, Sync, 1).not_before == shop.clock.now() + timedelta(hours=2)
        assert due(shop.rooms, shop.ctx) == []
        shop.clock.advance(timedelta(hours=2))
        assert due(shop.rooms, shop.ctx) == [shop.sync_id]

    @pytest.mark.parametrize("kind", ["500", "reset", "answer_lost", "truncated", "empty_body"])
    def test_faults_in_the_middle_lose_and_double_nobody(self, shop: ShopUnderTest, kind: str) -> None:
        members = shop.customers(range(1, 41))
        shop.connect()
        shop.standin.fault("POST *", kind, count=2)
        result = shop.run(members)
        assert (result.state, result.counts["added"]) == ("done", 40)
        assert shop.there() == addresses(members)

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_job_that_takes_longer_than_a_run_waits_is_settled_by_the_next(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        impatient = Patience(total=0.0, sleep=lambda _: None)
        first = shop.run(members, patience=impatient)
        assert (first.state, first.counts["failed"]) == ("partial", 10)
        assert reasons(shop, first.run_id)["failed", "in_progress"] == list(members)
        assert adds_up(first.counts)
        shop.standin.time.pass_(10)
        results = []
        calls = shop.calls_of(lambda: results.append(shop.run(members)))
        assert shop.rows_sent(calls) == ([], [])
        assert results[0].counts["unchanged"] == 10

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_job_that_the_vendor_lost_is_sent_again(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11))
        shop.connect()
        shop.run(members, patience=Patience(total=0.0, sleep=lambda _: None))
        with shop.standin.app.extensions["standin"].data.db.writing() as db:
            db.execute("DELETE FROM jobs")
        result = shop.run(members)
        assert (result.state, result.counts["added"]) == ("done", 10)
        assert shop.there() == addresses(members)

    @pytest.mark.parametrize("vendor", ["klaviyo"], indirect=True)
    def test_a_failure_without_a_name_is_found_on_the_list_itself(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 11)) | BitMap([shop.customer(99, "broken@")])
        shop.connect()
        database = shop.standin.app.extensions["standin"].data.db

        def finish_and_forget_who(seconds: float) -> None:
            shop.standin.time.pass_(seconds + 2)
            shop.standin.state()
            with database.writing() as db:
                db.execute("UPDATE job_errors SET original = 'null'")

        result = shop.run(members, patience=Patience(sleep=finish_and_forget_who))
        assert (result.state, result.counts["added"]) == ("partial", 10)
        assert reasons(shop, result.run_id)["failed", "not_on_list"] == [99]

    def test_only_one_run_at_a_time(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 4))
        shop.connect()
        with shop.rooms.store.session(shop.ctx) as session:
            sync = session.get_one(Sync, (shop.ctx.shop_id, 1))
            sync.lease_owner, sync.lease_until = "elsewhere:1:x", shop.clock.now() + timedelta(minutes=5)
        with pytest.raises(Conflict, match="running already"):
            shop.run(members)
        shop.clock.advance(timedelta(minutes=6))  # whoever held it has died
        assert shop.run(members).state == "done"

    def test_two_runs_started_together_send_everyone_once(self, shop: ShopUnderTest) -> None:
        members = shop.customers(range(1, 31))
        shop.connect()
        before = len(shop.standin.calls())
        refused: list[Conflict] = []

        def start() -> None:
            try:
                shop.run(members)
            except Conflict as conflict:
                refused.append(conflict)

        threads = [threading.Thread(target=start) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        joined, _ = shop.rows_sent(shop.standin.calls()[before:])
        assert sorted(joined) == addresses(members)
        assert shop.there() == addresses(members)


class TestDue:
    def test_a_sync_by_hand_is_never_due(self, shop: ShopUnderTest) -> None:
        shop.connect()
        assert due(shop.rooms, shop.ctx) == []

    def test_a_followed_refresh_waits_for_the_first_run_by_hand(self, shop: ShopUnderTest) -> None:
        shop.connect(schedule="after_refresh")
        assert due(shop.rooms, shop.ctx) == []


KILLED_RUN = """
import os, signal, sys
from datetime import UTC, datetime
from pyroaring import BitMap
from connectors import klaviyo, mailchimp
from connectors.registry import VendorConnectors
from app.domain.context import ShopContext
from app.services.rooms import Rooms
from app.services import sync_segment_apply
from app.services.sync_segment import Membership, run_sync
from app.store.crypto import Vault
from app.store.session import Store
from tests.fakes import FakeClock

url, vendor, standin, border, where = sys.argv[1:6]
klaviyo.PROFILES_PER_JOB = mailchimp.MEMBERS_PER_CALL = 10
store = Store(url)
rooms = Rooms(None, FakeClock(datetime(2026, 11, 23, 12, tzinfo=UTC)), store, None,
              Vault({1: b"k" * 32}, b"pepper-of-the-tests"), None, VendorConnectors({vendor: standin}), None, None)
real, count = sync_segment_apply.Application._save_added, 0

def save(self, answered, updates):
    global count
    count += 1
    if count == int(border) and where == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, answered, updates)
    if count == int(border):
        os.kill(os.getpid(), signal.SIGKILL)

sync_segment_apply.Application._save_added = save
run_sync(rooms, ShopContext(1, "first.myshopify.com", "USD", "America/New_York"), 1,
         who=Membership(BitMap(range(1, 41)), None))
"""


class TestCrash:
    @pytest.mark.parametrize(("border", "where"), [(1, "before"), (3, "after")])
    def test_a_killed_run_is_taken_up_and_only_the_rest_goes_out(
        self, shop: ShopUnderTest, border: int, where: str
    ) -> None:
        members = shop.customers(range(1, 41))
        shop.connect()
        url = shop.rooms.store.engine.url.render_as_string(hide_password=False)
        command = [sys.executable, "-c", KILLED_RUN, url, shop.vendor, shop.standin.url, str(border), where]
        died = subprocess.run(command, check=False, capture_output=True, env=os.environ | {"PYTHONPATH": "."})
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        remembered = border * 10 if where == "after" else (border - 1) * 10
        results = []
        calls = shop.calls_of(lambda: results.append(shop.run(members)))
        joined, left = shop.rows_sent(calls)
        assert sorted(joined) == addresses(range(remembered + 1, 41))
        assert left == []
        assert shop.there() == addresses(members)
        assert results[0].counts["added"] == 40 - remembered
        assert results[0].counts["unchanged"] == remembered
        with shop.rooms.store.reading(shop.ctx) as session:
            states = [run.state for run in session.scalars(select(SyncRun).order_by(SyncRun.id))]
        assert states == ["failed", "done"]
