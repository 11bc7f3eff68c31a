"""A campaign's states, and the hours, weekdays and last day that it may have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
import pytz
from hypothesis import given
from hypothesis import strategies as st

from app.domain.campaigns import TRANSITIONS, TimingRules, next_states
from app.domain.timetable import Window
from app.domain.zones import PROVINCES, zone_of

ALLOWED = {
    ("draft", "active"), ("draft", "deleted"), ("active", "paused"), ("active", "ended"), ("active", "deleted"),
    ("paused", "active"), ("paused", "ended"), ("paused", "deleted"), ("ended", "deleted"),
    ("deleted", "draft"), ("deleted", "paused"), ("deleted", "ended"),
}  # fmt: skip
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


class TestStates:
    @pytest.mark.parametrize(("before", "after"), list(product(TRANSITIONS, TRANSITIONS)))
    def test_every_pair_is_as_the_table_says(self, before: str, after: str) -> None:
        assert (after in next_states(before)) == ((before, after) in ALLOWED)  # type: ignore[arg-type]

    def test_what_is_no_state_leads_nowhere(self) -> None:
        assert next_states("stopped") == ()  # type: ignore[arg-type]


class TestWindow:
    def test_is_open_from_the_first_hour_to_the_end_of_the_last_on_its_weekdays(self) -> None:
        window = Window(9, 17, frozenset({0, 1}))  # Monday, Tuesday
        monday = datetime(2026, 6, 8, tzinfo=BERLIN)
        assert [window.is_open(monday.replace(hour=hour), BERLIN) for hour in (8, 9, 16, 17)] == [
            False, True, True, False,
        ]  # fmt: skip
        assert not window.is_open(datetime(2026, 6, 10, 12, tzinfo=BERLIN), BERLIN)

    def test_opens_at_once_or_at_the_next_of_its_hours_on_the_customers_clock(self) -> None:
        window = Window(9, 17)
        now = datetime(2026, 6, 8, 12, tzinfo=UTC)
        assert window.opening(now, BERLIN) == now
        assert window.opening(now, NEW_YORK) == datetime(2026, 6, 8, 13, tzinfo=UTC)
        assert window.opening(now, ZoneInfo("Asia/Tokyo")) == datetime(2026, 6, 9, 0, tzinfo=UTC)

    def test_an_hour_that_spring_skips_opens_with_the_next_one(self) -> None:
        before = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 1:30 in Berlin; 2:00 is 3:00 that night
        assert Window(2, 5).opening(before, BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)
        assert Window(2, 3).opening(before, BERLIN) == datetime(2026, 3, 30, 0, tzinfo=UTC)

    def test_an_hour_that_autumn_has_twice_is_open_both_times(self) -> None:
        window = Window(2, 3)
        assert window.opening(datetime(2026, 10, 24, 23, tzinfo=UTC), BERLIN) == datetime(2026, 10, 25, 0, tzinfo=UTC)
        assert window.is_open(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), BERLIN)
        assert window.is_open(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), BERLIN)

    @given(
        st.integers(0, 730 * 24 * 60).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + minutes * MINUTE),
        st.integers(0, 23), st.integers(1, 24), st.frozensets(st.integers(0, 6), min_size=1),
        st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Tokyo"]),
    )  # fmt: skip
    def test_its_opening_is_open_and_never_before(
        self, at: datetime, first: int, length: int, days: frozenset[int], name: str
    ) -> None:
        window, zone = Window(first, min(24, first + length), days), ZoneInfo(name)
        opening = window.opening(at, zone)
        assert opening >= at
        assert window.is_open(opening, zone)
        assert window.is_open(at, zone) == (opening == at)


class TestZones:
    @pytest.mark.parametrize(
        ("country", "province", "zone"),
        [
            ("DE", None, "Europe/Berlin"), ("de", "BY", "Europe/Berlin"), ("JP", "JP-13", "Asia/Tokyo"),
            ("US", "CA", "America/Los_Angeles"), ("US", "ny", "America/New_York"), ("AU", "QLD", "Australia/Brisbane"),
            ("ES", "GC", "Atlantic/Canary"), ("US", "TX", None), ("US", None, None), ("RU", None, None),
            (None, "CA", None), ("", "", None), ("XX", None, None),
        ],
    )  # fmt: skip
    def test_are_known_where_country_or_province_has_one(
        self, country: str | None, province: str | None, zone: str | None
    ) -> None:
        found = zone_of(country, province)
        assert (found.key if found else None) == zone

    def test_of_provinces_are_among_their_countrys(self) -> None:
        for country, zones in PROVINCES.items():
            near = set(pytz.country_timezones[country])
            assert set(zones) - near <= {"America/Puerto_Rico", "Pacific/Guam", "Pacific/Pago_Pago"}


class TestTimingOfHours:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"send_from_hour": 20, "send_until_hour": 8}, "send_from_hour"),
            ({"send_from_hour": 9, "send_until_hour": 9}, "send_from_hour"),
            ({"send_until_hour": 25}, "send_from_hour"),
            ({"send_weekdays": ()}, "send_weekdays"),
            ({"send_weekdays": (7,)}, "send_weekdays"),
        ],
    )
    def test_what_never_opens_is_refused(self, changes: dict[str, object], field: str) -> None:
        assert [one.field for one in TimingRules(**changes).problems()] == [field]  # type: ignore[arg-type]

    def test_the_last_day_itself_still_counts(self) -> None:
        timing = TimingRules(ends_on=date(2026, 6, 8))
        assert [timing.is_over(date(2026, 6, day)) for day in (7, 8, 9)] == [False, False, True]
        assert not TimingRules().is_over(date(2026, 6, 8))
