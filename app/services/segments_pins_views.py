"""Pins as pages use them: each change evaluates the segment at once; the list has names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.services import segments_pins
from app.services.customers import named
from app.services.import_customers import survivors
from app.services.reevaluate_segments import evaluate_one
from app.services.segments import found
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms


def pin(
    rooms: Rooms, ctx: ShopContext, segment_id: int, customer_no: int, kind: segments_pins.Kind, note: str | None
) -> None:
    """Pin a customer in or out and evaluate. Raises NotFound, Conflict."""
    segments_pins.pin(rooms, ctx, segment_id, customer_no, kind, note)
    evaluate_one(rooms, ctx, segment_id)


def unpin(rooms: Rooms, ctx: ShopContext, segment_id: int, customer_no: int) -> None:
    """Take a pin off and evaluate. Raises NotFound, Conflict."""
    segments_pins.unpin(rooms, ctx, segment_id, customer_no)
    evaluate_one(rooms, ctx, segment_id)


def listing(rooms: Rooms, ctx: ShopContext, segment_id: int) -> list[dict[str, Any]]:
    """Who is pinned, newest first, each customer once: shape of the API's `Pin`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        pins, into = segments_pins.listing(session, ctx, segment_id), survivors(session, ctx)
        shown: dict[int, dict[str, Any]] = {}
        for pin_row in sorted(pins, key=lambda row: row.customer_no in into):
            number = into.get(pin_row.customer_no, pin_row.customer_no)
            customer = session.get(Customer, (ctx.shop_id, number))
            if customer is not None and customer.erased_at is None and customer.gone_at is None:
                told = {"kind": pin_row.kind, "at": pin_row.at, "note": pin_row.note}
                shown.setdefault(number, {**named(rooms, ctx, customer), **told})
    return sorted(shown.values(), key=lambda row: row["at"], reverse=True)
