"""The lake knows where customers live only roughly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.imports.conftest import customer, order, product

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World


class TestCoordinates:
    def test_are_rounded_to_about_a_kilometre_and_may_be_missing(self, world: World) -> None:
        placed = customer(7, latitude=40.712776, longitude=-74.005974)
        guest = order(2, email="guest@example.com")
        world.bring(full=True, customers=[placed, customer(8)], products=[product(1)],
                    orders=[order(1, shopify_customer_id=7), guest])  # fmt: skip
        rows = world.lake("SELECT customer_id, latitude, longitude FROM customers ORDER BY customer_no")
        assert rows == [("7", 40.71, -74.01), ("8", None, None), (None, None, None)]
