"""Which orders are purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.imports.conftest import line, order, product

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World


class TestAPurchase:
    @pytest.mark.parametrize(
        ("status", "counts"),
        [
            ("PAID", True), ("PARTIALLY_PAID", True), ("AUTHORIZED", True), ("PARTIALLY_REFUNDED", True),
            ("REFUNDED", True), ("PENDING", False), ("VOIDED", False), ("EXPIRED", False),
        ],
    )  # fmt: skip
    def test_is_paid_or_its_payment_authorised(self, world: World, status: str, counts: bool) -> None:
        world.bring(full=True, products=[product(1)], orders=[order(1, financial_status=status)], lines=[line(1)])
        assert world.lake("SELECT o.counts, l.counts FROM orders o JOIN order_lines l USING (order_id)") == [
            (counts, counts)
        ]

    def test_of_a_pending_order_is_there_once_it_is_paid(self, world: World) -> None:
        world.bring(full=True, products=[product(1)], orders=[order(1, financial_status="PENDING")], lines=[line(1)])
        world.bring(full=False, orders=[order(1)], lines=[line(1)])
        assert world.lake("SELECT counts FROM orders") == [(True,)]
