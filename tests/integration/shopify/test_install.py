"""Installing, visiting again, uninstalling: whose the shop is and what Encore knows of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.errors import NotAuthorised, Unavailable
from app.services.shops import context_by_id
from app.shopify.effects import make_effects
from app.shopify.webhooks import Inbox
from app.store.models.shops import Shop, ShopToken
from tests.standins import TINY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from sandbox.shopify.app import StandIn
    from tests.fakes import FakeClock
    from tests.standins import Connected


@pytest.fixture
def shopify(stand_in: tuple[Flask, str]) -> Iterator[StandIn]:
    found: StandIn = stand_in[0].extensions["shopify"]
    kept = dict(found.shops[TINY].meta)
    yield found
    found.shops[TINY].meta.clear()
    found.shops[TINY].meta.update(kept)
    found.faults.clear()


def shop_row(encore: Connected, shop_id: int = 1) -> Shop:
    with encore.rooms.store.operator_session(writing=False) as session:
        return session.get_one(Shop, shop_id)


class TestAShopThatCouldNotBeDescribed:
    @pytest.fixture
    def half_installed(self, encore: Connected, shop_url: str, shopify: StandIn) -> Connected:
        httpx.post(f"{shop_url}/sandbox/faults", json={"kind": "http_500", "count": 50, "match": "ShopInfo"})
        with pytest.raises(Unavailable):
            encore.install()
        shopify.faults.clear()
        assert encore.jobs.asked == []
        return encore

    def test_is_described_at_the_next_visit_and_imported_then(self, half_installed: Connected) -> None:
        ctx = half_installed.install()
        assert (ctx.currency, ctx.timezone) == ("USD", "America/New_York")
        assert shop_row(half_installed).described_at is not None
        assert half_installed.jobs.asked == [(1, "import", "")]

    def test_is_described_before_an_import_whoever_asked_for_it(self, half_installed: Connected) -> None:
        half_installed.importer().everything(context_by_id(half_installed.rooms, 1))
        assert shop_row(half_installed).timezone == "America/New_York"


class TestAShopThatMoved:
    def test_has_its_new_time_zone_and_web_address_after_the_next_import(
        self, encore: Connected, shopify: StandIn
    ) -> None:
        ctx = encore.install()
        assert ctx.web_domains == {TINY}
        encore.importer().everything(ctx)
        shopify.shops[TINY].meta |= {"timezone": "Europe/Paris", "primary_domain": "WWW.Beans.example"}
        encore.importer().changes(ctx)
        moved = context_by_id(encore.rooms, 1)
        assert (moved.timezone, moved.web_domains) == ("Europe/Paris", {TINY, "www.beans.example"})

    def test_to_another_currency_is_imported_whole(
        self, encore: Connected, shopify: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ctx = encore.install()
        whole = encore.importer().everything(ctx)
        monkeypatch.setattr(shopify.shops[TINY], "currency", "JPY")
        changed = encore.importer().changes(ctx)
        assert shop_row(encore).currency == "JPY"
        assert changed["changed"] == whole["changed"]


class TestAVisitWithADeadToken:
    def test_that_ran_out_brings_a_new_one(self, encore: Connected, shop_clock: FakeClock) -> None:
        ctx = encore.install()
        shop_clock.advance(timedelta(days=91))
        with pytest.raises(NotAuthorised):
            encore.tokens.access_token(ctx)
        encore.install()
        assert encore.tokens.access_token(ctx)

    def test_that_shopify_revoked_brings_a_new_one(self, encore: Connected, shopify: StandIn) -> None:
        ctx = encore.install()
        shopify.tokens.revoke(TINY)
        with pytest.raises(NotAuthorised):
            encore.api.run(ctx, "ShopInfo")
        encore.install()
        assert encore.api.run(ctx, "ShopInfo")["shop"]["myshopifyDomain"] == TINY

    def test_leaves_a_token_that_works_alone(self, encore: Connected) -> None:
        ctx = encore.install()
        token = encore.tokens.access_token(ctx)
        encore.install()
        assert encore.tokens.access_token(ctx) == token

    def test_a_refusal_of_an_older_token_says_nothing_of_the_newer_one(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.tokens.refused(ctx, "an older one")
        with encore.rooms.store.reading(ctx) as session:
            assert encore.tokens.is_alive(session.get_one(ShopToken, ctx.shop_id))


class TestAnUninstall:
    def deliver(self, encore: Connected, **headers: Any) -> None:
        inbox = Inbox(encore.rooms, make_effects(encore.rooms, encore.installer))
        given = {"X-Shopify-Webhook-Id": "late", "X-Shopify-Shop-Domain": TINY, "X-Shopify-Topic": "app/uninstalled"}
        inbox.store({**given, **headers}, json.dumps({"id": 1}).encode())
        assert inbox.process() == 1

    def test_that_arrives_after_the_shop_came_back_changes_nothing(
        self, encore: Connected, shop_clock: FakeClock
    ) -> None:
        ctx = encore.install()
        removed_at = shop_clock.now() + timedelta(minutes=10)
        shop_clock.advance(timedelta(minutes=20))
        encore.installer.uninstalled(ctx, removed_at)
        encore.install()
        self.deliver(encore, **{"X-Shopify-Triggered-At": removed_at.isoformat()})
        assert shop_row(encore).uninstalled_at is None
        assert encore.tokens.access_token(ctx)

    def test_of_the_newest_install_ends_it(self, encore: Connected, shop_clock: FakeClock) -> None:
        encore.install()
        shop_clock.advance(timedelta(minutes=20))
        self.deliver(encore, **{"X-Shopify-Triggered-At": shop_clock.now().isoformat()})
        assert shop_row(encore).uninstalled_at == shop_clock.now()

    def test_without_a_time_is_believed(self, encore: Connected) -> None:
        encore.install()
        self.deliver(encore)
        assert shop_row(encore).uninstalled_at is not None
