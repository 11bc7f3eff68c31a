"""Webhooks: verified, stored, de-duplicated, acknowledged; then processed from the inbox.

A payload is never trusted with more than what changed: orders, customers and products are fetched
again by an import of changes, so an old or repeated delivery does no harm.
Reference: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.services.shops import context_of, find_shop
from app.store.models.shops import WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

    Effect = Callable[[ShopContext, dict[str, Any], datetime | None], None]

log = structlog.get_logger()

MAX_BODY_BYTES = 5 << 20
MAX_ATTEMPTS = 8
BATCH = 50
NO_SHOP = 0


def signature(secret: str, body: bytes) -> str:
    """Shopify's signature of a raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def is_signed(secret: str, body: bytes, given: str | None) -> bool:
    """Whether the raw body carries the right signature, compared in constant time."""
    return given is not None and hmac.compare_digest(signature(secret, body).encode(), given.encode())


class Inbox:
    """Stores deliveries, then works through them.

    effects: what each topic does; a topic without one is kept as dead, visible, never an error.
    """

    def __init__(self, rooms: Rooms, effects: Mapping[str, Effect]) -> None:
        self._rooms, self._effects = rooms, effects

    def store(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep a verified delivery; returns False if it was here before. Raises ValueError without an id."""
        lower = {name.lower(): value for name, value in headers.items()}
        webhook_id = lower.get("x-shopify-webhook-id")
        if not webhook_id:
            raise ValueError("a delivery without an id can't be told from its repetition")
        delivery = WebhookDelivery(
            webhook_id=webhook_id[:64],
            event_id=lower.get("x-shopify-event-id"),
            shop_domain=lower.get("x-shopify-shop-domain", ""),
            topic=lower.get("x-shopify-topic", ""),
            api_version=lower.get("x-shopify-api-version"),
            triggered_at=_instant(lower.get("x-shopify-triggered-at")),
            received_at=self._rooms.clock.now(),
            sealed_body=self._rooms.vault.seal(
                NO_SHOP, f"webhook:{webhook_id[:64]}", {"raw": body.decode("utf-8", "replace")}
            ),
            state="received",
        )
        try:
            with self._rooms.store.operator_session() as session:
                session.add(delivery)
        except IntegrityError:
            return False
        return True

    def process(self) -> int:
        """Work through what is due, oldest first; returns how many deliveries were done.

        A delivery that fails is tried again with growing pauses, then kept as dead; it never blocks others.
        """
        now = self._rooms.clock.now()
        with self._rooms.store.operator_session(writing=False) as session:
            due = session.scalars(
                select(WebhookDelivery.id)
                .where(
                    WebhookDelivery.state == "received",
                    (WebhookDelivery.not_before.is_(None)) | (WebhookDelivery.not_before <= now),
                )
                .order_by(WebhookDelivery.id)
                .limit(BATCH)
            ).all()
        return sum(self._process_one(delivery_id) for delivery_id in due)

    def _process_one(self, delivery_id: int) -> bool:
        with self._rooms.store.operator_session(writing=False) as session:
            delivery = session.get_one(WebhookDelivery, delivery_id)
            shop = find_shop(session, delivery.shop_domain)
        effect = self._effects.get(delivery.topic)
        error: str | None = None
        if shop is None or effect is None:
            self._mark(delivery_id, "dead", "unknown shop" if shop is None else "unknown topic")
            return False
        try:
            raw = self._rooms.vault.open(NO_SHOP, f"webhook:{delivery.webhook_id}", delivery.sealed_body)["raw"]
            effect(context_of(shop), orjson.loads(raw), delivery.triggered_at)
        except Exception as fault:
            log.exception("webhook_failed", topic=delivery.topic, shop_id=shop.id)
            error = type(fault).__name__
        self._mark(delivery_id, "done" if error is None else "received", error)
        return error is None

    def _mark(self, delivery_id: int, state: str, error: str | None) -> None:
        with self._rooms.store.operator_session() as session:
            delivery = session.get(WebhookDelivery, delivery_id)
            if delivery is None:
                return  # the shop was erased, its deliveries with it
            delivery.attempts += 1
            delivery.error = error
            delivery.state = "dead" if error is not None and delivery.attempts >= MAX_ATTEMPTS else state
            delivery.not_before = self._rooms.clock.now() + timedelta(seconds=10 * 2**delivery.attempts)


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
