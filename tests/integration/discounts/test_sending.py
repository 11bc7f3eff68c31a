"""A campaign that leaves its discounts to Encore, from its plan to the mail, the web view and the figures."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from app.errors import Invalid
from app.services import campaigns, discount_figures, discount_plans, discount_pools, plan_sends, preview, send_due
from app.store.models.discounts import DiscountCode, DiscountOffer
from app.store.models.shops import ShopToken
from tests.integration.discounts.test_pools import FakeDiscountShop
from tests.integration.sending.world import COFFEE, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.context import ShopContext

CODE = re.compile(r"\b[2-9B-Z]{4}-[2-9B-Z]{5}-[2-9B-Z]{5}\b")
PLAN = {"levels": [1000, 500], "ceiling_minor": 1000, "budget_minor": 50_000, "none_percent": 20}


@pytest.fixture
def world(store_url: str, ctx: ShopContext, tmp_path: Path) -> Iterator[World]:
    from dataclasses import replace

    built = World(store_url, ctx, tmp_path)
    built.rooms = replace(built.rooms, discount_shop=FakeDiscountShop())
    with built.store.session(ctx) as session:
        session.add(
            ShopToken(
                shop_id=ctx.shop_id, scopes="write_discounts", sealed=b"x", expires_at=NOW, refresh_expires_at=NOW
            )
        )
    yield built
    built.close()


def managed(world: World, customers: int) -> str:
    """An active campaign with managed discounts for this many customers."""
    number = campaigns.create(world.rooms, world.ctx, segment_id=f"seg_{world.coffee_drinkers(customers)}")
    discount_plans.save(world.rooms, world.ctx, number, dict(PLAN))
    campaigns.change(world.rooms, world.ctx, number, {"discount": {"mode": "managed"}, "timing": {"wait_days": 0}})
    with world.store.session(world.ctx) as session:
        campaigns.find(session, world.ctx, number).holdout_percent = 0
    campaigns.activate(world.rooms, world.ctx, number)
    return number


def texts(world: World) -> list[str]:
    parts = [message_from_bytes(one.data, policy=default).get_body(("plain",)) for one in world.transport.taken]
    return [part.get_content() for part in parts if part is not None]


class TestSending:
    def test_mails_carry_codes_of_their_own_or_none(self, world: World) -> None:
        number = managed(world, 30)
        plan_sends.plan(world.rooms, world.ctx)
        first = send_due.send(world.rooms, world.ctx)
        with_code = [CODE.findall(text) for text in texts(world)]
        assert all(not codes for codes in with_code), "codes before any was made"
        assert 0 < first.sent < 30  # who was to get none is not kept waiting
        discount_pools.tend(world.rooms, world.ctx)
        world.clock.advance(timedelta(minutes=6))
        second = send_due.send(world.rooms, world.ctx)
        assert first.sent + second.sent == 30
        codes = [code for text in texts(world) for code in set(CODE.findall(text))]
        assert len(codes) == len(set(codes)) == second.sent
        standing = discount_plans.standing(world.rooms, world.ctx, number)
        assert (standing.issued, standing.waiting) == (len(codes), 0)
        assert standing.reserved_minor <= 50_000

    def test_what_cannot_be_stamped_was_never_offered(self, world: World) -> None:
        number = managed(world, 12)
        discount_pools.tend(world.rooms, world.ctx)
        plan_sends.plan(world.rooms, world.ctx)
        with world.store.session(world.ctx) as session:  # all were mailed a moment ago, by whatever
            from app.store import cap

            for customer in range(1, 13):
                assert cap.stamp(session, world.ctx, NOW, (f"c:{customer}",), "somebody-else")
        done = send_due.send(world.rooms, world.ctx)
        assert (done.sent, done.capped) == (0, 12)
        standing = discount_plans.standing(world.rooms, world.ctx, number)
        assert (standing.issued, standing.reserved_minor) == (0, 0)

    def test_the_preview_shows_a_sample_with_the_largest_amount(self, world: World) -> None:
        number = managed(world, 2)
        shown = preview.preview(world.rooms, world.ctx, number)
        assert "SAMPLE-CODE" in shown.text
        assert "10.00 USD off one order" in shown.text

    def test_what_one_batch_gave_stays_given_when_the_next_is_stamped(self, world: World) -> None:
        managed(world, 30)  # the first batch holds ten
        plan_sends.plan(world.rooms, world.ctx)
        discount_pools.tend(world.rooms, world.ctx)
        assert send_due.send(world.rooms, world.ctx).sent == 30
        with world.store.reading(world.ctx) as session:
            assert session.scalar(select(func.count()).select_from(DiscountOffer)) == 30
            bound = session.scalars(select(DiscountCode.code).where(DiscountCode.message_id.is_not(None))).all()
        shown = [code for code in bound if any(code in text for text in texts(world))]
        assert len(shown) == len(bound) > 0

    def test_the_figures_count_what_was_given_and_who_bought_without(self, world: World) -> None:
        number = managed(world, 30)
        plan_sends.plan(world.rooms, world.ctx)
        discount_pools.tend(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        for customer in range(1, 31):
            world.bought(customer, COFFEE, NOW + timedelta(days=2))
        world.clock.advance(timedelta(days=40))
        world.publish()
        found = discount_figures.figures(world.rooms, world.ctx, number)
        none = next(level for level in found.levels if level.amount_minor == 0)
        assert sum(level.settled for level in found.levels) == 30
        assert all(level.bought == level.settled for level in found.levels)
        assert found.bought_without == none.bought > 0
        assert found.saved_minor == none.bought * (found.given_minor // found.given)
        assert found.effect is None  # thirty customers say nothing


class TestPlan:
    def test_a_plan_that_can_not_be_used_keeps_the_campaign_from_running(self, world: World) -> None:
        number = campaigns.create(world.rooms, world.ctx, segment_id=f"seg_{world.coffee_drinkers(1)}")
        campaigns.change(world.rooms, world.ctx, number, {"discount": {"mode": "managed"}})
        with pytest.raises(Invalid, match="Give at least one amount"):
            campaigns.activate(world.rooms, world.ctx, number)
        discount_plans.save(world.rooms, world.ctx, number, {**PLAN, "levels": [500, 1001]})
        with pytest.raises(Invalid, match=r"above your maximum of 10\.00 USD"):
            campaigns.activate(world.rooms, world.ctx, number)

    def test_a_running_campaign_never_gets_a_plan_it_can_not_use(self, world: World) -> None:
        number = managed(world, 1)
        with pytest.raises(Invalid):
            discount_plans.save(world.rooms, world.ctx, number, {"ceiling_minor": 100})
        assert discount_plans.standing(world.rooms, world.ctx, number).plan.ceiling_minor == 1000

    def test_without_the_permission_the_step_says_so(self, world: World) -> None:
        number = campaigns.create(world.rooms, world.ctx, segment_id=f"seg_{world.coffee_drinkers(1)}")
        with world.store.session(world.ctx) as session:
            session.get_one(ShopToken, world.ctx.shop_id).scopes = "read_orders"
        assert "permission" in (discount_plans.standing(world.rooms, world.ctx, number).blocked or "")
        campaigns.change(world.rooms, world.ctx, number, {"discount": {"mode": "managed"}})
        with pytest.raises(Invalid, match="permission"):
            campaigns.activate(world.rooms, world.ctx, number)

    def test_a_code_is_made_once_and_used(self, world: World) -> None:
        number = campaigns.create(world.rooms, world.ctx, segment_id=f"seg_{world.coffee_drinkers(1)}")
        wanted = {"code": "COFFEE5", "amount_minor": 500, "min_basket_minor": 0, "days": 20}
        discount_plans.create_code(world.rooms, world.ctx, number, **wanted)  # type: ignore[arg-type]
        with world.store.reading(world.ctx) as session:
            row = campaigns.find(session, world.ctx, number)
            assert (row.discount_mode, row.discount_code, row.discount_description) == (
                "single", "COFFEE5", "5.00 USD off one order",
            )  # fmt: skip
        assert discount_plans.check_code(world.rooms, world.ctx, number, "COFFEE5").ok
        assert not discount_plans.check_code(world.rooms, world.ctx, number, "TEA5").ok
