"""Futures of campaigns: the rules hold in each, chances come out as said, and streams have nothing in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.hazards import Pairs, tables
from ml.policy.discount import DiscountPolicy, Response
from ml.simulation import Crowd, Futures, Offers, Rules, Setting, Slots, simulate
from ml.simulation_codes import Codes, Terms
from ml.streams import stream

SETTING = Setting(
    days=30, draws=40, tick=0.01, cap=7 + 1 / 24, lift=(0.0, 0.0), lift_error=(0.0, 0.0), spread=(0.0, 0.0)
)
OFTEN = Rules(every=7.0, wait=0.0, repeats=10, holdout=0.0)
NEVER = -np.inf


def shop(
    customers: int, campaigns: int, chance: float = 0.3, *, again: bool = True
) -> tuple[Crowd, Pairs, Slots, Offers]:
    """Everybody has one product, at a constant rate, and every campaign offers it to everybody."""
    everybody = np.arange(customers)
    pairs = Pairs(
        customer=everybody, again=np.full(customers, again), chance=np.full(customers, chance),
        idle=np.full(customers, 40.0), gap=np.full(customers, np.nan), spread=np.full(customers, 0.5),
        preference=np.zeros(customers), cost=np.full(customers, 2.0),
    )  # fmt: skip
    slots = Slots(
        customer=np.repeat(everybody, campaigns), campaign=np.tile(np.arange(campaigns), customers),
        last=np.full(customers * campaigns, NEVER), drawn=np.full(customers * campaigns, np.nan),
    )  # fmt: skip
    offers = Offers(
        pair=np.repeat(everybody, campaigns), slot=np.arange(customers * campaigns),
        threshold=np.full(customers * campaigns, 0.1), given=np.zeros(customers * campaigns, dtype=int),
    )  # fmt: skip
    crowd = Crowd(np.full(customers, NEVER), np.full(customers, NEVER), np.zeros(customers))
    return crowd, pairs, slots, offers


def policy(basis: str, levels: tuple[int, ...], slope: float) -> DiscountPolicy:
    response = Response(0.0, np.zeros(0), np.zeros(0), np.ones(0), np.full(4, slope))
    return DiscountPolicy(response, levels, basis)


def run(
    parts: tuple[Crowd, Pairs, Slots, Offers], rules: list[Rules], setting: Setting = SETTING, seed: int = 1
) -> Futures:
    return simulate(*parts, rules, setting, stream("test", seed))


class TestRules:
    def test_nobody_gets_two_mails_within_a_week_from_any_campaigns(self) -> None:
        found = run(shop(20, 3), [OFTEN, OFTEN, replace(OFTEN, every=14.0)])
        daily = found.emails.sum(axis=1)
        assert daily[:, 0].tolist() == [20] * 40
        assert daily[:, 1:7].sum() == 0
        assert daily[:, 7].tolist() == [20] * 40
        assert daily.sum() == 40 * 20 * 5

    def test_decisions_made_once_a_day_keep_eight_days_between_mails(self) -> None:
        found = run(shop(5, 1), [OFTEN], replace(SETTING, tick=1.0))
        assert np.flatnonzero(found.emails.sum(axis=(0, 1))).tolist() == [0, 8, 16, 24]

    def test_once_mails_once_and_repeats_end_without_a_purchase(self) -> None:
        assert run(shop(10, 1), [replace(OFTEN, every=None)]).emails.sum(axis=(1, 2)).tolist() == [10] * 40
        few = run(shop(10, 1, chance=0.1001), [replace(OFTEN, repeats=2)], replace(SETTING, spread=(0.0, 0.0)))
        assert few.emails.sum(axis=(1, 2)).min() == 20

    def test_a_purchase_makes_wait_and_lets_a_repurchase_campaign_begin_anew(self) -> None:
        parts = shop(200, 1, chance=0.9)
        waiting = run(parts, [replace(OFTEN, wait=25.0)]).emails.sum()
        free = run(parts, [OFTEN]).emails.sum()
        assert waiting < 0.7 * free
        assert run(parts, [replace(OFTEN, repeats=1)]).emails.sum() > 40 * 200

    def test_who_bought_a_new_product_is_not_mailed_about_it_again(self) -> None:
        found = run(shop(300, 1, chance=0.995, again=False), [OFTEN])
        assert found.emails.sum(axis=1)[:, 28].mean() < 5

    def test_held_out_customers_are_counted_and_not_mailed(self) -> None:
        found = run(shop(100, 1), [replace(OFTEN, every=None, holdout=0.3)])
        assert (found.emails.sum(axis=(1, 2)) + found.held_out.sum(axis=1)).tolist() == [100] * 40
        assert found.held_out.mean() == pytest.approx(30, abs=3)
        assert found.reached[:, 0].tolist() == found.emails.sum(axis=(1, 2)).tolist()

    def test_the_older_campaign_wins_a_tie_and_the_other_is_counted_as_beaten(self) -> None:
        found = run(shop(10, 2), [replace(OFTEN, every=None), replace(OFTEN, every=None)])
        assert found.emails[:, 0, 0].tolist() == [10] * 40
        assert found.beaten[:, 1].tolist() == [10] * 40
        assert found.capped[:, 1].tolist() == [60] * 40  # six days in which only the week was in the way
        assert found.emails[:, 1, 7].tolist() == [10] * 40

    def test_who_was_mailed_before_waits_out_the_week(self) -> None:
        crowd, *rest = shop(4, 1)
        found = run((replace(crowd, last_mail=np.full(4, -3.5)), *rest), [OFTEN])
        assert np.flatnonzero(found.emails.sum(axis=(0, 1)))[0] == 3

    @settings(max_examples=25, deadline=None)
    @given(
        every=st.integers(7, 30), wait=st.integers(0, 20), repeats=st.integers(1, 4),
        holdout=st.sampled_from([0.0, 0.5]), campaigns=st.integers(1, 3), chance=st.floats(0.1, 0.95),
        days=st.integers(1, 40),
    )  # fmt: skip
    def test_counts_fit_together(
        self, every: int, wait: int, repeats: int, holdout: float, campaigns: int, chance: float, days: int
    ) -> None:
        rules = [Rules(float(every), float(wait), repeats, holdout)] * campaigns
        found = run(shop(15, campaigns, chance), rules, replace(SETTING, days=days, draws=6, lift=(0.05, 0.05)))
        emails = found.emails.sum(axis=2)
        assert (found.reached <= emails).all()
        assert (found.reached_any <= 15).all()
        assert (found.added <= found.orders).all()
        assert (emails.sum(axis=1) <= 15 * (days // 7 + 1)).all()
        assert found.per_customer["emails"].sum(axis=1) == pytest.approx(emails.mean(axis=0))
        assert found.per_customer["orders"].sum(axis=1) == pytest.approx(found.orders.mean(axis=0))


class TestHours:
    def test_a_campaign_mails_on_the_days_that_its_hours_are_open_and_stamps_when_they_open(self) -> None:
        opens = np.full((1, 30), np.nan)
        opens[0, [2, 9, 17]] = 0.5
        found = run(shop(10, 1), [replace(OFTEN, opens=opens, closes=opens + 0.25)])
        assert np.flatnonzero(found.emails.sum(axis=(0, 1))).tolist() == [2, 9, 17]
        opens[0, 9] = 0.2  # five hours of the week are missing at its closing
        found = run(shop(10, 1), [replace(OFTEN, opens=opens, closes=opens + 0.25)])
        assert np.flatnonzero(found.emails.sum(axis=(0, 1))).tolist() == [2, 17]

    def test_customers_live_by_the_clock_of_their_zone(self) -> None:
        opens = np.full((2, 30), np.nan)
        opens[0, 1], opens[1, 4] = 0.0, 0.0
        crowd, *rest = shop(10, 1)
        crowd = replace(crowd, zone=np.array([0, 1] * 5))
        found = run((crowd, *rest), [replace(OFTEN, opens=opens, closes=opens + 1.0)])
        assert found.emails[0, 0, [1, 4]].tolist() == [5, 5]

    def test_who_buys_before_they_open_is_not_mailed_unless_purchases_do_not_matter(self) -> None:
        crowd, *rest = shop(400, 1)
        opens = np.full((1, 30), np.nan)
        opens[0, 0] = 0.5
        parts = (replace(crowd, order_rate=np.full(400, 0.2)), *rest)
        some = replace(OFTEN, wait=1.0, opens=opens, closes=opens + 0.5)
        found = run(parts, [some])
        assert found.withdrawn.mean() == pytest.approx(400 * 0.2 / 2, rel=0.1)
        assert (found.withdrawn.sum(axis=1) + found.emails.sum(axis=(1, 2))).tolist() == [400] * 40
        assert run(parts, [replace(some, wait=0.0)]).withdrawn.mean() < 4


class TestSubscriptions:
    def test_keep_reminders_away_until_they_run_out_and_deliveries_prolong_them(self) -> None:
        crowd, pairs, *rest = shop(50, 1)
        setting = replace(SETTING, subscription=60.0)
        quiet = replace(pairs, subscribed=np.full(50, 10.0), chance=np.full(50, 0.1001))
        found = run((crowd, quiet, *rest), [replace(OFTEN, every=None)], setting)
        daily = found.emails.sum(axis=(0, 1))
        assert daily[:10].sum() == 0
        assert daily[10] == pytest.approx(40 * 50 * 0.966, rel=0.02)  # who got none in ten days
        assert daily[11:].sum() == 0


class TestCodes:
    def terms(self, left: float, policy: DiscountPolicy, lasts: float = 40.0) -> Terms:
        return Terms(
            campaign=0, amounts=np.array([0, 100, 300]), policy=policy, none_share=0.25,
            explore_share=0.75 if policy.basis == "start" else 0.0, basket=np.full(200, 1000),
            margin=np.full(200, 500), left=np.array([left]), period=np.zeros(30, dtype=int),
            lasts=np.full(30, lasts),
        )  # fmt: skip

    def futures(self, terms: Terms, chance: float = 0.5) -> Futures:
        setting = replace(SETTING, draws=100)
        return simulate(*shop(200, 1, chance), [replace(OFTEN, every=None)], setting, stream("test", 1), terms)

    def test_are_given_by_chance_before_anything_is_known_and_cost_what_is_used(self) -> None:
        found = self.futures(self.terms(1e9, policy("start", (0,), 0.0)))
        assert found.codes is not None
        assert found.codes_minor is not None
        assert found.codes.mean() == pytest.approx(200 * 0.75 * 2 / 3, rel=0.02)
        assert found.codes_minor.mean() == pytest.approx(200 * 0.75 * 400 / 3, rel=0.02)
        assert found.cost[:, 0].mean() == pytest.approx(found.codes_minor.mean() / 2, rel=0.05)
        assert found.per_customer["cost"].sum() == pytest.approx(found.cost.sum(axis=1).mean())

    def test_are_never_worth_more_than_the_budget_that_has_nothing_back_yet(self) -> None:
        found = self.futures(self.terms(5_000, policy("start", (0,), 0.0)))
        assert found.codes_minor is not None
        assert found.codes_minor.max() <= 5_000
        assert found.codes_minor.min() > 5_000 - 600

    def test_that_ended_unused_are_given_again(self) -> None:
        terms = self.terms(300, policy("customers", (0, 1, 2), 9.0), lasts=3.0)
        setting = replace(SETTING, draws=20)
        found = simulate(*shop(200, 1, 0.1001), [OFTEN], setting, stream("test", 1), terms)
        assert found.codes_minor is not None
        assert found.codes_minor.mean() > 500

    def test_follow_what_was_learned_and_bring_the_orders_that_they_were_shown_to_bring(self) -> None:
        learned = self.futures(self.terms(1e9, policy("constant", (0, 1), 3.0)), chance=0.2)
        assert learned.codes is not None
        assert learned.codes_minor is not None
        assert learned.codes.mean() == pytest.approx(150, rel=0.03)
        assert (learned.codes_minor == 100 * learned.codes).all()
        assert learned.added.mean() > 20
        assert (learned.orders - learned.added).mean() == pytest.approx(-200 * np.log(0.8), rel=0.1)

    def test_that_are_older_serve_the_next_order_while_they_work(self) -> None:
        always = policy("constant", (0, 2), 1.0)
        codes = Codes(replace(self.terms(1e9, always, lasts=10.0), none_share=0.0), 1, stream("test", 1))
        one, nobody = np.array([0]), np.zeros(0)
        for day in (0, 7):
            codes.give(day, one, one, np.array([0.3]))
        used = [codes.redeem(one, one, np.array([at]))[2] for at in (8.0, 9.0, 9.5)]
        assert [worth.tolist() for worth in used] == [[300], [300], nobody.tolist()]
        codes.give(14, one, one, np.array([0.3]))
        assert codes.redeem(one, one, np.array([24.5]))[2].tolist() == []

    def test_after_their_end_are_worth_nothing(self) -> None:
        found = self.futures(self.terms(1e9, policy("start", (0,), 0.0), lasts=0.0))
        assert found.cost.sum() == 0


class TestPurchases:
    def test_come_as_often_as_the_chances_say(self) -> None:
        found = run(shop(500, 1, chance=0.3), [replace(OFTEN, every=None)])
        # A constant rate; who buys may buy again.
        assert found.orders.mean() == pytest.approx(-500 * np.log(0.7), rel=0.03)

    def test_added_ones_are_the_lift_over_what_would_have_been(self) -> None:
        setting = replace(SETTING, draws=200, lift=(0.0, 0.25))
        found = run(shop(500, 1, chance=0.2), [replace(OFTEN, every=None)], setting)
        baseline = -500 * np.log(0.8)
        assert (found.orders - found.added).mean() == pytest.approx(baseline, rel=0.03)
        assert found.added.mean() == pytest.approx(0.25 * baseline, rel=0.1)
        assert found.cost.sum() == pytest.approx(2.0 * found.orders.sum())

    def test_a_lift_below_zero_takes_orders_away(self) -> None:
        setting = replace(SETTING, draws=200, lift=(0.0, -0.25))
        found = run(shop(500, 1, chance=0.2), [replace(OFTEN, every=None)], setting)
        baseline = -500 * np.log(0.8)
        assert (found.orders - found.added).mean() == pytest.approx(baseline, rel=0.03)
        assert found.added.mean() == pytest.approx(-0.25 * baseline, rel=0.1)

    def test_an_error_that_all_share_widens_what_may_come(self) -> None:
        parts = shop(500, 1)
        narrow, wide = (run(parts, [OFTEN], replace(SETTING, draws=100, spread=(0, s))).orders for s in (0.0, 0.4))
        assert wide.std() > 3 * narrow.std()


class TestHazards:
    @settings(max_examples=50, deadline=None)
    @given(chance=st.floats(0.001, 0.9), idle=st.floats(0, 120), gap=st.floats(5, 120), spread=st.floats(0.2, 1.0))
    def test_the_next_thirty_days_have_the_predicted_chance(
        self, chance: float, idle: float, gap: float, spread: float
    ) -> None:
        one = Pairs(*(np.array([value]) for value in (0, True, chance, idle, gap, spread, 0.0, 0.0)))
        found = tables(one, 30)
        assert found.chance[0, 0] == pytest.approx(chance, rel=1e-5)
        assert (found.rate >= 0).all()
        assert ((found.chance >= 0) & (found.chance <= 1)).all()

    def test_a_chance_rises_toward_the_expected_date_and_falls_after_a_purchase(self) -> None:
        one = Pairs(*(np.array([value]) for value in (0, True, 0.05, 5.0, 50.0, 0.3, 0.0, 0.0)))
        waiting, fresh = np.split(tables(one, 60).chance[0], 2)
        assert waiting[20] > 5 * waiting[0]
        assert fresh[0] < 0.05
        assert fresh[45] > 5 * fresh[0]


class TestStreams:
    def test_equal_questions_have_equal_answers_and_other_seeds_others(self) -> None:
        parts = shop(50, 2)
        first, second, third = (run(parts, [OFTEN, OFTEN], seed=seed).orders.tolist() for seed in (1, 1, 2))
        assert first == second != third

    def test_of_two_domains_share_nothing_for_any_seeds(self) -> None:
        mine = np.concatenate(
            [stream("simulator", shop, seed).integers(0, 2**63, 50) for shop in (1, 2) for seed in range(40)]
        )
        theirs = np.concatenate([stream("actual", seed).integers(0, 2**63, 50) for seed in range(80)])
        assert len(np.intersect1d(mine, theirs)) == 0
        assert len(np.unique(mine)) == len(mine)
        assert abs(np.corrcoef(mine, theirs)[0, 1]) < 0.08
