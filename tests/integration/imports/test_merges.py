"""Merged customers: one person, one number, one row, whatever arrives in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.services.merge import merge_customers
from app.services.reachable import reach
from app.store.models.customers import Customer
from tests.integration.imports.conftest import START, customer, line, order, product

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World

SHOP = {
    "customers": [customer(7), customer(8), customer(9)],
    "products": [product(1)],
    "orders": [order(n, shopify_customer_id=6 + n) for n in (1, 2, 3)],
    "lines": [line(n) for n in (1, 2, 3)],
}
DAY = timedelta(days=1)


@pytest.fixture
def filled(world: World) -> World:
    world.bring(full=True, **SHOP)
    return world


def merge(world: World, deleted: int, kept: int) -> None:
    merge_customers(world.rooms, world.ctx, kept=kept, deleted=deleted)


def buyers(world: World) -> list[int]:
    orders = world.lake("SELECT customer_no FROM orders ORDER BY order_id")
    assert world.lake("SELECT customer_no FROM order_lines ORDER BY order_id") == orders
    return [number for (number,) in orders]


def customers(world: World) -> list[tuple[int, str]]:
    return world.lake("SELECT customer_no, customer_id FROM customers ORDER BY 1, 2")


class TestAChainOfMerges:
    @pytest.mark.parametrize("full", [False, True])
    def test_gives_everything_to_the_last_survivor(self, filled: World, full: bool) -> None:
        merge(filled, 7, 8)
        merge(filled, 8, 9)
        filled.bring(full=full, **(SHOP if full else {}))
        assert buyers(filled) == [3, 3, 3]
        assert customers(filled) == [(3, "9")]

    def test_that_arrives_in_the_other_order_ends_the_same(self, filled: World) -> None:
        merge(filled, 8, 9)
        merge(filled, 7, 8)
        filled.bring(full=False)
        assert buyers(filled) == [3, 3, 3]
        assert [filled.customer(n).merged_into for n in (1, 2)] == [3, 3]

    def test_that_an_earlier_version_left_unflattened_is_followed_to_its_end(self, filled: World) -> None:
        with filled.rooms.store.session(filled.ctx) as session:
            for loser, survivor in ((1, 2), (2, 3)):
                session.get_one(Customer, (filled.ctx.shop_id, loser)).merged_into = survivor
        filled.bring(full=False)
        assert buyers(filled) == [3, 3, 3]

    def test_that_bites_its_own_tail_is_refused(self, filled: World) -> None:
        merge(filled, 7, 8)
        merge(filled, 8, 7)
        assert [filled.customer(n).merged_into for n in (1, 2)] == [2, None]


class TestAMergeDuringAnImport:
    @pytest.mark.parametrize("full", [False, True])
    def test_leaves_one_row_the_survivors(self, filled: World, full: bool) -> None:
        def now(border: str) -> None:
            if border == "customers":
                merge(filled, 7, 8)

        late = {"customers": [customer(7, city="Salem", updated_at=START + DAY)]}
        filled.bring(full=full, border=now, **(SHOP if full else late))
        assert customers(filled) == [(2, "8"), (3, "9")]
        assert filled.lake("SELECT city FROM customers WHERE customer_no = 2") == [("Boston",)]


class TestAMergeWithACustomerWhoIsNotImportedYet:
    def test_is_done_at_once(self, filled: World) -> None:
        merge(filled, 7, 77)
        assert filled.customer(1).merged_into == 4
        with filled.rooms.store.reading(filled.ctx) as session:
            assert 1 not in reach(session, filled.ctx).universe

    def test_takes_the_kept_ones_record_from_the_next_import(self, filled: World) -> None:
        merge(filled, 7, 77)
        filled.bring(full=False, customers=[customer(77)])
        assert filled.contact(4)["email"] == "c77@example.com"
        assert filled.customer(4).email_consent == "SUBSCRIBED"
        assert buyers(filled) == [4, 2, 3]

    def test_holds_for_a_deleted_one_that_an_older_export_brings(self, filled: World) -> None:
        merge(filled, 66, 8)
        filled.bring(full=False, customers=[customer(66)])
        assert filled.customer(4).merged_into == 2
        assert customers(filled) == [(1, "7"), (2, "8"), (3, "9")]


class TestAGuestWhoseAddressWasAMergedCustomers:
    def test_is_merged_into_the_one_who_remained(self, filled: World) -> None:
        merge(filled, 7, 8)
        guest = {"orders": [order(4, email="c7@example.com")], "lines": [line(4)]}
        filled.bring(full=False, **guest)
        assert buyers(filled)[-1] == 2


class TestAGuest:
    def test_keeps_all_orders_and_the_place_when_a_further_order_comes(self, filled: World) -> None:
        guest = {"email": "g@example.com", "city": "Boston"}
        filled.bring(full=False, orders=[order(4, **guest)], lines=[line(4)])
        later = {"email": "g@example.com", "city": None, "processed_at": START + DAY, "total_minor": 500}
        filled.bring(full=False, orders=[order(5, **later)], lines=[line(5)])
        query = "SELECT orders_count, amount_spent_minor, city FROM customers WHERE customer_id IS NULL"
        assert filled.lake(query) == [(2, 1500, "Boston")]

    def test_whose_order_changed_has_it_once(self, filled: World) -> None:
        filled.bring(full=False, orders=[order(4, email="g@example.com")], lines=[line(4)])
        changed = order(4, email="g@example.com", refunded_minor=300)
        filled.bring(full=False, orders=[changed], lines=[line(4)])
        query = "SELECT orders_count, amount_spent_minor FROM customers WHERE customer_id IS NULL"
        assert filled.lake(query) == [(1, 700)]
