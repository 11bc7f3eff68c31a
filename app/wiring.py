"""The only place that builds concrete things: stores, lake, clock, connectors, jobs, the web application."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, send_from_directory
from shopify_app import ShopifyApp

from app import log
from app.api.app import create_app
from app.jobs.queue import StoredJobs
from app.jobs.runner import Runner
from app.jobs.schedule import make_scheduler
from app.lake.lake import Lake
from app.mail.dns import Dns
from app.mail.transport import open_transport
from app.services import (
    backtests,
    discount_figures,
    discount_pools,
    export_schedules,
    export_segment,
    look_back,
    mail_reports,
    marketing_activities,
    measure_campaigns,
    plan_sends,
    receipts,
    reevaluate_segments,
    refresh_shop,
    send_due,
    sender_domains,
    senders,
    sync_segment,
    tidy,
)
from app.services.keys import check_keys
from app.services.published import latest_history, published
from app.services.rooms import Rooms
from app.services.runs import SEGMENTS_ONLY
from app.services.shops import context_by_id
from app.settings import Settings
from app.shopify.bulk import BulkExports
from app.shopify.consent import ShopifyConsent
from app.shopify.discounts import ShopifyDiscounts
from app.shopify.effects import make_effects
from app.shopify.graphql import AdminApi
from app.shopify.http import TOKEN_READ_SECONDS, make_client
from app.shopify.importer import ShopifyImport
from app.shopify.install import Installer
from app.shopify.marketing import ShopifyMarketing
from app.shopify.tokens import Tokens
from app.shopify.web import ShopifyWeb
from app.shopify.webhooks import Inbox
from app.store.crypto import Vault
from app.store.marks import Marks
from app.store.migrate import upgrade
from app.store.session import Store
from connectors.registry import open_connectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from apscheduler.schedulers.background import BackgroundScheduler
    from flask.typing import ResponseReturnValue
    from flask_openapi3 import OpenAPI

    from app.domain.context import ShopContext
    from app.jobs.runner import Handler

UI_DIST = Path(__file__).parent.parent / "embedded_ui" / "dist"
UI_PREFIX = "/assets/ui"


class SystemClock:
    """Real time, moved by a sandbox's clock file if there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def offset(self) -> timedelta:
        """How far the sandbox's clock is ahead; zero without a sandbox."""
        if self._file is None or not self._file.exists():
            return timedelta(0)
        return timedelta(seconds=float(json.loads(self._file.read_text(encoding="utf-8"))["offset_seconds"]))

    def now(self) -> datetime:
        """The current instant in UTC."""
        return datetime.now(UTC) + self.offset()


@dataclass(frozen=True)
class Encore:
    """Everything, built."""

    settings: Settings
    rooms: Rooms
    importer: ShopifyImport
    installer: Installer
    inbox: Inbox
    handlers: dict[str, Handler]


def build(settings: Settings | None = None) -> Encore:
    """Build Encore from settings (default: the environment) and bring the database schema up to date."""
    log.configure()
    settings = settings or Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock(settings.clock_file)
    upgrade(settings.store_url)
    marks = Marks(settings.data_dir / "sending", settings.sending_epoch)
    store = Store(settings.store_url, clock.offset, marks)
    vault = Vault(settings.key_ring(), settings.pepper.get_secret_value().encode())
    check_keys(store, vault)
    client = make_client(settings.shopify_api_url)
    # The library wants words even where no Shopify app is set up (a shop that lives from CSV files).
    shopify = ShopifyApp(settings.shopify_api_key or "none", settings.shopify_api_secret.get_secret_value() or "none")
    token_client = make_client(settings.shopify_api_url, TOKEN_READ_SECONDS)
    tokens = Tokens(shopify, token_client, store, vault, clock)
    api = AdminApi(shopify, client, tokens)
    rooms = Rooms(
        settings=settings,
        clock=clock,
        store=store,
        lake=Lake(settings.lake_dir),
        vault=vault,
        jobs=StoredJobs(store, clock),
        connectors=open_connectors({"klaviyo": settings.klaviyo_url, "mailchimp": settings.mailchimp_url}),
        transport=open_transport(settings.outgoing, settings.data_dir),
        consent_writer=ShopifyConsent(api, store),
        names=Dns(settings.dns_server),
        discount_shop=ShopifyDiscounts(api),
        marketing_shop=ShopifyMarketing(api),
    )
    importer = ShopifyImport(rooms, api, BulkExports(api, client), settings.imports_dir)
    installer = Installer(rooms, api, tokens)
    inbox = Inbox(rooms, make_effects(rooms, installer))
    return Encore(settings, rooms, importer, installer, inbox, _handlers(rooms, importer))


def build_worker() -> tuple[Rooms, dict[str, Handler]]:
    """What a worker process needs; built there from the same environment."""
    encore = build()
    return encore.rooms, encore.handlers


