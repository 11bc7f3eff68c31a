"""The shop: who it is, where its import stands, the dashboard."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models.shop import DashboardAnswer, ProgressAnswer, ShopAnswer
from app.services import dashboard as dashboards
from app.services import progress as progresses
from app.services.shops import describe

bp = APIBlueprint("shop", __name__, url_prefix="/api", abp_tags=[Tag(name="shop")])


@bp.get("/shop", responses={200: ShopAnswer})
def shop() -> dict[str, Any]:
    """The shop of the session token."""
    found = describe(rooms(), current_shop())
    return ShopAnswer.model_validate(found, from_attributes=True).model_dump(mode="json")


@bp.get("/progress", responses={200: ProgressAnswer})
def progress() -> dict[str, Any]:
    """Where the import and the refresh are; poll it while `running`."""
    found = progresses.progress(rooms(), current_shop())
    return ProgressAnswer.model_validate(found, from_attributes=True).model_dump(mode="json")


@bp.post("/refresh", responses={202: None})
def refresh() -> tuple[str, int]:
    """Import what changed and compute everything anew, in the background; asked twice it runs once."""
    ctx = current_shop()
    rooms().jobs.enqueue(ctx, "import_changes" if ctx.domain.endswith(".myshopify.com") else "refresh")
    return "", 202


@bp.get("/dashboard", responses={200: DashboardAnswer})
def dashboard() -> dict[str, Any]:
    """The dashboard's numbers, all of one published run."""
    found = dashboards.dashboard(rooms(), current_shop())
    numbers = ("customers", "buyers", "net_sales_30d_minor", "orders_30d", "expected_buyers_30d")
    answer = {
        "as_of": found.run.as_of if found.run else None,
        "run_id": found.run.run_id if found.run else None,
        **{name: found.summary.get(name) for name in numbers},
        "reachable": found.reachable,
        "stages": found.stages,
        "movers": found.movers,
        "campaigns": vars(found.campaigns),
        "health": {
            "last_import": found.status.last_import,
            "last_refresh": found.status.last_refresh,
            "failed_jobs": found.status.jobs["failed"],
            "missed_refreshes": found.status.missed_refreshes,
            "running_jobs": found.status.jobs["running"],
            "differences": found.status.differences,
            "models": found.models,
        },
    }
    return DashboardAnswer.model_validate(answer).model_dump(mode="json")
