"""Changes in thought: what could be otherwise about one customer, made on the tables of `Alone` and taken back.

Each family is one thing that could change, by more or less:

    value      one attribute has another value; all else stays
    orders     k more orders now, each a copy of an order that somebody placed (or k more e-mail events)
    amount     one more order now, of one line worth so much, otherwise like a line that somebody bought
    fewer      the newest k of the orders that a condition counts had not been placed
    consent    the customer says yes, no or nothing yet on a channel
    reachable  the customer can, or can't, be mailed
    segment    the customer is in, or not in, another segment

An order changes what is worked out from orders, too, where that can be told from one customer's rows (`PROJECTED`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from app.domain.rules import names
from app.domain.rules.tree import (
    Attr,
    Consent,
    Did,
    Leaf,
    Life,
    Measure,
    Member,
    OrderOf,
    Rank,
    Reachable,
    Recent,
    leaves,
)
from app.domain.rules.windows import TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyroaring import BitMap

    from app.domain.rules.alone import Alone
    from app.domain.rules.evaluate import World

PROJECTED = frozenset(
    {
        "orders.count",
        "orders.365d",
        "spend.net",
        "spend.gross",
        "spend.90d",
        "spend.previous_90d",
        "order.average",
        "order.first",
        "order.last",
        "order.days_since",
        "tenure.days",
        "gap.ratio",
    }
)
"""Attributes worked out from orders that follow an order made in thought."""
NEW_ORDERS = 9_000_000_000_000_000_000  # of orders at one instant the one with the highest number is the latest
NEW_MESSAGES = "~"  # likewise, of texts
COLUMN = re.compile(r"[a-z_][a-z_0-9]*")
METAFIELD = re.compile(r"metafields\['(.+)'\]")


@dataclass(frozen=True)
class SetValue:
    """Another value of one attribute; None = not known. A list's texts are a tuple."""

    attr: str
    value: Any


@dataclass(frozen=True)
class MoreOrders:
    """So many more orders now, each a copy of the order named."""

    n: int
    like: int


@dataclass(frozen=True)
class MoreEvents:
    """So many more e-mail events of a kind now."""

    n: int
    kind: str
    campaign_id: int | None
    bot: bool | None


@dataclass(frozen=True)
class Spend:
    """One more order now, of a single line at this price in minor units, otherwise like the line named."""

    amount: int
    order_id: int
    line_id: int


@dataclass(frozen=True)
class FewerOrders:
    """The newest `n` of these orders had not been placed; `of` is the newest first."""

    n: int
    of: tuple[int, ...]


@dataclass(frozen=True)
class SetConsent:
    """Another answer on a channel. Who does not allow e-mail can't be reached by it."""

    channel: Literal["email", "sms"]
    state: Literal["yes", "no", "pending"]


@dataclass(frozen=True)
class SetReachable:
    """Can be mailed, or can't."""

    reachable: bool


@dataclass(frozen=True)
class SetMember:
    """In another segment, or not."""

    segment: str
    member: bool


Change = SetValue | MoreOrders | MoreEvents | Spend | FewerOrders | SetConsent | SetReachable | SetMember
MAKES_ORDERS = (MoreOrders, Spend)
OF_EVENTS = (Did, Measure, OrderOf, Recent, Life)
"""Leaves that look at what happened."""


def can_set(attribute: names.Attribute) -> bool:
    """Whether an attribute is a plain column or a metafield, so that another value can be put in its place."""
    return bool(COLUMN.fullmatch(attribute.column) or METAFIELD.fullmatch(attribute.column))


def put(changes: Sequence[Change], alone: Alone, world: World) -> World:
    """Make changes in a world in thought: rows in its tables, answers of its functions. Returns the changed world.

    Orders and lines that are a model of more must have been laid beside the customer's: `Alone.keep`.
    """
    for position, change in enumerate(changes):
        match change:
            case SetValue():
                _set_value(change, alone, world)
            case MoreOrders():
                _more_orders(change, alone, world, position)
            case Spend():
                _spend(change, alone, world, position)
            case MoreEvents():
                _more_events(change, alone, world, position)
            case FewerOrders():
                _fewer_orders(change, world)
            case SetConsent():
                world = _set_consent(change, alone, world)
            case SetReachable():
                world = replace(world, reachable=_with(world.reachable, alone.customer_no, inside=change.reachable))
            case SetMember():
                world = replace(world, segment=_members(change, alone.customer_no, world.segment))
    return world


