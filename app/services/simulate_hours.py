"""At which moments of the coming days a campaign's messages may leave, where its customers live."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from app.domain.campaigns import TimingRules
    from ml.history import Floats

HOUR = timedelta(hours=1)
HOURS_A_DAY = 24


def always(timing: TimingRules) -> bool:
    """Whether messages may leave at any time from now on."""
    return timing.window.always and timing.ends_on is None


def hours(
    timing: TimingRules, zones: Sequence[ZoneInfo], shop_zone: ZoneInfo, at: datetime, days: int
) -> tuple[Floats, Floats]:
    """((z, T), (z, T)) how far into each day from `at` on messages may leave first, and last; NaN: not that day.

    zones: of the customers, by whose clocks hours and weekdays are; the last day is of the shop's calendar.
    """
    first, last = (np.full((len(zones), days), np.nan) for _ in range(2))
    for place, zone in enumerate(zones):
        local = at.astimezone(zone)
        begin = at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        late = (at - begin) / timedelta(days=1)
        steps = np.arange(days * HOURS_A_DAY + 1)
        is_open = np.array(
            [
                timing.window.is_open(moment, zone) and not timing.is_over(moment.astimezone(shop_zone).date())
                for moment in (begin + int(step) * HOUR for step in steps)
            ]
        )
        starts = np.maximum(steps[is_open] / HOURS_A_DAY - late, 0.0)
        ends = (steps[is_open] + 1) / HOURS_A_DAY - late
        for day in range(days):
            inside = (starts < day + 1) & (ends > day)
            if inside.any():
                first[place, day] = max(starts[inside].min() - day, 0.0)
                last[place, day] = min(ends[inside].max() - day, 1.0)
    return first, last
