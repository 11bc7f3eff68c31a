"""Two customers that turned out to be one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, update

from app.services.import_customers import last_survivor, placeholder, survivors
from app.store import cap
from app.store.counters import allocate
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()


def merge_customers(rooms: Rooms, ctx: ShopContext, *, kept: int, deleted: int) -> None:
    """Point the deleted Shopify customer to the kept one; merged before: nothing to do.

    Either may be unknown here yet, because a merge is told once and an import brings them in any order: it
    gets a number at once, and what is imported later finds the merge done. Who was merged into the deleted
    customer before follows to the survivor, so that no chain remains.

    The weekly cap takes the later of both customers' last e-mails. The lake's rows follow at the next import.
    """
    with rooms.store.session(ctx) as session:
        loser, survivor = (_number(session, rooms, ctx, shopify_id) for shopify_id in (deleted, kept))
        into = survivors(session, ctx)
        survivor = last_survivor(into, survivor)
        if loser in into or loser == survivor:
            return
        session.execute(
            update(Customer)
            .where(
                Customer.shop_id == ctx.shop_id,
                (Customer.customer_no == loser) | (Customer.merged_into == loser),
            )
            .values(merged_into=survivor)
        )
        cap.merge(session, ctx, loser=loser, survivor=survivor)
    log.info("customers_merged", shop_id=ctx.shop_id, survivor=survivor)


def _number(session: Session, rooms: Rooms, ctx: ShopContext, shopify_id: int) -> int:
    found = session.scalar(
        select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id == shopify_id)
    )
    if found is not None:
        return found
    number = allocate(session, ctx.shop_id, "customers")
    session.add(Customer(**placeholder(rooms, ctx, number, shopify_id, rooms.clock.now())))
    session.flush()
    return number
