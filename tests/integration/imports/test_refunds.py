"""Refunds without a returned line lower net sales to the last minor unit, and end a purchase when nothing is left."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.lake.lake import bare_connection
from app.services import staging
from app.services.import_shop import LINE_ROWS, ORDER_ROWS
from tests.integration.imports.conftest import START, customer, line, order, product, put

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World


def net(world: World, lines: list[dict[str, Any]], **refund: Any) -> list[tuple[int, bool]]:
    """What is left of each line of one order, and whether it counts as a purchase."""
    world.bring(
        full=True, customers=[customer(7)], products=[product(1)], lines=lines,
        orders=[order(1, shopify_customer_id=7, **refund)],
    )  # fmt: skip
    return world.lake("SELECT net_minor, counts FROM order_lines ORDER BY line_id")


class TestAnAmountRefunded:
    def test_is_taken_from_the_kept_lines_in_proportion_to_their_value(self, world: World) -> None:
        lines = [line(1, 1, unit_price_minor=600), line(1, 2, unit_price_minor=300), line(1, 3, unit_price_minor=100)]
        assert net(world, lines, refunded_minor=500, refund_excess_minor=500) == [
            (300, True), (150, True), (50, True),
        ]  # fmt: skip

    def test_leaves_nothing_to_rounding(self, world: World) -> None:
        lines = [line(1, n, unit_price_minor=333) for n in (1, 2, 3)]
        left = net(world, lines, refunded_minor=100, refund_excess_minor=100)
        assert sum(amount for amount, _ in left) == 999 - 100

    def test_of_the_whole_order_leaves_no_purchase(self, world: World) -> None:
        # With shipping in the refund: no line gives more than it is worth.
        lines = [line(1, 1, unit_price_minor=600), line(1, 2, unit_price_minor=400)]
        assert net(world, lines, total_minor=1500, refunded_minor=1500, refund_excess_minor=1500) == [
            (0, False), (0, False),
        ]  # fmt: skip

    def test_spares_lines_that_were_returned(self, world: World) -> None:
        lines = [line(1, 1, unit_price_minor=600, current_quantity=0), line(1, 2, unit_price_minor=400)]
        assert net(world, lines, refunded_minor=700, refund_excess_minor=100) == [(0, False), (300, True)]

    def test_that_only_paid_for_returned_lines_takes_nothing_more(self, world: World) -> None:
        lines = [line(1, 1, unit_price_minor=600, current_quantity=0), line(1, 2, unit_price_minor=400)]
        assert net(world, lines, refunded_minor=650, refund_excess_minor=0) == [(0, False), (400, True)]

    def test_of_which_the_source_says_no_more_is_what_exceeds_the_returned_lines(self, world: World) -> None:
        lines = [line(1, 1, unit_price_minor=600, current_quantity=0), line(1, 2, unit_price_minor=400)]
        assert net(world, lines, refunded_minor=700) == [(0, False), (300, True)]

    def test_leaves_lines_that_were_free_as_they_are(self, world: World) -> None:
        lines = [line(1, 1, unit_price_minor=600), line(1, 2, unit_price_minor=400, total_minor=0)]
        assert net(world, lines, refunded_minor=600, refund_excess_minor=600) == [(0, False), (0, True)]

    @settings(deadline=None, max_examples=40)  # an example makes a database, which a busy machine does slowly
    @given(
        prices=st.lists(st.integers(1, 10**9), min_size=1, max_size=6),
        taken=st.integers(1, 10**10),
    )
    def test_never_takes_more_than_a_line_is_worth_and_never_less_than_was_given(
        self, prices: list[int], taken: int
    ) -> None:
        staged = bare_connection(1)
        staging.create(staged)
        put(staged, "orders", [order(1, refunded_minor=taken, refund_excess_minor=taken, shopify_customer_id=7)])
        put(staged, "lines", [line(1, n, unit_price_minor=price) for n, price in enumerate(prices)])
        staged.execute("CREATE TABLE numbers AS SELECT 7::BIGINT AS shopify_id, 1 AS customer_no")
        staged.execute("CREATE TABLE guest_numbers (address VARCHAR, customer_no INTEGER)")
        staged.execute("CREATE TABLE product_numbers AS SELECT 1::BIGINT AS product_id, 1 AS product_no")
        staged.execute(f"CREATE TEMP TABLE order_rows AS {ORDER_ROWS}")
        left = staged.execute(f"SELECT net_minor FROM ({LINE_ROWS}) ORDER BY line_id").fetchall()
        staged.close()
        assert all(0 <= amount <= price for (amount,), price in zip(left, prices, strict=True))
        assert sum(amount for (amount,) in left) == max(0, sum(prices) - taken)


class TestTheDayOfARefund:
    def test_is_kept_beside_the_order(self, world: World) -> None:
        at = START + timedelta(days=40)
        net(world, [line(1)], refunded_minor=100, refund_excess_minor=100, refunded_at=at)
        assert world.lake("SELECT refunded_at FROM orders") == [(at,)]
