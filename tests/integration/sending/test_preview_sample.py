"""Whom a preview shows: the best of everybody, though few are looked at."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.arbitration import rank
from app.errors import NotFound
from app.services import campaigns, preview_sample
from app.services.plan_sends_candidates import assess
from app.services.published import published
from app.store.models.campaigns import Campaign
from tests.fakes import FakeClock
from tests.integration.sending.random_shops import TICKS, build, draw
from tests.integration.sending.test_oracle import rooms_on

if TYPE_CHECKING:
    from pathlib import Path

    from pyroaring import BitMap

    from app.domain.arbitration import Candidate
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from tests.integration.sending.world import World

SHOPS = 12


def of_everybody(rooms: Rooms, ctx: ShopContext, campaign: Campaign) -> list[Candidate]:
    """Everybody's candidate, the best first."""
    run = published(rooms, ctx)
    assert run is not None
    verdicts = assess(rooms, ctx, run, [campaign], rooms.clock.now()).verdicts[campaign.id]
    return sorted((one.candidate for one in verdicts.values() if one.candidate is not None), key=rank)


def test_is_that_of_looking_at_everybody_in_random_shops(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_sample, "AT_FIRST", 1)
    shutil.copy(sqlite_template, tmp_path / "encore.sqlite3")
    clock = FakeClock(TICKS[0])
    rooms = rooms_on(f"sqlite:///{tmp_path}/encore.sqlite3", tmp_path, clock)
    found_any = 0
    for seed in range(SHOPS):
        shop = draw(seed)
        rooms.lake.shop = shop  # type: ignore[attr-defined]
        clock.advance(shop.tick - clock.now())
        build(rooms.store, shop)
        run = published(rooms, shop.ctx)
        assert run is not None
        for one in shop.campaigns:
            with rooms.store.reading(shop.ctx) as session:
                campaign = session.get_one(Campaign, {"shop_id": shop.shop_id, "id": one["id"]})
            everybody = of_everybody(rooms, shop.ctx, campaign)
            last = everybody[-1].customer_no if seed % 2 and everybody else None
            for count, wanted in ((1, None), (3, last)):
                best = sorted(everybody, key=lambda one, first=wanted: one.customer_no != first)[:count]
                assert preview_sample.sample(rooms, shop.ctx, run, campaign, wanted, count) == best, f"shop {seed}"
                found_any += len(best)
    rooms.store.close()
    assert found_any > SHOPS


class TestAWorld:
    def test_few_of_many_are_looked_at(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_at: list[int] = []

        def watched(*given: Any, only: BitMap) -> Any:
            looked_at.append(len(only))
            return assess(*given, only=only)

        monkeypatch.setattr(preview_sample, "assess", watched)
        segment = world.coffee_drinkers(300)
        for pair in world.pairs:
            pair["probability"] = 0.2 + pair["customer_no"] / 1000
        world.publish()
        made = world.campaign(segment, name="Coffee", active=False)
        run = published(world.rooms, world.ctx)
        assert run is not None
        with world.store.reading(world.ctx) as session:
            campaign = campaigns.find(session, world.ctx, made)
        found = preview_sample.sample(world.rooms, world.ctx, run, campaign, 7, 10)
        assert [one.customer_no for one in found] == [7, *range(300, 291, -1)]
        assert looked_at == [65]
        with pytest.raises(NotFound):
            preview_sample.sample(world.rooms, world.ctx, run, campaign, 301, 10)
