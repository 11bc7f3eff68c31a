"""The two holdout coins, and when a campaign holds out fewer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.holdout import STEPS, next_percent, toss

CUSTOMERS = range(20_000)
MONTH = timedelta(days=30)


def held(campaign: int, percent: int, shop_percent: int) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {"campaign": set(), "shop": set()}
    for customer in CUSTOMERS:
        by = toss(1, campaign, customer, campaign_percent=percent, shop_percent=shop_percent).held_by
        if by is not None:
            found[by].add(customer)
    return found


class TestToss:
    def test_the_shops_group_is_the_same_for_every_campaign_and_the_campaigns_fall_apart(self) -> None:
        first, second = held(5, 10, 3), held(6, 10, 3)
        assert first["shop"] == second["shop"]
        assert len(first["shop"]) / len(CUSTOMERS) == pytest.approx(0.03, abs=0.005)
        both = len(first["campaign"] & second["campaign"]) / len(CUSTOMERS)
        assert both == pytest.approx(0.97 * 0.01, abs=0.003)

    def test_together_no_more_than_an_eighth_stays_without(self) -> None:
        found = held(5, 10, 3)
        share = (len(found["shop"]) + len(found["campaign"])) / len(CUSTOMERS)
        assert share == pytest.approx(0.127, abs=0.01)

    def test_a_smaller_percentage_holds_out_some_of_the_same_and_nobody_else(self) -> None:
        assert held(5, 5, 3)["campaign"] < held(5, 10, 3)["campaign"]

    def test_the_chances_in_force_are_kept(self) -> None:
        fell = toss(1, 5, 7, campaign_percent=10, shop_percent=3)
        assert (fell.campaign, fell.shop) == (0.1, 0.03)

    def test_nobody_is_held_out_at_zero(self) -> None:
        assert held(5, 0, 0) == {"campaign": set(), "shop": set()}


class TestNextPercent:
    def test_goes_down_by_steps_to_a_floor_while_the_campaign_surely_adds_orders(self) -> None:
        percent, seen = 10, [10]
        for _ in range(6):
            percent = next_percent(percent, "adds", 8.0, 3.0, MONTH)
            seen.append(percent)
        assert seen == [*STEPS, 3, 3, 3]

    @pytest.mark.parametrize("found", ["collecting", "not_yet_known", "takes_away", "little"])
    def test_stays_while_it_is_not_known_to_add(self, found: str) -> None:
        assert next_percent(10, found, 8.0, 3.0, MONTH) == 10  # type: ignore[arg-type]

    def test_stays_while_the_size_is_uncertain_or_the_last_step_is_recent(self) -> None:
        assert next_percent(10, "adds", 8.0, 5.0, MONTH) == 10
        assert next_percent(10, "adds", 8.0, 3.0, timedelta(days=29)) == 10

    def test_never_goes_up(self) -> None:
        assert next_percent(2, "adds", 8.0, 1.0, MONTH) == 2
