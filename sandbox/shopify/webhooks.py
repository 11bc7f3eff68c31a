"""Signed webhook deliveries: at least once, retried, in no promised order.

Reference: https://shopify.dev/docs/apps/build/webhooks
"""

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.faults import Faults
from sandbox.shopify.ledger import Ledger
from sandbox.shopify.schema import API_VERSION

log = logging.getLogger(__name__)
# as the app's shopify.app.toml declares its subscriptions
PATHS = {
    "orders": "/webhooks/orders", "refunds": "/webhooks/orders", "customers": "/webhooks/customers",
    "customers_email_marketing_consent": "/webhooks/customers", "products": "/webhooks/products",
    "app": "/webhooks/app", "bulk_operations": "/webhooks/bulk", "shop": "/webhooks/compliance",
}  # fmt: skip
COMPLIANCE = {"customers/data_request", "customers/redact", "shop/redact"}
SENDERS, IDLE_SECONDS, REORDER_SECONDS = 4, 0.05, 1.0
CONNECT_SECONDS, TOTAL_SECONDS = 1.0, 5.0


def signature(body: bytes, api_secret: str) -> str:
    """X-Shopify-Hmac-Sha256: base64 HMAC-SHA256 of the raw body with the app's secret."""
    return base64.b64encode(hmac.new(api_secret.encode(), body, hashlib.sha256).digest()).decode()


def path_of(topic: str) -> str:
    """Where the app listens for a topic."""
    return "/webhooks/compliance" if topic in COMPLIANCE else PATHS[topic.split("/", maxsplit=1)[0]]


class Webhooks:
    """Keeps what is to be delivered and delivers it; a delivery outlives the process."""

    def __init__(self, ledger: Ledger, clock: SandboxClock, options: SandboxOptions, faults: Faults) -> None:
        self._ledger, self._clock, self._options, self._faults = ledger, clock, options, faults
        self._stop = threading.Event()
        self._client = httpx.Client(timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS))
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver, with what an earlier process left."""
        self._ledger.run("UPDATE deliveries SET state = 'waiting' WHERE state = 'sending'")
        if self._options.deliver_webhooks:
            self._thread.start()

    def stop(self) -> None:
        """Stop delivering; what waits stays."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TOTAL_SECONDS)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def emit(self, shop: str, topic: str, payload: Mapping[str, Any]) -> bool:
        """Queue one event for a shop. Without the app installed there is no one to tell: returns False."""
        return bool(self.emit_all(shop, [(topic, payload)]))

    def emit_all(self, shop: str, events: list[tuple[str, Mapping[str, Any]]]) -> int:
        """Queue events; returns how many."""
        if self._ledger.one("SELECT 1 FROM installs WHERE shop = ?", shop) is None:
            return 0
        now, triggered = time.time(), self._clock.now().isoformat(timespec="milliseconds")
        number = int((self._ledger.one("SELECT coalesce(max(number), 0) AS n FROM deliveries") or {})["n"])
        rows = []
        for topic, payload in events:
            late = REORDER_SECONDS if self._faults.take("reorder_webhooks", topic) else 0
            number += 1
            body = json.dumps(payload, separators=(",", ":")).encode()
            rows.append((str(uuid.uuid4()), str(uuid.uuid4()), shop, topic, path_of(topic), body, triggered, now + late,
                         number))  # fmt: skip
        self._ledger.many(
            "INSERT INTO deliveries (id, event, shop, topic, path, body, triggered_at, due, state, number) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
            rows,
        )
        return len(rows)

    def recent(self, limit: int = 50) -> list[dict[str, Any]]:
        """The last deliveries, newest first, without their bodies."""
        columns = "id, event, shop, topic, path, attempts, state, status, triggered_at"
        return self._ledger.all(f"SELECT {columns} FROM deliveries ORDER BY number DESC LIMIT ?", limit)

    def summary(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        return {row["state"]: row["n"] for row in self._ledger.all(
            "SELECT state, count(*) AS n FROM deliveries GROUP BY state")}  # fmt: skip

    def send_again(self, delivery: str) -> bool:
        """Deliver once more what was delivered, with the same ids: a duplicate."""
        return bool(self._ledger.run("UPDATE deliveries SET state = 'waiting', due = 0 WHERE id = ?", delivery))

    def _work(self) -> None:
        while not self._stop.is_set():
            ready = self._ledger.all(
                "SELECT * FROM deliveries WHERE state = 'waiting' AND due <= ? ORDER BY due, number LIMIT 50",
                time.time(),
            )
            if not ready:
                self._stop.wait(IDLE_SECONDS)
                continue
            self._ledger.many("UPDATE deliveries SET state = 'sending' WHERE id = ?", [(row["id"],) for row in ready])
            list(self._pool.map(self._deliver, ready))

    def _deliver(self, row: Mapping[str, Any]) -> None:
        if self._stop.is_set():
            return
        times = 2 if self._faults.take("duplicate_webhooks", row["topic"]) else 1
        status = 0
        for _ in range(times):
            status = self._post(row)
        attempts = row["attempts"] + 1
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's success
            state, due = "delivered", 0.0
        elif attempts > len(self._options.webhook_backoff_seconds):
            state, due = "failed", 0.0
        else:
            state, due = "waiting", time.time() + self._options.webhook_backoff_seconds[attempts - 1]
        self._ledger.run("UPDATE deliveries SET state = ?, due = ?, attempts = ?, status = ? WHERE id = ?",
                         state, due, attempts, status, row["id"])  # fmt: skip

    def _post(self, row: Mapping[str, Any]) -> int:
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": row["topic"],
            "X-Shopify-Hmac-Sha256": signature(row["body"], self._options.api_secret),
            "X-Shopify-Shop-Domain": row["shop"],
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": row["id"],
            "X-Shopify-Event-Id": row["event"],
            "X-Shopify-Triggered-At": row["triggered_at"],
        }
        try:
            return self._client.post(
                self._options.app_url + row["path"], content=row["body"], headers=headers
            ).status_code
        except httpx.HTTPError as error:
            log.info("webhook %s not delivered: %s", row["topic"], type(error).__name__)
            return 0
