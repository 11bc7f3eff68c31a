"""What the shop's own staff do: cancel, refund, uninstall, ask for privacy requests."""

import json
from typing import Any

from sandbox.shopify import payloads
from sandbox.shopify.behaviour import Refused
from sandbox.shopify.shop import Row, Shop, stamp
from sandbox.shopify.tokens import Tokens
from sandbox.shopify.webhooks import COMPLIANCE, Webhooks

REFUND_BASE = 950_000_000_000


class Merchant:
    """Acts of the merchant, each told to the app by webhook."""

    def __init__(self, shop: Shop, webhooks: Webhooks, tokens: Tokens) -> None:
        self._shop, self._webhooks, self._tokens = shop, webhooks, tokens

    def cancel(self, order_id: int) -> dict[str, Any]:
        """Cancel an order: nothing of it is left. Refused if it is unknown or already cancelled."""
        order = self._order(order_id)
        if order.values["cancelled_at"]:
            raise Refused("the order is already cancelled")
        now = stamp(self._shop.clock.now())
        with self._shop.writing() as database:
            database.execute("UPDATE lines SET current_quantity = 0 WHERE order_id = ?", (order_id,))
            database.execute(
                "UPDATE orders SET cancelled_at = ?, updated_at = ?, current_total = 0, financial_status = 'VOIDED' "
                "WHERE id = ?",
                (now, now, order_id),
            )
            self._spent_less(database, order, order.values["current_total"], now)
        body = payloads.order(self._shop, self._order(order_id))
        self._webhooks.emit_all(self._shop.domain, [("orders/cancelled", body), ("orders/updated", body)])
        return body

    def refund(self, order_id: int, line_id: int | None = None) -> dict[str, Any]:
        """Refund an order, or one of its lines, whole. Refused if nothing is left to refund."""
        order = self._order(order_id)
        lines = self._shop.find("LineItem", "t.order_id = ? AND t.current_quantity > 0", (order_id,))
        lines = [line for line in lines if line_id in (None, line.values["id"])]
        if not lines:
            raise Refused("nothing of this order is left to refund")
        back = [(v["id"], v["current_quantity"], v["total"] * v["current_quantity"] // v["quantity"])
                for v in (line.values for line in lines)]  # fmt: skip
        worth = sum(amount for *_, amount in back)
        # No more than was paid and not given back yet: after a refund of an amount, goods come back for less.
        cents = min(worth, order.values["total"] - order.values["refunded"])
        return self._give_back(order, cents, back, discrepancy=worth - cents)

    def refund_amount(self, order_id: int, cents: int) -> dict[str, Any]:
        """Give money back and take no goods: a goodwill refund. Refused above what is left of the payment."""
        order = self._order(order_id)
        left = order.values["total"] - order.values["refunded"]
        if not 0 < cents <= left:
            raise Refused(f"cents must be above 0 and at most {left}, which is left of the payment")
        return self._give_back(order, cents, [], discrepancy=-cents)

    def _give_back(
        self, order: Row, cents: int, back: list[tuple[int, int, int]], *, discrepancy: int
    ) -> dict[str, Any]:
        """Record a refund. back: line, quantity and worth of the goods that came back."""
        order_id = order.values["id"]
        now = stamp(self._shop.clock.now())
        with self._shop.writing() as database:
            refunds = json.loads(order.values["refunds"])
            number = REFUND_BASE + (order_id % 1_000_000_000) * 100 + len(refunds)
            item = {"id": number, "created_at": now, "cents": cents, "discrepancy": discrepancy, "lines": [
                {"id": number * 10 + step, "line": line, "quantity": quantity, "cents": amount}
                for step, (line, quantity, amount) in enumerate(back)
            ]}  # fmt: skip
            database.executemany("UPDATE lines SET current_quantity = 0 WHERE id = ?", [(line,) for line, *_ in back])
            goods = order.values["current_total"] - sum(amount for *_, amount in back)
            unpaid = order.values["refunded"] + cents >= order.values["total"]
            database.execute(
                "UPDATE orders SET refunds = ?, refunded = refunded + ?, current_total = ?, updated_at = ?, "
                "financial_status = ? WHERE id = ?",
                (
                    json.dumps([*refunds, item]),
                    cents,
                    goods,
                    now,
                    "REFUNDED" if unpaid or goods <= 0 else "PARTIALLY_REFUNDED",
                    order_id,
                ),
            )
            self._spent_less(database, order, cents, now)
        body = payloads.refund(order_id, item)
        updated = payloads.order(self._shop, self._order(order_id))
        self._webhooks.emit_all(self._shop.domain, [("refunds/create", body), ("orders/updated", updated)])
        return body

    def uninstall(self) -> None:
        """Remove the app: its tokens die at once, then it is told."""
        shop = self._shop
        self._webhooks.emit(shop.domain, "app/uninstalled", {"id": 1, "name": shop.meta["name"], "domain": shop.domain,
                                                             "myshopify_domain": shop.domain})  # fmt: skip
        self._tokens.revoke(shop.domain)

    def privacy_request(self, topic: str, customer_id: int | None = None) -> dict[str, Any]:
        """Send one of the three compliance topics. Refused for another topic or an unknown customer."""
        if topic not in COMPLIANCE:
            raise Refused(f"topic must be one of {', '.join(sorted(COMPLIANCE))}")
        body: dict[str, Any] = {"shop_id": 1, "shop_domain": self._shop.domain}
        if topic != "shop/redact":
            found = self._shop.get("Customer", customer_id)
            if found is None:
                raise Refused("Customer not found")
            v = found.values
            orders = [row.values["id"] for row in self._shop.find("Order", "t.customer_id = ?", (customer_id,))]
            body["customer"] = {"id": v["id"], "email": v["email"], "phone": v["phone"]}
            body["orders_requested" if topic == "customers/data_request" else "orders_to_redact"] = orders
        self._webhooks.emit(self._shop.domain, topic, body)
        return body

    def _order(self, order_id: int) -> Row:
        order = self._shop.get("Order", order_id)
        if order is None:
            raise Refused(f"no order {order_id}")
        return order

    def _spent_less(self, database: Any, order: Row, cents: int, now: str) -> None:
        database.execute(
            "UPDATE customers SET spent = spent - ?, updated_at = ? WHERE id = ?",
            (cents, now, order.values["customer_id"]),
        )
