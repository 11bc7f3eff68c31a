from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.rules.windows import Span, add_months, expiry, midnight, span
from app.domain.rules.windows_parse import parse_window

NEW_YORK = ZoneInfo("America/New_York")
AS_OF = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def of(raw: dict[str, Any], as_of: datetime = AS_OF, zone: ZoneInfo = NEW_YORK, *, future: bool = False) -> Span:
    return span(parse_window(raw, "during"), as_of, zone, future=future)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


class TestSpan:
    def test_last_30d_is_the_thirty_store_days_that_end_with_today(self) -> None:
        assert of({"last": "30d"}) == Span(utc(2026, 10, 22, 4), AS_OF)  # 22 October 00:00 EDT

    def test_last_1d_is_today(self) -> None:
        assert of({"last": "1d"}).start == utc(2026, 11, 20, 5)

    def test_the_store_day_and_not_the_utc_day_counts(self) -> None:
        late = utc(2026, 11, 21, 2)  # still the 20th in New York
        assert of({"last": "1d"}, late).start == utc(2026, 11, 20, 5)

    def test_hours_are_exact_across_a_clock_change(self) -> None:
        after_change = utc(2026, 11, 1, 12)
        assert of({"last": "24h"}, after_change).start == utc(2026, 10, 31, 12)

    def test_a_day_of_23_hours_is_a_day(self) -> None:
        assert of({"last": "1d"}, utc(2026, 3, 9, 3)).start == utc(2026, 3, 8, 5)
        assert midnight(date(2026, 3, 9), NEW_YORK) - midnight(date(2026, 3, 8), NEW_YORK) == timedelta(hours=23)

    def test_midnight_that_a_clock_change_skips_begins_when_the_day_does(self) -> None:
        santiago = ZoneInfo("America/Santiago")
        assert midnight(date(2026, 9, 6), santiago) == utc(2026, 9, 6, 4)

    def test_months_clamp_to_the_end_of_the_month(self) -> None:
        assert add_months(date(2026, 3, 31), -1) == date(2026, 2, 28)
        assert of({"last": "1mo"}, utc(2026, 3, 31, 16)).start == utc(2026, 3, 1, 5)

    def test_ago_and_last_meet_without_gap_or_overlap(self) -> None:
        assert of({"ago": ["60d", "30d"]}).end == of({"last": "30d"}).start
        assert of({"ago": ["60d", "30d"]}).start == of({"last": "60d"}).start

    def test_next_14d_begins_with_the_rest_of_today(self) -> None:
        assert of({"next": "14d"}, future=True) == Span(AS_OF, utc(2026, 12, 4, 5))

    def test_from_is_included_and_to_is_not(self) -> None:
        found = of({"from": "2026-01-01", "to": "2026-02-01"})
        assert found == Span(utc(2026, 1, 1, 5), utc(2026, 2, 1, 5))

    def test_an_instant_without_offset_is_store_time(self) -> None:
        assert of({"since": "2026-07-01T12:00:00"}).start == utc(2026, 7, 1, 16)

    def test_events_never_lie_after_as_of(self) -> None:
        assert of({"before": "2027-01-01"}).end == AS_OF
        assert of({"ever": True}).end == AS_OF

    @pytest.mark.parametrize(
        ("period", "start", "end"),
        [
            ("today", utc(2026, 11, 20, 5), utc(2026, 11, 21, 5)),
            ("yesterday", utc(2026, 11, 19, 5), utc(2026, 11, 20, 5)),
            ("this_week", utc(2026, 11, 16, 5), utc(2026, 11, 23, 5)),
            ("last_month", utc(2026, 10, 1, 4), utc(2026, 11, 1, 4)),
            ("this_quarter", utc(2026, 10, 1, 4), utc(2027, 1, 1, 5)),
            ("last_quarter", utc(2026, 7, 1, 4), utc(2026, 10, 1, 4)),
            ("last_year", utc(2025, 1, 1, 5), utc(2026, 1, 1, 5)),
        ],
    )
    def test_calendar_periods(self, period: str, start: datetime, end: datetime) -> None:
        assert of({"calendar": period}, future=True) == Span(start, end)


class TestExpiry:
    def flip(self, raw: dict[str, Any], earliest: datetime | None) -> datetime | None:
        return expiry(parse_window(raw, "during"), earliest, AS_OF, NEW_YORK)

    def test_an_hour_window_flips_right_after_its_oldest_event_is_that_old(self) -> None:
        flips = self.flip({"last": "36h"}, utc(2026, 11, 19, 9, 17))
        assert flips == utc(2026, 11, 20, 21, 17) + timedelta.resolution

    def test_a_day_window_flips_at_the_store_midnight_that_drops_its_oldest_day(self) -> None:
        assert self.flip({"last": "30d"}, utc(2026, 10, 25, 18)) == utc(2026, 11, 24, 5)

    def test_that_instant_is_the_first_at_which_the_window_begins_later(self) -> None:
        oldest = utc(2026, 10, 25, 18)
        flip = self.flip({"last": "30d"}, oldest)
        assert flip is not None
        before, after = (of({"last": "30d"}, flip + timedelta(seconds=s)).start for s in (-1, 0))
        assert before is not None
        assert after is not None
        assert before <= oldest < after

    def test_nothing_inside_never_flips(self) -> None:
        assert self.flip({"last": "30d"}, None) is None

    def test_all_time_never_flips(self) -> None:
        assert self.flip({"ever": True}, utc(2020, 1, 1)) is None

    def test_a_calendar_window_can_flip_at_the_next_store_midnight(self) -> None:
        assert self.flip({"calendar": "this_month"}, utc(2026, 11, 2)) == utc(2026, 11, 21, 5)