def _with(members: BitMap, customer_no: int, *, inside: bool) -> BitMap:
    one = type(members)([customer_no])
    return members | one if inside else members - one


def _set_consent(change: SetConsent, alone: Alone, world: World) -> World:
    world = replace(world, consent=_answers(change, alone.customer_no, world.consent))
    if change.channel != "email":
        return world
    reached = change.state == "yes" and (alone.mailable or alone.customer_no in world.reachable)
    return replace(world, reachable=_with(world.reachable, alone.customer_no, inside=reached))


def _answers(
    change: SetConsent, customer_no: int, before: Callable[[str, str], BitMap]
) -> Callable[[str, str], BitMap]:
    def answer(channel: str, state: str) -> BitMap:
        found = before(channel, state)
        return found if channel != change.channel else _with(found, customer_no, inside=state == change.state)

    return answer


def _members(change: SetMember, customer_no: int, before: Callable[[str], BitMap]) -> Callable[[str], BitMap]:
    def members(reference: str) -> BitMap:
        found = before(reference)
        return found if reference != change.segment else _with(found, customer_no, inside=change.member)

    return members


def _set_value(change: SetValue, alone: Alone, world: World) -> None:
    known = names.attribute(change.attr)
    if known is None:
        raise ValueError(change.attr)
    _row(known.owner, alone, world)
    own = METAFIELD.fullmatch(known.column)
    if own is None:
        world.connection.execute(f"UPDATE {known.owner} SET {known.column} = ?", [_plain(change.value)])
        return
    kept = "list_filter(map_entries(coalesce(metafields, MAP {})), lambda x: x.key <> ?)"
    if change.value is None:
        world.connection.execute(f"UPDATE {known.owner} SET metafields = map_from_entries({kept})", [own[1]])
        return
    world.connection.execute(
        f"UPDATE {known.owner} SET metafields ="
        f" map_from_entries(list_append({kept}, {{'key': CAST(? AS VARCHAR), 'value': CAST(? AS VARCHAR)}}))",
        [own[1], own[1], str(change.value)],
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _row(table: str, alone: Alone, world: World) -> None:
    """A row of the customer, if the table has none: all of it not known."""
    if not world.connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall():
        world.connection.execute(f"INSERT INTO {table} (customer_no) VALUES (?)", [alone.customer_no])


def _more_orders(change: MoreOrders, alone: Alone, world: World, position: int) -> None:
    order_id = f"{NEW_ORDERS + 1_000_000 * position:d} + copy"
    orders = {
        "order_id": order_id,
        "processed_at": "$now",
        "cancelled_at": "CASE WHEN cancelled_at IS NULL THEN NULL ELSE $now END",
        "refunded_at": "CASE WHEN refunded_at IS NULL THEN NULL ELSE $now END",
    }
    which = f"order_id = {change.like:d}"
    _copy(alone, world, "orders", which, orders, change.n)
    _copy(alone, world, "order_lines", which, {"order_id": order_id, "ordered_at": "$now"}, change.n)
    counts, net, gross = world.connection.execute(
        "SELECT bool_or(o.counts), coalesce(sum(l.net_minor), 0), coalesce(sum(l.total_minor), 0) FROM like_orders o"
        " LEFT JOIN like_order_lines l ON l.order_id = o.order_id AND NOT l.is_gift_card WHERE o.order_id = ?",
        [change.like],
    ).fetchall()[0]
    if counts:
        _follow(alone, world, change.n, int(net), int(gross), world.as_of - TICK)


def _spend(change: Spend, alone: Alone, world: World, position: int) -> None:
    order_id, amount = f"{NEW_ORDERS + 1_000_000 * position:d} + copy", str(int(change.amount))
    orders = {"order_id": order_id, "processed_at": "$now", "refunded_at": "NULL"}
    orders |= dict.fromkeys(("subtotal_minor", "total_minor"), amount)
    orders |= dict.fromkeys(("discounts_minor", "refunded_minor"), "0")
    lines = {"order_id": order_id, "ordered_at": "$now", "quantity": "1", "current_quantity": "1"}
    lines |= dict.fromkeys(("unit_price_minor", "total_minor", "net_minor"), amount) | {"discount_minor": "0"}
    which = f"order_id = {change.order_id:d}"
    _copy(alone, world, "orders", which, orders)
    _copy(alone, world, "order_lines", f"{which} AND line_id = {change.line_id:d}", lines)
    _follow(alone, world, 1, change.amount, change.amount, world.as_of - TICK)


def _copy(alone: Alone, world: World, table: str, which: str, changed: dict[str, str], n: int = 1) -> None:
    """Put copies of the models' rows into the customer's table, some columns changed.

    "$now" is right before `as_of`, "copy" the number of the copy, from 0.
    """
    kept = {column: sql for column, sql in changed.items() if alone.has(table, column)}
    kept["customer_no"] = str(alone.customer_no)
    now = "CAST('" + (world.as_of - TICK).isoformat() + "' AS TIMESTAMPTZ)"
    replaced = ", ".join(f"{sql.replace('$now', now)} AS {column}" for column, sql in kept.items())
    world.connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * EXCLUDE (copy) REPLACE ({replaced})"
        f" FROM like_{table}, range({n:d}) r(copy) WHERE {which}"
    )


