"""Pinned members: customers whom the merchant put into a rule segment, or keeps out of it, whatever the rule says.

Only the merchant's own rule segments have pins. An automatic segment promises what its printed rule selects, and a
customer stands in exactly one stage of it: its copy can be pinned. An uploaded list is by hand already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pyroaring import BitMap
from sqlalchemy import delete, select

from app.errors import Conflict, NotFound
from app.services.import_customers import survivors
from app.services.segments_world import find, locked
from app.store.models.customers import Customer
from app.store.models.segment_pins import SegmentPin

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.segments import Segment

Kind = Literal["in", "out"]
PINNED_IN = "Pinned in by you"
PINNED_OUT = "Pinned out by you"
log = structlog.get_logger()


@dataclass(frozen=True)
class Pins:
    """Who is pinned into a segment and who out of it; merged customers are who they are now."""

    inside: BitMap = field(default_factory=BitMap)
    outside: BitMap = field(default_factory=BitMap)

    def put(self, members: BitMap, universe: BitMap) -> BitMap:
        """The members with the pins: those in added, those out taken off. Nobody outside of the universe."""
        return ((members | self.inside) - self.outside) & universe

    def counts(self, members: BitMap, universe: BitMap) -> dict[str, int]:
        """Pins of customers who are still there, and how many of them the rule alone would have otherwise."""
        inside, outside = self.inside & universe, self.outside & universe
        return {
            "pinned_in": len(inside),
            "pinned_out": len(outside),
            "added": len(inside - members),
            "removed": len(outside & members),
        }


def read(session: Session, ctx: ShopContext, merged: Mapping[int, int]) -> dict[int, Pins]:
    """The pins of all segments that have some, by segment. merged: merged customers → who stands for them now."""
    query = select(SegmentPin).where(SegmentPin.shop_id == ctx.shop_id)
    # A pin of the customer who stayed counts before one of a customer merged into them, a later before an earlier.
    rows = sorted(session.scalars(query), key=lambda pin: (pin.customer_no not in merged, pin.at))
    kinds: dict[int, dict[int, str]] = {}
    for pin in rows:
        kinds.setdefault(pin.segment_id, {})[merged.get(pin.customer_no, pin.customer_no)] = pin.kind
    return {
        segment_id: Pins(
            BitMap(no for no, kind in of.items() if kind == "in"),
            BitMap(no for no, kind in of.items() if kind == "out"),
        )
        for segment_id, of in kinds.items()
    }


def of_segment(session: Session, ctx: ShopContext, segment_id: int) -> Pins:
    """The pins of one segment."""
    return read(session, ctx, survivors(session, ctx)).get(segment_id, Pins())


def of_customer(session: Session, ctx: ShopContext, numbers: Collection[int]) -> dict[int, str]:
    """Where a customer is pinned: segment → in or out. numbers: who was merged into them, then the customer."""
    query = select(SegmentPin).where(SegmentPin.shop_id == ctx.shop_id, SegmentPin.customer_no.in_(numbers))
    order = {number: position for position, number in enumerate(numbers)}
    rows = sorted(session.scalars(query), key=lambda pin: (order[pin.customer_no], pin.at))
    return {pin.segment_id: pin.kind for pin in rows}


def listing(session: Session, ctx: ShopContext, segment_id: int) -> list[SegmentPin]:
    """The pins of one segment as they were made, newest first."""
    query = select(SegmentPin).where(SegmentPin.shop_id == ctx.shop_id, SegmentPin.segment_id == segment_id)
    return list(session.scalars(query.order_by(SegmentPin.at.desc(), SegmentPin.customer_no)))


def pin(rooms: Rooms, ctx: ShopContext, segment_id: int, customer_no: int, kind: Kind, note: str | None = None) -> None:
    """Pin a customer in or out; an earlier pin of theirs is replaced. Evaluate the segment afterwards.

    Raises NotFound for an unknown segment or customer, Conflict for a segment that can't have pins.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        _pinnable(session, ctx, segment_id)
        numbers = _live(session, ctx, customer_no)
        _take_off(session, ctx, segment_id, numbers)
        words = " ".join((note or "").split())[:200] or None
        session.add(
            SegmentPin(
                shop_id=ctx.shop_id, segment_id=segment_id, customer_no=numbers[0], kind=kind, at=now, note=words
            )
        )
    log.info("customer_pinned", shop_id=ctx.shop_id, segment_id=segment_id, kind=kind)


def unpin(rooms: Rooms, ctx: ShopContext, segment_id: int, customer_no: int) -> None:
    """Take a pin off; without one, nothing happens. Evaluate the segment afterwards. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        _pinnable(session, ctx, segment_id)
        _take_off(session, ctx, segment_id, _live(session, ctx, customer_no))


def forget(session: Session, ctx: ShopContext, numbers: Collection[int]) -> None:
    """Take off all pins of erased customers."""
    session.execute(
        delete(SegmentPin).where(SegmentPin.shop_id == ctx.shop_id, SegmentPin.customer_no.in_(sorted(numbers)))
    )


def nothing() -> dict[str, Any]:
    """The counts of a segment without pins."""
    return Pins().counts(BitMap(), BitMap())


def _pinnable(session: Session, ctx: ShopContext, segment_id: int) -> Segment:
    if find(session, ctx, segment_id) is None:
        raise NotFound("There is no such segment.")
    segment = locked(session, ctx, segment_id)[segment_id]
    if segment.source == "upload":
        raise Conflict("An uploaded list is what the file says; upload a file to add or remove customers.")
    if segment.source != "rule":
        raise Conflict("An automatic segment can't have pinned members; duplicate it and pin in the copy.")
    return segment


def _live(session: Session, ctx: ShopContext, customer_no: int) -> list[int]:
    """The customer who stands for this number now, then who was merged into them. Raises NotFound."""
    into = survivors(session, ctx)
    number = into.get(customer_no, customer_no)
    customer = session.get(Customer, (ctx.shop_id, number))
    if customer is None or customer.erased_at is not None or customer.gone_at is not None:
        raise NotFound("There is no such customer.")
    return [number, *(loser for loser, survivor in into.items() if survivor == number)]


def _take_off(session: Session, ctx: ShopContext, segment_id: int, numbers: list[int]) -> None:
    session.execute(
        delete(SegmentPin).where(
            SegmentPin.shop_id == ctx.shop_id,
            SegmentPin.segment_id == segment_id,
            SegmentPin.customer_no.in_(numbers),
        )
    )
