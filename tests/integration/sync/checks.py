"""What the tests of the sync engine look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyroaring import BitMap

from app.services.sync_segment_log import outcomes_of

if TYPE_CHECKING:
    from typing import Any

    from tests.integration.sync.conftest import ShopUnderTest


def adds_up(counts: dict[str, int]) -> bool:
    """Whether everyone who was looked at has exactly one outcome."""
    return counts["queried"] == sum(counts[name] for name in ("added", "updated", "unchanged", "skipped", "failed"))


def stored(shop: ShopUnderTest, kind: type, *key: int) -> Any:
    """A row of the shop."""
    with shop.rooms.store.reading(shop.ctx) as session:
        return session.get(kind, (shop.ctx.shop_id, *key))


def reasons(shop: ShopUnderTest, run_id: int) -> dict[tuple[str, str], list[int]]:
    """Who had which outcome for which reason."""
    with shop.rooms.store.reading(shop.ctx) as session:
        return {
            (g.outcome, g.code): list(BitMap.deserialize(g.members)) for g in outcomes_of(session, shop.ctx, run_id)
        }
