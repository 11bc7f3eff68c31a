"""The customer export: who can be mailed, and ids as Shopify protects them from spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.services.shops import context_by_name
from app.store.models.customers import Customer
from tests.integration.csv.conftest import ANNS, orders

if TYPE_CHECKING:
    from tests.integration.csv.conftest import CsvShop

HEADER = "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Total Spent\n"


def validity(shop: CsvShop) -> dict[int | None, bool]:
    ctx = context_by_name(shop.rooms, "tea")
    with shop.rooms.store.reading(ctx) as session:
        return {c.shopify_id: c.email_valid for c in session.scalars(select(Customer)) if c.shopify_id is not None}


class TestAnAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "typo@example.com.",
            "a@x..com",
            "<a@x.com",
            "a@x",
            "a b@x.com",
            "@x.com",
            "a@-x.com",
            ".a@x.com",
            "jörg@x.com",
        ],
    )
    def test_that_is_none_by_its_form_stays_a_contact_and_is_never_mailed(self, shop: CsvShop, address: str) -> None:
        customers = f"{HEADER}'1001,Ann,Example,{address},yes,0.00\n"
        assert shop.imports(orders(ANNS), customers)["customers"] == 2
        assert validity(shop) == {1001: False}

    @pytest.mark.parametrize("address", ["ann@example.com", "Ann.O'Neil+tea@mail.example.co.uk", "ann@müller.example"])
    def test_that_is_one_can_be_mailed(self, shop: CsvShop, address: str) -> None:
        shop.imports(orders(ANNS), f"{HEADER}'1001,Ann,Example,{address},yes,0.00\n")
        assert validity(shop) == {1001: True}

    def test_may_be_missing(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(orders(ANNS), f"{HEADER}'1001,Ann,Example,,no,0.00\n'1002,Bo,Example,bo@x.com,yes,1.00\n")
        assert validity(shop_on_both) == {1001: False, 1002: True}


class TestACustomerRow:
    def test_without_a_whole_number_is_refused(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS), f"{HEADER}'1,A,B,a@x.com,no,0\n7.1E+12,C,D,c@x.com,no,0\n")
        assert message.startswith("customers_export.csv, row 3, column 'Customer ID': '7.1E+12' is no whole number.")

    def test_with_an_amount_in_another_spelling_is_refused(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS), f'{HEADER}\'1,A,B,a@x.com,no,"10,50"\n')
        assert "row 2, column 'Total Spent': '10,50' is no amount" in message