def _handlers(rooms: Rooms, importer: ShopifyImport) -> dict[str, Handler]:
    def described(ctx: ShopContext) -> ShopContext:
        # An import may have found that the shop moved to another time zone.
        return context_by_id(rooms, ctx.shop_id)

    def import_everything(ctx: ShopContext, _key: str) -> None:
        importer.everything(ctx)
        refresh_shop.refresh(rooms, described(ctx))

    def import_changes(ctx: ShopContext, _key: str) -> None:
        with rooms.store.reading(ctx) as session:
            imported = latest_history(session, ctx) is not None
        counts = (importer.changes if imported else importer.everything)(ctx)
        # Nothing new: what changes by time alone is the four-hourly refresh's work.
        if counts["changed"] or published(rooms, ctx) is None:
            refresh_shop.refresh(rooms, described(ctx), force=False)

    def refresh(ctx: ShopContext, key: str) -> None:
        refresh_shop.refresh(rooms, ctx, force=not key.startswith(SEGMENTS_ONLY))

    def plan_and_send(ctx: ShopContext, _key: str) -> None:
        plan_sends.plan(rooms, ctx)
        _ask_for_codes(rooms, ctx)
        send_due.send(rooms, ctx)

    def sync(ctx: ShopContext, key: str) -> None:
        sync_segment.run_sync(rooms, ctx, key)

    def write_consent(ctx: ShopContext, key: str) -> None:
        rooms.consent_writer.write(ctx, int(key.partition(":")[0]))

    def export(ctx: ShopContext, key: str) -> None:
        export_segment.prepare(rooms, ctx, int(key.removeprefix("exp_")))

    return {
        "import": import_everything,
        "import_changes": import_changes,
        "refresh": refresh,
        "flip_segments": lambda ctx, _key: reevaluate_segments.flip(rooms, ctx),
        "plan_and_send": plan_and_send,
        "receipts": lambda ctx, _key: _settle(rooms, ctx),
        measure_campaigns.JOB: lambda ctx, _key: measure_campaigns.measure(rooms, ctx),
        "look_back": lambda ctx, _key: look_back.look_back(rooms, ctx),
        "tidy": lambda ctx, _key: tidy.tidy(rooms, ctx),
        "sync": sync,
        "write_consent": write_consent,
        export_segment.JOB: export,
        export_schedules.JOB: lambda ctx, key: export_schedules.run(rooms, ctx, key),
        sender_domains.JOB: lambda ctx, key: sender_domains.check(rooms, ctx, key, senders.mail_domain(rooms)),
        marketing_activities.JOB: lambda ctx, _key: marketing_activities.tell(rooms, ctx),
        discount_pools.JOB: lambda ctx, _key: discount_pools.tend(rooms, ctx),
        "backtest": lambda ctx, _key: backtests.run(rooms, ctx),
    }


def _ask_for_codes(rooms: Rooms, ctx: ShopContext) -> None:
    with rooms.store.reading(ctx) as session:
        short = discount_pools.short(session, ctx, rooms.clock.now())
    if short:
        rooms.jobs.enqueue(ctx, discount_pools.JOB)


def _settle(rooms: Rooms, ctx: ShopContext) -> None:
    receipts.settle(rooms, ctx)
    discount_figures.teach(rooms, ctx)
    if look_back.wanted(rooms, ctx):
        rooms.jobs.enqueue(ctx, "look_back")  # apart, as it takes long: receipts must not wait for it


def web(encore: Encore) -> OpenAPI:
    """The web application."""
    shopify_web = ShopifyWeb(encore.settings, encore.installer, encore.inbox, ui_assets)
    return create_app(encore.rooms, shopify_web.authenticate, [shopify_web.blueprint(), _ui_blueprint()])


def jobs(encore: Encore) -> tuple[Runner, BackgroundScheduler]:
    """The job runner and the scheduler of the one process that has them, not started."""
    runner = Runner(encore.rooms, build_worker, encore.settings.workers)

    def due_syncs(ctx: ShopContext) -> list[str]:
        return sync_segment.due(encore.rooms, ctx)

    def due_exports(ctx: ShopContext) -> list[str]:
        return export_schedules.due(encore.rooms, ctx)

    def read_bounces() -> object:
        return mail_reports.read_mailbox(encore.rooms)

    return runner, make_scheduler(encore.rooms, encore.inbox.process, due_syncs, due_exports, read_bounces)


def ui_assets() -> dict[str, list[str]]:
    """Script and style addresses of the built UI, from Vite's manifest; empty lists before it is built."""
    manifest = UI_DIST / ".vite" / "manifest.json"
    if not manifest.exists():
        return {"scripts": [], "styles": []}
    entries: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    entry = next(e for e in entries.values() if e.get("isEntry"))
    return {
        "scripts": [f"{UI_PREFIX}/{entry['file']}"],
        "styles": [f"{UI_PREFIX}/{style}" for style in entry.get("css", [])],
    }


def _ui_blueprint() -> Blueprint:
    bp = Blueprint("ui", __name__)
    serve: Callable[[str], ResponseReturnValue] = lambda path: send_from_directory(UI_DIST, path, max_age=31_536_000)  # noqa: E731
    bp.add_url_rule(f"{UI_PREFIX}/<path:path>", "asset", serve)
    return bp
