"""Random shops of a few customers, campaigns and products, with everything that decides who is mailed, as plain data.

`build` puts one into a store, and a lake that is tables in memory, so that a tick runs on it whole.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from pyroaring import BitMap
from sqlalchemy import insert

from app.domain.context import ShopContext
from app.lake.schemas import TABLES
from app.store.models.campaigns import Campaign, CampaignContent
from app.store.models.customers import Customer, Suppression
from app.store.models.segments import Membership, Segment
from app.store.models.senders import Sender
from app.store.models.sending import Cap, Message
from app.store.models.shops import Run, Shop, Snapshot
from app.store.models.topics import DeclinedTopic
from app.store.models.waits import WaitChoice
from tests.integration.sending.world import ASSOCIATIONS, BASE_RATES, FEATURES, PAIRS, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.store.session import Store

TICKS = (
    datetime(2026, 3, 2, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # an hour that Europe skips
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # an hour that Europe has twice
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # the same in America
    datetime(2026, 6, 6, 23, 59, 59, 999_999, tzinfo=UTC),
)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")
ADDRESSES = (("DE", None), ("US", "CA"), ("US", None), ("JP", "JP-13"), (None, None), ("ES", "GC"), ("GB", "ENG"))
STATES = ("queued", "sending", "sent", "failed", "unknown", "capped", "cancelled", "held_out")
DAYS = timedelta(days=1)
NOT_A_NUMBER = float("nan")


@dataclass
class RandomShop:
    """One shop as rows; names of columns as in the store and the lake."""

    shop_id: int
    zone: str
    tick: datetime
    products: list[dict[str, Any]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    suppressed: list[str] = field(default_factory=list)
    declined: list[dict[str, Any]] = field(default_factory=list)
    caps: list[tuple[str, datetime]] = field(default_factory=list)
    sender: dict[str, Any] = field(default_factory=dict)
    campaigns: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    associations: list[dict[str, Any]] = field(default_factory=list)
    base_rates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ctx(self) -> ShopContext:
        return ShopContext(self.shop_id, f"shop-{self.shop_id}", "EUR", self.zone)


def draw(seed: int) -> RandomShop:
    """The shop of a seed, always the same."""
    dice = random.Random(seed)
    shop = RandomShop(shop_id=seed + 1, zone=dice.choice(ZONES), tick=dice.choice(TICKS))
    _products(dice, shop)
    _customers(dice, shop)
    shop.sender = {
        "verified_address": dice.choice(["a@shop.example"] * 7 + ["b@shop.example"]),
        "postal_address": dice.choice(["1 High Street"] * 9 + [" "]),
    }
    _campaigns(dice, shop)
    _history(dice, shop)
    _predictions(dice, shop)
    _messages(dice, shop)
    _declined(dice, shop)
    return shop


def _products(dice: random.Random, shop: RandomShop) -> None:
    for number in range(1, dice.randint(1, 3) + 1):
        shop.products.append(
            {
                "product_no": number, "product_id": 100 + number, "title": f"Product {number}",
                "product_type": dice.choice(["tea", "mug"]), "status": dice.choice(["ACTIVE"] * 9 + ["DRAFT"]),
                "is_gift_card": dice.random() < 0.04, "total_inventory": dice.choice([None, 5, 5, 5, 0]),
                "url": f"https://shop.example/{number}",
            }
        )  # fmt: skip


def _customers(dice: random.Random, shop: RandomShop) -> None:
    count = dice.randint(1, 6)
    for number in range(1, count + 1):
        country, province = dice.choice(ADDRESSES)
        shop.customers.append(
            {
                "customer_no": number, "country": country, "province": province,
                "email_hash": dice.choice([f"h{number}"] * 15 + ["h1", None]),
                "email_valid": dice.random() < 0.95,
                "email_consent": dice.choice(["SUBSCRIBED"] * 12 + ["UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING"]),
                "merged_into": dice.randint(1, count) if dice.random() < 0.06 else None,
                "erased_at": shop.tick - DAYS if dice.random() < 0.03 else None,
                "gone_at": shop.tick - DAYS if dice.random() < 0.03 else None,
            }
        )  # fmt: skip
        if shop.customers[-1]["merged_into"] == number:
            shop.customers[-1]["merged_into"] = None
    hashes = sorted({customer["email_hash"] for customer in shop.customers if customer["email_hash"]})
    shop.suppressed = [one for one in hashes if dice.random() < 0.05]
    keys = [f"c:{customer['customer_no']}" for customer in shop.customers] + [f"e:{one}" for one in hashes]
    for key in keys:
        if dice.random() < 0.15:
            ago = timedelta(hours=dice.choice([1, 100, 168, 169, 170])) + dice.choice([-1, 0, 1]) * timedelta(seconds=1)
            shop.caps.append((key, shop.tick - ago))


def _campaigns(dice: random.Random, shop: RandomShop) -> None:
    products = [product["product_no"] for product in shop.products]
    for number in range(1, dice.randint(1, 4) + 1):
        about = dice.choice(["product", "product", "type", "custom", "automatic", "gone"])
        category = dice.choice(["repurchase", "cross_sell"]) if about in {"product", "type"} else "custom"
        everybody = [customer["customer_no"] for customer in shop.customers]
        from_hour = dice.choice([None, None, None, 2, 9, 22])
        weekdays = dice.choice([None, None, None, [0], [5, 6], [0, 1, 2, 3, 4]])
        shop.campaigns.append(
            {
                "id": number, "state": dice.choice(["active"] * 6 + ["paused", "draft", "ended"]),
                "created_at": shop.tick - dice.choice([5, 5, 9]) * DAYS,
                "about": about, "category": category, "product_no": dice.choice(products),
                "product_type": dice.choice(["tea", "mug"]),
                "members": sorted(n for n in [*everybody, 99] if dice.random() < 0.85),
                "frequency": dice.choice(["once", "every", "every", "optimise"]), "every_days": dice.choice([7, 21]),
                "wait_days": dice.choice([0, 0, 14, 90]), "repeats": dice.choice([1, 2, 3]),
                "send_from_hour": from_hour,
                "send_until_hour": None if from_hour is None else dice.choice([from_hour + 1, 24]),
                "send_weekdays": weekdays,
                "ends_on": dice.choice([None, None, None, shop.tick.date() - 3 * DAYS, date(2027, 1, 1)]),
                "holdout_percent": dice.choice([0, 0, 50, 100]), "names_purchase": dice.random() < 0.3,
            }
        )  # fmt: skip


def _history(dice: random.Random, shop: RandomShop) -> None:
    for customer in shop.customers:
        for _ in range(dice.choice([0, 1, 1, 2])):
            number = len(shop.orders) + 1
            ago = dice.choice([1, 13, 14, 15, 59, 61, 89, 90, 91, 300]) * DAYS + dice.choice([-1, 0, 1]) * timedelta(
                seconds=1
            )
            counts = dice.random() < 0.9
            shop.orders.append(
                {
                    "customer_no": customer["customer_no"], "bucket": 0, "order_id": number,
                    "processed_at": shop.tick - ago, "counts": counts,
                }
            )  # fmt: skip
            shop.lines.append(
                {
                    "customer_no": customer["customer_no"], "bucket": 0, "order_id": number, "line_id": number,
                    "ordered_at": shop.tick - ago, "product_no": dice.randint(1, len(shop.products)), "counts": counts,
                    "by_subscription": dice.choice([None, None, False, True]),
                }
            )  # fmt: skip


def _predictions(dice: random.Random, shop: RandomShop) -> None:
    for customer in shop.customers:
        for product in shop.products:
            for kind in ("repurchase", "cross_sell"):
                if dice.random() < 0.75:
                    continue
                shop.pairs.append(
                    {
                        "customer_no": customer["customer_no"], "product_no": product["product_no"], "kind": kind,
                        "probability": dice.choice([0.005, 0.02, 0.05, 0.1, 0.2, 0.3]),
                        "lift": dice.choice([None, NOT_A_NUMBER, 0.0, 1.5, 2.0]) if kind == "cross_sell" else None,
                        "because_product_no": dice.choice([None, 1, 2]) if kind == "cross_sell" else None,
                        "expected_at": dice.choice([None, shop.tick - 3 * DAYS, shop.tick + 3 * DAYS])
                        if kind == "repurchase"
                        else None,
                    }
                )  # fmt: skip
    dice.shuffle(shop.pairs)
    for product in shop.products:
        if dice.random() < 0.5:
            lift = dice.choice([1.5, 2.5, NOT_A_NUMBER, None])
            shop.associations.append({"a": 1, "b": product["product_no"], "lift_shrunk": lift})
        for kind in ("repurchase", "cross_sell"):
            rate = dice.choice([None, NOT_A_NUMBER, 0.01, 0.1])
            shop.base_rates.append({"product_no": product["product_no"], "kind": kind, "base_rate": rate})


def _messages(dice: random.Random, shop: RandomShop) -> None:
    under_way: set[int] = set()
    for customer in shop.customers:
        for campaign in shop.campaigns:
            for time in range(dice.choice([0, 0, 0, 1, 3])):
                state = dice.choice(STATES[2:] * 4 + STATES[:2])
                if state in STATES[:2] and customer["customer_no"] in under_way:
                    continue
                if state in STATES[:2]:
                    under_way.add(customer["customer_no"])
                ago = dice.choice([6, 7, 8, 20, 21, 22, 100]) * DAYS + dice.choice([-1, 0, 1]) * timedelta(seconds=1)
                ago += timedelta(microseconds=len(shop.messages))  # no two at once: which came last is never in doubt
                shop.messages.append(
                    {
                        "id": f"m{shop.shop_id}-{len(shop.messages)}", "customer_no": customer["customer_no"],
                        "campaign_id": campaign["id"], "product_no": dice.randint(1, len(shop.products)),
                        "occurrence": f"old-{time}", "state": state,
                        "stamped_at": None if state in {"queued", "capped", "cancelled"} else shop.tick - ago,
                        "days": dice.choice([None, 7, 45]),
                    }
                )  # fmt: skip


def _declined(dice: random.Random, shop: RandomShop) -> None:
    """Topics that customers declined, some of them from an address that is another one's by now, or long gone."""
    own = {customer["customer_no"]: customer["email_hash"] for customer in shop.customers}
    into = {customer["customer_no"]: customer["merged_into"] for customer in shop.customers}
    for number in [*own, 99]:
        if into.get(into.get(number)) is not None:
            continue  # a merge points to the last survivor at once: choices follow one step
        for topic in ("repurchase", "cross_sell"):
            if dice.random() < 0.12:
                address = dice.choice([own.get(number)] * 6 + ["h1", "gone", None])
                shop.declined.append({"customer_no": number, "topic": topic, "email_hash": address})


