"""Finding one customer of a shop: by number, by Shopify's id, by exact e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from app.errors import NotFound
from app.services.import_customers import survivors
from app.services.segment_details import unseal
from app.services.segments_world import small_number
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

MOST_FOUND = 20
ID_DIGITS = 18  # fit an int64


def search(rooms: Rooms, ctx: ShopContext, text: str) -> list[dict[str, Any]]:
    """Live customers of an exact e-mail address, a Shopify id or a customer number: shape of the API's `FoundCustomer`.

    Names are sealed, so nothing is found by name or by a part of an address. A merged customer is found as the one
    who stands for both.
    """
    wanted = text.strip().removeprefix("#")
    fits: list[ColumnElement[bool]] = []
    if "@" in wanted:
        fits.append(Customer.email_hash == rooms.vault.email_hash(wanted))
    elif wanted.isascii() and wanted.isdecimal() and len(wanted) <= ID_DIGITS:
        fits.append(Customer.shopify_id == int(wanted))
        number = small_number(wanted)
        if number is not None:
            fits.append(Customer.customer_no == number)
    if not fits:
        return []
    with rooms.store.reading(ctx) as session:
        query = select(Customer).where(Customer.shop_id == ctx.shop_id, or_(*fits)).order_by(Customer.customer_no)
        rows = list(session.scalars(query.limit(MOST_FOUND)))
        into = survivors(session, ctx) if any(row.merged_into is not None for row in rows) else {}
        numbers = dict.fromkeys(into.get(row.customer_no, row.customer_no) for row in rows)
        found = [session.get(Customer, (ctx.shop_id, number)) for number in numbers]
    return [named(rooms, ctx, row) for row in found if row is not None and is_live(row)]


def live_customer(session: Session, ctx: ShopContext, customer_no: int) -> Customer:
    """The customer of a number, or who stands for them after a merge. Raises NotFound; an erased one says so."""
    customer = session.get(Customer, (ctx.shop_id, customer_no))
    if customer is not None and customer.merged_into is not None:
        into = survivors(session, ctx)
        customer = session.get(Customer, (ctx.shop_id, into.get(customer_no, customer_no)))
    if customer is None:
        raise NotFound("There is no such customer.")
    if customer.erased_at is not None:
        raise NotFound("This customer's data was erased. Nothing of it is kept here.")
    if customer.gone_at is not None:
        raise NotFound("Your shop no longer has this customer.")
    return customer


def is_live(customer: Customer) -> bool:
    """Neither erased, merged away nor gone from the shop."""
    return customer.erased_at is None and customer.merged_into is None and customer.gone_at is None


def named(rooms: Rooms, ctx: ShopContext, customer: Customer) -> dict[str, Any]:
    """customer_no, customer_id, name and e-mail as pages show them."""
    contact = unseal(rooms, ctx, customer)
    name = " ".join(part for part in (contact.get("first_name"), contact.get("last_name")) if part)
    return {
        "customer_no": customer.customer_no,
        "customer_id": str(customer.shopify_id) if customer.shopify_id is not None else None,
        "name": name or "No name",
        "email": contact.get("email"),
    }
