"""The offline token: kept sealed, refreshed before it ends, given up with words when it can't be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.errors import NotAuthorised
from app.store.models.shops import ShopToken

if TYPE_CHECKING:
    from tests.fakes import FakeClock
    from tests.standins import Connected


class TestTheOfflineToken:
    def test_serves_again_while_it_is_good(self, encore: Connected) -> None:
        ctx = encore.install()
        assert encore.tokens.access_token(ctx) == encore.tokens.access_token(ctx)

    def test_is_refreshed_before_it_ends_and_the_new_pair_works(self, encore: Connected, shop_clock: FakeClock) -> None:
        ctx = encore.install()
        first = encore.tokens.access_token(ctx)
        for _ in range(2):  # twice: the second refresh needs the rotated refresh token
            shop_clock.advance(timedelta(minutes=58))
            fresh = encore.tokens.access_token(ctx)
            assert fresh != first
            assert encore.api.run(ctx, "ShopInfo")["shop"]["myshopifyDomain"] == ctx.domain
            first = fresh

    def test_stands_sealed_in_the_store(self, encore: Connected) -> None:
        ctx = encore.install()
        token = encore.tokens.access_token(ctx)
        with encore.rooms.store.reading(ctx) as session:
            row = session.get_one(ShopToken, ctx.shop_id)
        assert token.encode() not in row.sealed

    def test_that_nobody_used_for_ninety_days_asks_the_merchant_to_open_the_app(
        self, encore: Connected, shop_clock: FakeClock
    ) -> None:
        ctx = encore.install()
        shop_clock.advance(timedelta(days=91))
        with pytest.raises(NotAuthorised, match="Open Encore from the Shopify admin"):
            encore.tokens.access_token(ctx)
