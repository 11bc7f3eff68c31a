"""What customers and the merchant do after the history ends: orders, consent, tags, time passing."""

import json
import random
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.demo_shop.ids import FIRST_ORDER_NUMBER, ORDER_BASE, STAMP
from sandbox.shopify import payloads
from sandbox.shopify.discounts import Discounts, NotRedeemable
from sandbox.shopify.shop import Row, Shop, stamp
from sandbox.shopify.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

YEAR = timedelta(weeks=52)
MOST_ANNOUNCED = 1000
CONSENT_STATES = ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")


class Refused(ValueError):
    """What was asked cannot be done; the message says why."""


@dataclass(frozen=True)
class Wish:
    """A product variant (or a product, for its first variant) and how many."""

    quantity: int
    variant_id: int | None = None
    product_id: int | None = None


@dataclass(frozen=True)
class Buyer:
    """Who orders: a customer, or a guest with an e-mail; neither means a random customer."""

    customer_id: int | None = None
    email: str | None = None


class Behaviour:
    """Changes a shop's records and tells the app by webhook."""

    def __init__(self, shop: Shop, webhooks: Webhooks, discounts: Discounts) -> None:
        self._shop, self._webhooks, self._discounts = shop, webhooks, discounts

    def place_order(self, buyer: Buyer, wishes: list[Wish], code: str = "") -> dict[str, Any]:
        """Place an order now. Without wishes: one random product. Refused for unknown records.

        code: a discount code that the customer enters at the checkout; Refused if the checkout does not take it.
        """
        shop = self._shop
        customer = self._buyer(buyer)
        variants = [(self._variant(wish), max(1, wish.quantity)) for wish in wishes or [Wish(1)]]
        now = stamp(shop.clock.now())
        total = sum(variant.values["price"] * quantity for variant, quantity in variants)
        with shop.writing() as database:
            order_id, line_id = _next(database)
            written, off = self._redeem(code, customer, buyer, total, order_id)
            order = _order_record(order_id, now, total, customer, buyer)
            order |= {"discounts": off, "discount_codes": json.dumps([written] if written else [])}
            order |= dict.fromkeys(("subtotal", "total", "current_total"), total - off)
            _insert(database, "orders", order)
            lines = [
                _line_record(line_id + step, order_id, variant, quantity)
                for step, (variant, quantity) in enumerate(variants)
            ]
            for line in _spread(lines, total, off):
                _insert(database, "lines", line)
            total -= off
            if customer:
                database.execute(
                    "UPDATE customers SET orders_count = orders_count + 1, spent = spent + ?, last_order_id = ?, "
                    "updated_at = ? WHERE id = ?",
                    (total, order_id, now, customer.values["id"]),
                )
        placed = shop.get("Order", order_id)
        assert placed is not None  # noqa: S101 - it was just written
        body = payloads.order(shop, placed)
        events: list[tuple[str, dict[str, Any]]] = [("orders/create", body)]
        if customer and (changed := shop.get("Customer", customer.values["id"])):
            events.append(("customers/update", payloads.customer(shop, changed)))
        self._webhooks.emit_all(shop.domain, list(events))
        return body

    def _redeem(self, code: str, customer: Row | None, buyer: Buyer, total: int, order_id: int) -> tuple[str, int]:
        if not code:
            return "", 0
        who = str(customer.values["id"]) if customer else str(buyer.email)
        try:
            return self._discounts.redeem(self._shop, code, who, total, order_id)
        except NotRedeemable as error:
            raise Refused(str(error)) from error

    def advance(self, days: float) -> dict[str, Any]:
        """Move time forward; customers buy as they did 52 weeks before each of those days.

        Orders come with webhooks unless there are more than a thousand: then only an import of changes
        finds them, as after an outage.
        """
        shop = self._shop
        before = shop.clock.now()
        now = shop.clock.advance(days)
        placed = self._replay(before, now)
        announced = 0
        if len(placed) <= MOST_ANNOUNCED:
            orders = [row for number in placed if (row := shop.get("Order", number))]
            announced = self._webhooks.emit_all(
                shop.domain, [("orders/create", payloads.order(shop, order)) for order in orders]
            )
        return {"now": stamp(now), "orders": len(placed), "webhooks": announced}

    def set_consent(self, number: int, state: str, level: str | None = None, at: str | None = None) -> Row:
        """Change a customer's e-mail consent. Refused for an unknown customer, state, or no e-mail."""
        if state not in CONSENT_STATES:
            raise Refused(f"marketing state must be one of {', '.join(CONSENT_STATES)}")
        found = self._shop.get("Customer", number)
        if found is None:
            raise Refused("Customer not found")
        if found.values["email"] is None:
            raise Refused("The customer must have an email address to change marketing consent")
        now = stamp(self._shop.clock.now())
        with self._shop.writing() as database:
            database.execute(
                "UPDATE customers SET email_state = ?, opt_in = coalesce(?, opt_in), email_updated_at = ?, "
                "updated_at = ? WHERE id = ?",
                (state, level, at or now, now, number),
            )
        changed = self._shop.get("Customer", number)
        assert changed is not None  # noqa: S101 - found above
        self._webhooks.emit_all(
            self._shop.domain,
            [
                ("customers_email_marketing_consent/update", payloads.consent(changed)),
                ("customers/update", payloads.customer(self._shop, changed)),
            ],
        )
        return changed

    def change_tags(self, kind: str, number: int, *, add: list[str] = [], remove: list[str] = []) -> Row:  # noqa: B006
        """Add and remove tags of a customer, order or product; no change, no webhook. Refused if unknown."""
        found = self._shop.get(kind, number)
        table = {"Customer": "customers", "Order": "orders", "Product": "products"}.get(kind)
        if found is None or table is None:
            raise Refused(f"{kind} does not exist")
        before = json.loads(found.values["tags"])
        gone = {tag.strip().lower() for tag in remove}
        tags = [tag for tag in before if tag.lower() not in gone]
        for tag in (tag.strip() for tag in add):
            if tag and tag.lower() not in {t.lower() for t in tags}:
                tags.append(tag)
        if sorted(tags) == sorted(before):
            return found
        with self._shop.writing() as database:
            database.execute(
                f"UPDATE {table} SET tags = ?, updated_at = ? WHERE id = ?",
                (json.dumps(sorted(tags)), stamp(self._shop.clock.now()), number),
            )
        changed = self._shop.get(kind, number)
        assert changed is not None  # noqa: S101 - found above
        topic = {"Customer": "customers/update", "Order": "orders/updated", "Product": "products/update"}[kind]
        make = {"Customer": payloads.customer, "Order": payloads.order, "Product": payloads.product}[kind]
        self._webhooks.emit(self._shop.domain, topic, make(self._shop, changed))
        return changed

    def _buyer(self, buyer: Buyer) -> Row | None:
        if buyer.email:
            return None
        if buyer.customer_id is None:
            found = self._shop.find("Customer", "t.orders_count > 0", (), "ORDER BY random() LIMIT 1")
            return found[0]
        customer = self._shop.get("Customer", buyer.customer_id)
        if customer is None:
            raise Refused(f"no customer {buyer.customer_id}")
        return customer

    def _variant(self, wish: Wish) -> Row:
        if wish.variant_id is not None:
            found = self._shop.find("ProductVariant", "t.id = ?", (wish.variant_id,))
        elif wish.product_id is not None:
            found = self._shop.find(
                "ProductVariant", "t.product_id = ?", (wish.product_id,), "ORDER BY t.position LIMIT 1"
            )
        else:
            count = self._shop.count("ProductVariant")
            skip = random.randrange(count)
            found = self._shop.find("ProductVariant", "1", (), f"LIMIT 1 OFFSET {skip}")
        if not found:
            raise Refused("no such product or variant")
        return found[0]

    def _replay(self, before: datetime, now: datetime) -> list[int]:
        """Copy the real orders of the same days a whole number of 52-week years earlier; returns their ids."""
        ends = datetime.strptime(self._shop.meta["history_ends"], STAMP).replace(tzinfo=UTC)
        years = 1
        while now - years * YEAR > ends:
            years += 1
        window = (stamp(before - years * YEAR), stamp(now - years * YEAR), self._shop.meta["history_ends"])
        with self._shop.writing() as database:
            first, line_id = _next(database)
            names = {"first": first, "line": line_id, "shift": f"+{int((years * YEAR).total_seconds())} seconds"}
            database.execute("DROP TABLE IF EXISTS temp.copied")
            database.execute(CHOOSE, window)
            database.execute(COPY_ORDERS, names)
            database.execute(COPY_LINES, names)
            placed = [first + step for (step,) in database.execute("SELECT step FROM temp.copied ORDER BY step")]
            database.execute(COUNT_ORDERS, names)
            database.execute("DROP TABLE temp.copied")
        return placed


