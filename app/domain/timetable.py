"""When something that happens every day or week happens next, on a shop's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


def next_time(after: datetime, zone: ZoneInfo, hour: int, weekday: int | None = None) -> datetime:
    """The first instant later than `after` at which the clock of `zone` shows that full hour, in UTC.

    hour: 0..23; weekday: 0 = Monday, None = every day.

    Once per local day, whatever the clocks do: an hour that is skipped in spring counts as the one that follows
    it, an hour that comes twice in autumn counts the first time.
    """
    day = after.astimezone(zone).date()
    for _ in range(9):  # today's hour may be over, and a week's day is at most seven days on
        if weekday is None or day.weekday() == weekday:
            moment = datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)
            if moment > after:
                return moment
        day += timedelta(days=1)
    raise ValueError("weekday is 0..6")
