"""The stand-in's small rules: time, money, search, cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from graphql import parse

from sandbox.clock import SandboxClock
from sandbox.shopify.cost import Bucket, query_cost
from sandbox.shopify.schema import admin_schema, covers
from sandbox.shopify.search import SearchError, to_sql
from sandbox.shopify.shop import money
from sandbox.shopify.tokens import mint_id_token, read_id_token

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a secret that is long enough for HMAC"


class TestClock:
    def test_runs_ahead_by_what_it_was_advanced(self, tmp_path: Path) -> None:
        real = datetime(2026, 11, 23, tzinfo=UTC)
        clock = SandboxClock(tmp_path, lambda: real)
        clock.advance(2.5)
        assert clock.now() == real + timedelta(days=2.5)

    def test_two_programs_read_one_time(self, tmp_path: Path) -> None:
        SandboxClock(tmp_path).advance(3)
        assert SandboxClock(tmp_path).offset_seconds == 3 * 86_400

    def test_never_runs_back(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="only moves forward"):
            SandboxClock(tmp_path).advance(-1)


@pytest.mark.parametrize(("cents", "text"), [(0, "0.0"), (1250, "12.5"), (1234, "12.34"), (5, "0.05"), (100, "1.0")])
def test_money_is_written_as_shopify_does(cents: int, text: str) -> None:
    assert money(cents) == text


class TestSearch:
    @pytest.mark.parametrize(
        ("search", "values"),
        [
            ("updated_at:>='2026-01-02T03:04:05Z'", ["2026-01-02T03:04:05Z"]),
            ("updated_at:>2026-01-02T03:04:05+02:00", ["2026-01-02T01:04:05Z"]),
            ('created_at:<"2026-01-02" AND status:any', ["2026-01-02T00:00:00Z"]),
            ("id:17 tag:VIP", [17, "VIP"]),
            ("-status:cancelled test:false", [0]),
            ("", []),
        ],
    )
    def test_known_terms_become_conditions(self, search: str, values: list[object]) -> None:
        assert to_sql("Order", search)[1] == values

    @pytest.mark.parametrize("search", ["colour:red", "hello", "updated_at:>=yesterday", "(status:any)"])
    def test_anything_else_is_an_error(self, search: str) -> None:
        with pytest.raises(SearchError):
            to_sql("Order", search)


class TestCost:
    @pytest.mark.parametrize(
        ("query", "points"),
        [
            ("{ shop { name } }", 1),
            ("{ shop { name plan { publicDisplayName } } }", 2),
            ("query($n: Int!) { products(first: $n) { nodes { id } } }", 2 + 20),
            ("{ products(first: 10) { edges { node { id variants(first: 5) { nodes { id } } } } } }", 2 + 10 * (1 + 7)),
            ('mutation { tagsAdd(id: "gid://shopify/Customer/1", tags: []) { userErrors { message } } }', 12),
        ],
    )
    def test_grows_with_what_is_asked(self, query: str, points: int) -> None:
        assert query_cost(admin_schema().graphql, parse(query), {"n": 20}) == points

    def test_a_bucket_gives_what_it_holds_and_fills_up_again(self) -> None:
        bucket = Bucket(maximum=100, restore=1e9)
        assert [bucket.take(60), bucket.take(60)] == [True, True]
        slow = Bucket(maximum=100, restore=1e-9)
        assert [slow.take(60), slow.take(60), slow.take(40)] == [True, False, True]


class TestScopes:
    @pytest.mark.parametrize(
        ("granted", "needed", "enough"),
        [
            ({"write_customers"}, {"read_customers"}, True),
            ({"read_customers"}, {"write_customers"}, False),
            ({"read_orders"}, {"read_orders", "read_quick_sale"}, True),
            (set(), set(), True),
        ],
    )
    def test_one_of_the_needed_is_enough(self, granted: set[str], needed: set[str], enough: bool) -> None:
        assert covers(frozenset(granted), frozenset(needed)) is enough


class TestIdTokens:
    def test_are_read_back(self) -> None:
        token = mint_id_token("a.myshopify.com", 5, api_key="key", api_secret=SECRET)
        claims = read_id_token(token, api_key="key", api_secret=SECRET)
        assert (claims["dest"], claims["sub"], claims["exp"] - claims["iat"]) == ("https://a.myshopify.com", "5", 60)

    @pytest.mark.parametrize("late", [-11, 71])
    def test_live_for_a_minute_with_ten_seconds_of_leeway(self, late: int) -> None:
        token = mint_id_token("a.myshopify.com", 5, api_key="key", api_secret=SECRET, now=1000)
        arguments: dict[str, Any] = {"api_key": "key", "api_secret": SECRET}
        assert read_id_token(token, **arguments, now=1000 + late + (1 if late < 0 else -2))
        with pytest.raises(ValueError, match="expired"):
            read_id_token(token, **arguments, now=1000 + late)
