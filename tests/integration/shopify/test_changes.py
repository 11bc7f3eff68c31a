"""Imports of changes: what happens in the shop after the first import, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import select

from app.errors import Invalid
from app.services.published import latest_history
from app.store.models.customers import ConsentEvent, Customer

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from tests.fakes import FakeClock
    from tests.standins import Connected


def lake_rows(encore: Connected, ctx: ShopContext, query: str) -> list[tuple[Any, ...]]:
    with encore.rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
    assert history is not None
    lake = encore.rooms.lake.connect(ctx, history.tables)
    found = lake.sql(query).fetchall()
    lake.close()
    return found


@pytest.fixture
def imported(encore: Connected, shop_clock: FakeClock) -> ShopContext:
    ctx = encore.install()
    encore.importer().everything(ctx)
    shop_clock.advance(timedelta(seconds=5))
    return ctx


class TestChanges:
    def test_are_refused_before_a_whole_import(self, encore: Connected) -> None:
        with pytest.raises(Invalid):
            encore.importer().changes(encore.install())

    def test_a_new_order_arrives_with_its_lines_and_nothing_else_moves(
        self, encore: Connected, imported: ShopContext, shop_url: str
    ) -> None:
        query = "SELECT order_id, count(*), sum(net_minor) FROM order_lines GROUP BY 1 ORDER BY 1"
        before = lake_rows(encore, imported, query)
        httpx.post(f"{shop_url}/sandbox/orders", json={}).raise_for_status()
        encore.importer().changes(imported)
        after = lake_rows(encore, imported, query)
        assert [row for row in after if row in before] == before
        assert len(after) == len(before) + 1

    def test_a_consent_change_is_taken_with_its_history(
        self, encore: Connected, imported: ShopContext, shop_url: str
    ) -> None:
        with encore.rooms.store.reading(imported) as session:
            someone = session.scalars(select(Customer).where(Customer.email_consent == "SUBSCRIBED")).first()
        assert someone is not None
        httpx.post(
            f"{shop_url}/sandbox/customers/{someone.shopify_id}/consent", json={"state": "UNSUBSCRIBED"}
        ).raise_for_status()
        encore.importer().changes(imported)
        with encore.rooms.store.reading(imported) as session:
            after = session.get_one(Customer, (imported.shop_id, someone.customer_no))
            events = session.scalars(
                select(ConsentEvent.state)
                .where(ConsentEvent.customer_no == someone.customer_no)
                .order_by(ConsentEvent.id)
            ).all()
        assert after.email_consent == "UNSUBSCRIBED"
        assert events == ["SUBSCRIBED", "UNSUBSCRIBED"]

    def test_an_older_decision_never_overwrites_our_own_newer_one(
        self, encore: Connected, imported: ShopContext, shop_clock: FakeClock
    ) -> None:
        with encore.rooms.store.session(imported) as session:
            someone = session.scalars(select(Customer).where(Customer.email_consent == "SUBSCRIBED")).first()
            assert someone is not None
            someone.email_consent, someone.email_consent_at = "UNSUBSCRIBED", shop_clock.now()
        encore.importer().everything(imported)
        with encore.rooms.store.reading(imported) as session:
            after = session.get_one(Customer, (imported.shop_id, someone.customer_no))
        assert after.email_consent == "UNSUBSCRIBED"


class TestMergedGuests:
    def test_the_rows_of_a_guest_go_to_the_customer_that_the_guest_became(
        self, encore: Connected, imported: ShopContext
    ) -> None:
        with encore.rooms.store.reading(imported) as session:
            guest = session.scalars(select(Customer).where(Customer.shopify_id.is_(None))).first()
            registered = select(Customer).where(Customer.shopify_id.is_not(None)).order_by(Customer.updated_at)
            survivor = session.scalars(registered).first()
        assert guest is not None
        assert survivor is not None
        count = f"SELECT count(*) FROM order_lines WHERE customer_no = {guest.customer_no}"
        moved = lake_rows(encore, imported, count)[0][0]
        assert moved > 0
        with encore.rooms.store.session(imported) as session:
            session.get_one(Customer, (imported.shop_id, survivor.customer_no)).email_hash = guest.email_hash
        encore.importer().changes(imported)
        assert lake_rows(encore, imported, count)[0][0] == 0
        assert lake_rows(encore, imported, f"SELECT * FROM customers WHERE customer_no = {guest.customer_no}") == []
        total = f"SELECT count(*) FROM order_lines WHERE customer_no = {survivor.customer_no}"
        assert lake_rows(encore, imported, total)[0][0] >= moved


class TestARefundOfAnAmount:
    @pytest.fixture
    def bought(self, encore: Connected, imported: ShopContext) -> tuple[int, int]:
        """An order of which nothing was returned, and what it was worth."""
        query = """SELECT order_id, sum(net_minor)::BIGINT FROM order_lines JOIN orders o USING (order_id)
            WHERE o.counts AND o.refunded_minor = 0 GROUP BY 1
            HAVING bool_and(order_lines.counts) AND count(*) > 1 ORDER BY 1 LIMIT 1"""
        order_id, worth = lake_rows(encore, imported, query)[0]
        return order_id, worth

    def refund(self, shop_url: str, order_id: int, cents: int) -> None:
        httpx.post(f"{shop_url}/sandbox/orders/{order_id}/refund", json={"cents": cents}).raise_for_status()

    def test_lowers_net_sales_by_exactly_that_amount_on_its_day(
        self, encore: Connected, imported: ShopContext, shop_url: str, bought: tuple[int, int], shop_clock: FakeClock
    ) -> None:
        order_id, worth = bought
        self.refund(shop_url, order_id, worth // 3)
        encore.importer().changes(imported)
        query = f"SELECT sum(net_minor), bool_and(counts) FROM order_lines WHERE order_id = {order_id}"
        assert lake_rows(encore, imported, query) == [(worth - worth // 3, True)]
        query = f"SELECT refunded_at > processed_at, refunded_at FROM orders WHERE order_id = {order_id}"
        later, at = lake_rows(encore, imported, query)[0]
        assert later
        assert abs(at - shop_clock.now()) < timedelta(hours=1)

    def test_above_what_was_paid_is_refused_by_the_shop(self, shop_url: str, bought: tuple[int, int]) -> None:
        order_id, _ = bought
        for cents in (0, 10**9):
            answer = httpx.post(f"{shop_url}/sandbox/orders/{order_id}/refund", json={"cents": cents})
            assert answer.is_client_error
            assert "left of the payment" in answer.text

    def test_of_everything_leaves_no_purchase(
        self, encore: Connected, imported: ShopContext, shop_url: str, bought: tuple[int, int]
    ) -> None:
        order_id, worth = bought
        self.refund(shop_url, order_id, worth)
        encore.importer().changes(imported)
        query = f"SELECT sum(net_minor), bool_or(counts) FROM order_lines WHERE order_id = {order_id}"
        assert lake_rows(encore, imported, query) == [(0, False)]