CHOOSE = """
CREATE TEMP TABLE copied AS
SELECT id AS old, row_number() OVER (ORDER BY processed_at, id) - 1 AS step FROM orders
WHERE processed_at > ? AND processed_at <= ? AND processed_at <= ? AND tags = '[]'
"""
COPY_ORDERS = """
INSERT INTO orders (id, name, number, customer_id, email, created_at, processed_at, updated_at, test, source_name,
  financial_status, fulfillment_status, discount_codes, tags, subtotal, total, current_total, discounts, refunded,
  shipping, tax, journey, customer_index, refunds, address1, city, province, province_code, zip, accepts_marketing)
SELECT :first + c.step, '#' || (:first + c.step - 5000000000000 + 1001), :first + c.step - 5000000000000 + 1001,
  o.customer_id, o.email, moved, moved, moved, 0, o.source_name, 'PAID', 'FULFILLED', o.discount_codes, '[]',
  o.subtotal, o.total, o.total, o.discounts, 0, 0, 0, o.journey,
  n.orders_count + row_number() OVER (PARTITION BY o.customer_id ORDER BY c.step), '[]',
  o.address1, o.city, o.province, o.province_code, o.zip, o.accepts_marketing
FROM temp.copied c
JOIN (SELECT *, strftime('%Y-%m-%dT%H:%M:%SZ', processed_at, :shift) AS moved FROM orders) o ON o.id = c.old
LEFT JOIN customers n ON n.id = o.customer_id
"""
COPY_LINES = """
INSERT INTO lines (id, order_id, product_id, variant_id, title, quantity, current_quantity, unit, total, is_gift_card)
SELECT :line + row_number() OVER (ORDER BY c.step, l.id) - 1, :first + c.step, l.product_id, l.variant_id, l.title,
  l.quantity, l.quantity, l.unit, l.total, l.is_gift_card
FROM temp.copied c JOIN lines l ON l.order_id = c.old
"""
COUNT_ORDERS = """
UPDATE customers SET orders_count = orders_count + n.placed, spent = spent + n.paid, last_order_id = n.last,
  updated_at = n.at
FROM (SELECT customer_id, count(*) AS placed, sum(current_total) AS paid, max(id) AS last, max(updated_at) AS at
      FROM orders WHERE id >= :first GROUP BY customer_id) n
WHERE n.customer_id = customers.id
"""


