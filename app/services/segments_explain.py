"""Why a customer is in a segment or is not, what would change that, and when time alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.domain.rules.alone import RELATIVE, alone
from app.domain.rules.explain import explain as reasons
from app.domain.rules.explain import why_fixed
from app.domain.rules.flips import next_flip
from app.domain.rules.nearest import nearest
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.tree import Consent, Member, Predict, Reachable, leaves
from app.errors import Conflict
from app.services import segments_pins
from app.services.customers import live_customer, named
from app.services.segments import found
from app.services.segments_world import members_of, open_world
from app.store.models.segments import Membership

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.domain.rules.explain import Reason
    from app.domain.rules.tree import Rule
    from app.services.rooms import Rooms
    from app.services.segments_world import ShopWorld

BY_CONSENT = frozenset({"unsubscribed", "pending_confirmation", "not_subscribed"})
"""Reasons for not being reachable that the customer's own word takes away."""
NO_RULE = {
    "upload": ("On the uploaded list.", "Not on the uploaded list."),
    "automatic": ("This segment is off.", "This segment is off."),
}


def explain(rooms: Rooms, ctx: ShopContext, segment_id: int, customer_no: int) -> dict[str, Any]:
    """Shape of the API's `Explanation`. Evaluates the rule for one customer, on the published data and today's consent.

    Raises NotFound for an unknown segment or customer, Unavailable before the first refresh, Conflict for a stored
    rule that the grammar of today no longer reads.
    """
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        customer = live_customer(session, ctx, customer_no)
        row = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
        member = customer.customer_no in members_of(session, ctx, segment)
        pins = segments_pins.of_segment(session, ctx, segment_id)
    pinned = "in" if customer.customer_no in pins.inside else "out" if customer.customer_no in pins.outside else None
    answer: dict[str, Any] = {
        "segment_id": f"seg_{segment.id}",
        "segment_name": segment.name,
        **named(rooms, ctx, customer),
        "member": member,
        "holds": None,
        "pinned": pinned,
        "parts": [],
        "ways": [],
        "no_way": None,
        "flips_at": None,
        "flips_to": None,
        "held": [],
        "evaluated_at": row.evaluated_at if row else None,
        "as_of": None,
        "timezone": ctx.timezone,
    }
    if segment.rule_text is None:
        is_in, is_out = NO_RULE.get(segment.source, NO_RULE["upload"])
        return {**answer, "summary": is_in if member else is_out}
    try:
        rule = parse(orjson.loads(segment.rule_text))
    except RuleError as fault:
        raise Conflict(f"The rule of “{segment.name}” can't be read any more: {fault}. Save it again.") from fault
    with open_world(rooms, ctx) as world:
        answer |= _by_rule(rule, world, customer.customer_no)
    answer["summary"] = _summary(answer)
    return answer


def _by_rule(rule: Rule, world: ShopWorld, customer_no: int) -> dict[str, Any]:
    mailable = world.reach.why_not(customer_no) in BY_CONSENT
    with alone(world.world, customer_no, mailable=mailable) as one:
        tree = reasons(rule, one, world.wording)
        ways = nearest(rule, one, world.wording)
        flip = next_flip(rule, one)
    return {
        "holds": tree.holds,
        "parts": _parts(tree, 0),
        "ways": [{"text": way.text, "changes": len(way.changes)} for way in ways],
        "no_way": None if ways else _no_way(tree),
        "flips_at": flip.at if flip else None,
        "flips_to": flip.member if flip else None,
        "held": _held(rule),
        "as_of": world.run.as_of,
    }


def _parts(reason: Reason, depth: int) -> list[dict[str, Any]]:
    part = {name: getattr(reason, name) for name in ("path", "kind", "holds", "helps", "sentence", "missing", "value",
                                                     "fixed")}  # fmt: skip
    below = [row for child in reason.nodes for row in _parts(child, depth + 1)]
    return [{**part, "depth": depth}, *below]


def _no_way(tree: Reason) -> str:
    """What stands in the way, where nothing that could happen to the customer flips membership."""
    fixed = [part for part in _leaves(tree) if part.fixed is not None and part.helps == tree.holds]
    if not fixed:
        return "No small change was found that would flip it."
    one = fixed[0]
    own = f" Now: {one.value}." if one.value else ""
    return f"No change of this customer alone flips it. What decides is “{one.sentence}”.{own} {one.fixed}"


def _leaves(reason: Reason) -> list[Reason]:
    return [reason] if reason.kind == "leaf" else [leaf for child in reason.nodes for leaf in _leaves(child)]


def _held(rule: Rule) -> list[str]:
    """What the date of the flip takes as it is now."""
    used = [leaf for _, leaf in leaves(rule.match)]
    held = {
        "predictions": any(isinstance(leaf, Predict) or "prediction" in (why_fixed(leaf) or "") for leaf in used),
        "other segments": any(isinstance(leaf, Member) for leaf in used),
        "consent and reachability": any(isinstance(leaf, Consent | Reachable) for leaf in used),
        "how others compare": any(type(leaf).__name__ in RELATIVE for leaf in used),
    }
    return [what for what, is_used in held.items() if is_used]


def _summary(answer: dict[str, Any]) -> str:
    holds = bool(answer["holds"])
    if answer["pinned"] == "in":
        also = "The rule takes this customer too." if holds else "The rule alone would not."
        return f"{segments_pins.PINNED_IN}. {also}"
    if answer["pinned"] == "out":
        also = "The rule alone would take this customer." if holds else "The rule would not take this customer either."
        return f"{segments_pins.PINNED_OUT}. {also}"
    if holds != answer["member"]:
        change = "comes in" if holds else "goes out"
        return f"The rule {'holds' if holds else 'does not hold'} now: the customer {change} at the next evaluation."
    return "The rule holds for this customer." if holds else "The rule does not hold for this customer."
