"""One segment's page: figures as stored with the membership, history, dependents, and its members by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.errors import Invalid, Unavailable
from app.services import segments_dependents, segments_pins, segments_reasons
from app.services.reachable import REASONS, reach
from app.services.segments import found, history
from app.services.segments_world import known_reach, members_of, open_world, small_number
from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.customers import Customer
from app.store.models.segments import Membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyroaring import BitMap
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.reachable import Reach
    from app.services.rooms import Rooms

POINTS = 120
NOBODY: dict[str, Any] = {
    "size": 0,
    "buyers": 0,
    "share_of_customers": 0.0,
    "reachable": 0,
    "not_reachable": {},
    "orders": 0,
    "order_share": 0.0,
    "net_sales_minor": 0,
    "net_share": 0.0,
    "margin_minor": None,
    "margin_of_minor": 0,
    "average_order_minor": None,
    "repeat_rate": None,
    "median_gap_days": None,
    "orders_per_buyer": None,
    "predicted_value_12m_minor": None,
    "product": None,
    "expected": None,
    "probabilities": [],
}


def details(rooms: Rooms, ctx: ShopContext, segment_id: int) -> dict[str, Any]:
    """All but the members: shape of the API's `SegmentDetails`. Evaluates nothing. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        row = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
        past = history(session, ctx, segment_id, POINTS)
        users = segments_dependents.dependents(session, ctx, segment)
    figures = {**NOBODY, **({"size": row.size} if row else {}), **(row.statistics if row else {})}
    return {
        "id": f"seg_{segment.id}",
        "key": segment.key,
        "name": segment.name,
        "category": segment.category,
        "source": segment.source,
        "state": segment.state,
        "reason": segment.reason,
        "definition": segment.definition,
        "why": segment.why,
        "action": segment.action,
        "rule": orjson.loads(segment.rule_text) if segment.rule_text else None,
        "rule_hash": segment.rule_hash,
        "version": max(1, segment.version),
        "editable": segment.source != "automatic",
        "product": figures["product"],
        "statistics": {**figures, "not_reachable": labelled(figures["not_reachable"])},
        "expected": figures["expected"],
        "probabilities": figures["probabilities"],
        "history": [{"at": c.at, "size": c.size, "entered": c.entered_count, "left": c.left_count} for c in past],
        "leaves": row.leaves if row else [],
        "from_missing": row.from_missing if row else 0,
        "used_by": users,
        "pins": figures.get("pins") or segments_pins.nothing(),
        "currency": ctx.currency,
        "timezone": ctx.timezone,
        "evaluated_at": row.evaluated_at if row else None,
        "watermark": row.watermark if row else None,
        "next_flip_at": row.next_flip_at if row else None,
        "duration_ms": row.duration_ms if row else None,
        "failed_at": segment.failed_at,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
    }


def members(
    rooms: Rooms, ctx: ShopContext, segment_id: int, cursor: str | None, limit: int, *, reachable: bool | None = None
) -> dict[str, Any]:
    """A page of members by customer number: shape of the API's `MemberPage`. Raises NotFound, Invalid."""
    after = -1 if cursor is None else small_number(cursor)
    if after is None:
        raise Invalid("The cursor is not one of this list.", field="cursor")
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        row = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
        chosen = members_of(session, ctx, segment)
        pinned = segments_pins.of_segment(session, ctx, segment_id).inside
    everybody = known_reach(rooms, ctx)
    chosen &= everybody.universe
    if reachable is not None:
        chosen = chosen & everybody.reachable if reachable else chosen - everybody.reachable
    numbers = page_of(chosen, after, limit)
    try:
        with open_world(rooms, ctx) as world:
            reasons = segments_reasons.of_segment(segment, world, numbers)
            facts = segments_reasons.facts(world.connection, numbers)
    except Unavailable:
        reasons, facts = dict.fromkeys(numbers, segment.definition), {}
    reasons |= {number: segments_pins.PINNED_IN for number in numbers if number in pinned}
    chances = segments_reasons.chances(rooms, ctx, segment, numbers)
    with rooms.store.reading(ctx) as session:
        now = reach(session, ctx, numbers)  # who unsubscribed a minute ago is not shown as one who can be mailed
        items = rows(session, rooms, ctx, numbers, now, reasons, facts, chances)
    more = bool(numbers) and numbers[-1] != chosen.max()
    return {
        "items": items,
        "next": str(numbers[-1]) if more else None,
        "total": len(chosen),
        "evaluated_at": row.evaluated_at if row else None,
    }


def page_of(chosen: BitMap, after: int, limit: int) -> list[int]:
    """The next customer numbers after `after`."""
    found_numbers: list[int] = []
    number = chosen.next_set_bit(after + 1) if chosen and after < chosen.max() else None
    while number is not None and len(found_numbers) < limit:
        found_numbers.append(number)
        number = chosen.next_set_bit(number + 1) if number < chosen.max() else None
    return found_numbers


def rows(
    session: Session,
    rooms: Rooms,
    ctx: ShopContext,
    numbers: Sequence[int],
    everybody: Reach,
    reasons: dict[int, str],
    facts: dict[int, dict[str, Any]],
    chances: dict[int, float],
) -> list[dict[str, Any]]:
    """Members as the API shows them; names come from the sealed contacts."""
    made = []
    for number in numbers:
        customer = session.get(Customer, (ctx.shop_id, number))
        if customer is None:
            continue
        contact = unseal(rooms, ctx, customer)
        name = " ".join(part for part in (contact.get("first_name"), contact.get("last_name")) if part)
        why_not = everybody.why_not(number)
        made.append(
            {
                "customer_no": number,
                "customer_id": str(customer.shopify_id) if customer.shopify_id is not None else None,
                "name": name or "No name",
                "email": contact.get("email"),
                "reachable": why_not is None,
                "not_reachable": why_not,
                "reason": reasons.get(number, ""),
                "orders": 0,
                "net_spend_minor": 0,
                "last_order_at": None,
                "probability": chances.get(number),
                **facts.get(number, {}),
            }
        )
    return made


def unseal(rooms: Rooms, ctx: ShopContext, customer: Customer) -> dict[str, Any]:
    """A customer's contact; empty if the keys of this installation can't open it."""
    try:
        return rooms.vault.open(ctx.shop_id, customer_subject(customer.customer_no), customer.contact)
    except CannotUnseal:
        return {}


def labelled(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Reasons with their words: shape of the API's `ReasonCount`."""
    return [{"reason": name, "label": REASONS[name], "count": count} for name, count in counts.items()]
