"""What the schedule asks for, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.context import ShopContext
from app.jobs import queue
from app.jobs.queue import StoredJobs
from app.jobs.schedule import make_scheduler
from app.services import freshness
from app.services.rooms import Rooms
from app.store.counters import allocate
from app.store.models.shops import Job, Run, Shop
from tests.conftest import add_shop
from tests.fakes import FakeClock
from tests.standins import fresh_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apscheduler.schedulers.background import BackgroundScheduler

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    """Three shops: connected, from CSV files, uninstalled."""
    store, clock = fresh_store(tmp_path), FakeClock(NOW)
    for number, domain in enumerate(("a.myshopify.com", "csv-shop", "gone.myshopify.com"), start=1):
        add_shop(store, number, domain)
    with store.operator_session() as session:
        session.get_one(Shop, 3).uninstalled_at = NOW
    yield Rooms(None, clock, store, None, None, StoredJobs(store, clock), None, None, None)  # type: ignore[arg-type]
    store.close()


def asked(rooms: Rooms, scheduler: BackgroundScheduler, trigger: str) -> list[tuple[int, str, str]]:
    """The jobs that one trigger leaves in the queue."""
    job = scheduler.get_job(trigger)
    job.func(*job.args, **job.kwargs)
    with rooms.store.operator_session() as session:
        return sorted((j.shop_id, j.job, j.key) for j in session.query(Job))


def add_run(rooms: Rooms, shop_id: int, as_of: datetime, state: str = "done") -> None:
    """A refresh of a shop that ended."""
    with rooms.store.operator_session() as session:
        session.add(
            Run(shop_id=shop_id, id=allocate(session, shop_id, "runs"), kind="refresh", state=state, as_of=as_of,
                started_at=as_of, finished_at=as_of, source="refresh", steps=[], detail={}, error=None)
        )  # fmt: skip


class TestTheSchedule:
    @pytest.fixture
    def scheduler(self, rooms: Rooms) -> BackgroundScheduler:
        return make_scheduler(
            rooms,
            lambda: 7,
            lambda ctx: ["syn_4"] if ctx.shop_id == 1 else [],
            lambda ctx: ["sch_3"] if ctx.shop_id == 2 else [],
            lambda: 8,
        )

    def test_changes_are_imported_for_connected_shops_only(self, rooms: Rooms, scheduler: BackgroundScheduler) -> None:
        assert asked(rooms, scheduler, "changes") == [(1, "import_changes", "")]

    def test_receipts_are_written_for_every_shop(self, rooms: Rooms, scheduler: BackgroundScheduler) -> None:
        assert asked(rooms, scheduler, "receipts") == [(1, "receipts", ""), (2, "receipts", "")]

    def test_connected_shops_are_imported_whole_once_a_night(
        self, rooms: Rooms, scheduler: BackgroundScheduler
    ) -> None:
        assert asked(rooms, scheduler, "reconciliation") == [(1, "import", "")]
        assert "hour='2'" in str(scheduler.get_job("reconciliation").trigger)

    def test_a_shop_is_refreshed_when_its_numbers_are_four_hours_old(
        self, rooms: Rooms, scheduler: BackgroundScheduler
    ) -> None:
        add_run(rooms, 1, NOW - timedelta(hours=4))
        add_run(rooms, 2, NOW - timedelta(hours=3))
        add_run(rooms, 3, NOW - timedelta(days=9))
        assert asked(rooms, scheduler, "refresh") == [(1, "refresh", freshness.SWEEP)]

    def test_after_a_failure_it_is_tried_again_in_half_an_hour(
        self, rooms: Rooms, scheduler: BackgroundScheduler
    ) -> None:
        add_run(rooms, 1, NOW - timedelta(hours=5))
        add_run(rooms, 1, NOW - timedelta(minutes=10), "failed")
        assert asked(rooms, scheduler, "refresh") == []
        rooms.clock.advance(timedelta(minutes=21))  # type: ignore[attr-defined]
        assert asked(rooms, scheduler, "refresh") == [(1, "refresh", freshness.SWEEP)]

    def test_refreshes_that_failed_since_the_last_good_one_are_counted(self, rooms: Rooms) -> None:
        shop = ShopContext(1, "a.myshopify.com", "USD", "America/New_York")

        def missed() -> int:
            with rooms.store.reading(shop) as session:
                return freshness.missed_refreshes(session, shop)

        for state, expected in (("failed", 1), ("done", 0), ("failed", 1), ("failed", 2), ("done", 0)):
            add_run(rooms, 1, NOW, state)
            assert missed() == expected
        add_run(rooms, 2, NOW, "failed")
        assert missed() == 0

    def test_sending_is_asked_for_and_asking_twice_is_once(self, rooms: Rooms, scheduler: BackgroundScheduler) -> None:
        asked(rooms, scheduler, "sending")
        assert asked(rooms, scheduler, "sending") == [(1, "plan_and_send", ""), (2, "plan_and_send", "")]

    def test_due_syncs_are_asked_for_by_name(self, rooms: Rooms, scheduler: BackgroundScheduler) -> None:
        assert asked(rooms, scheduler, "syncs") == [(1, "sync", "syn_4")]

    def test_due_downloads_are_asked_for_by_name(self, rooms: Rooms, scheduler: BackgroundScheduler) -> None:
        assert asked(rooms, scheduler, "exports") == [(2, "export_schedule", "sch_3")]

    def test_the_inbox_is_worked_through(self, scheduler: BackgroundScheduler) -> None:
        assert scheduler.get_job("webhooks").func() == 7

    def test_an_unsubscribe_that_could_not_be_written_back_is_tried_again(
        self, rooms: Rooms, scheduler: BackgroundScheduler
    ) -> None:
        shop = ShopContext(1, "a.myshopify.com", "USD", "America/New_York")
        for key, error in (("7", "Shopify sleeps."), ("8", None)):
            rooms.jobs.enqueue(shop, "write_consent", key)
            queue.end(rooms, queue.claim(rooms, 1)[0], error)
        scheduler.get_job("retries").func()
        assert [(claim.job, claim.key) for claim in queue.claim(rooms, 9)] == [("write_consent", "7")]

    def test_a_full_refresh_comes_at_least_every_four_hours(self, scheduler: BackgroundScheduler) -> None:
        assert scheduler.get_job("refresh").trigger.interval.total_seconds() <= 4 * 3600
