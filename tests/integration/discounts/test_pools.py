"""Codes ahead of need: made once whatever dies, used codes paid for, unused ones removed and their worth given back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.errors import Unavailable
from app.lake.lake import Lake
from app.services import discount_pools, discounts
from app.services.rooms import Rooms
from app.services.shop_ports import FoundDiscount, NewDiscount
from app.store.models.discounts import DiscountCode, DiscountPlan, DiscountPool
from app.store.models.sending import Message
from app.store.models.shops import ShopToken
from tests.fakes import FakeClock, FakeConsentWriter, FakeJobs
from tests.integration.discounts.counter import NOW, PLAN, add_campaign, add_messages, issued, offers, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.store.session import Store


class Crash(BaseException):
    """A process that dies here."""


@dataclass
class FakeDiscountShop:
    """Shopify's discounts in memory. dies_after: the call of this name happens, and then the caller is no more."""

    discounts: dict[str, NewDiscount] = field(default_factory=dict)
    codes_of: dict[str, dict[str, int]] = field(default_factory=dict)
    dies_after: str = ""
    refuses: bool = False

    def find(self, _: ShopContext, code: str) -> FoundDiscount | None:
        for gid, codes in self.codes_of.items():
            if code in codes:
                return FoundDiscount(gid, "ACTIVE", "", None, None, 1, 0)
        return None

    def create(self, _: ShopContext, new: NewDiscount) -> str:
        if self.refuses:
            raise Unavailable("Shopify is away.")
        gid = f"gid://{len(self.discounts) + 1}"
        self.discounts[gid], self.codes_of[gid] = new, {new.code: 0}
        self._die("create")
        return gid

    def add_codes(self, _: ShopContext, gid: str, codes: Sequence[str]) -> set[str]:
        assert len(codes) <= 250
        for code in codes:
            self.codes_of[gid].setdefault(code, 0)
        self._die("add_codes")
        return set(codes)

    def codes(self, _: ShopContext, gid: str) -> dict[str, tuple[str, int]]:
        return {code: (f"code:{code}", uses) for code, uses in self.codes_of[gid].items()}

    def remove_codes(self, _: ShopContext, gid: str, code_gids: Sequence[str]) -> None:
        for gone in code_gids:
            self.codes_of[gid].pop(gone.removeprefix("code:"), None)
        self._die("remove_codes")

    def _die(self, name: str) -> None:
        if self.dies_after == name:
            self.dies_after = ""
            raise Crash


@pytest.fixture
def shop() -> FakeDiscountShop:
    return FakeDiscountShop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def rooms(store: Store, ctx: ShopContext, shop: FakeDiscountShop, clock: FakeClock, tmp_path: Path) -> Rooms:
    token: dict[str, Any] = {"sealed": b"x", "expires_at": NOW, "refresh_expires_at": NOW}
    with store.session(ctx) as session:
        session.add(ShopToken(shop_id=ctx.shop_id, scopes="read_orders,write_discounts", **token))
    return Rooms(
        settings=None, clock=clock, store=store, lake=Lake(tmp_path / "lake", threads=1), vault=None, jobs=FakeJobs(),  # type: ignore[arg-type] # not used here
        connectors=None, transport=None, consent_writer=FakeConsentWriter(), discount_shop=shop,  # type: ignore[arg-type] # not used here
    )  # fmt: skip


def pools(store: Store, ctx: ShopContext) -> list[DiscountPool]:
    with store.reading(ctx) as session:
        return list(session.scalars(select(DiscountPool).order_by(DiscountPool.id)))


def states(store: Store, ctx: ShopContext) -> set[str]:
    with store.reading(ctx) as session:
        return set(session.scalars(select(DiscountCode.state)))


def after_the_end(pool: DiscountPool) -> datetime:
    return pool.ends_at + timedelta(days=3)


