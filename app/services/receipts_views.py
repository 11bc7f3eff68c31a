"""Promises and receipts as pages show them: of one segment, and of all product segments of a shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.domain.rules.names import PAIR_KIND
from app.services import runs
from app.services.look_back import BACK, KIND
from app.services.segments import found
from app.store.models.promises import Promise
from app.store.models.segments import Segment
from ml.promises import COVERAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

MOST_SHOWN = 36  # three years of a segment


def of_segment(rooms: Rooms, ctx: ShopContext, segment_id: int) -> dict[str, Any]:
    """One segment's promises: shape of the API's `SegmentReceipts`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        promised = (segment.key or "").partition(":")[0] in PAIR_KIND
        query = select(Promise).where(Promise.shop_id == ctx.shop_id, Promise.key == segment.key)
        rows = list(session.scalars(query.order_by(Promise.as_of, Promise.id))) if promised else []
        looked = _look_back(session, ctx, rows)
    settled = [row for row in rows if row.settled_at is not None]
    waiting = [row for row in rows if row.settled_at is None]
    return {
        "promised": promised,
        "open": [_promise(row) for row in waiting],
        "receipts": [_receipt(row) for row in settled[-MOST_SHOWN:]],
        "totals": totals(settled),
        "coverage": COVERAGE,
        "look_back": looked,
        "timezone": ctx.timezone,
    }


def of_shop(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    """All receipts of a shop, segments that are gone included: shape of the API's `ShopReceipts`."""
    with rooms.store.reading(ctx) as session:
        query = select(Promise).where(Promise.shop_id == ctx.shop_id).order_by(Promise.as_of, Promise.id)
        rows = list(session.scalars(query))
        looked = _look_back(session, ctx, rows)
        listed = select(Segment.key, Segment.id).where(
            Segment.shop_id == ctx.shop_id, Segment.key.is_not(None), Segment.state != "retired"
        )
        segments = {key: f"seg_{number}" for key, number in session.execute(listed)}
    settled = [row for row in rows if row.settled_at is not None]
    waiting = [row for row in rows if row.settled_at is None]
    by_key = _groups(settled, lambda row: row.key)
    return {
        "totals": totals(settled),
        "live": totals(row for row in settled if not row.back_dated),
        "back_dated": totals(row for row in settled if row.back_dated),
        "kinds": [{"kind": kind, **totals(row for row in settled if row.kind == kind)} for kind in PAIR_KIND.values()],
        "months": [
            {"month": month, "back_dated": all(row.back_dated for row in group), **totals(group)}
            for month, group in sorted(_groups(settled, lambda row: _month(ctx, row)).items())
        ],
        "segments": [
            {
                "key": key,
                "segment_id": segments.get(key),
                "title": group[-1].title,
                "kind": group[-1].kind,
                **totals(group),
            }
            for key, group in sorted(by_key.items(), key=lambda item: (-totals(item[1])["expected"], item[0]))
        ],
        "open": len(waiting),
        "expected_open": sum(row.expected for row in waiting),
        "next_due_at": min((row.due_at for row in waiting), default=None),
        "coverage": COVERAGE,
        "look_back": looked,
        "timezone": ctx.timezone,
    }


def totals(rows: Iterable[Promise]) -> dict[str, Any]:
    """Sums over receipts: shape of the API's `ReceiptTotals`."""
    settled = list(rows)
    return {
        "receipts": len(settled),
        "inside": sum(_inside(row) for row in settled),
        "above": sum((row.buyers or 0) > row.high for row in settled),
        "below": sum((row.buyers or 0) < row.low for row in settled),
        "expected": sum(row.expected for row in settled),
        "buyers": sum(row.buyers or 0 for row in settled),
        "mailed_buyers": sum(row.mailed_buyers or 0 for row in settled),
    }


def _inside(row: Promise) -> bool:
    return row.buyers is not None and row.low <= row.buyers <= row.high


def _groups(rows: list[Promise], by: Any) -> dict[str, list[Promise]]:
    groups: dict[str, list[Promise]] = {}
    for row in rows:
        groups.setdefault(by(row), []).append(row)
    return groups


def _month(ctx: ShopContext, row: Promise) -> str:
    """The month in which most of the promised days lie, on the shop's calendar: 2026-11."""
    middle = row.as_of + (row.due_at - row.as_of) / 2
    return middle.astimezone(ctx.zone).strftime("%Y-%m")


def _promise(row: Promise) -> dict[str, Any]:
    return {
        "as_of": row.as_of,
        "due_at": row.due_at,
        "back_dated": row.back_dated,
        "size": row.size,
        "expected": row.expected,
        "low": row.low,
        "high": row.high,
        "threshold": row.threshold,
        "base_rate": row.base_rate,
        "basis": row.basis,
    }


def _receipt(row: Promise) -> dict[str, Any]:
    return {
        **_promise(row),
        "buyers": row.buyers,
        "inside": _inside(row),
        "mailed": row.mailed,
        "mailed_buyers": row.mailed_buyers,
        "gone": row.gone,
        "settled_at": row.settled_at,
    }


def _look_back(session: Session, ctx: ShopContext, rows: list[Promise]) -> dict[str, Any]:
    """How the look back stands: shape of the API's `LookBack`."""
    run = runs.latest(session, ctx, KIND)
    made = len({row.as_of for row in rows if row.back_dated})
    state = "waiting" if run is None else run.state
    done = sum(1 for step in run.steps if step["state"] == "done") if run is not None else 0
    return {"state": state, "done": done, "wanted": len(BACK), "moments": made}
