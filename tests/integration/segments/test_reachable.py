from __future__ import annotations

from typing import TYPE_CHECKING

from pyroaring import BitMap

from app.services.reachable import reach, reachable
from app.store.models.customers import Customer, Suppression
from tests.integration.segments.conftest import AS_OF

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop


class TestReach:
    def test_everybody_is_reachable_or_has_one_reason(self, shop: SmallShop) -> None:
        with shop.rooms.store.reading(shop.ctx) as session:
            found = reach(session, shop.ctx)
        assert found.universe == BitMap(range(1, 61))
        parts = [found.reachable, *found.reasons.values()]
        assert sum(len(part) for part in parts) == 60
        assert BitMap.union(*parts) == found.universe
        assert {no: found.why_not(no) for no in (1, 2, 3, 4, 6, 8)} == {
            1: "unsubscribed", 2: "pending_confirmation", 3: None, 4: "invalid_email", 6: "no_email",
            8: "not_subscribed",
        }  # fmt: skip

    def test_a_suppressed_address_outranks_consent(self, shop: SmallShop) -> None:
        with shop.rooms.store.session(shop.ctx) as session:
            session.add(
                Suppression(
                    shop_id=shop.ctx.shop_id, email_hash=shop.rooms.vault.email_hash("c3@example.com"),
                    reason="hard_bounce", at=AS_OF, evidence=None,
                )
            )  # fmt: skip
        with shop.rooms.store.reading(shop.ctx) as session:
            found = reach(session, shop.ctx)
        assert found.why_not(3) == "suppressed"
        assert found.counts(BitMap([1, 3, 5])) == {"suppressed": 1, "unsubscribed": 1}

    def test_the_erased_and_the_merged_are_nowhere(self, shop: SmallShop) -> None:
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 3)).erased_at = AS_OF
            session.get_one(Customer, (shop.ctx.shop_id, 5)).merged_into = 7
        with shop.rooms.store.reading(shop.ctx) as session:
            found = reach(session, shop.ctx)
            assert reachable(session, shop.ctx) == found.reachable
        assert not found.universe & BitMap([3, 5])
        assert not found.email["yes"] & BitMap([3, 5])
