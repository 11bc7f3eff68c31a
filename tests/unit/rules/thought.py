"""Makes the changes that an explanation claims on a shop of plain dictionaries."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.rules.changes import (
    Change,
    FewerOrders,
    MoreEvents,
    MoreOrders,
    SetConsent,
    SetMember,
    SetReachable,
    SetValue,
    Spend,
)
from tests.unit.rules.brute import ATTRIBUTE_COLUMN, holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.unit.rules.brute import Shop

NOW = timedelta(microseconds=1)
GRID = 0.01  # figures with decimals are told to two


def known_at(shop: Shop, moment: datetime) -> Shop:
    """The shop as it is at a later moment if nothing happens: what it does not know yet never comes."""
    later = copy.deepcopy(shop)
    later.orders = [order for order in later.orders if order["processed_at"] < shop.as_of]
    later.events = [event for event in later.events if event["at"] < shop.as_of]
    later.as_of = moment
    return later


def held(node: dict[str, Any], no: int, shop: Shop) -> dict[str, Any]:
    """A rule whose predictions and comparisons with other customers answer for ever what they answer now."""
    for kind in ("all", "any", "none"):
        if kind in node:
            return {kind: [held(child, no, shop) for child in node[kind]]}
    if "rank" not in node and node.get("predict") != "next_order":
        return node
    return {"all": []} if holds(node, no, shop) else {"any": []}


def changed(shop: Shop, no: int, changes: Sequence[Change]) -> Shop:
    """A copy of the shop in which the changes happened to a customer."""
    other = known_at(shop, shop.as_of)
    for position, change in enumerate(changes):
        _make(change, other, shop, no, position)
    return other


def _make(change: Change, other: Shop, shop: Shop, no: int, position: int) -> None:  # noqa: C901 - one case per family
    match change:
        case SetValue():
            table, column = ATTRIBUTE_COLUMN[change.attr]
            value = list(change.value) if isinstance(change.value, tuple) else change.value
            _row(other, table, no)[column] = value
        case MoreOrders():
            for n in range(change.n):
                lines = [line for line in shop.lines if line["order_id"] == change.like]
                _order(other, shop, change.like, lines, no, 10_000 + 1000 * position + n)
        case Spend():
            line = next(line for line in shop.lines if line["line_id"] == change.line_id)
            money = dict.fromkeys(("unit_price_minor", "total_minor", "net_minor"), change.amount)
            one = {**line, **money, "quantity": 1, "current_quantity": 1, "discount_minor": 0}
            order = _order(other, shop, change.order_id, [one], no, 10_000 + 1000 * position)
            order.update(refunded_minor=0, refunded_at=None, discounts_minor=0)
        case MoreEvents():
            event = {"kind": change.kind, "campaign_id": change.campaign_id, "bot": change.bot}
            other.events += [
                {**event, "customer_no": no, "at": other.as_of - NOW, "message_id": f"~{position}-{n:04}"}
                for n in range(change.n)
            ]
        case FewerOrders():
            gone = set(change.of[: change.n])
            other.orders = [order for order in other.orders if order["order_id"] not in gone]
        case SetConsent():
            other.reachable = other.reachable - ({no} if change.channel == "email" and change.state != "yes" else set())
            other.consent = {key: set(members) for key, members in other.consent.items()}
            for (channel, state), members in other.consent.items():
                if channel == change.channel:
                    members.discard(no)
                    members.update({no} if state == change.state else set())
        case SetReachable():
            other.reachable = other.reachable - {no} | ({no} if change.reachable else set())
        case SetMember():
            members = other.segments[change.segment]
            other.segments[change.segment] = members - {no} | ({no} if change.member else set())


def _order(other: Shop, shop: Shop, like: int, lines: list[dict[str, Any]], no: int, order_id: int) -> dict[str, Any]:
    now = other.as_of - NOW
    model = next(order for order in shop.orders if order["order_id"] == like)
    order = {**model, "order_id": order_id, "customer_no": no, "processed_at": now}
    order |= {name: model[name] and now for name in ("cancelled_at", "refunded_at")}
    other.orders.append(order)
    other.lines += [{**line, "order_id": order_id, "customer_no": no, "ordered_at": now} for line in lines]
    if order["counts"]:
        row = _row(other, "features", no)
        row["orders"] = (row.get("orders") or 0) + 1
        net = sum(line["net_minor"] for line in lines if not line["is_gift_card"])
        row["net_minor"] = (row.get("net_minor") or 0) + net
        row["average_order_minor"] = int(row["net_minor"] / row["orders"] + 0.5)
        row["last_order_at"], row["gap_ratio"] = now, 0.0
    return order


def _row(shop: Shop, table: str, no: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = getattr(shop, table)
    found = next((row for row in rows if row["customer_no"] == no), None)
    if found is None:
        found = {"customer_no": no}
        rows.append(found)
    return found


def smaller(change: Change, now: Any) -> Iterator[Change]:
    """Smaller changes of the same family. `now`: of an attribute, the customer's value."""
    match change:
        case MoreOrders():
            yield from (MoreOrders(n, change.like) for n in range(1, change.n))
        case MoreEvents():
            yield from (MoreEvents(n, change.kind, change.campaign_id, change.bot) for n in range(1, change.n))
        case FewerOrders():
            yield from (FewerOrders(n, change.of) for n in range(1, change.n))
        case Spend():
            every = max(1, change.amount // 40)  # all of the small ones, and the nearest ones of the large
            amounts = {*range(1, change.amount, every), *range(max(1, change.amount - 5), change.amount)}
            yield from (Spend(amount, change.order_id, change.line_id) for amount in sorted(amounts))
        case SetValue():
            yield from (SetValue(change.attr, value) for value in _nearer(change.value, now))
        case _:
            return


def _nearer(value: Any, now: Any) -> Iterator[Any]:
    if isinstance(value, int) and isinstance(now, int) and abs(value - now) < 200:
        yield from range(now + 1, value) if value > now else range(value + 1, now)
    elif isinstance(value, float) and isinstance(now, int | float):
        size = abs(value - now)
        yield from (now + (value - now) * part / 20 for part in range(1, 20) if size * (1 - part / 20) > GRID)
    elif isinstance(value, datetime) and isinstance(now, datetime):
        way = value - now
        yield from (now + way * part / 20 for part in range(1, 20))
        yield value - NOW if way > timedelta() else value + NOW
