"""A sync in trouble: a vendor that fails, runs at the same time, kills; nobody is lost or doubled."""

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
from app.services.sync_segment import Patience, due
from app.store.models.connections import Connection, Sync, SyncRun
from tests.contract.connectors.conftest import KEYS
from tests.integration.sync.checks import adds_up, reasons, stored
from tests.integration.sync.conftest import addresses

if TYPE_CHECKING:
    from tests.integration.sync.conftest import ShopUnderTest


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
