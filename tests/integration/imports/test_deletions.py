"""What the shop deleted leaves: products and orders when it says so, customers when a whole import misses them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.services import deletions
from app.services.reachable import reach
from app.store.models.shops import Deletion, Job
from tests.integration.imports.conftest import START, customer, line, order, product

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World

SHOP = {
    "customers": [customer(7), customer(8)],
    "products": [product(1), product(2)],
    "orders": [order(1, shopify_customer_id=7), order(2, shopify_customer_id=8)],
    "lines": [line(1, product_id=1), line(2, product_id=2)],
}


@pytest.fixture
def filled(world: World) -> World:
    world.bring(full=True, **SHOP)
    return world


def waiting(world: World) -> list[int]:
    with world.rooms.store.reading(world.ctx) as session:
        return list(session.scalars(select(Deletion.record_id).order_by(Deletion.record_id)))


def reachable_numbers(world: World) -> list[int]:
    with world.rooms.store.reading(world.ctx) as session:
        return list(reach(session, world.ctx).reachable)


class TestADeletion:
    def test_asks_for_an_import_and_is_noted_once(self, filled: World) -> None:
        for _ in range(2):
            deletions.note(filled.rooms, filled.ctx, "product", 1)
        with filled.rooms.store.reading(filled.ctx) as session:
            assert [job.job for job in session.scalars(select(Job))] == ["import_changes"]
        assert waiting(filled) == [1]

    def test_makes_the_import_one_with_changes(self, filled: World) -> None:
        deletions.note(filled.rooms, filled.ctx, "order", 1)
        assert filled.bring(full=False)["changed"] == 1
        assert filled.bring(full=False)["changed"] == 0

    def test_is_kept_until_a_history_without_it_is_published(self, filled: World) -> None:
        deletions.note(filled.rooms, filled.ctx, "order", 1)

        def dies(border: str) -> None:
            if border == "publish":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled.bring(full=False, border=dies)
        assert waiting(filled) == [1]
        filled.bring(full=False)
        assert waiting(filled) == []
        assert filled.lake("SELECT order_id FROM orders") == [(2,)]


class TestADeletedProduct:
    @pytest.mark.parametrize("full", [False, True])
    def test_stays_as_deleted_although_an_older_export_still_had_it(self, filled: World, full: bool) -> None:
        deletions.note(filled.rooms, filled.ctx, "product", 1)
        filled.bring(full=full, **(SHOP if full else {"products": [product(1, title="Late")]}))
        assert filled.lake("SELECT product_id, status FROM products ORDER BY 1") == [(1, "DELETED"), (2, "ACTIVE")]
        assert filled.lake("SELECT count(*) FROM order_lines WHERE product_no IS NULL") == [(0,)]


class TestADeletedOrder:
    @pytest.mark.parametrize("full", [False, True])
    def test_leaves_with_its_lines_although_an_older_export_still_had_it(self, filled: World, full: bool) -> None:
        deletions.note(filled.rooms, filled.ctx, "order", 1)
        late = {"orders": [order(1, shopify_customer_id=7)], "lines": [line(1)]}
        filled.bring(full=full, **(SHOP if full else late))
        assert filled.lake("SELECT order_id FROM orders") == [(2,)]
        assert filled.lake("SELECT order_id FROM order_lines") == [(2,)]


class TestACustomerWhoIsGone:
    def test_from_a_whole_import_is_not_reachable(self, filled: World) -> None:
        assert reachable_numbers(filled) == [1, 2]
        filled.bring(full=True, **{**SHOP, "customers": [customer(7)]})
        assert reachable_numbers(filled) == [1]

    def test_from_an_import_of_changes_is_only_unchanged(self, filled: World) -> None:
        filled.bring(full=False, customers=[customer(7)])
        assert reachable_numbers(filled) == [1, 2]

    def test_and_comes_back_is_reachable_again(self, filled: World) -> None:
        filled.bring(full=True, **{**SHOP, "customers": [customer(7)]})
        filled.bring(full=False, customers=[customer(8, updated_at=START + timedelta(days=1))])
        assert reachable_numbers(filled) == [1, 2]
