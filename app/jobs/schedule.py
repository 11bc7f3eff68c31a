"""When things happen through the day; exactly one process runs this."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from app.jobs.queue import try_again
from app.services import freshness
from app.services.shops import active_shops

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

CHANGES_MINUTES = 5
SWEEP_MINUTES = 5
FLIP_SECONDS = 30
SENDING_SECONDS = 30
WEBHOOK_SECONDS = 2
RECONCILE_HOUR = 2
TIDY_HOUR = 3
RECEIPTS_HOUR = 4
RETRY_MINUTES = 10
EXPORT_MINUTES = 5
BOUNCE_MINUTES = 2
DISCOUNT_MINUTES = 15


def _ask(rooms: Rooms, shops: Callable[[Rooms], list[ShopContext]], job: str, key: str = "") -> None:
    for ctx in shops(rooms):
        rooms.jobs.enqueue(ctx, job, key)


def make_scheduler(
    rooms: Rooms,
    process_webhooks: Callable[[], object],
    due_syncs: Callable[[ShopContext], list[str]],
    due_exports: Callable[[ShopContext], list[str]],
    read_bounces: Callable[[], object],
) -> BackgroundScheduler:
    """The scheduler with all triggers, not started.

    process_webhooks: handles what the inbox holds; due_syncs, due_exports: job names of syncs and
    of downloads that follow a schedule; read_bounces: handles what lies in the bounce mailbox.
    """
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(4)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
    )

    def each(job: str, *, only_connected: bool = False) -> None:
        for ctx in active_shops(rooms):
            if not only_connected or ctx.domain.endswith(".myshopify.com"):
                rooms.jobs.enqueue(ctx, job)

    def retries() -> None:
        # An unsubscribe that Shopify did not take must reach it in the end; repeating one changes nothing.
        for ctx in active_shops(rooms):
            try_again(rooms, ctx, "write_consent")

    def due(job: str, names: Callable[[ShopContext], list[str]]) -> None:
        for ctx in active_shops(rooms):
            for name in names(ctx):
                rooms.jobs.enqueue(ctx, job, name)

    scheduler.add_job(
        each, "interval", ["import_changes"], {"only_connected": True}, minutes=CHANGES_MINUTES, id="changes", jitter=20
    )
    # By what is stale, not by the hour: a process that starts anew every three hours must refresh all the same.
    sweep, flips = [rooms, freshness.stale_shops, "refresh", freshness.SWEEP], [rooms, freshness.shops_that_flip]
    scheduler.add_job(_ask, "interval", sweep, minutes=SWEEP_MINUTES, id="refresh")
    scheduler.add_job(_ask, "interval", [*flips, "flip_segments"], seconds=FLIP_SECONDS, id="flips")
    scheduler.add_job(each, "interval", ["plan_and_send"], seconds=SENDING_SECONDS, id="sending")
    # Webhooks get lost, and no import of changes sees what was deleted: once a night everything is read again.
    scheduler.add_job(
        each, "cron", ["import"], {"only_connected": True}, hour=RECONCILE_HOUR, id="reconciliation", jitter=1800
    )
    scheduler.add_job(each, "cron", ["tidy"], hour=TIDY_HOUR, id="tidy", jitter=600)
    # After every refresh too; this is for a shop whose history grows by nothing that asks for one.
    scheduler.add_job(each, "cron", ["receipts"], hour=RECEIPTS_HOUR, id="receipts", jitter=600)
    scheduler.add_job(each, "interval", ["discounts"], minutes=DISCOUNT_MINUTES, id="discounts", jitter=60)
    # Hourly, as a day ends at another hour in every time zone; days that are told already cost nothing.
    scheduler.add_job(each, "interval", ["marketing"], {"only_connected": True}, hours=1, id="marketing", jitter=600)
    scheduler.add_job(retries, "interval", minutes=RETRY_MINUTES, id="retries", jitter=60)
    scheduler.add_job(due, "interval", ["sync", due_syncs], minutes=15, id="syncs", jitter=60)
    scheduler.add_job(due, "interval", ["export_schedule", due_exports], minutes=EXPORT_MINUTES, id="exports")
    scheduler.add_job(read_bounces, "interval", minutes=BOUNCE_MINUTES, id="bounces", jitter=10)
    scheduler.add_job(process_webhooks, "interval", seconds=WEBHOOK_SECONDS, id="webhooks")
    return scheduler
