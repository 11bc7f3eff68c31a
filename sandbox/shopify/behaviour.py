"""What customers and the merchant do after the history ends: orders, consent, tags, time passing."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.demo_shop.shape import STAMP
from sandbox.shopify import payloads
from sandbox.shopify.shop import Row, Shop, stamp
from sandbox.shopify.webhooks import Webhooks

YEAR = timedelta(weeks=52)
MOST_ANNOUNCED = 1000
ORDER_COLUMNS = (
    "id, name, number, customer_id, email, created_at, processed_at, updated_at, cancelled_at, test, source_name, "
    "financial_status, fulfillment_status, discount_codes, tags, subtotal, total, current_total, discounts, refunded, "
    "shipping, tax, journey, customer_index, refunds, address1, city, province, province_code, zip, accepts_marketing"
)
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

    def __init__(self, shop: Shop, webhooks: Webhooks) -> None:
        self._shop, self._webhooks = shop, webhooks

    def place_order(self, buyer: Buyer, wishes: list[Wish]) -> dict[str, Any]:
        """Place an order now. Without wishes: one random product. Refused for unknown records."""
        shop = self._shop
        customer = self._buyer(buyer)
        variants = [(self._variant(wish), max(1, wish.quantity)) for wish in wishes or [Wish(1)]]
        now = stamp(shop.clock.now())
        values = customer.values if customer else {}
        total = sum(variant.values["price"] * quantity for variant, quantity in variants)
        with shop.writing() as database:
            number, line_id = _next(database)
            order_id = 5_000_000_000_000 + number
            index = 1 + values.get("orders_count", 0)
            database.execute(
                f"INSERT INTO orders ({ORDER_COLUMNS}) VALUES ({', '.join('?' * 31)})",  # noqa: S608
                (
                    order_id, f"#{number}", number, values.get("id"), values.get("email", buyer.email), now, now, now, None,
                    0, "web", "PAID", "UNFULFILLED", "[]", "[]", total, total, total, 0, 0, 0, 0, 0,
                    index if customer else None, "[]", values.get("address1"), values.get("city"), values.get("province"),
                    values.get("province_code"), values.get("zip"), int(values.get("email_state") == "SUBSCRIBED"),
                ),
            )  # fmt: skip
            for step, (variant, quantity) in enumerate(variants):
                v = variant.values
                database.execute(
                    "INSERT INTO lines VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?, 0)",
                    (line_id + step, order_id, v["product_id"], v["id"], quantity, quantity, v["price"],
                     v["price"] * quantity),
                )  # fmt: skip
            if customer:
                database.execute(
                    "UPDATE customers SET orders_count = orders_count + 1, spent = spent + ?, last_order_id = ?, "
                    "updated_at = ? WHERE id = ?",
                    (total, order_id, now, values["id"]),
                )
        placed = shop.get("Order", order_id)
        assert placed is not None  # noqa: S101 - it was just written
        body = payloads.order(shop, placed)
        events: list[tuple[str, dict[str, Any]]] = [("orders/create", body)]
        if customer and (changed := shop.get("Customer", values["id"])):
            events.append(("customers/update", payloads.customer(shop, changed)))
        self._webhooks.emit_all(shop.domain, list(events))
        return body

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
                "UPDATE customers SET email_state = ?, opt_in = coalesce(?, opt_in), email_updated_at = ?, updated_at = ? "
                "WHERE id = ?",
                (state, level, at or now, now, number),
            )
        changed = self._shop.get("Customer", number)
        assert changed is not None  # noqa: S101 - found above
        self._webhooks.emit_all(self._shop.domain, [
            ("customers_email_marketing_consent/update", payloads.consent(changed)),
            ("customers/update", payloads.customer(self._shop, changed)),
        ])
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
                f"UPDATE {table} SET tags = ?, updated_at = ? WHERE id = ?",  # noqa: S608
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
            found = self._shop.find("ProductVariant", "t.product_id = ?", (wish.product_id,), "ORDER BY t.position LIMIT 1")
        else:
            count = self._shop.count("ProductVariant")
            skip = random.randrange(count)  # noqa: S311 - any product will do
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
        seconds = int((years * YEAR).total_seconds())
        shift = f"strftime('%Y-%m-%dT%H:%M:%SZ', processed_at, '+{seconds} seconds')"
        window = (stamp(before - years * YEAR), stamp(now - years * YEAR), self._shop.meta["history_ends"])
        with self._shop.writing() as database:
            number, line_id = _next(database)
            database.execute("DROP TABLE IF EXISTS temp.copied")
            database.execute(
                "CREATE TEMP TABLE copied AS SELECT id AS old, row_number() OVER (ORDER BY processed_at, id) - 1 AS step "
                "FROM orders WHERE processed_at > ? AND processed_at <= ? AND processed_at <= ? AND tags = '[]'",
                window,
            )
            database.execute(
                f"INSERT INTO orders ({ORDER_COLUMNS}) SELECT 5000000000000 + {number} + c.step, '#' || ({number} + c.step), "  # noqa: S608
                f"{number} + c.step, customer_id, email, {shift}, {shift}, {shift}, NULL, 0, source_name, 'PAID', 'FULFILLED', "
                "discount_codes, '[]', subtotal, total, total, discounts, 0, 0, 0, journey, (SELECT n.orders_count FROM customers n "
                "WHERE n.id = o.customer_id) + row_number() OVER (PARTITION BY customer_id ORDER BY c.step), '[]', address1, "
                "city, province, province_code, zip, accepts_marketing FROM temp.copied c JOIN orders o ON o.id = c.old"
            )
            database.execute(
                f"INSERT INTO lines SELECT {line_id} + row_number() OVER (ORDER BY c.step, l.id) - 1, "  # noqa: S608
                f"5000000000000 + {number} + c.step, product_id, variant_id, title, quantity, quantity, unit, total, "
                "is_gift_card FROM temp.copied c JOIN lines l ON l.order_id = c.old"
            )
            placed = [row[0] for row in database.execute(f"SELECT 5000000000000 + {number} + step FROM temp.copied")]  # noqa: S608
            database.execute(
                "UPDATE customers SET orders_count = orders_count + n.orders, spent = spent + n.spent, "
                "last_order_id = n.last, updated_at = n.at FROM (SELECT customer_id, count(*) AS orders, "
                "sum(current_total) AS spent, max(id) AS last, max(updated_at) AS at FROM orders WHERE number >= ? "
                "GROUP BY customer_id) n WHERE n.customer_id = customers.id",
                (number,),
            )
            database.execute("DROP TABLE temp.copied")
        return placed


def _next(database: Any) -> tuple[int, int]:
    """The next order number and line id."""
    number = database.execute("SELECT max(number) + 1 FROM orders").fetchone()[0]
    return int(number), int(database.execute("SELECT max(id) + 1 FROM lines").fetchone()[0])
