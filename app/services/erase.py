"""Erasing a person or a shop, as privacy law and Shopify's compliance webhooks ask.

Reference: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, select

from app.store.counters import keep_shop_id
from app.store.crypto import customer_subject
from app.store.models.customers import Customer, Suppression
from app.store.models.shops import Shop, WebhookDelivery

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()


def erase_customer(rooms: Rooms, ctx: ShopContext, shopify_id: int) -> None:
    """Forget who a customer is; unknown ones are forgotten already.

    The contact goes; the keyed hash of the address stays as a suppression, so that a copy of the
    person that arrives later is not mailed, and the weekly cap still holds.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        customer = session.scalars(
            select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id == shopify_id)
        ).one_or_none()
        if customer is None or customer.erased_at is not None:
            return
        if customer.email_hash is not None:
            session.merge(
                Suppression(shop_id=ctx.shop_id, email_hash=customer.email_hash, reason="erased", at=now, evidence=None)
            )
        customer.contact = rooms.vault.seal(ctx.shop_id, customer_subject(customer.customer_no), {})
        customer.email_hash, customer.email_valid = None, False
        customer.email_consent, customer.sms_consent = "REDACTED", "REDACTED"
        customer.erased_at = now
        log.info("customer_erased", shop_id=ctx.shop_id, customer_no=customer.customer_no)


def erase_shop(rooms: Rooms, ctx: ShopContext) -> None:
    """Forget an uninstalled shop whole: files, rows and deliveries. A shop that is installed again stays.

    Files go before the rows are gone for good: a process that dies in between leaves the rows, and with them
    the delivery that asks again. The shop's number is never given to another.
    """
    with rooms.store.operator_session() as session:
        shop = session.scalars(select(Shop).where(Shop.id == ctx.shop_id).with_for_update()).one_or_none()
        if shop is None or shop.uninstalled_at is None:
            return
        for folder in (rooms.lake.shop_dir(ctx), rooms.settings.imports_dir / f"shop_{ctx.shop_id}"):
            if folder.exists():
                shutil.rmtree(folder)
        keep_shop_id(session, ctx.shop_id)
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.shop_domain == ctx.domain))
        session.delete(shop)
    log.info("shop_erased", shop_id=ctx.shop_id)
