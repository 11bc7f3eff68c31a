"""A small shop with history, predictions, segments and campaigns, built by hand, for tests of sending."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyroaring import BitMap
from sqlalchemy import select

from app.lake.lake import Lake
from app.lake.schemas import TABLES
from app.mail.transport import MemoryTransport, SmtpTransport
from app.services import campaigns, holdouts, senders
from app.services.campaigns_audience import KIND_OF_CATEGORY
from app.services.reachable import reachable
from app.services.rooms import Rooms
from app.settings import Settings
from app.store.counters import allocate
from app.store.crypto import Vault, customer_subject
from app.store.models.customers import Customer
from app.store.models.segments import Membership, Segment
from app.store.models.sending import Message
from app.store.models.shops import Run, Snapshot
from app.store.session import Store
from tests.fakes import FakeClock, FakeConsentWriter, FakeJobs

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=200)
COFFEE, TEA, MUG = 1, 2, 3
TITLES = {COFFEE: "Coffee & Co", TEA: "Green Tea", MUG: "Mug"}


class FakeTimeStore(Store):
    """A store whose database clock is the test's."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        super().__init__(url)
        self._clock = clock

    def db_now(self, session: Session) -> datetime:
        return self._clock.now()


def settings(**changes: Any) -> Settings:
    values = {
        "env": "development", "keys": "1:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "pepper": "pepper-of-the-tests", "public_url": "https://encore.example",
        "daily_limits": False,
    }  # fmt: skip
    return Settings(_env_file=None, **{**values, **changes})


