"""How much may be sent on a simulated day: against a plain count of calendar days, one message after another."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.simulation import Rules, simulate
from ml.simulation_limits import Limit, Limits, scaled
from ml.streams import stream
from tests.unit.ml.test_simulation import OFTEN, SETTING, run, shop

DAYS = 30
NO_LIMIT = np.full(DAYS + 1, np.inf)
EVERYBODY = np.array([True])
STEPS = (10.0, 20.0, 40.0, 80.0)
REMEMBERED = 30
NOTHING = (0.0,) * REMEMBERED


def daily(limit: Limit, customers: int, rules: Rules = OFTEN) -> list[int]:
    """Messages of each day, which are the same in all futures."""
    found = simulate(*shop(customers, 1), [rules], SETTING, stream("test", 1), limits=[limit])
    each = found.emails[:, 0]
    assert (each == each[0]).all()
    counts: list[int] = each[0].tolist()
    return counts


class TestOfADay:
    def test_lets_so_many_go_each_day_until_all_are_mailed(self) -> None:
        found = daily(Limit(EVERYBODY, np.full(DAYS + 1, 10.0), rest=False), 25, replace(OFTEN, every=None))
        assert found == [10, 10, 5] + [0] * 27

    def test_lets_todays_rest_go_and_what_the_next_day_allows(self) -> None:
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 10.0), today=7.0)
        assert daily(limit, 25, replace(OFTEN, every=None))[:4] == [13, 10, 2, 0]

    def test_what_is_in_line_goes_before(self) -> None:
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 10.0), today=7.0, ahead=9.0)
        assert daily(limit, 25, replace(OFTEN, every=None))[:4] == [4, 10, 10, 1]

    def test_holds_for_the_campaigns_together_that_it_is_for(self) -> None:
        limit = Limit(np.array([True, True, False]), np.full(DAYS + 1, 4.0), rest=False)
        once = replace(OFTEN, every=None)
        crowd, pairs, slots, offers = shop(30, 3)
        offers = replace(offers, threshold=np.where(slots.campaign == slots.customer % 3, 0.1, 2.0))
        found = simulate(crowd, pairs, slots, offers, [once] * 3, SETTING, stream("test", 2), limits=[limit])
        assert (found.emails[:, :2].sum(axis=1)[:, :6] == [4, 4, 4, 4, 4, 0]).all()
        assert (found.emails[:, 2, 0] == 10).all()
        assert (found.limited.sum(axis=1) == 16 + 12 + 8 + 4).all()
        assert (found.limited[:, 2] == 0).all()

    def test_of_two_the_narrower_one_decides_and_fills_no_more_of_the_other(self) -> None:
        wide = Limit(EVERYBODY, NO_LIMIT, steps=STEPS, past=NOTHING, rest=False)
        narrow = Limit(EVERYBODY, np.full(DAYS + 1, 4.0), rest=False)
        found = simulate(*shop(40, 1), [OFTEN], SETTING, stream("test", 1), limits=[wide, narrow])
        assert (found.emails[:, 0, :7] == 4).all()

    def test_messages_withheld_for_measurement_take_no_place(self) -> None:
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 10.0), rest=False)
        rules = Rules(None, 0.0, 1, holdout=0.4)
        found = simulate(*shop(100, 1), [rules], SETTING, stream("test", 1), limits=[limit])
        assert (found.emails[:, 0, :3] == 10).all()
        assert (found.held_out[:, 0] + found.emails[:, 0].sum(axis=1) == 100).all()

    def test_that_is_never_reached_changes_nothing(self) -> None:
        parts = shop(50, 1)
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 50.0))
        limited = simulate(*parts, [OFTEN], SETTING, stream("test", 1), limits=[limit])
        free = run(parts, [OFTEN])
        assert (limited.emails == free.emails).all()
        assert (limited.orders == free.orders).all()
        assert not limited.limited.any()


class TestWarmingUp:
    def test_goes_a_step_on_after_each_full_day(self) -> None:
        limit = Limit(EVERYBODY, NO_LIMIT, steps=STEPS, past=NOTHING, rest=False)
        assert daily(limit, 400, replace(OFTEN, every=None))[:7] == [10, 20, 40, 80, 250, 0, 0]

    def test_begins_where_the_domain_is_and_forgets_after_thirty_days(self) -> None:
        past = (*NOTHING[:27], 20.0, *NOTHING[28:])  # 28 days ago: counts for two days more
        limit = Limit(EVERYBODY, NO_LIMIT, steps=STEPS, past=past, today=0.0, rest=False)
        assert daily(limit, 25, replace(OFTEN, every=None))[:2] == [25, 0]
        one = Limits([limit], 1, stream("test", 1))
        allowed = [int(one.admit(day, np.zeros(100, dtype=int), np.zeros(100, dtype=int)).sum()) for day in range(2)]
        assert allowed == [40, 80]
        quiet = Limits([limit], 1, stream("test", 1))
        assert quiet.admit(2, np.zeros(100, dtype=int), np.zeros(100, dtype=int)).sum() == 10

    @settings(max_examples=60, deadline=None)
    @given(
        past=st.lists(st.integers(0, 60), min_size=REMEMBERED, max_size=REMEMBERED), today=st.integers(0, 30),
        ahead=st.integers(0, 30), rest=st.booleans(), wanted=st.lists(st.integers(0, 120), min_size=5, max_size=40),
    )  # fmt: skip
    def test_is_that_of_a_calendar_kept_by_hand(
        self, past: list[int], today: int, ahead: int, wanted: list[int], *, rest: bool
    ) -> None:
        limit = Limit(
            EVERYBODY, np.full(len(wanted) + 1, np.inf), STEPS, tuple(map(float, past)), today, rest, ahead, filled=0.75
        )
        limits = Limits([limit], 2, stream("test", 1))
        sent = dict(enumerate(reversed([today, *past]), start=-REMEMBERED))  # calendar day → messages

        def room(calendar_day: int) -> float:
            best = max(sent.get(one, 0) for one in range(calendar_day - REMEMBERED, calendar_day))
            passed = sum(1 for step in STEPS if best >= 0.75 * step)
            return max([*STEPS, np.inf][passed] - sent.get(calendar_day, 0), 0)

        for day, number in enumerate(wanted):
            in_line = ["ahead"] * (ahead if day == 0 else 0) + ["mine"] * number
            gone: list[str] = []
            for calendar_day in [0, 1] if day == 0 and rest else [day + 1]:
                now = in_line[: int(min(room(calendar_day), len(in_line)))]
                sent[calendar_day] = sent.get(calendar_day, 0) + len(now)
                gone, in_line = gone + now, in_line[len(now) :]
            draw = np.repeat([0, 1], number)
            leaves = limits.admit(day, draw, np.zeros(2 * number, dtype=int))
            assert np.bincount(draw[leaves], minlength=2).tolist() == [gone.count("mine")] * 2

    def test_of_a_share_of_the_customers_is_a_share_of_it(self) -> None:
        whole = Limit(EVERYBODY, NO_LIMIT, steps=STEPS, past=(12.0,) * REMEMBERED, today=8.0, ahead=4.0, rest=False)
        once = replace(OFTEN, every=None)
        assert daily(scaled(whole, 0.5), 40, once)[:3] == [8, 20, 12]
        assert daily(whole, 80, once)[:3] == [16, 40, 24]


class TestWhoGoes:
    def test_is_drawn_anew_in_each_future(self) -> None:
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 1.0), rest=False)
        leaves = Limits([limit], 600, stream("test", 1)).admit(
            0, np.repeat(np.arange(600), 3), np.zeros(1800, dtype=int)
        )
        assert leaves.reshape(600, 3).sum(axis=1).tolist() == [1] * 600
        assert leaves.reshape(600, 3).sum(axis=0) == pytest.approx([200] * 3, abs=45)

    def test_over_weeks_everybody_gets_a_turn(self) -> None:
        limit = Limit(EVERYBODY, np.full(DAYS + 1, 10.0), rest=False)
        found = simulate(*shop(70, 1), [replace(OFTEN, every=None)], SETTING, stream("test", 3), limits=[limit])
        assert (found.reached[:, 0] == 70).all()
        assert list(accumulate(found.emails[0, 0].tolist()))[6] == 70
