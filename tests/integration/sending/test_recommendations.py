"""Recommendations: what they expect, what active campaigns cover already, and how a measured lift changes them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.services import campaigns, recommendations
from app.services.published import published
from app.store.models.measurements import CampaignMeasurement
from tests.integration.sending.world import COFFEE, LONG_AGO, MUG, NOW, TEA, World

if TYPE_CHECKING:
    from app.services.recommendations import RecommendationView
    from app.store.models.campaigns import Campaign

COFFEE_SEGMENT, TEA_SEGMENT, HOT_DRINKS = 1, 2, 3


@pytest.fixture
def shop(world: World) -> World:
    """Thirty due for coffee, ten of whom could try tea; and twenty due for any hot drink."""
    world.types = {COFFEE: "Hot drinks", TEA: "Hot drinks", MUG: "Crockery"}
    for number in range(1, 31):
        world.customer(number)
        world.bought(number, COFFEE, LONG_AGO)
        world.pair(number, COFFEE, "repurchase", 0.2 if number <= 10 else 0.4)
        if number <= 10:
            world.pair(number, TEA, "cross_sell", 0.5)
    world.segment("buy_again:101", "repurchase", list(range(1, 31)), COFFEE)
    world.segment("buy_new:102", "cross_sell", list(range(1, 11)), TEA)
    world.sender()
    world.publish()
    return world


def computed(shop: World) -> list[RecommendationView]:
    run = published(shop.rooms, shop.ctx)
    assert run is not None
    with shop.store.session(shop.ctx) as session:
        recommendations.refresh(session, shop.rooms, shop.ctx, run)
    return recommendations.listing(shop.rooms, shop.ctx).items


def measured(
    shop: World, number: int, lift: float, error: float, *, verdict: str = "adds", kind: str = "repurchase"
) -> None:
    figures: dict[str, Any] = {
        "effect": {"verdict": verdict, "product_orders": {"lift": {"estimate": lift, "error": error}}},
        "products": [{"kind": kind}],
    }
    with shop.store.session(shop.ctx) as session:
        session.add(
            CampaignMeasurement(
                shop_id=shop.ctx.shop_id, campaign_id=number, day=NOW.date(), as_of=NOW, measured_at=NOW,
                figures=figures,
            )
        )  # fmt: skip


class TestExpectedOrders:
    def test_are_the_stated_prior_before_anything_is_measured(self, shop: World) -> None:
        best, second = computed(shop)
        assert (best.kind, best.expected_orders) == ("repurchase", round((10 * 0.2 + 20 * 0.4) * 0.05, 1))
        assert best.expected_label == "expected orders (no lift measured yet)"
        assert "incremental" not in best.reason + best.expected_label
        assert (second.kind, second.expected_orders) == ("cross_sell", 0.2)

    def test_follow_the_measured_lift_of_their_own_kind_drawn_towards_the_prior(self, shop: World) -> None:
        measured(shop, 7, 0.45, 0.05)
        measured(shop, 8, 9.0, 0.01, verdict="collecting")
        measured(shop, 9, 0.2, 0.05, kind="cross_sell")
        best, second = computed(shop)
        assert (best.lift, best.lift_campaigns) == (pytest.approx(0.25), 1)
        assert best.expected_orders == round(10 * 0.25, 1)
        assert "incremental" in best.expected_label
        assert "add 25% of those orders, by one campaign measured so far" in best.reason
        assert second.lift == pytest.approx(0.125)

    def test_of_a_kind_that_was_measured_to_do_harm_nothing_is_recommended(self, shop: World) -> None:
        measured(shop, 7, -0.5, 0.01)
        assert [one.kind for one in computed(shop)] == ["cross_sell"]


class TestCoverage:
    def test_members_of_another_campaign_about_the_product_are_taken_off_with_their_own_chances(
        self, shop: World
    ) -> None:
        own = shop.segment("upload", "custom", list(range(11, 21)))
        shop.campaign(own, name="Regulars")
        best = next(one for one in computed(shop) if one.kind == "repurchase")
        assert best.covered == 10
        assert best.expected_orders == round((10 * 0.2 + 10 * 0.4) * 0.05, 1)
        assert "10 of them are covered by active campaigns" in best.reason

    def test_a_campaign_of_the_other_kind_or_product_covers_nobody(self, shop: World) -> None:
        shop.campaign(TEA_SEGMENT, name="Tea")
        (best,) = computed(shop)
        assert (best.kind, best.covered) == ("repurchase", 0)

    def test_an_automatic_campaign_covers_everybody_at_once(self, shop: World) -> None:
        assert len(computed(shop)) == 2
        shop.campaign(None, name="All")
        assert recommendations.listing(shop.rooms, shop.ctx).items == []
        assert computed(shop) == []

    def test_the_automatic_campaign_is_named_as_the_reason_for_an_empty_list(self, shop: World) -> None:
        def named(segment: str | None = None) -> str | None:
            return recommendations.listing(shop.rooms, shop.ctx, segment).automatic_campaign

        computed(shop)
        shop.campaign(1, name="Coffee")
        assert named() is None
        shop.campaign(None, name="All")
        assert (named(), named("seg_1")) == ("All", "All")
        assert computed(shop) == []
        assert named() == "All"
        # Nobody would look for a recommendation there.
        assert named(f"seg_{shop.segment(None, 'custom', [1, 2])}") is None


class TestTypeSegments:
    def test_get_recommendations_too_and_cover_their_products(self, shop: World) -> None:
        drinks = shop.segment("buy_again:type:hot", "repurchase", list(range(1, 16)), product_type="Hot drinks")
        found = {one.segment_id: one for one in computed(shop)}
        of_type = found[f"seg_{drinks}"]
        assert (of_type.product_no, of_type.product_type) == (None, "Hot drinks")
        assert of_type.title == "Remind customers to buy from “Hot drinks” again"
        assert of_type.expected_orders == round((10 * 0.2 + 5 * 0.4) * 0.05, 1)
        shop.campaign(drinks, name="Drinks")
        (coffee,) = [one for one in computed(shop) if one.kind == "repurchase"]
        assert (coffee.segment_id, coffee.covered) == ("seg_1", 15)


class TestDismissal:
    def test_holds_over_refreshes_for_thirty_days_and_can_be_taken_back(self, shop: World) -> None:
        best, second = computed(shop)
        recommendations.dismiss(shop.rooms, shop.ctx, best.id)
        assert [one.id for one in computed(shop)] == [second.id]
        recommendations.restore(shop.rooms, shop.ctx, best.id)
        assert [one.id for one in computed(shop)] == [best.id, second.id]
        recommendations.dismiss(shop.rooms, shop.ctx, best.id)
        shop.clock.advance(timedelta(days=30))
        assert [one.id for one in recommendations.listing(shop.rooms, shop.ctx).items] == [best.id, second.id]


class TestStale:
    def started(self, shop: World, recommendation: RecommendationView) -> Campaign:
        number = campaigns.create(shop.rooms, shop.ctx, recommendation_id=recommendation.id)
        with shop.store.reading(shop.ctx) as session:
            return campaigns.find(session, shop.ctx, number)

    def test_a_gone_an_empty_and_a_covered_segment_each_say_so(self, shop: World) -> None:
        best, second = computed(shop)
        assert self.started(shop, best).stale is None
        shop.members(TEA_SEGMENT, [])
        assert "is empty now" in str(self.started(shop, second).stale)
        shop.campaign(COFFEE_SEGMENT, name="Coffee")
        covered = self.started(shop, best)
        assert "“Coffee” mails these customers already" in str(covered.stale)
        assert (covered.segment_id, covered.recommendation_id) == (None, None)