def _next(database: sqlite3.Connection) -> tuple[int, int]:
    """The next order's and the next line's id."""
    order, line = database.execute(
        "SELECT (SELECT max(id) + 1 FROM orders), (SELECT max(id) + 1 FROM lines)"
    ).fetchone()
    return int(order), int(line)


def _insert(database: sqlite3.Connection, table: str, record: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(record))
    database.execute(f"INSERT INTO {table} ({', '.join(record)}) VALUES ({marks})", tuple(record.values()))


def _order_record(order_id: int, now: str, total: int, customer: Row | None, buyer: Buyer) -> dict[str, Any]:
    """The row of an order placed now and paid in full."""
    who: Mapping[str, Any] = customer.values if customer else {"email": buyer.email}
    number = order_id - ORDER_BASE + FIRST_ORDER_NUMBER
    record: dict[str, Any] = {"id": order_id, "name": f"#{number}", "number": number, "customer_id": who.get("id")}
    record |= dict.fromkeys(("created_at", "processed_at", "updated_at"), now)
    record |= dict.fromkeys(("subtotal", "total", "current_total"), total)
    record |= dict.fromkeys(("test", "discounts", "refunded", "shipping", "tax", "journey"), 0)
    record |= dict.fromkeys(("discount_codes", "tags", "refunds"), "[]")
    record |= {column: who.get(column) for column in ("email", "address1", "city", "province", "province_code", "zip")}
    return record | {
        "source_name": "web",
        "financial_status": "PAID",
        "fulfillment_status": "UNFULFILLED",
        "customer_index": who["orders_count"] + 1 if customer else None,
        "accepts_marketing": int(who.get("email_state") == "SUBSCRIBED"),
    }


def _spread(lines: list[dict[str, Any]], total: int, off: int) -> list[dict[str, Any]]:
    """The lines with an amount off the order split over them by worth; the last one takes what rounding leaves."""
    left = off
    for line in lines:
        share = left if line is lines[-1] else off * line["total"] // max(total, 1)
        line["total"] -= share
        left -= share
    return lines


def _line_record(line_id: int, order_id: int, variant: Row, quantity: int) -> dict[str, Any]:
    """The row of an order line at the variant's price of today."""
    v = variant.values
    return {
        "id": line_id,
        "order_id": order_id,
        "product_id": v["product_id"],
        "variant_id": v["id"],
        "quantity": quantity,
        "current_quantity": quantity,
        "unit": v["price"],
        "total": v["price"] * quantity,
        "is_gift_card": 0,
    }
