"""Settings: on by default, stricter but never looser, told to two people at once, and every change on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Conflict, Invalid
from app.services import plan_sends, send_due, shop_settings, tidy
from app.store import cap
from app.store.models.campaigns import Decision
from app.store.models.settings import ShopSettings
from tests.integration.discounts.counter import add_campaign
from tests.integration.sending.world import COFFEE, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from app.domain.context import ShopContext


@pytest.fixture
def world(store_url: str, ctx: ShopContext, tmp_path: Path) -> Iterator[World]:
    built = World(store_url, ctx, tmp_path)
    yield built
    built.close()


def save(world: World, version: int = 0, confirmed: str = "", **changes: Any) -> shop_settings.Kept:
    return shop_settings.change(world.rooms, world.ctx, changes, version=version, who="42", confirmed=confirmed)


class TestSettings:
    def test_are_the_defaults_until_somebody_changes_one(self, world: World) -> None:
        kept = shop_settings.settings(world.rooms, world.ctx)
        assert (kept.values, kept.version) == (shop_settings.Values(), 0)
        assert save(world, holdout_percent=20).values == replace(shop_settings.Values(), holdout_percent=20)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("cap_days", 6), ("cap_days", 29), ("holdout_percent", 51), ("quiet_from", 24), ("keep_diary_days", 10)],
    )
    def test_that_are_never_allowed_are_refused_by_name(self, world: World, field: str, value: int) -> None:
        with pytest.raises(Invalid) as refused:
            save(world, **{field: value})
        assert refused.value.field in {field, "quiet_until"}
        assert shop_settings.settings(world.rooms, world.ctx).version == 0

    def test_of_which_the_other_saved_first_are_not_overwritten(self, world: World) -> None:
        save(world, cap_days=10)
        with pytest.raises(Conflict):
            save(world, cap_days=12)
        assert save(world, version=1, cap_days=12).version == 2

    def test_that_remove_history_ask_for_a_typed_word(self, world: World) -> None:
        assert shop_settings.preview(world.rooms, world.ctx, {"keep_diary_days": 100}).confirm == world.ctx.domain
        with pytest.raises(Invalid, match=r"Type first\.myshopify\.com"):
            save(world, keep_diary_days=100)
        assert save(world, confirmed="first.myshopify.com", keep_diary_days=100).values.keep_diary_days == 100

    def test_are_on_record_with_who_and_what_was_before(self, world: World) -> None:
        save(world, cap_days=10, holdout_percent=15)
        save(world, version=1, cap_days=10)  # no change
        save(world, version=1, cap_days=14)
        found = [(one.who, one.name, one.before, one.after) for one in shop_settings.changes(world.rooms, world.ctx)]
        assert found == [("42", "cap_days", 10, 14), ("42", "holdout_percent", 10, 15), ("42", "cap_days", 7, 10)]

    @given(days=st.integers(-1000, 1000))
    def test_no_stored_number_makes_the_cap_looser_than_a_week(self, days: int) -> None:
        assert cap._long(timedelta(days=days)) >= timedelta(hours=168)


class TestCap:
    def test_a_longer_window_holds_customers_back_and_says_how_many(self, world: World) -> None:
        segment = world.coffee_drinkers(3)
        world.campaign(segment, name="One", frequency="every", every_days=7, wait_days=0)
        plan_sends.plan(world.rooms, world.ctx)
        assert send_due.send(world.rooms, world.ctx).sent == 3
        world.clock.advance(timedelta(days=8))
        effect = shop_settings.preview(world.rooms, world.ctx, {"cap_days": 14})
        assert (effect.customers_waiting_before, effect.customers_waiting) == (0, 3)
        save(world, cap_days=14)
        planned = plan_sends.plan(world.rooms, world.ctx)
        assert (planned.queued, planned.skipped) == (0, {"weekly_cap": 3})
        world.clock.advance(timedelta(days=7))
        assert plan_sends.plan(world.rooms, world.ctx).queued == 3

    def test_a_window_that_grew_since_planning_holds_at_the_stamp(self, world: World) -> None:
        segment = world.coffee_drinkers(1)
        world.campaign(segment, name="One", frequency="every", every_days=7, wait_days=0)
        plan_sends.plan(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        world.clock.advance(timedelta(days=8))
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1
        save(world, cap_days=28)
        done = send_due.send(world.rooms, world.ctx)
        assert (done.sent, done.capped) == (0, 1)

    def test_a_row_of_other_hands_can_not_hold_less_than_a_week(self, world: World) -> None:
        with pytest.raises(Exception, match=r"cap_days|CHECK"), world.store.session(world.ctx) as session:
            session.add(
                ShopSettings(
                    shop_id=world.ctx.shop_id, cap_days=1, holdout_percent=0, consent_policy="", keep_diary_days=100,
                    version=1,
                )
            )  # fmt: skip


class TestRetention:
    def test_old_decisions_go_and_standing_ones_stay(self, world: World) -> None:
        row = {"shop_id": world.ctx.shop_id, "customer_no": 1, "campaign_id": 1, "outcome": "skipped", "since": NOW}
        add_campaign(world.store, world.ctx)
        with world.store.session(world.ctx) as session:
            session.add(Decision(id=1, product_no=COFFEE, last_tick=NOW, current=False, **row))
            session.add(Decision(id=2, product_no=COFFEE, last_tick=NOW, current=True, **row))
        save(world, confirmed=world.ctx.domain, keep_diary_days=90)
        world.clock.advance(timedelta(days=91))
        assert shop_settings.preview(world.rooms, world.ctx, {"keep_diary_days": 90}).decisions_removed == 0
        assert tidy.tidy(world.rooms, world.ctx)["decisions"] == 1
        with world.store.reading(world.ctx) as session:
            assert session.get(Decision, (world.ctx.shop_id, 2)) is not None
