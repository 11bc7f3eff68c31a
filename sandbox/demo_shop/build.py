"""Writes a shop's records into one SQLite file: built once, then changed in place.

SQLite rather than Parquet, because what customers do afterwards (orders, consent, tags) changes the same
rows: one file is the only truth, survives kill -9, and a reader has one consistent view of it.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from sandbox.demo_shop.ids import STAMP

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from sandbox.demo_shop.shape import Frames
    from sandbox.demo_shop.source import Source

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE collections (id INTEGER PRIMARY KEY, title TEXT, handle TEXT, updated_at TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, title TEXT, handle TEXT, vendor TEXT, product_type TEXT, tags TEXT,
  status TEXT, collection_id INTEGER, price_min INTEGER, price_max INTEGER, inventory INTEGER, created_at TEXT,
  updated_at TEXT);
CREATE TABLE variants (id INTEGER PRIMARY KEY, product_id INTEGER, title TEXT, sku TEXT, position INTEGER,
  price INTEGER, inventory INTEGER, created_at TEXT, updated_at TEXT);
CREATE TABLE customers (id INTEGER PRIMARY KEY, household INTEGER, first_name TEXT, last_name TEXT, email TEXT,
  phone TEXT, address1 TEXT, city TEXT, province TEXT, province_code TEXT, zip TEXT, email_state TEXT, opt_in TEXT,
  email_valid INTEGER, email_updated_at TEXT, tracking TEXT, sms_state TEXT, data_sale_opt_out INTEGER, note TEXT,
  orders_count INTEGER, spent INTEGER, last_order_id INTEGER, tier TEXT, rfm_group TEXT, tags TEXT,
  created_at TEXT, updated_at TEXT);
CREATE TABLE metafields (id INTEGER PRIMARY KEY, owner_id INTEGER, namespace TEXT, key TEXT, type TEXT, value TEXT,
  created_at TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, number INTEGER, customer_id INTEGER, email TEXT,
  created_at TEXT, processed_at TEXT, updated_at TEXT, cancelled_at TEXT, test INTEGER, source_name TEXT,
  financial_status TEXT, fulfillment_status TEXT, discount_codes TEXT, tags TEXT, subtotal INTEGER, total INTEGER,
  current_total INTEGER, discounts INTEGER, refunded INTEGER, shipping INTEGER, tax INTEGER, journey INTEGER,
  customer_index INTEGER, refunds TEXT, address1 TEXT, city TEXT, province TEXT, province_code TEXT, zip TEXT,
  accepts_marketing INTEGER);
CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id INTEGER, product_id INTEGER, variant_id INTEGER, title TEXT,
  quantity INTEGER, current_quantity INTEGER, unit INTEGER, total INTEGER, is_gift_card INTEGER);
"""
INDEXES = """
CREATE INDEX lines_order ON lines(order_id);
CREATE INDEX orders_updated ON orders(updated_at);
CREATE INDEX orders_created ON orders(created_at);
CREATE INDEX orders_customer ON orders(customer_id);
CREATE INDEX variants_product ON variants(product_id);
CREATE INDEX products_collection ON products(collection_id);
CREATE INDEX metafields_owner ON metafields(owner_id);
"""


def build_shop(path: Path, kind: str, domain: str, anchor: datetime) -> Path:
    """Build the shop of `kind` at `path` unless it is there; return the path.

    anchor: the first start (UTC, aware); the history ends in the week before it. Written aside and renamed,
    so a start that was killed leaves no half shop. ValueError for an unknown kind.
    """
    if path.exists():
        return path
    # here, not above: a second start should not pay a second for libraries that only the first one needs
    from sandbox.demo_shop.shape import shape  # noqa: PLC0415
    from sandbox.demo_shop.source import load  # noqa: PLC0415

    source = load(kind)
    frames = shape(source, anchor)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".building")
    aside.unlink(missing_ok=True)
    database = sqlite3.connect(aside)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(SCHEMA)
    for name, frame in frames.tables.items():
        _insert(database, name, frame)
    database.executemany("INSERT INTO meta VALUES (?, ?)", _meta(source, frames, domain, anchor).items())
    database.executescript(INDEXES)
    database.commit()
    database.close()
    aside.replace(path)
    return path


def _insert(database: sqlite3.Connection, table: str, frame: pd.DataFrame) -> None:
    wanted = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    # object columns with None for missing: SQLite knows no NaN and no pandas NA
    columns = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in wanted]
    marks = ", ".join("?" * len(wanted))
    database.executemany(f"INSERT INTO {table} VALUES ({marks})", zip(*columns, strict=True))


def _meta(source: Source, frames: Frames, domain: str, anchor: datetime) -> dict[str, str]:
    return {
        "kind": source.kind,
        "name": source.name,
        "domain": domain,
        "about": source.about,
        "currency": "USD",
        "timezone": "America/New_York",
        "anchor": anchor.strftime(STAMP),
        "weeks_moved": str(frames.weeks),
        "history_ends": frames.tables["orders"]["processed_at"].max(),
        "built_counts": json.dumps({name: len(frame) for name, frame in frames.tables.items()}),
    }