class MemoryLake:
    """A lake of one shop at a time, whose tables are in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables = duckdb.connect(config={"threads": 1})
        self._holds: int | None = None
        self.shop: RandomShop | None = None

    def run_dir(self, ctx: ShopContext, run_id: int) -> Path:
        del ctx, run_id
        return self._folder

    def connect(self, ctx: ShopContext, versions: Any, run_dir: Path | None = None) -> duckdb.DuckDBPyConnection:
        del versions, run_dir
        assert self.shop is not None
        assert self.shop.shop_id == ctx.shop_id
        if self._holds != ctx.shop_id:
            self._fill(self.shop)
        self._holds = ctx.shop_id
        connection = self._tables.cursor()
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def _fill(self, shop: RandomShop) -> None:
        for name, schema, rows in _tables(shop):
            table = pa.Table.from_pylist([{c: row.get(c) for c in schema.names} for row in rows], schema=schema)
            self._tables.register("incoming", table)
            self._tables.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")
            self._tables.unregister("incoming")


def _tables(shop: RandomShop) -> Iterator[tuple[str, pa.Schema, list[dict[str, Any]]]]:
    yield "products", TABLES["products"], shop.products
    yield "customers", TABLES["customers"], shop.customers
    yield "orders", TABLES["orders"], shop.orders
    yield "order_lines", TABLES["order_lines"], shop.lines
    yield "pairs", PAIRS, shop.pairs
    yield "associations", ASSOCIATIONS, shop.associations
    yield "base_rates", BASE_RATES, shop.base_rates
    yield "features", FEATURES, []
    yield "customer_values", VALUES, []


def build(store: Store, shop: RandomShop) -> None:
    """Put the shop into the store."""
    began = shop.tick - 400 * DAYS
    key = {"shop_id": shop.shop_id}
    rows: dict[Any, list[dict[str, Any]]] = {
        Shop: [
            {
                "id": shop.shop_id, "domain": f"shop-{shop.shop_id}", "name": "Shop", "currency": "EUR",
                "timezone": shop.zone, "source": "csv", "installed_at": began,
            }
        ],
        Run: [
            {
                **key, "id": number, "kind": kind, "state": "done", "as_of": began, "started_at": began,
                "finished_at": began, "source": "test", "steps": [], "detail": {},
            }
            for number, kind in ((1, "import"), (2, "refresh"))
        ],
        Snapshot: [
            {**key, "id": number, "run_id": number, "created_at": began, "watermark": began, "tables": {}}
            for number in (1, 2)
        ],
        Customer: [
            {
                **key, "contact": b"", "email_consent_at": None, "sms_consent": "NOT_SUBSCRIBED", "created_at": began,
                "updated_at": began, **{name: one[name] for name in one if name not in {"country", "province"}},
            }
            for one in shop.customers
        ],
        Suppression: [
            {**key, "email_hash": one, "reason": "complaint", "at": began} for one in shop.suppressed
        ],
        DeclinedTopic: [{**key, **one, "declined_at": began} for one in shop.declined],
        Cap: [{**key, "key": name, "last_at": at, "holder": ""} for name, at in shop.caps],
        Sender: [
            {
                **key, "id": 1, "display_name": "Shop", "from_address": "a@shop.example", "company": "Shop Ltd",
                "is_default": True, "verified_at": began, "link_no": 1, "created_at": began, "updated_at": began,
                **shop.sender,
            }
        ],
        Segment: [_segment(shop, one, began) for one in shop.campaigns],
        Membership: [
            {
                **key, "id": one["id"], "segment_id": one["id"], "evaluated_at": began, "size": len(one["members"]),
                "members": BitMap(one["members"]).serialize(), "leaves": [], "duration_ms": 1, "statistics": {},
            }
            for one in shop.campaigns
        ],
        Campaign: [_campaign(shop, one) for one in shop.campaigns],
        CampaignContent: [
            {
                **key, "campaign_id": one["id"], "version": 1, "subject": "For you", "preview_text": "",
                "body_html": "<p>As you bought [Purchased Product]</p>" if one["names_purchase"] else "<p>Hello</p>",
                "button_label": "Buy", "show_image": True, "first_name_fallback": "there", "created_at": began,
            }
            for one in shop.campaigns
        ],
        Message: [
            {
                **key, "content_version": 1, "sender_id": 1, "kind": "repurchase", "probability": 0.1,
                "planned_at": began, "expires_at": shop.tick + DAYS, "attempts": 0,
                **{name: value for name, value in one.items() if name != "days"},
            }
            for one in shop.messages
        ],
        WaitChoice: [
            {
                **key, "message_id": one["id"], "campaign_id": one["campaign_id"], "customer_no": one["customer_no"],
                "chosen_at": began, "days": one["days"], "propensities": {}, "orders": 1, "basis": "start",
            }
            for one in shop.messages
            if one["days"] is not None
        ],
    }  # fmt: skip
    with store.operator_session() as session:
        for model, several in rows.items():
            if several:
                session.execute(insert(model), several)


def _segment(shop: RandomShop, one: dict[str, Any], began: datetime) -> dict[str, Any]:
    rule = f'{{"v": 1, "match": {{"product_type": "{one["product_type"]}"}}}}' if one["about"] == "type" else None
    verb = "buy_again" if one["category"] == "repurchase" else "buy_new"
    return {
        "shop_id": shop.shop_id, "id": one["id"], "name": "Segment", "description": "",
        "category": one["category"], "source": "automatic", "state": "retired" if one["about"] == "gone" else "ready",
        "rule_text": rule, "definition": "", "product_no": one["product_no"] if one["about"] == "product" else None,
        "key": f"{verb}:type:{one['id']}" if rule else f"seg:{one['id']}", "membership_id": one["id"],
        "created_at": began, "updated_at": began,
    }  # fmt: skip


def _campaign(shop: RandomShop, one: dict[str, Any]) -> dict[str, Any]:
    same = (
        "id", "state", "created_at", "frequency", "every_days", "wait_days", "repeats", "send_from_hour",
        "send_until_hour", "send_weekdays", "ends_on", "holdout_percent",
    )  # fmt: skip
    automatic = one["about"] == "automatic"
    return {
        "shop_id": shop.shop_id, "name": f"Campaign {one['id']}", "folded_name": f"campaign {one['id']}",
        "sender_id": 1, "audience_type": "automatic" if automatic else "segment",
        "segment_id": None if automatic else one["id"], "content_version": 1, "discount_mode": "off", "suggested": [],
        "updated_at": one["created_at"], **{name: one[name] for name in same},
    }  # fmt: skip