def _follow(alone: Alone, world: World, n: int, net: int, gross: int, now: Any) -> None:
    """Bring the figures worked out from orders up to `n` more orders, each worth so much."""
    _row("features", alone, world)
    sums = {"orders": n, "orders_365d": n, "net_minor": n * net, "net_90d_minor": n * net, "gross_minor": n * gross}
    changes = {column: f"coalesce({column}, 0) + {by:d}" for column, by in sums.items()}
    changes |= {"days_since_order": "0", "gap_ratio": "0", "tenure_days": "coalesce(tenure_days, 0)"}
    changes |= {"last_order_at": "$now", "first_order_at": "coalesce(first_order_at, $now)"}
    kept = [f"{column} = {sql}" for column, sql in changes.items() if alone.has("features", column)]
    values = {"now": now} if any("$now" in text for text in kept) else {}
    world.connection.execute(f"UPDATE features SET {', '.join(kept)}", values)
    if all(alone.has("features", column) for column in ("orders", "net_minor", "average_order_minor")):
        world.connection.execute(
            "UPDATE features SET average_order_minor = CAST(round(net_minor / orders) AS BIGINT) WHERE orders > 0"
        )


def _more_events(change: MoreEvents, alone: Alone, world: World, position: int) -> None:
    for n in range(change.n):
        world.connection.execute(
            'INSERT INTO events (customer_no, message_id, kind, "at", campaign_id, bot) VALUES (?, ?, ?, ?, ?, ?)',
            [
                alone.customer_no,
                f"{NEW_MESSAGES}{position:03d}-{n:06d}",
                change.kind,
                world.as_of - TICK,
                change.campaign_id,
                change.bot,
            ],
        )


def _fewer_orders(change: FewerOrders, world: World) -> None:
    gone = list(change.of[: change.n])
    for table in ("order_lines", "orders"):
        world.connection.execute(f"DELETE FROM {table} WHERE order_id IN (SELECT unnest(CAST(? AS BIGINT[])))", [gone])


def concerns(change: Change, leaf: Leaf) -> bool:  # noqa: PLR0911 - one line per family
    """Whether a change can turn a leaf over; a comparison, if what it compares or among whom can."""
    if isinstance(leaf, Rank):
        own = Attr(leaf.attr, "set", None, None, None)
        return any(concerns(change, inner) for inner in (own, *(inner for _, inner in leaves(leaf.among))))
    match change:
        case SetValue():
            return isinstance(leaf, Attr) and leaf.attr == change.attr
        case SetConsent():
            reached = isinstance(leaf, Reachable) and change.channel == "email"
            return reached or (isinstance(leaf, Consent) and leaf.channel == change.channel)
        case SetReachable():
            return isinstance(leaf, Reachable)
        case SetMember():
            return isinstance(leaf, Member) and leaf.segment == change.segment
        case _:
            if isinstance(leaf, Attr):
                known = names.attribute(leaf.attr)
                return isinstance(change, MAKES_ORDERS) and known is not None and known.owner == "features"
            return isinstance(leaf, OF_EVENTS)
