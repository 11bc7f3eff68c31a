"""The next time of something that happens every day or week, through the nights on which clocks change."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.timetable import next_time

NEW_YORK = ZoneInfo("America/New_York")
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Pacific/Apia"]
START = datetime(2011, 1, 1, tzinfo=UTC)
instants = st.integers(0, 19 * 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestNextTime:
    @pytest.mark.parametrize(
        ("after", "hour", "weekday", "expected"),
        [
            ("2026-11-20T15:30", 6, None, "2026-11-21T11:00"),
            ("2026-11-20T10:30", 6, None, "2026-11-20T11:00"),
            ("2026-11-20T11:00", 6, None, "2026-11-21T11:00"),  # that moment itself is not later
            ("2026-11-20T15:30", 6, 0, "2026-11-23T11:00"),  # a Monday
            ("2026-11-23T12:00", 6, 0, "2026-11-30T11:00"),
            ("2026-03-07T08:00", 2, None, "2026-03-08T07:00"),  # 2:00 does not exist: 3:00 of that day
            ("2026-03-08T07:00", 2, None, "2026-03-09T06:00"),
            ("2026-10-31T12:00", 1, None, "2026-11-01T05:00"),  # 1:00 comes twice: the first one
            ("2026-11-01T05:00", 1, None, "2026-11-02T06:00"),
        ],
    )
    def test_in_new_york(self, after: str, hour: int, weekday: int | None, expected: str) -> None:
        assert next_time(at(after), NEW_YORK, hour, weekday) == at(expected)

    @given(instants, st.sampled_from(ZONES), st.integers(0, 23), st.none() | st.integers(0, 6))
    def test_is_later_on_the_right_day_and_soon(
        self, after: datetime, name: str, hour: int, weekday: int | None
    ) -> None:
        zone = ZoneInfo(name)
        found = next_time(after, zone, hour, weekday)
        local = found.astimezone(zone)
        assert found > after
        assert weekday in {None, local.weekday()} or name == "Pacific/Apia"  # whose 30 December 2011 never was
        assert found - after <= (timedelta(days=1, hours=25) if weekday is None else timedelta(days=8, hours=25))

    @given(instants, st.sampled_from(ZONES[:5]), st.integers(0, 23))
    def test_comes_once_on_each_local_day(self, after: datetime, name: str, hour: int) -> None:
        zone, days = ZoneInfo(name), []
        for _ in range(5):
            after = next_time(after, zone, hour)
            days.append(after.astimezone(zone).date())
        assert [later - earlier for earlier, later in itertools.pairwise(days)] == [timedelta(days=1)] * 4
