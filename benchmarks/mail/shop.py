"""A shop whose messages wait to be sent: customers with sealed contacts, one campaign, one message each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import insert

from app.domain.context import ShopContext
from app.jobs.queue import StoredJobs
from app.lake.lake import Lake
from app.lake.schemas import TABLES
from app.mail.transport import open_transport
from app.services.rooms import Rooms
from app.settings import Settings
from app.store.crypto import Vault, customer_subject
from app.store.marks import Marks
from app.store.migrate import upgrade
from app.store.models.campaigns import Campaign, CampaignContent
from app.store.models.customers import Customer
from app.store.models.senders import Sender
from app.store.models.sending import Message
from app.store.models.shops import Run, Shop, Snapshot
from app.store.outbox import new_id
from app.store.session import Store

if TYPE_CHECKING:
    from pathlib import Path

CTX = ShopContext(1, "bench.myshopify.com", "USD", "America/New_York")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "1:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
PARAGRAPH = "<p>[Customer First Name], the harvest of this year has a note of dark chocolate and orange peel. </p>"
BODY_BYTES = 2_900  # together with the frame around it the message comes to 18 KB
AT_ONCE = 5_000


class NobodyWrites:
    """The shop's own record of consent, which nothing here changes."""

    def write(self, ctx: ShopContext, customer_no: int) -> None:
        """Nothing."""


class Now:
    """The real clock."""

    def now(self) -> datetime:
        """The current instant in UTC."""
        return datetime.now(UTC)


def rooms(store_url: str, folder: Path, mail_url: str) -> Rooms:
    """What services take, on this store and this mail server."""
    settings = Settings(
        _env_file=None, env="development", keys=KEY, pepper="pepper-of-the-benchmark",  # type: ignore[arg-type,call-arg]
        public_url="https://encore.example", data_dir=folder, database_url=store_url, smtp_url=mail_url,
        daily_limits=False,
    )  # fmt: skip
    clock = Now()
    store = Store(store_url, marks=Marks(folder / "sending"))
    return Rooms(
        settings=settings, clock=clock, store=store, lake=Lake(folder / "lake", threads=1),
        vault=Vault(settings.key_ring(), settings.pepper.get_secret_value().encode()), jobs=StoredJobs(store, clock),
        connectors=None,  # type: ignore[arg-type] # nobody syncs here
        transport=open_transport(mail_url, folder), consent_writer=NobodyWrites(),
    )  # fmt: skip


def build(store_url: str, folder: Path, messages: int) -> None:
    """A shop with one campaign and one queued message for each of its customers."""
    upgrade(store_url)
    made = rooms(store_url, folder, "")
    product = {
        "product_no": 1, "product_id": 1, "title": "Coffee", "status": "ACTIVE", "handle": "coffee",
        "is_gift_card": False, "price_minor": 900, "image_url": "https://cdn.example/1.png",
    }  # fmt: skip
    for table, rows in (("orders", []), ("order_lines", []), ("products", [product])):
        made.lake.write(CTX, table, _table(table, rows))
    now = made.clock.now()
    with made.store.operator_session() as session:
        session.add(
            Shop(
                id=CTX.shop_id, domain=CTX.domain, name="Bench", currency=CTX.currency, timezone="America/New_York",
                source="csv", installed_at=LONG_AGO,
            )
        )  # fmt: skip
    with made.store.session(CTX) as session:
        versions = made.lake.versions(CTX)
        session.add_all(_setting(now))
        session.flush()
        session.add(Snapshot(shop_id=1, id=1, run_id=1, created_at=now, watermark=now, tables=versions))
    for start in range(1, messages + 1, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, messages + 1))
        with made.store.session(CTX) as session:
            session.execute(insert(Customer), [_customer(made.vault, number) for number in numbers])
            session.execute(insert(Message), [_message(number, now) for number in numbers])
    made.store.close()


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = TABLES[name]
    return pa.Table.from_pylist([{column: row.get(column) for column in schema.names} for row in rows], schema=schema)


def _setting(now: datetime) -> list[Any]:
    body = PARAGRAPH * (BODY_BYTES // len(PARAGRAPH))
    return [
        Run(
            shop_id=1, id=1, kind="import", state="done", as_of=now, started_at=now, finished_at=now, source="csv",
            steps=[], detail={},
        ),
        Sender(
            shop_id=1, id=1, display_name="Bean & Co", from_address="hello@beans.example", company="Bean & Co Ltd",
            postal_address="1 High Street\nSpringfield", is_default=True, verified_address="hello@beans.example",
            verified_at=now, link_no=1, created_at=now, updated_at=now,
        ),
        Campaign(
            shop_id=1, id=1, name="Coffee", folded_name="coffee", state="active", sender_id=1,
            audience_type="automatic", frequency="every", every_days=14, wait_days=7, repeats=3, content_version=1,
            discount_mode="off", holdout_percent=0, suggested=[], created_at=now, updated_at=now, activated_at=now,
        ),
        CampaignContent(
            shop_id=1, campaign_id=1, version=1, subject="[Customer First Name], your coffee", preview_text="Fresh",
            body_html=body, button_label="Buy again", show_image=True, first_name_fallback="there", created_at=now,
        ),
    ]  # fmt: skip


def _customer(vault: Vault, number: int) -> dict[str, Any]:
    email = f"c{number}@example.com"
    return {
        "shop_id": 1, "customer_no": number, "shopify_id": number, "email_hash": vault.email_hash(email),
        "contact": vault.seal(1, customer_subject(number), {"email": email, "first_name": f"Ann{number}"}),
        "email_valid": True, "email_consent": "SUBSCRIBED", "email_consent_at": LONG_AGO,
        "sms_consent": "NOT_SUBSCRIBED", "created_at": LONG_AGO, "updated_at": LONG_AGO,
    }  # fmt: skip


def _message(number: int, now: datetime) -> dict[str, Any]:
    return {
        "shop_id": 1, "id": new_id(), "customer_no": number, "campaign_id": 1, "occurrence": f"1:life:{number}",
        "content_version": 1, "sender_id": 1, "product_no": 1, "kind": "repurchase", "probability": 0.3,
        "state": "queued", "planned_at": now, "expires_at": now + timedelta(days=3), "attempts": 0,
    }  # fmt: skip
