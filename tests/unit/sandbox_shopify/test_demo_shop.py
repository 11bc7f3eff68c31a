"""The shops' records: true to the research data where they claim to be, and the same on every machine."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sandbox.demo_shop import build_shop
from sandbox.demo_shop.people import PLACES, invent_people
from sandbox.demo_shop.source import load
from sandbox.demo_shop.titles import maker_names, nice_size, nice_type, unique_titles
from tests.conftest import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANCHOR = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = build_shop(tmp_path_factory.mktemp("tiny") / "shop.sqlite", "tiny", "encore-tiny.myshopify.com", ANCHOR)
    with sqlite3.connect(path) as database:
        yield database
    database.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = build_shop(tmp_path_factory.mktemp("demo") / "shop.sqlite", "demo", "encore-demo.myshopify.com", ANCHOR)
    with sqlite3.connect(path) as database:
        yield database
    database.close()


def number(database: sqlite3.Connection, sql: str) -> int:
    return int(database.execute(sql).fetchone()[0])


@pytest.mark.slow
class TestDemoShop:
    """The Complete Journey, read back from the shop and compared with the package it came from."""

    def test_has_every_product_customer_and_basket(self, demo: sqlite3.Connection) -> None:
        assert number(demo, "SELECT count(*) FROM products") == 12_623
        assert number(demo, "SELECT count(*) FROM customers") == 2_469
        assert number(demo, "SELECT count(*) FROM orders WHERE tags = '[]'") == 155_848
        assert number(demo, "SELECT count(*) FROM metafields") == 2 * 801

    def test_received_what_the_shops_received(self, demo: sqlite3.Connection) -> None:
        sales = load("demo").transactions["sales_value"]
        cents = int((sales * 100).round().sum())
        sql = "SELECT sum(l.total), count(*) FROM lines l JOIN orders o ON o.id = l.order_id WHERE o.tags = '[]'"
        assert demo.execute(sql).fetchone() == (cents, len(sales))

    def test_each_line_is_its_row_of_the_data(self, demo: sqlite3.Connection) -> None:
        """One household's year, row by row: when, which variant, how much."""
        source = load("demo")
        rows = source.transactions.query("household_id == 1228")
        weeks = number(demo, "SELECT value FROM meta WHERE key = 'weeks_moved'")
        at = (rows["transaction_timestamp"] + pd.Timedelta(weeks=weeks)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        variant = rows["product_id"].where(rows["product_id"].isin(source.products["product_id"]), 0)
        expected = sorted(zip(at, variant, (rows["sales_value"] * 100).round().astype(int), strict=True))
        sql = """SELECT o.processed_at, ifnull(l.variant_id, 0), l.total FROM lines l JOIN orders o ON o.id = l.order_id
            WHERE o.customer_id = 6000000001228 AND o.tags = '[]'"""
        assert sorted(demo.execute(sql).fetchall()) == expected

    def test_its_history_ends_in_the_week_before_the_first_start(self, demo: sqlite3.Connection) -> None:
        [ends] = demo.execute("SELECT max(processed_at) FROM orders").fetchone()
        assert 0 <= (ANCHOR - datetime.fromisoformat(ends)).days < 7

    def test_weekdays_stay_weekdays(self, demo: sqlite3.Connection) -> None:
        [first] = demo.execute("SELECT min(processed_at) FROM orders WHERE tags = '[]'").fetchone()
        original = load("demo").transactions["transaction_timestamp"].min()
        assert datetime.fromisoformat(first).weekday() == original.weekday()

    def test_no_line_has_a_quantity_of_zero_or_of_thousands(self, demo: sqlite3.Connection) -> None:
        assert demo.execute("SELECT min(quantity), max(quantity) <= 100 FROM lines").fetchone() == (1, 1)

    def test_lines_add_up_to_their_orders(self, demo: sqlite3.Connection) -> None:
        sql = """SELECT count(*) FROM orders o JOIN (SELECT order_id, sum(total) AS total, sum(unit * quantity - total)
            AS off FROM lines GROUP BY 1) l ON l.order_id = o.id WHERE o.total != l.total"""
        assert number(demo, sql) == 0

    def test_titles_are_unique_and_readable(self, demo: sqlite3.Connection) -> None:
        titles = [title for (title,) in demo.execute("SELECT title FROM products")]
        assert len(set(titles)) == len(titles)
        assert not [title for title in titles if re.search(r"FRZN|SFT|DRNK|CHIX|[/:*()]|  ", title)]

    def test_consent_states_have_their_shares(self, demo: sqlite3.Connection) -> None:
        sql = "SELECT email_state, 1.0 * count(*) / 2469 FROM customers GROUP BY 1"
        shares = dict(demo.execute(sql).fetchall())
        assert shares == pytest.approx(
            {"SUBSCRIBED": 0.62, "NOT_SUBSCRIBED": 0.25, "UNSUBSCRIBED": 0.08, "PENDING": 0.03, "INVALID": 0.02},
            abs=0.03,
        )


class TestTinyShop:
    def test_is_the_same_every_time(self, tmp_path: Path) -> None:
        dumps = []
        for name in ("a", "b"):
            path = build_shop(tmp_path / f"{name}.sqlite", "tiny", "x.myshopify.com", ANCHOR)
            database = sqlite3.connect(path)
            dumps.append(list(database.iterdump()))
            database.close()
        assert dumps[0] == dumps[1]

    def test_has_every_consent_state(self, tiny: sqlite3.Connection) -> None:
        assert number(tiny, "SELECT count(DISTINCT email_state) FROM customers") == 5

    def test_has_customers_without_name_address_or_order(self, tiny: sqlite3.Connection) -> None:
        for condition in (
            "first_name IS NULL",
            "email IS NULL",
            "orders_count = 0",
            "city IS NULL",
            "first_name = 'Zoë'",
        ):
            assert number(tiny, f"SELECT count(*) FROM customers WHERE {condition}") > 0, condition

    def test_invented_orders_say_so(self, tiny: sqlite3.Connection) -> None:
        odd = "test = 1 OR cancelled_at IS NOT NULL OR refunds != '[]' OR customer_id IS NULL"
        assert number(tiny, f"SELECT count(*) FROM orders WHERE ({odd}) AND tags = '[]'") == 0
        assert number(tiny, f"SELECT count(*) FROM orders WHERE {odd}") > 0

    def test_a_part_refund_leaves_the_rest(self, tiny: sqlite3.Connection) -> None:
        sql = "SELECT total, current_total, refunded, refunds FROM orders WHERE financial_status = 'PARTIALLY_REFUNDED'"
        found = tiny.execute(sql).fetchall()
        assert found
        for total, left, refunded, refunds in found:
            assert left == total - refunded
            assert sum(line["cents"] for refund in json.loads(refunds) for line in refund["lines"]) == refunded

    def test_is_built_once(self, tmp_path: Path) -> None:
        path = build_shop(tmp_path / "shop.sqlite", "tiny", "x.myshopify.com", ANCHOR)
        before = path.stat().st_mtime_ns
        build_shop(path, "tiny", "x.myshopify.com", datetime.now(UTC))
        assert path.stat().st_mtime_ns == before

    def test_an_unknown_kind_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no shop of kind 'huge'"):
            build_shop(tmp_path / "shop.sqlite", "huge", "x.myshopify.com", ANCHOR)


class TestPeople:
    def test_addresses_and_numbers_are_those_reserved_for_examples(self) -> None:
        people = invent_people(list(range(500)), 1)
        assert people["email"].str.fullmatch(r"[^@ ]+@example\.(com|net|org)").all()
        assert people["email"].is_unique
        assert people["phone"].dropna().str.fullmatch(r"\+1\d{3}55501\d\d").all()
        assert people["phone"].dropna().is_unique

    @pytest.mark.skipif(not (SHARED / "data/zip_income_us").exists(), reason="needs the shared ZIP table")
    def test_their_zips_exist(self) -> None:
        known = set(pd.read_parquet(SHARED / "data/zip_income_us/zip_income_us.parquet")["zcta"])
        assert [place[3] for place in PLACES if place[3] not in known] == []


class TestTitles:
    @pytest.mark.parametrize(
        ("code", "title"),
        [
            ("FRZN SS PREMIUM ENTREES/DNRS/N", "Frozen Single-Serve Premium Entrees Dinners"),
            ("BREAD:ITALIAN/FRENCH", "Bread Italian French"),
            ("CANDY BARS (SINGLES)(INCLUDING", "Candy Bars"),
            ("SPICES & SEASONINGS", "Spices and Seasonings"),
        ],
    )
    def test_a_grocers_code_becomes_words(self, code: str, title: str) -> None:
        assert nice_type(code) == title

    def test_sizes_read_like_a_label(self) -> None:
        assert [nice_size(size) for size in ("12 OZ", "2 LTR", "1/2 GA")] == ["12 oz", "2 l", "1/2 ga"]

    def test_every_maker_has_a_name_of_its_own(self) -> None:
        names = maker_names(list(range(6_500)))
        assert len(set(names.values())) == 6_500

    def test_equal_titles_are_told_apart(self) -> None:
        rows = [("Ash Farms", "National", "Tea"), ("Ash Farms", "National", "Tea"), ("Ash Farms", "Private", "Tea")]
        assert unique_titles(rows) == ["Ash Farms Tea", "Ash Farms Tea No. 2", "Store Brand Tea"]
