"""A segment's last 90 store days: size, who entered and who left."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.services import segments_days
from app.services.segments import found

if TYPE_CHECKING:
    from datetime import date

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.segments import SegmentDay

DAYS = 90


def trend(rooms: Rooms, ctx: ShopContext, segment_id: int) -> dict[str, Any]:
    """Each day from the first one known within the window up to today: shape of the API's `Trend`. Raises NotFound.

    A day without an evaluation has the size of the day before, and nobody moved.
    """
    today = rooms.clock.now().astimezone(ctx.zone).date()
    first = today - timedelta(days=DAYS - 1)
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        rows = segments_days.since(session, ctx, segment_id, first)
    return {
        "days": _filled(rows, first, today),
        "window_days": DAYS,
        "evaluated_at": segment.evaluated_at,
        "timezone": ctx.timezone,
    }


def _filled(rows: list[SegmentDay], first: date, today: date) -> list[dict[str, Any]]:
    by_day = {row.day: row for row in rows}
    if not rows:
        return []
    day = max(first, rows[0].day)
    size = rows[0].size
    made = []
    while day <= today:
        row = by_day.get(day)
        size = row.size if row else size
        made.append(
            {
                "day": day,
                "size": size,
                "entered": row.entered_count if row else 0,
                "left": row.left_count if row else 0,
            }
        )
        day += timedelta(days=1)
    return made
