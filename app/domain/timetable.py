"""When something that happens every day or week happens next, on a shop's own clock."""

from __future__ import annotations

from dataclasses import dataclass
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


EVERY_DAY = frozenset(range(7))
HOURS = 24


@dataclass(frozen=True)
class Window:
    """The hours and weekdays at which something may happen, on one's own clock.

    from_hour: 0..23, until_hour: 1..24, later than from_hour; weekdays: 0 = Monday, at least one.
    """

    from_hour: int = 0
    until_hour: int = HOURS
    weekdays: frozenset[int] = EVERY_DAY

    @property
    def always(self) -> bool:
        """Whether it never closes."""
        return self == Window()

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether it is open at an instant, by the clock of `zone`."""
        local = at.astimezone(zone)
        return local.weekday() in self.weekdays and self.from_hour <= local.hour < self.until_hour

    def opening(self, at: datetime, zone: ZoneInfo) -> datetime:
        """`at` itself if it is open then, else the next instant at which it opens, in UTC.

        An opening hour that the clocks skip in spring opens at the hour that follows. Where the skipped hour was
        the window's only one, the day has none.
        """
        moment = at
        for _ in range(15):  # a window of one weekday and one hour may miss one week to the clocks
            if self.is_open(moment, zone):
                return moment.astimezone(UTC)
            moment = min(next_time(moment, zone, self.from_hour, day) for day in self.weekdays)
        raise ValueError("a window opens on at least one weekday, for at least an hour")
