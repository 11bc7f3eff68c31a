"""Had a campaign been active: whom it would have targeted at past weeks, as known then, and what they bought."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from pyroaring import BitMap

from app.errors import Conflict, NotFound
from app.services import backtests, campaigns
from app.services.before_you_send import look_back
from app.store.models.segments import Membership, Segment
from tests.integration.predictions.conftest import SteadyShop, steady_lines

COFFEE = 0
DAYS = 250


@cache
def lines() -> pd.DataFrame:
    """A third of the customers buy again and again, the others once or twice: bars of segments lie between them."""
    steady = steady_lines(DAYS)
    loyal = steady["customer_no"] % 3 == 0
    early = steady.groupby(["customer_no", "product_no"]).cumcount() < 1
    rng = np.random.default_rng(4)
    later = steady.loc[~loyal & early].assign(
        ordered_at=lambda t: t["ordered_at"] + [timedelta(days=float(d)) for d in rng.uniform(0, DAYS - 35, len(t))]
    )
    mixed = pd.concat([steady.loc[loyal], later]).sort_values("ordered_at", ignore_index=True)
    return mixed.assign(order_id=np.arange(len(mixed)))


@pytest.fixture
def looked_back(shop: SteadyShop) -> SteadyShop:
    """The shop with 250 days of history and a finished back-test."""
    shop.write(lines())
    shop.publish(1)
    backtests.run(shop.rooms, shop.ctx)
    return shop


def campaign(shop: SteadyShop, segment: int | None, **timing: object) -> str:
    made = campaigns.create(shop.rooms, shop.ctx, segment_id=f"seg_{segment}" if segment else None)
    changes: dict[str, object] = {"timing": timing} if timing else {}
    if segment is None:
        changes["audience"] = {"type": "automatic"}
    campaigns.change(shop.rooms, shop.ctx, made, changes)
    return made


def segment(
    shop: SteadyShop, number: int, category: str, members: list[int], product: int | None = None, **more: object
) -> int:
    now, shop_id = shop.clock.now(), shop.ctx.shop_id
    with shop.rooms.store.session(shop.ctx) as session:
        session.add(
            Segment(shop_id=shop_id, id=number, name=f"Segment {number}", description="", category=category,
                    source="automatic", state="ready", definition="", product_no=product, created_at=now,
                    updated_at=now, membership_id=number, **more)
        )  # fmt: skip
        session.flush()
        session.add(
            Membership(shop_id=shop_id, id=number, segment_id=number, run_id=None, evaluated_at=now, leaves=[],
                       size=len(members), members=BitMap(members).serialize(), statistics={}, duration_ms=1)
        )  # fmt: skip
    return number


def members(shop: SteadyShop) -> pd.DataFrame:
    return backtests.members(shop.rooms, shop.ctx, backtests.latest(shop.rooms, shop.ctx).moments)


class TestMembers:
    def test_are_those_over_the_bar_customer_by_customer(self, looked_back: SteadyShop) -> None:
        products, people = backtests.by_product(looked_back.rooms, looked_back.ctx), members(looked_back)
        keys = ["at", "kind", "product_no"]
        counted = people.groupby(keys).agg(members=("bought", "size"), members_bought=("bought", "sum"),
                                           members_expected=("chance", "sum")).reset_index()  # fmt: skip
        held = products.loc[products["members"] > 0, [*keys, "members", "members_bought", "members_expected"]]
        both = held.merge(counted, on=keys, suffixes=("", "_counted"), validate="1:1")
        assert len(both) == len(held) == len(counted)
        assert both["members"].tolist() == both["members_counted"].tolist()
        assert both["members_bought"].tolist() == both["members_bought_counted"].tolist()
        assert both["members_expected"].tolist() == pytest.approx(both["members_expected_counted"].tolist(), rel=1e-4)

    def test_carry_the_shops_own_numbers(self, looked_back: SteadyShop) -> None:
        history = lines()
        for row in members(looked_back).sample(40, random_state=1).itertuples():
            mine = history[history["customer_no"] == row.customer_no]
            before, ends = mine[mine["ordered_at"] < row.at], row.at + timedelta(days=30)
            assert ((before["product_no"] == row.product_no).any()) == (row.kind == "repurchase")
            later = mine[(mine["ordered_at"] >= row.at) & (mine["ordered_at"] < ends)]
            assert (later["product_no"] == row.product_no).any() == row.bought
            quiet = (row.at - before["ordered_at"].max()) / timedelta(days=1)
            assert row.quiet_days == pytest.approx(quiet, abs=0.01)


class TestACampaignAboutAProduct:
    def test_would_have_targeted_its_segment_of_then_and_says_who_bought(self, looked_back: SteadyShop) -> None:
        made = campaign(looked_back, segment(looked_back, 1, "repurchase", [1], COFFEE), frequency="every",
                        every_days=28, wait_days=0)  # fmt: skip
        found = look_back(looked_back.rooms, looked_back.ctx, made)
        mine = members(looked_back).query("kind == 'repurchase' and product_no == @COFFEE")
        by_week = mine.groupby("at")
        assert found.state == "ready"
        assert [week.targeted for week in found.weeks] == by_week.size().tolist()
        assert [week.bought for week in found.weeks] == by_week["bought"].sum().tolist()
        assert [week.expected for week in found.weeks] == pytest.approx(by_week["chance"].sum().tolist(), rel=1e-4)
        assert all(week.low <= week.expected <= week.high for week in found.weeks)
        assert [(one.title, one.targeted) for one in found.products] == [("Coffee", len(mine))]

    def test_leaves_out_who_had_just_ordered_and_mails_once_only_once(self, looked_back: SteadyShop) -> None:
        product = segment(looked_back, 1, "repurchase", [1], COFFEE)
        waits = look_back(
            looked_back.rooms, looked_back.ctx, campaign(looked_back, product, frequency="every", wait_days=10)
        )
        mine = members(looked_back).query("kind == 'repurchase' and product_no == @COFFEE and quiet_days >= 10")
        assert sum(week.targeted for week in waits.weeks) == len(mine)
        once = look_back(
            looked_back.rooms, looked_back.ctx, campaign(looked_back, product, frequency="once", wait_days=10)
        )
        assert sum(week.targeted for week in once.weeks) == mine["customer_no"].nunique()


class TestOtherAudiences:
    def test_automatic_gives_everybody_one_product_with_repurchase_first(self, looked_back: SteadyShop) -> None:
        made = campaign(looked_back, None, frequency="every", every_days=7, wait_days=0)
        found = look_back(looked_back.rooms, looked_back.ctx, made)
        people = members(looked_back)
        assert [week.targeted for week in found.weeks] == people.groupby("at")["customer_no"].nunique().tolist()
        again = people.query("kind == 'repurchase'")
        best = again.sort_values("chance").groupby(["at", "customer_no"]).tail(1)
        others = people.merge(again[["at", "customer_no"]].drop_duplicates(), how="left", indicator=True)
        new = others.query("_merge == 'left_only'").sort_values("chance").groupby(["at", "customer_no"]).tail(1)
        bought = int(best["bought"].sum() + new["bought"].sum())
        assert sum(week.bought for week in found.weeks) == bought
        assert sum(one.targeted for one in found.products) == sum(week.targeted for week in found.weeks)

    def test_a_custom_segment_counts_its_members_of_today(self, looked_back: SteadyShop) -> None:
        few = sorted(members(looked_back)["customer_no"].unique().tolist())[:20]
        found = look_back(
            looked_back.rooms, looked_back.ctx, campaign(looked_back, segment(looked_back, 1, "custom", few))
        )
        assert found.members_of_today
        assert 0 < max(week.targeted for week in found.weeks) <= 20


class TestWithoutAnAnswer:
    def test_a_short_history_says_when_there_will_be_one(self, shop: SteadyShop) -> None:
        shop.write(steady_lines(60))
        shop.publish(1)
        backtests.run(shop.rooms, shop.ctx)
        found = look_back(shop.rooms, shop.ctx, campaign(shop, None))
        assert (found.state, found.weeks, found.products) == ("too_short", [], [])
        assert found.first_at is not None
        assert found.first_at > shop.clock.now()

    def test_before_any_back_test_there_is_none(self, shop: SteadyShop) -> None:
        assert look_back(shop.rooms, shop.ctx, campaign(shop, None)).state == "none"

    def test_a_draft_without_audience_or_no_campaign_is_refused(self, shop: SteadyShop) -> None:
        with pytest.raises(Conflict, match="Choose whom"):
            look_back(shop.rooms, shop.ctx, campaigns.create(shop.rooms, shop.ctx))
        with pytest.raises(NotFound):
            look_back(shop.rooms, shop.ctx, "cmp_99")
