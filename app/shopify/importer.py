"""The first half of an import from Shopify: exports, downloads, staging; then the common second half."""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import Invalid, Unavailable
from app.lake.lake import bare_connection
from app.services import import_shop, runs, staging
from app.services.published import latest_history
from app.shopify.describe import describe
from app.shopify.differences import Counts, differences
from app.shopify.documents import bulk_document
from app.shopify.stage_bulk import stage
from app.store.models.shops import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.shopify.bulk import BulkExports, Export
    from app.shopify.graphql import AdminApi

log = structlog.get_logger()

EXPORTS = {"products": "BulkProducts", "customers": "BulkCustomers", "orders": "BulkOrders"}
STEPS = [*(f"export_{name}" for name in EXPORTS), *import_shop.STEPS]
OVERLAP_SECONDS = 300  # changes that Shopify stamped just before the last watermark and published just after
RESTARTS = 2


def _nothing(_: str) -> None:
    return None


class ShopifyImport:
    """Imports whole shops, and what changed since.

    folder: where exports lie while an import runs; they hold personal data and are removed after it.
    border: called at every stage border with its name; tests stop the process there.
    """

    def __init__(
        self,
        rooms: Rooms,
        api: AdminApi,
        exports: BulkExports,
        folder: Path,
        border: Callable[[str], None] = _nothing,
    ) -> None:
        self._rooms, self._api, self._exports, self._folder, self._border = rooms, api, exports, folder, border

    def everything(self, ctx: ShopContext) -> dict[str, int]:
        """Import the whole shop; goes on where a stopped import was. Returns the lake's counts."""
        return self._import(ctx, "bulk", {})

    def changes(self, ctx: ShopContext) -> dict[str, int]:
        """Import what changed since the last import. Raises Invalid before the first whole one."""
        with self._rooms.store.reading(ctx) as session:
            history = latest_history(session, ctx)
        if history is None:
            raise Invalid("The shop was never imported as a whole.")
        since = _search_since(history.watermark)
        return self._import(ctx, "changes", dict.fromkeys(EXPORTS, since))

    def _import(self, ctx: ShopContext, source: str, searches: dict[str, str]) -> dict[str, int]:
        rooms = self._rooms
        run = runs.begin(rooms, ctx, "import", source, STEPS)
        try:
            ctx = describe(rooms, self._api, ctx)
            plan = self._plan(ctx, run)
            folder = self._room_for(ctx, run, plan["folder"])
            files = self._bring_home(ctx, run, folder, {} if plan["whole"] else searches)
            staged = bare_connection()
            staging.create(staged)
            stage(staged, ctx.currency, files)
            self._border("staged")
            served = staging.counts(staged) if plan["whole"] else None
            counts = import_shop.apply(
                rooms,
                ctx,
                run,
                staged,
                full=plan["whole"],
                watermark=run.as_of,
                reconcile=lambda lake: self._reconcile(ctx, lake, served),
                border=self._border,
            )
            staged.close()
        except Exception as fault:
            runs.fail(rooms, ctx, run.id, str(fault))
            log.exception("import_failed", shop_id=ctx.shop_id, run_id=run.id)
            raise
        finally:
            # A run that ended is never resumed; only a process killed in between leaves its exports to the next.
            shutil.rmtree(self._folder / f"shop_{ctx.shop_id}", ignore_errors=True)
        log.info("import_done", shop_id=ctx.shop_id, run_id=run.id, source=source, **counts)
        return counts

    def _plan(self, ctx: ShopContext, run: runs.LiveRun) -> dict[str, Any]:
        """What a run decides once and keeps when another process goes on with it.

        folder:   a random token, which only the run's row knows: what happens to lie in the way of its exports
                  is never taken for its own.
        currency: the shop's when the run began.
        whole:    whether everything is imported; after a change of currency it must be, because minor units of
                  two currencies don't add up.
        """
        if "folder" in run.detail:
            return run.detail
        with self._rooms.store.reading(ctx) as session:
            history = latest_history(session, ctx)
            before = session.get_one(Run, (ctx.shop_id, history.run_id)).detail if history is not None else {}
        other_currency = before.get("currency", ctx.currency) != ctx.currency
        plan = {
            "folder": secrets.token_hex(8),
            "currency": ctx.currency,
            "whole": run.source == "bulk" or other_currency,
        }
        runs.note(self._rooms, ctx, run.id, **plan)
        if other_currency:
            log.warning("currency_changed", shop_id=ctx.shop_id, run_id=run.id, currency=ctx.currency)
        return plan

    def _room_for(self, ctx: ShopContext, run: runs.LiveRun, token: str) -> Path:
        """The folder of this run's exports; what other runs left in the shop's room goes."""
        mine = self._folder / f"shop_{ctx.shop_id}" / f"run_{run.id}_{token}"
        mine.mkdir(parents=True, exist_ok=True)
        for other in mine.parent.iterdir():
            if other != mine:
                shutil.rmtree(other, ignore_errors=True)
        return mine

    def _bring_home(
        self, ctx: ShopContext, run: runs.LiveRun, folder: Path, searches: dict[str, str]
    ) -> dict[str, Path]:
        files = {name: folder / f"{name}.jsonl" for name in EXPORTS}
        operations: dict[str, str] = dict(run.detail.get("operations", {}))
        searches = run.detail.get("searches") or searches
        for name, document in EXPORTS.items():
            if name not in operations and not files[name].exists():
                operations[name] = self._exports.start(ctx, bulk_document(document, _search(name, searches)))
                runs.note(self._rooms, ctx, run.id, operations=operations, searches=searches)
                self._border(f"started_{name}")
        for name, file in files.items():
            if not file.exists():
                self._bring_one(ctx, run, name, file, operations, searches)
            self._border(f"downloaded_{name}")
        return files

    def _bring_one(
        self,
        ctx: ShopContext,
        run: runs.LiveRun,
        name: str,
        file: Path,
        operations: dict[str, str],
        searches: dict[str, str],
    ) -> None:
        def progress(export: Export) -> None:
            runs.step(self._rooms, ctx, run.id, f"export_{name}", "running", done=export.objects, unit="records")

        for attempt in range(RESTARTS + 1):
            try:
                export = self._exports.wait(ctx, operations[name], progress)
                self._exports.download(export, file)
            except Unavailable:
                if attempt == RESTARTS:
                    raise
                log.warning("export_restarted", shop_id=ctx.shop_id, run_id=run.id, object=name)
                operations[name] = self._exports.start(ctx, bulk_document(EXPORTS[name], _search(name, searches)))
                runs.note(self._rooms, ctx, run.id, operations=operations)
            else:
                runs.step(
                    self._rooms, ctx, run.id, f"export_{name}", "done",
                    done=export.objects, total=export.objects, unit="records",
                )  # fmt: skip
                return

    def _reconcile(self, ctx: ShopContext, lake: dict[str, int], served: dict[str, int] | None) -> list[dict[str, Any]]:
        """Each object's count at the shop and here, with what explains a difference.

        served: rows of the shop's exports, None if they held only what changed.
        """
        answer = self._api.run(ctx, "ShopCounts")
        here = {"customers": lake["customers"] - lake["guests"], "orders": lake["orders"], "products": lake["products"]}
        connection = self._rooms.lake.connect(ctx, self._rooms.lake.versions(ctx))
        deleted = connection.sql("SELECT count(*) FROM products WHERE status = 'DELETED'").fetchall()[0][0]
        connection.close()
        return differences(
            {
                name: Counts(
                    here=here[name],
                    shop=int(answer[f"{name}Count"]["count"]),
                    served=served[name] if served is not None else None,
                    kept_deleted=deleted if name == "products" else 0,
                )
                for name in EXPORTS
            }
        )


def _search_since(watermark: datetime) -> str:
    from datetime import timedelta  # noqa: PLC0415 - beside its only use

    since = watermark - timedelta(seconds=OVERLAP_SECONDS)
    return f"updated_at:>='{since.strftime('%Y-%m-%dT%H:%M:%SZ')}'"


def _search(name: str, searches: dict[str, str]) -> str:
    """Shopify's search text of an export; orders need `status:any`, or cancelled and archived ones are missing."""
    parts = [*(["status:any"] if name == "orders" else []), *([searches[name]] if searches.get(name) else [])]
    return " AND ".join(parts)
