"""Whom the shop sends tests to: a short list of its own people's addresses, kept sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.store.models.brand import TestList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

SUBJECT = "test-list"  # of the vault


def addresses(rooms: Rooms, ctx: ShopContext) -> list[str]:
    """The addresses that were kept last. Raises CannotUnseal."""
    with rooms.store.reading(ctx) as session:
        row = session.get(TestList, {"shop_id": ctx.shop_id})
    if row is None:
        return []
    opened: dict[str, Any] = rooms.vault.open(ctx.shop_id, SUBJECT, row.sealed)
    return list(opened["addresses"])


def keep(rooms: Rooms, ctx: ShopContext, wanted: Sequence[str]) -> None:
    """Keep these instead of what was kept before; none forgets the list. They must be checked addresses."""
    with rooms.store.session(ctx) as session:
        row = session.get(TestList, {"shop_id": ctx.shop_id})
        if not wanted:
            if row is not None:
                session.delete(row)
            return
        sealed = rooms.vault.seal(ctx.shop_id, SUBJECT, {"addresses": list(wanted)})
        session.merge(TestList(shop_id=ctx.shop_id, sealed=sealed, updated_at=rooms.clock.now()))
