"""Products and orders that the shop deleted: noted when it says so, out of the lake with the next import.

An import of changes can't see what is no longer there, and only an import may write the lake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select

from app.store.models.shops import Deletion

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Kind = Literal["product", "order"]
STAGED = {
    "product": (("stage_products", "product_id"), ("stage_variants", "product_id")),
    "order": (("stage_orders", "order_id"), ("stage_lines", "order_id")),
}


def note(rooms: Rooms, ctx: ShopContext, kind: Kind, shopify_id: int) -> None:
    """Remember a deletion and ask for the import that follows it. Twice is once."""
    with rooms.store.session(ctx) as session:
        session.merge(Deletion(shop_id=ctx.shop_id, kind=kind, shopify_id=shopify_id, at=rooms.clock.now()))
    rooms.jobs.enqueue(ctx, "import_changes")


def pending(rooms: Rooms, ctx: ShopContext) -> dict[str, list[int]]:
    """Ids by kind that the lake may still hold."""
    found: dict[str, list[int]] = {kind: [] for kind in STAGED}
    with rooms.store.reading(ctx) as session:
        mine = select(Deletion.kind, Deletion.shopify_id).where(Deletion.shop_id == ctx.shop_id)
        for row in session.execute(mine.order_by(Deletion.shopify_id)):
            found[row.kind].append(row.shopify_id)
    return found


def unstage(staged: duckdb.DuckDBPyConnection, gone: dict[str, list[int]]) -> None:
    """Take deleted records out of what was staged: the export may be older than the deletion."""
    for kind, ids in gone.items():
        for table, key in STAGED[kind] if ids else ():
            staged.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT unnest($ids))", {"ids": ids})


def settle(session: Session, ctx: ShopContext, gone: dict[str, list[int]]) -> None:
    """Forget deletions that the published history no longer holds."""
    for kind, ids in gone.items():
        for shopify_id in ids:
            session.execute(
                delete(Deletion).where(
                    Deletion.shop_id == ctx.shop_id, Deletion.kind == kind, Deletion.shopify_id == shopify_id
                )
            )
