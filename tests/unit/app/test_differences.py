"""Differences between the shop's counts and Encore's are itemised by cause, and the causes add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.shopify.differences import Counts, differences

SMALL = st.integers(0, 50)


def causes(name: str, counts: Counts) -> list[tuple[int, str]]:
    return [(c["count"], c["cause"].split(" ", maxsplit=1)[0]) for c in differences({name: counts})[0]["causes"]]


class TestDifferences:
    def test_of_equal_counts_have_no_cause(self) -> None:
        line = differences({"orders": Counts(here=5, shop=5, served=5)})[0]
        assert (line["difference"], line["causes"], line["reason"]) == (0, [], None)

    def test_name_products_that_are_kept_as_deleted(self) -> None:
        line = differences({"products": Counts(here=12, shop=10, served=10, kept_deleted=2)})[0]
        assert line["reason"] == "2 deleted at the shop and kept here, because orders speak of them."

    def test_name_customers_who_were_left_out_and_those_whom_the_export_lacked(self) -> None:
        assert causes("customers", Counts(here=90, shop=100, served=93)) == [(-3, "in"), (-7, "counted")]

    def test_of_causes_that_cancel_out_are_still_itemised(self) -> None:
        line = differences({"products": Counts(here=10, shop=10, served=9, kept_deleted=1)})[0]
        assert [c["count"] for c in line["causes"]] == [1, -1]

    def test_after_an_import_of_changes_leave_the_rest_to_the_next_whole_one(self) -> None:
        line = differences({"orders": Counts(here=7, shop=5, served=None)})[0]
        assert line["reason"] is not None
        assert "2 kept from before" in line["reason"]
        assert "whole import settles it" in line["reason"]

    @given(name=st.sampled_from(["customers", "orders", "products"]), here=SMALL, shop=SMALL,
           served=st.none() | SMALL, kept=SMALL)  # fmt: skip
    def test_add_up(self, name: str, here: int, shop: int, served: int | None, kept: int) -> None:
        line = differences({name: Counts(here, shop, served, kept)})[0]
        assert sum(cause["count"] for cause in line["causes"]) == line["difference"] == here - shop
