"""Products and orders that the shop deleted, customers who were erased: out of the lake with the next import.

An import of changes can't see what is no longer there, and only an import may write the lake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from sqlalchemy import delete, select

from app.store.models.shops import Deletion

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Kind = Literal["product", "order", "customer"]
Gone = dict[Kind, list[int]]
STAGED: dict[Kind, tuple[tuple[str, str], ...]] = {
    "product": (("stage_products", "product_id"), ("stage_variants", "product_id")),
    "order": (("stage_orders", "order_id"), ("stage_lines", "order_id")),
    "customer": (),  # who is erased is told by the store
}


def note(rooms: Rooms, ctx: ShopContext, kind: Kind, record_id: int) -> None:
    """Remember a deletion and ask for the import that follows it. Twice is once."""
    with rooms.store.session(ctx) as session:
        add(session, rooms, ctx, kind, record_id)
    rooms.jobs.enqueue(ctx, "import_changes")


def add(session: Session, rooms: Rooms, ctx: ShopContext, kind: Kind, record_id: int) -> None:
    """Remember a deletion within a transaction of the caller, who asks for the import afterwards."""
    session.merge(Deletion(shop_id=ctx.shop_id, kind=kind, record_id=record_id, at=rooms.clock.now()))


def pending(rooms: Rooms, ctx: ShopContext) -> Gone:
    """Ids by kind that the lake may still hold."""
    found: Gone = {kind: [] for kind in STAGED}
    with rooms.store.reading(ctx) as session:
        mine = select(Deletion.kind, Deletion.record_id).where(Deletion.shop_id == ctx.shop_id)
        for row in session.execute(mine.order_by(Deletion.record_id)):
            found[cast("Kind", row.kind)].append(row.record_id)
    return found


def unstage(staged: duckdb.DuckDBPyConnection, gone: Gone) -> None:
    """Take deleted records out of what was staged: the export may be older than the deletion."""
    for kind, ids in gone.items():
        for table, key in STAGED[kind] if ids else ():
            staged.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT unnest($ids))", {"ids": ids})


def settle(session: Session, ctx: ShopContext, gone: Gone) -> None:
    """Forget deletions that the published history no longer holds."""
    for kind, ids in gone.items():
        for record_id in ids:
            session.execute(
                delete(Deletion).where(
                    Deletion.shop_id == ctx.shop_id, Deletion.kind == kind, Deletion.record_id == record_id
                )
            )
