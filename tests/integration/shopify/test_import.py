"""Importing a shop over the API: whole, changed, interrupted, against a failing shop."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import select

from app.errors import Unavailable
from app.services import runs
from app.services.published import latest_history
from app.store.crypto import customer_subject
from app.store.models.customers import Customer, ProductId
from tests.standins import Connected, connect, fresh_store

if TYPE_CHECKING:
    from flask import Flask

    from app.domain.context import ShopContext
    from tests.fakes import FakeClock

CHILD = Path(__file__).parent / "import_child.py"
BORDERS = [
    "started_products", "started_customers", "started_orders", "downloaded_products", "downloaded_customers",
    "downloaded_orders", "staged", "products", "customers", "orders", "publish", "published",
]  # fmt: skip
KILLS = int(os.environ.get("ENCORE_KILL_ROUNDS", "5"))


def everything_of(encore: Connected, ctx: ShopContext) -> dict[str, Any]:
    """All rows of lake and store, decrypted and sorted, without run numbers and times of processing."""
    found: dict[str, Any] = {}
    with encore.rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        assert history is not None
        customers = session.scalars(select(Customer).order_by(Customer.customer_no)).all()
        found["store_customers"] = [
            (c.customer_no, c.shopify_id, c.email_hash, c.email_consent, c.email_consent_at, c.sms_consent,
             c.email_valid, c.created_at, c.updated_at, c.merged_into,
             encore.rooms.vault.open(ctx.shop_id, customer_subject(c.customer_no), c.contact))
            for c in customers
        ]  # fmt: skip
        products = session.execute(select(ProductId.product_no, ProductId.shopify_id).order_by(ProductId.product_no))
        found["store_products"] = [tuple(row) for row in products]
    lake = encore.rooms.lake.connect(ctx, history.tables)
    for table in ("orders", "order_lines", "products", "variants", "customers"):
        found[table] = sorted(lake.sql(f"SELECT * FROM {table}").fetchall(), key=repr)
    lake.close()
    return found


def run_child(url: str, folder: Path, die_at: str, now: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), url, str(folder), die_at, now],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def calls_of(out: str) -> int | None:
    """How many function calls a child made that came to the end of its import; None if it did not."""
    last = out.splitlines()[-1] if out else ""
    return int(last.removeprefix("done after ")) if last.startswith("done after ") else None


class TestAWholeImport:
    def test_counts_equal_what_the_shop_served(self, encore: Connected, shop_url: str) -> None:
        ctx = encore.install()
        before = httpx.get(f"{shop_url}/sandbox/served").json()["total"]
        counts = encore.importer().everything(ctx)
        after = httpx.get(f"{shop_url}/sandbox/served").json()["total"]
        served = {kind: after[kind] - before.get(kind, 0) for kind in after}
        assert counts["customers"] - counts["guests"] == served["Customer"]
        assert counts["orders"] == served["Order"]
        assert counts["order_lines"] == served["LineItem"]
        assert counts["products"] == served["Product"]

    def test_every_object_is_reconciled_with_the_shops_own_count(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        with encore.rooms.store.reading(ctx) as session:
            run = runs.latest(session, ctx, "import", "done")
        assert run is not None
        assert {line["object"]: line["difference"] for line in run.detail["differences"]} == {
            "customers": 0, "orders": 0, "products": 0,
        }  # fmt: skip

    def test_importing_again_changes_no_row(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        first = everything_of(encore, ctx)
        encore.importer().everything(ctx)
        assert everything_of(encore, ctx) == first

    def test_an_import_of_changes_changes_no_row_when_nothing_changed(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        first = everything_of(encore, ctx)
        encore.importer().changes(ctx)
        assert everything_of(encore, ctx) == first

    def test_the_lake_holds_no_address_no_name_and_no_phone(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        contacts = [row[-1] for row in everything_of(encore, ctx)["store_customers"]]
        secrets = {str(c[name]).encode() for c in contacts for name in ("email", "phone", "address1") if c.get(name)}
        assert secrets
        files = [f for f in encore.rooms.lake.shop_dir(ctx).rglob("*") if f.is_file()]
        lake = encore.rooms.lake.connect(ctx, encore.rooms.lake.versions(ctx))
        text = repr(
            [lake.sql(f"SELECT * FROM {t}").fetchall() for t in ("orders", "order_lines", "customers")]
        ).encode()
        lake.close()
        assert files
        assert not [secret for secret in secrets if secret in text]

    def test_the_exports_are_removed_after_the_import(self, encore: Connected) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        assert not list((encore.rooms.settings.data_dir / "imports").rglob("*.jsonl"))


class TestWhatCounts:
    @pytest.fixture
    def rows(self, encore: Connected) -> dict[str, Any]:
        ctx = encore.install()
        encore.importer().everything(ctx)
        with encore.rooms.store.reading(ctx) as session:
            history = latest_history(session, ctx)
        assert history is not None
        lake = encore.rooms.lake.connect(ctx, history.tables)

        def one(query: str) -> int:
            return int(lake.sql(query).fetchall()[0][0])

        found = {
            "cancelled": one("SELECT count(*) FROM orders WHERE cancelled_at IS NOT NULL"),
            "cancelled_counting": one("SELECT count(*) FROM orders WHERE cancelled_at IS NOT NULL AND counts"),
            "test": one("SELECT count(*) FROM orders WHERE test"),
            "test_counting": one("SELECT count(*) FROM orders WHERE test AND counts"),
            "gift": one("SELECT count(*) FROM order_lines WHERE is_gift_card"),
            "gift_counting": one("SELECT count(*) FROM order_lines WHERE is_gift_card AND counts"),
            "free": one("SELECT count(*) FROM order_lines WHERE unit_price_minor = 0"),
            "free_counting": one("SELECT count(*) FROM order_lines WHERE unit_price_minor = 0 AND counts"),
            "refunded": one("SELECT count(*) FROM order_lines WHERE current_quantity < quantity"),
            "refunded_wrong": one("""SELECT count(*) FROM order_lines WHERE current_quantity < quantity
                AND net_minor <> round(total_minor * current_quantity / quantity)"""),
            "returned_counting": one("SELECT count(*) FROM order_lines WHERE current_quantity = 0 AND counts"),
            "guest_orders": one("""SELECT count(*) FROM orders JOIN customers USING (customer_no)
                WHERE customer_id IS NULL"""),
        }
        lake.close()
        return found

    def test_cancelled_and_test_orders_are_kept_and_never_count(self, rows: dict[str, int]) -> None:
        assert rows["cancelled"] > 0
        assert rows["test"] > 0
        assert rows["cancelled_counting"] == rows["test_counting"] == 0

    def test_gift_cards_and_free_lines_are_no_purchases(self, rows: dict[str, int]) -> None:
        assert rows["gift"] > 0
        assert rows["free"] > 0
        assert rows["gift_counting"] == rows["free_counting"] == 0

    def test_refunded_quantities_reduce_the_net_amount(self, rows: dict[str, int]) -> None:
        assert rows["refunded"] > 0
        assert rows["refunded_wrong"] == rows["returned_counting"] == 0

    def test_guests_get_a_number_of_their_own(self, rows: dict[str, int]) -> None:
        assert rows["guest_orders"] > 0


class TestAnInterruptedImport:
    @pytest.fixture
    def expected(self, encore: Connected) -> dict[str, Any]:
        ctx = encore.install()
        encore.importer().everything(ctx)
        return everything_of(encore, ctx)

    @pytest.fixture
    def victim(self, shop_url: str, shop_clock: FakeClock, tmp_path: Path) -> tuple[Path, str]:
        folder = tmp_path / "victim"
        folder.mkdir()
        installed = connect(shop_url, folder, fresh_store(folder), shop_clock)
        installed.install()
        installed.close()
        installed.rooms.store.close()
        return folder, shop_clock.now().isoformat()

    def finish(self, shop_url: str, folder: Path, now: str) -> None:
        child = run_child(shop_url, folder, "none", now)
        out, _ = child.communicate(timeout=120)
        assert calls_of(out) is not None

    def outcome(self, shop_url: str, folder: Path, shop_clock: FakeClock) -> dict[str, Any]:
        store = fresh_store(folder)
        after = connect(shop_url, folder, store, shop_clock)
        found = everything_of(after, after.install())
        after.close()
        store.close()
        return found

    def test_killed_at_every_stage_border_it_ends_with_the_same_rows(
        self, expected: dict[str, Any], victim: tuple[Path, str], shop_url: str, shop_clock: FakeClock
    ) -> None:
        folder, now = victim
        for border in BORDERS:
            child = run_child(shop_url, folder, border, now)
            out, _ = child.communicate(timeout=120)
            assert child.returncode == -9, f"{border} was not reached: {out}"
        self.finish(shop_url, folder, now)
        assert self.outcome(shop_url, folder, shop_clock) == expected

    def test_killed_at_random_moments_it_ends_with_the_same_rows(
        self, expected: dict[str, Any], victim: tuple[Path, str], shop_url: str, shop_clock: FakeClock
    ) -> None:
        folder, now = victim
        whole = run_child(shop_url, folder, "none", now).communicate(timeout=120)[0]
        calls = calls_of(whole)
        assert calls is not None
        rng = random.Random(7)
        landed = 0
        for _ in range(4 * KILLS):  # a resumed import is shorter, so that some moments lie behind its end
            child = run_child(shop_url, folder, str(rng.randrange(1, calls)), now)
            out, _ = child.communicate(timeout=120)
            landed += child.returncode == -9
            assert child.returncode == -9 or calls_of(out) is not None
            if landed == KILLS:
                break
        assert landed == KILLS
        self.finish(shop_url, folder, now)
        assert self.outcome(shop_url, folder, shop_clock) == expected


class TestAFailingShop:
    @pytest.mark.parametrize("kind", ["http_429", "http_500", "throttled"])
    def test_throttling_and_server_faults_are_waited_out(self, encore: Connected, shop_url: str, kind: str) -> None:
        ctx = encore.install()
        httpx.post(f"{shop_url}/sandbox/faults", json={"kind": kind, "count": 2}).raise_for_status()
        counts = encore.importer().everything(ctx)
        assert counts["orders"] > 0

    def test_a_truncated_download_is_fetched_again(self, encore: Connected, shop_url: str) -> None:
        ctx = encore.install()
        httpx.post(f"{shop_url}/sandbox/faults", json={"kind": "truncate_jsonl", "count": 2}).raise_for_status()
        counts = encore.importer().everything(ctx)
        with encore.rooms.store.reading(ctx) as session:
            run = runs.latest(session, ctx, "import", "done")
        assert run is not None
        assert counts["orders"] == next(d["shop"] for d in run.detail["differences"] if d["object"] == "orders")

    def test_a_shop_that_stays_down_fails_the_import_and_keeps_what_was_published(
        self, encore: Connected, stand_in: tuple[Flask, str], shop_url: str
    ) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        first = everything_of(encore, ctx)
        httpx.post(f"{shop_url}/sandbox/faults", json={"kind": "http_500", "count": 500}).raise_for_status()
        try:
            with pytest.raises(Unavailable):
                encore.importer().everything(ctx)
        finally:
            stand_in[0].extensions["shopify"].faults.clear()
        assert everything_of(encore, ctx) == first