class TestFilling:
    def test_codes_are_there_before_anybody_needs_them(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop
    ) -> None:
        add_campaign(store, ctx)
        asked = add_messages(store, ctx, range(1, 41))
        discount_pools.tend(rooms, ctx)
        claims = serve(store, ctx, asked)
        assert claims.waiting == set()
        assert claims.given
        made = {new.amount_minor: new for new in shop.discounts.values()}
        assert set(made) == set(PLAN.levels)
        assert {(new.usage_limit, new.min_basket_minor) for new in made.values()} == {(1, 0)}
        there = {code for codes in shop.codes_of.values() for code in codes}
        assert {one.code for one in claims.given.values()} <= there

    @pytest.mark.parametrize("call", ["create", "add_codes"])
    def test_a_process_that_dies_after_a_call_leaves_nothing_double(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop, call: str
    ) -> None:
        add_campaign(store, ctx)
        add_messages(store, ctx, range(1, 11))
        shop.dies_after = call
        with pytest.raises(Crash):
            discount_pools.tend(rooms, ctx)
        discount_pools.tend(rooms, ctx)
        discount_pools.tend(rooms, ctx)
        assert len(shop.discounts) == len(pools(store, ctx)) == len(PLAN.levels)
        with store.reading(ctx) as session:
            kept = set(session.scalars(select(DiscountCode.code)))
        assert kept == {code for codes in shop.codes_of.values() for code in codes}
        assert states(store, ctx) == {"ready"}

    def test_never_more_codes_than_the_budget_pays_for(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop
    ) -> None:
        add_campaign(store, ctx, replace(PLAN, budget_minor=2000))
        add_messages(store, ctx, range(1, 31))
        discount_pools.tend(rooms, ctx)
        for gid, new in shop.discounts.items():
            assert len(shop.codes_of[gid]) * new.amount_minor <= 2000

    def test_what_keeps_codes_from_being_made_stands_on_the_plan(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop
    ) -> None:
        add_campaign(store, ctx)
        shop.refuses = True
        discount_pools.tend(rooms, ctx)
        assert problem(store, ctx) == "Shopify is away."
        shop.refuses = False
        discount_pools.tend(rooms, ctx)
        assert problem(store, ctx) is None

    def test_without_the_permission_nothing_is_asked_of_shopify(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop
    ) -> None:
        add_campaign(store, ctx)
        with store.session(ctx) as session:
            session.get_one(ShopToken, ctx.shop_id).scopes = "read_orders"
        discount_pools.tend(rooms, ctx)
        assert "permission" in (problem(store, ctx) or "")
        assert shop.discounts == {}

    def test_codes_are_asked_for_when_a_message_waits(self, rooms: Rooms, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        with store.reading(ctx) as session:
            assert discount_pools.short(session, ctx, NOW)
        discount_pools.tend(rooms, ctx)
        with store.reading(ctx) as session:
            assert not discount_pools.short(session, ctx, NOW)
        serve(store, ctx, add_messages(store, ctx, range(1, 101)))
        with store.reading(ctx) as session:
            assert discount_pools.short(session, ctx, NOW)


def problem(store: Store, ctx: ShopContext) -> str | None:
    with store.reading(ctx) as session:
        return session.get_one(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": 1}).problem


class TestClosing:
    def test_unused_codes_go_and_their_worth_comes_back(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop, clock: FakeClock
    ) -> None:
        used = self._give_and_use_one(rooms, store, ctx, shop)
        clock.advance(after_the_end(pools(store, ctx)[0]) - clock.now())
        discount_pools.tend(rooms, ctx)
        self._only_the_used_one_is_paid_for(store, ctx, shop, used)

    def test_a_process_that_dies_while_removing_changes_nothing_of_that(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop, clock: FakeClock
    ) -> None:
        used = self._give_and_use_one(rooms, store, ctx, shop)
        clock.advance(after_the_end(pools(store, ctx)[0]) - clock.now())
        shop.dies_after = "remove_codes"
        with pytest.raises(Crash):
            discount_pools.tend(rooms, ctx)
        discount_pools.tend(rooms, ctx)
        self._only_the_used_one_is_paid_for(store, ctx, shop, used)

    def test_before_the_end_nothing_is_taken_away(
        self, rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop, clock: FakeClock
    ) -> None:
        self._give_and_use_one(rooms, store, ctx, shop)
        before = {gid: set(codes) for gid, codes in shop.codes_of.items()}
        clock.advance(timedelta(hours=1))
        discount_pools.tend(rooms, ctx)
        assert all(set(shop.codes_of[gid]) >= codes for gid, codes in before.items())

    def test_a_promise_to_a_message_that_never_left_is_released(
        self, rooms: Rooms, store: Store, ctx: ShopContext
    ) -> None:
        add_campaign(store, ctx)
        waiting = serve(store, ctx, add_messages(store, ctx, range(1, 21))).waiting
        assert waiting
        with store.session(ctx) as session:
            for row in session.scalars(select(Message)):
                row.state = "cancelled"
        assert discount_pools.release_dead(rooms, ctx) == len(waiting)
        assert discount_pools.release_dead(rooms, ctx) == 0
        with store.reading(ctx) as session:
            assert discounts.reserved(session, ctx, 1, "all") == 0

    @staticmethod
    def _give_and_use_one(rooms: Rooms, store: Store, ctx: ShopContext, shop: FakeDiscountShop) -> DiscountCode:
        add_campaign(store, ctx)
        asked = add_messages(store, ctx, range(1, 31))
        discount_pools.tend(rooms, ctx)
        serve(store, ctx, asked)
        with store.session(ctx) as session:
            for row in session.scalars(select(Message)):
                row.state = "sent"
        used = issued(store, ctx)[0]
        for codes in shop.codes_of.values():
            if used.code in codes:
                codes[used.code] = 1
        return used

    @staticmethod
    def _only_the_used_one_is_paid_for(
        store: Store, ctx: ShopContext, shop: FakeDiscountShop, used: DiscountCode
    ) -> None:
        closed = [pool for pool in pools(store, ctx) if pool.state == "closed"]
        assert closed
        assert {code for pool in closed for code in shop.codes_of[pool.shopify_gid or ""]} == {used.code}
        worth = {row.message_id: row.amount_minor for row in offers(store, ctx)}
        with store.reading(ctx) as session:
            assert discounts.reserved(session, ctx, 1, "all") == worth[used.message_id or ""]
            row = session.get_one(DiscountCode, {"shop_id": ctx.shop_id, "id": used.id})
            assert (row.state, row.redeemed_minor) == ("issued", worth[used.message_id or ""])
        kept = {row.message_id for row in offers(store, ctx) if row.amount_minor and row.released_at is None}
        assert kept == {used.message_id}
