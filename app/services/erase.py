"""Erasing a person or a shop, as privacy law and Shopify's compliance webhooks ask.

Reference: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, select, update

from app.services import deletions, export_segment_files, segments_pins
from app.services.upload_segment_report import blanked, open_report, seal
from app.store.counters import keep_shop_id
from app.store.crypto import customer_subject
from app.store.models.connections import SyncMember
from app.store.models.customers import Customer, Suppression
from app.store.models.mail_events import MailEvent
from app.store.models.segments import SegmentUpload
from app.store.models.shops import Shop, WebhookDelivery

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

ERASED = "(erased)"


def erase_customer(rooms: Rooms, ctx: ShopContext, shopify_id: int) -> None:
    """Forget who a customer is, and everybody else who was the same person here; unknown ones are forgotten already.

    The same person: whoever was merged into the customer, and whoever has one of their addresses, guests
    included. The contact goes, the attributes leave the lake with the next import; the keyed hash of the
    address stays as a suppression, so that a copy of the person that arrives later is not mailed, and the
    weekly cap still holds.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        customer = session.scalars(
            select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id == shopify_id)
        ).one_or_none()
        if customer is None:
            return
        persons = [row for row in _same_person(session, ctx, customer) if row.erased_at is None]
        hashes = {row.email_hash for row in persons if row.email_hash is not None}
        for email_hash in sorted(hashes):
            session.merge(
                Suppression(shop_id=ctx.shop_id, email_hash=email_hash, reason="erased", at=now, evidence=None)
            )
        for row in persons:
            row.contact = rooms.vault.seal(ctx.shop_id, customer_subject(row.customer_no), {})
            row.email_hash, row.mail_provider, row.email_valid = None, None, False
            row.email_consent, row.sms_consent = "REDACTED", "REDACTED"
            row.erased_at = now
            deletions.add(session, rooms, ctx, "customer", row.customer_no)
            log.info("customer_erased", shop_id=ctx.shop_id, customer_no=row.customer_no)
        numbers = {row.customer_no for row in persons}
        segments_pins.forget(session, ctx, numbers)
        seen = update(MailEvent).where(MailEvent.shop_id == ctx.shop_id, MailEvent.customer_no.in_(numbers))
        session.execute(seen.values(raw={}))  # which programs they read their mail with
        _forget_addresses(session, rooms, ctx, hashes, numbers)
        export_segment_files.forget(session, rooms, ctx, numbers)
    if persons:
        rooms.jobs.enqueue(ctx, "import_changes")


def _same_person(session: Session, ctx: ShopContext, customer: Customer) -> list[Customer]:
    found = {customer.customer_no: customer}
    while True:
        numbers = set(found)
        hashes = {row.email_hash for row in found.values() if row.email_hash is not None}
        related = select(Customer).where(
            Customer.shop_id == ctx.shop_id,
            Customer.merged_into.in_(numbers) | Customer.email_hash.in_(hashes),
        )
        found |= {row.customer_no: row for row in session.scalars(related)}
        if set(found) == numbers:
            return [found[number] for number in sorted(found)]


def _forget_addresses(session: Session, rooms: Rooms, ctx: ShopContext, hashes: set[str], numbers: set[int]) -> None:
    """Take addresses out of what lies beside the customers: syncs' copies and reports of uploads.

    An address that a vendor still has stays sealed until the sync has taken it off there.
    """
    session.execute(
        update(SyncMember)
        .where(
            SyncMember.shop_id == ctx.shop_id,
            SyncMember.at_vendor.is_(False),
            SyncMember.email_hash.in_(hashes) | SyncMember.customer_no.in_(numbers),
        )
        .values(sealed_address=None)
    )
    if hashes:
        _blank_in_reports(session, rooms, ctx, hashes)


def _blank_in_reports(session: Session, rooms: Rooms, ctx: ShopContext, hashes: set[str]) -> None:
    """Take the addresses out of the kept reports of uploads; row number and outcome stay."""
    for record in session.scalars(select(SegmentUpload).where(SegmentUpload.shop_id == ctx.shop_id)):
        report = open_report(rooms.vault, ctx, record.id, record.report)
        without = blanked(report, lambda text: rooms.vault.email_hash(text) in hashes, ERASED)
        if without is not None:
            record.report = seal(rooms.vault, ctx, record.id, without)


def erase_shop(rooms: Rooms, ctx: ShopContext) -> None:
    """Forget an uninstalled shop whole: files, rows and deliveries. A shop that is installed again stays.

    Files go before the rows are gone for good: a process that dies in between leaves the rows, and with them
    the delivery that asks again. The shop's number is never given to another.
    """
    with rooms.store.operator_session() as session:
        shop = session.scalars(select(Shop).where(Shop.id == ctx.shop_id).with_for_update()).one_or_none()
        if shop is None or shop.uninstalled_at is None:
            return
        imports = rooms.settings.imports_dir / f"shop_{ctx.shop_id}"
        for folder in (rooms.lake.shop_dir(ctx), imports, export_segment_files.folder(rooms, ctx)):
            if folder.exists():
                shutil.rmtree(folder)
        keep_shop_id(session, ctx.shop_id)
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.shop_domain == ctx.domain))
        session.delete(shop)
    log.info("shop_erased", shop_id=ctx.shop_id)
