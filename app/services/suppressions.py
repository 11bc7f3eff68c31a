"""Addresses that are not mailed any more: why, whose they are, and taking one back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, func, select

from app.errors import Conflict, NotFound
from app.services.send_due_compose import contact_of
from app.store.models.customers import Customer, Suppression

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

MOST = 100
FINAL = frozenset({"erased"})  # the law's word, or the customer's: nobody takes that back here


@dataclass(frozen=True)
class Suppressed:
    """One address. id: its keyed hash; customers and email: empty if nobody here has it any more."""

    id: str
    email: str | None
    customers: list[int]
    reason: str
    at: datetime
    evidence: str | None
    can_be_reinstated: bool


def listing(rooms: Rooms, ctx: ShopContext, customer_no: int | None = None) -> tuple[int, list[Suppressed]]:
    """(how many there are, the newest of them), of the shop or of one customer. Erased ones are not among them."""
    own = (Suppression.shop_id == ctx.shop_id, Suppression.reason.not_in(FINAL))
    query = select(Suppression).where(*own)
    with rooms.store.reading(ctx) as session:
        if customer_no is not None:
            customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": customer_no})
            query = query.where(Suppression.email_hash == (customer.email_hash if customer else None))
        count = session.execute(select(func.count()).select_from(query.subquery())).scalar_one()
        rows = session.scalars(query.order_by(Suppression.at.desc(), Suppression.email_hash).limit(MOST)).all()
        whose: dict[str, list[Customer]] = {}
        hashes = [row.email_hash for row in rows]
        for person in session.scalars(
            select(Customer)
            .where(Customer.shop_id == ctx.shop_id, Customer.email_hash.in_(hashes))
            .order_by(Customer.customer_no)
        ):
            whose.setdefault(person.email_hash or "", []).append(person)
    found = []
    for row in rows:
        persons = whose.get(row.email_hash, [])
        email = contact_of(rooms, ctx, persons[0]).email if persons else None
        numbers = [person.customer_no for person in persons]
        found.append(Suppressed(row.email_hash, email, numbers, row.reason, row.at, row.evidence, bool(persons)))
    return int(count), found


def reinstate(rooms: Rooms, ctx: ShopContext, email_hash: str, by: str | None) -> None:
    """Let an address be mailed again, if its customer's consent allows it: consent is not touched.

    Raises NotFound, or Conflict for the address of somebody who was erased.
    """
    with rooms.store.session(ctx) as session:
        row = session.get(Suppression, {"shop_id": ctx.shop_id, "email_hash": email_hash})
        if row is None:
            raise NotFound("This address is not suppressed.")
        if row.reason in FINAL:
            raise Conflict("The customer asked to be erased. The address stays suppressed.")
        session.execute(
            delete(Suppression).where(Suppression.shop_id == ctx.shop_id, Suppression.email_hash == email_hash)
        )
    log.info("address_reinstated", shop_id=ctx.shop_id, reason=row.reason, by=by)