class World:
    """The shop. Every method adds something; `rooms` and `ctx` are what services take."""

    def __init__(self, store_url: str, ctx: ShopContext, tmp_path: Path) -> None:
        self.ctx = ctx
        self.clock = FakeClock(NOW)
        self.transport = MemoryTransport()
        self.jobs = FakeJobs()
        self.consent_writer = FakeConsentWriter()
        self.store = FakeTimeStore(store_url, self.clock)
        self.rooms = Rooms(
            settings=settings(), clock=self.clock, store=self.store, lake=Lake(tmp_path / "lake", threads=1),
            vault=Vault({1: b"k" * 32}, b"pepper-of-the-tests"), jobs=self.jobs, connectors=None,  # type: ignore[arg-type]
            transport=self.transport, consent_writer=self.consent_writer,
        )  # fmt: skip
        self.orders: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.variants: list[dict[str, Any]] = []
        self.pairs: list[dict[str, Any]] = []
        self.stock: dict[int, int | None] = {}
        self.status: dict[int, str] = {}
        self.types: dict[int, str] = {}
        self.associations: list[tuple[int, int, float]] = []
        self.features: list[dict[str, Any]] = []
        self.values: list[dict[str, Any]] = []
        self._smtp: SmtpTransport | None = None
        self.shop_holdout(0)  # so that a test knows who is mailed

    def shop_holdout(self, percent: int) -> None:
        """How many of a hundred customers no campaign mails."""
        holdouts.set_shop_percent(self.rooms, self.ctx, percent)

    def close(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self.store.close()

    def customer(
        self, number: int, *, email: str | None = None, name: str | None = "Ann", consent: str = "SUBSCRIBED"
    ) -> None:
        email = email or f"c{number}@example.com"
        contact = {"email": email, "first_name": name}
        with self.store.session(self.ctx) as session:
            session.add(
                Customer(
                    shop_id=self.ctx.shop_id, customer_no=number, shopify_id=1000 + number, email_valid=True,
                    email_hash=self.rooms.vault.email_hash(email), email_consent=consent, email_consent_at=LONG_AGO,
                    sms_consent="NOT_SUBSCRIBED", created_at=LONG_AGO, updated_at=LONG_AGO,
                    contact=self.rooms.vault.seal(self.ctx.shop_id, customer_subject(number), contact),
                )
            )  # fmt: skip

    def bought(
        self,
        customer: int,
        product: int,
        at: datetime,
        net_minor: int = 0,
        variant: int | None = None,
        quantity: int = 1,
    ) -> None:
        number = len(self.orders) + 1
        self.orders.append(
            {"customer_no": customer, "bucket": 0, "order_id": number, "processed_at": at, "counts": True}
        )
        self.lines.append(
            {
                "customer_no": customer, "bucket": 0, "order_id": number, "line_id": number, "ordered_at": at,
                "product_no": product, "counts": True, "quantity": quantity, "current_quantity": quantity,
                "net_minor": net_minor, "variant_id": variant,
            }
        )  # fmt: skip

    def pair(self, customer: int, product: int, kind: str, probability: float, **more: Any) -> None:
        self.pairs.append(
            {
                "customer_no": customer, "product_no": product, "kind": kind, "probability": probability, "lift": None,
                "because_product_no": None, "expected_at": None, **more,
            }
        )  # fmt: skip

    def publish(self) -> int:
        """Write history and predictions as a finished refresh."""
        with self.store.session(self.ctx) as session:
            run_id = allocate(session, self.ctx.shop_id, "runs")
        lake, ctx = self.rooms.lake, self.ctx
        products = [
            {
                "product_no": n, "product_id": 100 + n, "title": title, "status": self.status.get(n, "ACTIVE"),
                "handle": f"p{n}", "is_gift_card": False, "price_minor": 900, "total_inventory": self.stock.get(n),
                "product_type": self.types.get(n), "url": f"https://{ctx.domain}/products/p{n}", "image_url": f"https://cdn.example/{n}.png",
            }
            for n, title in TITLES.items()
        ]  # fmt: skip
        written = {
            "orders": self.orders, "order_lines": self.lines, "products": products, "variants": self.variants,
        }  # fmt: skip
        for table, rows in written.items():
            lake.write(ctx, table, _table(TABLES[table], rows))
        folder = lake.run_dir(ctx, run_id)
        pq.write_table(_table(PAIRS, self.pairs), folder / "pairs.parquet")
        links = [{"a": a, "b": b, "lift_shrunk": lift} for a, b, lift in self.associations]
        pq.write_table(_table(ASSOCIATIONS, links), folder / "associations.parquet")
        pq.write_table(_table(BASE_RATES, []), folder / "base_rates.parquet")
        pq.write_table(_table(FEATURES, self.features), folder / "features.parquet")
        pq.write_table(_table(VALUES, self.values), folder / "customer_values.parquet")
        with self.store.session(ctx) as session:
            self._run(session, "import", allocate(session, ctx.shop_id, "runs"))
            self._run(session, "refresh", run_id)
        return run_id

    def _run(self, session: Session, kind: str, run_id: int) -> None:
        now, shop_id = self.clock.now(), self.ctx.shop_id
        session.add(
            Run(
                shop_id=shop_id, id=run_id, kind=kind, state="done", as_of=now, started_at=now, finished_at=now,
                source="test", steps=[], detail={},
            )
        )  # fmt: skip
        session.flush()
        number = allocate(session, shop_id, "snapshots")
        versions = self.rooms.lake.versions(self.ctx)
        session.add(Snapshot(shop_id=shop_id, id=number, run_id=run_id, created_at=now, watermark=now, tables=versions))
        session.flush()

    def segment(
        self,
        key: str | None,
        category: str,
        members: list[int],
        product: int | None = None,
        product_type: str | None = None,
    ) -> int:
        now = self.clock.now()
        rule = json.dumps({"v": 1, "match": {"product_type": product_type}}) if product_type else None
        with self.store.session(self.ctx) as session:
            number = allocate(session, self.ctx.shop_id, "segments")
            session.add(
                Segment(
                    shop_id=self.ctx.shop_id, id=number, key=key, name=f"Segment {number}", description="",
                    category=category,
                    source="automatic", state="ready", definition="", product_no=product, rule_text=rule,
                    created_at=now, updated_at=now,
                )
            )  # fmt: skip
        self.members(number, members)
        return number

    def coffee_drinkers(self, count: int, emails: dict[int, str] | None = None) -> int:
        """Customers who are due for coffee, a verified sender, everything published; returns their segment."""
        numbers = list(range(1, count + 1))
        for number in numbers:
            self.customer(number, email=(emails or {}).get(number))
            self.bought(number, COFFEE, LONG_AGO)
            self.pair(number, COFFEE, "repurchase", 0.3)
        self.sender()
        segment = self.segment("buy_again:101", "repurchase", numbers, COFFEE)
        self.publish()
        return segment

    def mails_over(self, smtp_url: str) -> None:
        """From now on messages go to this server."""
        self._smtp = SmtpTransport(smtp_url)
        self.rooms = replace(self.rooms, transport=self._smtp)

    def message_states(self) -> dict[int, str]:
        """customer → state of their newest message."""
        with self.store.reading(self.ctx) as session:
            rows = session.scalars(select(Message).order_by(Message.planned_at))
            return {row.customer_no: row.state for row in rows}

    def members(self, segment: int, members: list[int]) -> None:
        now = self.clock.now()
        with self.store.session(self.ctx) as session:
            number = allocate(session, self.ctx.shop_id, "memberships")
            row = session.get_one(Segment, {"shop_id": self.ctx.shop_id, "id": segment})
            able = BitMap(members) & reachable(session, self.ctx)
            session.add(
                Membership(
                    shop_id=self.ctx.shop_id, id=number, segment_id=segment, run_id=None, evaluated_at=now,
                    size=len(members), members=BitMap(members).serialize(), leaves=[], duration_ms=1,
                    statistics=self._figures(row, able),
                )
            )  # fmt: skip
            row.membership_id = number

    def _figures(self, segment: Segment, able: BitMap) -> dict[str, Any]:
        kind = KIND_OF_CATEGORY.get(segment.category)
        of_type = json.loads(segment.rule_text)["match"].get("product_type") if segment.rule_text else None
        wanted = {segment.product_no} | {n for n, one in self.types.items() if one == of_type}
        about = [p for p in self.pairs if p["product_no"] in wanted and p["kind"] == kind]
        return {
            "reachable": len(able),
            "reachable_buyers": sum(p["probability"] for p in about if p["customer_no"] in able),
            "product": {"title": TITLES[segment.product_no]} if segment.product_no else None,
        }

    def sender(self, address: str = "hello@beans.example", *, verified: bool = True) -> str:
        new = senders.NewSender("Bean & Co", address, None, "Bean & Co Ltd", "1 High Street\nSpringfield")
        made = senders.create(self.rooms, self.ctx, new)
        if verified:
            senders.confirm(self.rooms, self.link_in(self.transport.taken.pop().data))
        return made.id

    @staticmethod
    def link_in(data: bytes) -> str:
        import re
        from email import message_from_bytes
        from email.policy import default

        text = message_from_bytes(data, policy=default).get_body(("plain",)).get_content()  # type: ignore[union-attr]
        return re.search(r"/senders/confirm/(\S+)", text).group(1)  # type: ignore[union-attr]

    def campaign(self, segment: int | None, *, name: str, holdout: int = 0, active: bool = True, **timing: Any) -> str:
        """A campaign on a segment, or automatic; needs a verified default sender to be active."""
        campaign_id = campaigns.create(self.rooms, self.ctx, segment_id=f"seg_{segment}" if segment else None)
        changes: dict[str, Any] = {"name": name}
        if segment is None:
            changes["audience"] = {"type": "automatic"}
        if timing:
            changes["timing"] = timing
        campaigns.change(self.rooms, self.ctx, campaign_id, changes)
        with self.store.session(self.ctx) as session:
            campaigns.find(session, self.ctx, campaign_id).holdout_percent = holdout
        if active:
            campaigns.activate(self.rooms, self.ctx, campaign_id)
        return campaign_id


PAIRS = pa.schema(
    [
        ("customer_no", pa.int32()), ("product_no", pa.int32()), ("kind", pa.string()), ("probability", pa.float64()),
        ("lift", pa.float64()), ("because_product_no", pa.int32()), ("expected_at", pa.timestamp("us", tz="UTC")),
        ("expected_low", pa.timestamp("us", tz="UTC")), ("expected_high", pa.timestamp("us", tz="UTC")),
    ]
)  # fmt: skip
ASSOCIATIONS = pa.schema([("a", pa.int32()), ("b", pa.int32()), ("lift_shrunk", pa.float64())])
FEATURES = pa.schema([("customer_no", pa.int32()), ("orders", pa.int64()), ("gap_ratio", pa.float64())])
VALUES = pa.schema([("customer_no", pa.int32()), ("value_12m", pa.float64()), ("p_order_30d", pa.float64())])
BASE_RATES = pa.schema([("product_no", pa.int32()), ("kind", pa.string()), ("base_rate", pa.float64())])


def _table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
