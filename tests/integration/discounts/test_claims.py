"""A message gets its discount with its stamp: within ceiling and budget, a code of its own, and the same ever after."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.context import ShopContext
from app.domain.discounts import Plan
from app.services import discounts
from app.store.models.campaigns import Campaign
from app.store.models.discounts import DiscountPlan
from app.store.session import Store
from tests.integration.discounts.counter import (
    NOW,
    PLAN,
    add_campaign,
    add_codes,
    add_messages,
    find,
    issued,
    offers,
    serve,
)

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


class TestClaims:
    def test_every_message_is_decided_once_and_keeps_its_code(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        add_codes(store, ctx, 60)
        asked = add_messages(store, ctx, range(1, 51))
        first = serve(store, ctx, asked)
        again = serve(store, ctx, asked, now=NOW + timedelta(hours=2))
        assert first.given == again.given
        assert again.fresh == set()
        levels = Counter(row.level for row in offers(store, ctx))
        assert levels[0] >= 10  # the slice of a fifth, of exactly that size, and chance on top
        assert levels[1]
        assert levels[2]

    def test_the_chance_of_every_level_is_written_down_and_adds_up(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        add_codes(store, ctx, 60)
        serve(store, ctx, add_messages(store, ctx, range(1, 51)))
        for row in offers(store, ctx):
            assert len(row.propensities) == len(row.amounts) == 3
            assert abs(sum(row.propensities) - 1) < 1e-9
            assert row.propensities[0] >= 0.2
            assert row.amount_minor == row.amounts[row.level]

    def test_who_was_promised_a_code_waits_for_it_and_gets_the_level_that_was_drawn(
        self, store: Store, ctx: ShopContext
    ) -> None:
        add_campaign(store, ctx)
        asked = add_messages(store, ctx, range(1, 31))
        first = serve(store, ctx, asked)
        drawn = {row.message_id: row.amount_minor for row in offers(store, ctx)}
        assert first.given == {}
        assert first.waiting == {message for message, amount in drawn.items() if amount}
        add_codes(store, ctx, 40)
        later = serve(store, ctx, [one for one in asked if one.message_id in first.waiting])
        assert later.waiting == set()
        assert {message: got.amount_minor for message, got in later.given.items()} == {
            message: amount for message, amount in drawn.items() if amount
        }

    def test_what_is_undone_never_happened(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        add_codes(store, ctx, 40)
        asked = add_messages(store, ctx, range(1, 21))
        with store.session(ctx) as session:
            claims = discounts.claim(session, ctx, find(session, ctx, 1), asked, NOW)
            discounts.undo(session, ctx, claims.fresh)
        assert offers(store, ctx) == []
        assert issued(store, ctx) == []
        with store.reading(ctx) as session:
            assert discounts.reserved(session, ctx, 1, "all") == 0

    def test_codes_that_end_before_the_promised_days_are_not_given(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        add_codes(store, ctx, 40)
        claims = serve(store, ctx, add_messages(store, ctx, range(1, 21)), now=NOW + timedelta(days=20))
        assert claims.given == {}
        assert claims.waiting

    def test_without_managed_discounts_nothing_is_offered(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx, mode="off")
        add_codes(store, ctx, 5)
        claims = serve(store, ctx, add_messages(store, ctx, [1, 2, 3]))
        assert (claims.given, claims.waiting, claims.fresh) == ({}, set(), set())

    def test_the_words_name_amount_minimum_and_last_day(self, store: Store, ctx: ShopContext) -> None:
        plan = replace(PLAN, levels=(500,), min_basket_minor=2000, none_percent=5)
        add_campaign(store, ctx, plan)
        add_codes(store, ctx, 30, plan)
        got = serve(store, ctx, add_messages(store, ctx, range(1, 21))).given
        assert {one.text for one in got.values()} == {
            "5.00 USD off one order of 20.00 USD or more, until 22 March 2026"
        }


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ceiling = draw(st.integers(100, 3000))
    levels = draw(st.lists(st.integers(1, ceiling), min_size=1, max_size=4, unique=True))
    budget = draw(st.integers(max(levels), 40 * max(levels)))
    none = draw(st.integers(5, 50))
    return Plan(tuple(sorted(levels)), ceiling, 0, 14, budget, "campaign", none)


class TestBounds:
    _number = 100

    @settings(max_examples=12, deadline=None, suppress_health_check=SLOW, database=None)
    @given(plan=plans(), sizes=st.lists(st.integers(1, 25), min_size=1, max_size=4))
    def test_no_code_above_the_ceiling_and_all_codes_within_the_budget(
        self, store: Store, ctx: ShopContext, plan: Plan, sizes: list[int]
    ) -> None:
        TestBounds._number += 1
        number = add_campaign(store, ctx, plan, TestBounds._number)
        add_codes(store, ctx, 20, plan, number)
        for place, size in enumerate(sizes):
            start = number * 1000 + place * 100
            asked = add_messages(store, ctx, range(start, start + size), number)
            serve(store, ctx, asked, number)
        made = offers(store, ctx, number)
        assert max(row.amount_minor for row in made) <= plan.ceiling_minor
        assert sum(row.amount_minor for row in made) <= plan.budget_minor
        with store.reading(ctx) as session:
            assert discounts.reserved(session, ctx, number, "all") == sum(row.amount_minor for row in made)
        codes = [code for code in issued(store, ctx) if code.message_id in {row.message_id for row in made}]
        assert len({code.code for code in codes}) == len(codes) == len({code.message_id for code in codes})

    def test_a_lower_ceiling_holds_at_once(self, store: Store, ctx: ShopContext) -> None:
        add_campaign(store, ctx)
        asked = add_messages(store, ctx, range(1, 31))
        waiting = serve(store, ctx, asked).waiting
        add_codes(store, ctx, 40)
        with store.session(ctx) as session:
            session.get_one(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": 1}).ceiling_minor = 600
        got = serve(store, ctx, [one for one in asked if one.message_id in waiting]).given
        assert max(one.amount_minor for one in got.values()) <= 600


KILLS = 6
CTX = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")


def stamper(url: str, seed: int, ready: Event) -> None:
    """Claim small batches of the waiting messages for ever, telling nobody."""
    store, chance = Store(url), random.Random(seed)
    with store.reading(CTX) as session:
        everybody = [(row.id, row.customer_no) for row in _queued(session)]
    ready.set()
    while True:
        some = chance.sample(everybody, 6)
        with store.session(CTX) as session:
            campaign = session.get_one(Campaign, {"shop_id": 1, "id": 1})
            discounts.claim(session, CTX, campaign, [discounts.Asked(m, c, 0.2, 4000) for m, c in some], NOW)
            time.sleep(chance.random() / 100)  # some die with the claim made and not committed


def _queued(session: object) -> list[object]:
    from sqlalchemy import select

    from app.store.models.sending import Message

    return list(session.scalars(select(Message).where(Message.shop_id == 1)))  # type: ignore[attr-defined]


class TestKilledStampers:
    def test_no_code_is_given_twice_and_no_budget_is_lost(self, store: Store, store_url: str, ctx: ShopContext) -> None:
        plan = replace(PLAN, budget_minor=30_000)
        add_campaign(store, ctx, plan)
        add_codes(store, ctx, 120, plan)
        add_messages(store, ctx, range(1, 121))
        store.engine.dispose()  # a forked child must not share the parent's connections
        fork = multiprocessing.get_context("fork")
        for kill in range(KILLS):
            crew = []
            for place in range(2):
                ready = fork.Event()
                crew.append(fork.Process(target=stamper, args=(store_url, 10 * kill + place, ready), daemon=True))
                crew[-1].start()
                assert ready.wait(60)
            time.sleep(0.2)
            for process in crew:
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join(10)
        made, codes = offers(store, ctx), issued(store, ctx)
        assert made, "nobody was served: this test says nothing"
        assert len({code.code for code in codes}) == len(codes) == len({code.message_id for code in codes})
        amounts = {row.message_id: row.amount_minor for row in made}
        assert set(amounts) >= {code.message_id for code in codes}
        assert all(amounts[code.message_id or ""] > 0 for code in codes)
        assert sum(amounts.values()) <= plan.budget_minor
        with store.reading(ctx) as session:
            assert discounts.reserved(session, ctx, 1, "all") == sum(amounts.values())
