"""Two customers that turned out to be one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.store import cap
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()


def merge_customers(rooms: Rooms, ctx: ShopContext, *, kept: int, deleted: int) -> None:
    """Point the deleted Shopify customer to the kept one; unknown or merged before: nothing to do.

    The weekly cap takes the later of both customers' last e-mails. The lake's rows follow at the next import.
    """
    with rooms.store.session(ctx) as session:
        rows = session.scalars(
            select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id.in_((kept, deleted)))
        )
        found = {row.shopify_id: row for row in rows}
        if len(found) < 2 or found[deleted].merged_into is not None:  # noqa: PLR2004 - two make a merge
            return
        loser, survivor = found[deleted], found[kept]
        loser.merged_into = survivor.customer_no
        cap.merge(session, ctx, loser=loser.customer_no, survivor=survivor.customer_no)
    log.info("customers_merged", shop_id=ctx.shop_id, survivor=survivor.customer_no)
