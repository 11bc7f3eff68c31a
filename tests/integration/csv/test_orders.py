"""Blocks of rows become orders; what the order says as a whole reaches its lines; repeated rows count once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.csv.conftest import ANNS, BOBS, ORDER_HEADER, order, orders

if TYPE_CHECKING:
    from tests.integration.csv.conftest import CsvShop

TEA, CUP, JAR = "2,Tea,10.00,TEA", "1,Cup,5.00,CUP", "1,Jar,5.00,JAR"


class TestAnOrdersDiscount:
    def test_is_spread_over_its_lines_in_proportion(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, CUP, subtotal="22.50", total="22.50", discount_amount="2.50")))
        assert shop.lines("l.title, l.total_minor, l.discount_minor, l.net_minor") == [
            ("Cup", 450, 50, 450),
            ("Tea", 1800, 200, 1800),
        ]

    @pytest.mark.parametrize("subtotal", ["29.99", "20.00", "19.98", "0.01", "0.00", "30.00"])
    def test_leaves_lines_that_add_up_to_the_subtotal(self, shop: CsvShop, subtotal: str) -> None:
        lines = ("3,Tea,3.33,TEA", "1,Cup,0.01,CUP", "7,Jar,2.85,JAR", "1,Bag,0.05,BAG")
        shop.imports(orders(order("#1", *lines, subtotal=subtotal, total=subtotal)))
        net = [amount for (amount,) in shop.lines("l.net_minor")]
        assert sum(net) == round(float(subtotal) * 100)
        assert min(net) >= 0

    def test_comes_after_the_lines_own(self, shop: CsvShop) -> None:
        discounted = order("#1", TEA, subtotal="16.00", total="16.00", lineitem_discount="2.00")
        shop.imports(orders(discounted))
        assert shop.lines("l.total_minor, l.discount_minor") == [(1600, 400)]

    def test_without_a_subtotal_is_none(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, CUP, total="30.00")))
        assert shop.lines("l.total_minor") == [(500,), (2000,)]

    def test_is_never_negative(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, CUP, subtotal="99.00", total="99.00")))
        assert shop.lines("l.total_minor") == [(500,), (2000,)]

    def test_is_what_the_subtotal_says_also_if_lines_say_more(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, subtotal="19.00", total="19.00", lineitem_discount="4.00")))
        assert shop.lines("l.total_minor, l.discount_minor") == [(1900, 100)]

    def test_of_yen_has_no_hundredths(self, shop: CsvShop) -> None:
        block = order("#1", "1,Tea,1000,TEA", "1,Cup,500,CUP", subtotal="1400", total="1400", currency="JPY")
        shop.imports(orders(block), currency="JPY")
        assert shop.lines("l.title, l.total_minor") == [("Cup", 467), ("Tea", 933)]


class TestARefund:
    def test_of_a_part_is_spread_over_the_lines(self, shop: CsvShop) -> None:
        refunded = order("#1", TEA, CUP, subtotal="25.00", total="25.00", refunded_amount="12.00")
        shop.imports(orders(refunded))
        assert shop.lines("l.title, l.total_minor, l.discount_minor, l.net_minor, l.counts") == [
            ("Cup", 500, 0, 260, True),
            ("Tea", 2000, 0, 1040, True),
        ]

    def test_comes_after_the_discount(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, CUP, subtotal="22.50", total="22.50", refunded_amount="4.50")))
        assert shop.lines("l.title, l.total_minor, l.net_minor") == [("Cup", 450, 360), ("Tea", 1800, 1440)]

    @pytest.mark.parametrize("refund", ["0.01", "7.77", "19.99", "33.33"])
    def test_leaves_lines_that_add_up(self, shop: CsvShop, refund: str) -> None:
        lines = ("3,Tea,3.33,TEA", "1,Cup,0.01,CUP", "7,Jar,2.85,JAR", "1,Bag,3.45,BAG")
        shop.imports(orders(order("#1", *lines, subtotal="33.37", total="33.37", refunded_amount=refund)))
        net = [amount for (amount,) in shop.lines("l.net_minor")]
        assert sum(net) == 3337 - round(float(refund) * 100)
        assert min(net) >= 0

    def test_takes_the_tax_along_that_was_put_on_top(self, shop: CsvShop) -> None:
        amounts = {"subtotal": "20.00", "shipping": "5.00", "taxes": "4.00", "total": "29.00"}
        shop.imports(orders(order("#1", TEA, **amounts, refunded_amount="12.00")))
        assert shop.lines("l.net_minor") == [(1000,)]

    @pytest.mark.parametrize("refund", ["29.00", "24.00"])
    def test_of_everything_with_or_without_shipping_leaves_no_purchase(self, shop: CsvShop, refund: str) -> None:
        amounts = {"subtotal": "20.00", "shipping": "5.00", "taxes": "4.00", "total": "29.00"}
        shop.imports(orders(order("#1", TEA, **amounts, refunded_amount=refund)))
        assert shop.lines("l.net_minor, l.counts") == [(0, False)]

    def test_of_a_free_order_is_none(self, shop: CsvShop) -> None:
        shop.imports(orders(order("#1", TEA, subtotal="0.00", total="0.00", refunded_amount="0.00")))
        assert shop.lines("l.net_minor, l.current_quantity") == [(0, 2)]


class TestRowsOfAnOrderThatStandThereTwice:
    def test_are_left_out_and_counted(self, shop: CsvShop) -> None:
        counts = shop.imports(orders(ANNS, BOBS, ANNS, BOBS))
        assert counts["repeated_rows_left_out"] == 3
        assert shop.lines() == [("#1", "Cup", 1, 500), ("#1", "Tea", 2, 2000), ("#2", "Tea", 1, 1000)]

    def test_are_found_when_one_follows_the_other(self, shop: CsvShop) -> None:
        assert shop.imports(orders(BOBS, BOBS))["repeated_rows_left_out"] == 1

    def test_are_found_in_files_put_one_after_the_other(self, shop: CsvShop) -> None:
        assert shop.imports(orders(ANNS, BOBS) + orders(BOBS))["repeated_rows_left_out"] == 1
        assert len(shop.lines()) == 3

    def test_are_not_mentioned_if_there_are_none(self, shop: CsvShop) -> None:
        assert "repeated_rows_left_out" not in shop.imports(orders(ANNS, BOBS))

    def test_are_found_in_an_export_without_order_fields(self, shop: CsvShop) -> None:
        bare = "Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem price\n"
        rows = "#1,,2026-03-01,1,Tea,10.00\n#1,,2026-03-01,1,Tea,10.00\n#2,,2026-03-02,1,Tea,10.00\n"
        assert shop.imports(bare + rows + rows)["repeated_rows_left_out"] == 3
        assert [name for name, *_ in shop.lines()] == ["#1", "#1", "#2"]

    def test_with_other_values_are_refused_by_row(self, shop: CsvShop) -> None:
        later = BOBS.replace("paid", "refunded")
        message = shop.refuses(orders(ANNS, BOBS, later))
        assert "row 5: order '#2' begins again, with other values than in row 4." in message

    def test_with_a_line_more_are_refused_by_row(self, shop: CsvShop) -> None:
        longer = order(
            "#2", "1,Tea,10.00,TEA", CUP, subtotal="10.00", total="10.00", id="7410991464715", email="b@c.de"
        )
        assert "row 3: order '#2' begins again" in shop.refuses(orders(order("#2", TEA, subtotal="10"), longer))

    def test_two_orders_of_one_name_are_told_apart_by_id(self, shop: CsvShop) -> None:
        other = ANNS.replace("7410991464714", "7410991464799")
        assert shop.imports(orders(ANNS, other))["orders"] == 2

    def test_an_id_that_a_spreadsheet_rounded_is_refused(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS.replace("7410991464714", "7.41099E+12")))
        assert "row 2, column 'Id': '7.41099E+12'" in message


class TestFollowUpRows:
    def test_without_time_or_address_take_them_from_the_first(self, shop: CsvShop) -> None:
        head, first, follow = orders(ANNS).splitlines()
        bare = follow.replace("2026-03-01 10:00:00 +0000", "").replace("ann@example.com", "")
        shop.imports(f"{head}\n{first}\n{bare}\n")
        assert shop.lines() == [("#1", "Cup", 1, 500), ("#1", "Tea", 2, 2000)]

    @pytest.mark.parametrize("blank", ["", "," * ORDER_HEADER.count(","), "  "])
    def test_a_blank_row_says_nothing(self, shop: CsvShop, blank: str) -> None:
        head, first, follow, bobs = orders(ANNS, BOBS).splitlines()
        counts = shop.imports(f"{head}\n{first}\n{blank}\n{follow}\n{blank}\n{bobs}\n{blank}\n")
        assert (counts["orders"], counts["order_lines"]) == (2, 3)

    def test_rows_are_counted_as_in_a_spreadsheet(self, shop: CsvShop) -> None:
        head, first, follow, bobs = orders(ANNS, BOBS).splitlines()
        over_two_lines, blank = first.replace("Tea", '"Tea\nfor two"'), "," * ORDER_HEADER.count(",")
        wrong = bobs.replace("1,Tea,10.00", "1,Tea,ten")
        message = shop.refuses(f"{head}\n{over_two_lines}\n\n{follow}\n{blank}\n{wrong}\n")
        assert "row 6, column 'Lineitem price'" in message


class TestCurrency:
    def test_of_an_order_must_be_the_one_given(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS, BOBS.replace("GBP", "EUR")))
        assert "row 4, column 'Currency': 'EUR' is not GBP" in message


class TestAmounts:
    @pytest.mark.parametrize(
        "amount", ["10,50", "1.234,56", "£10.00", "1 000.00", "1e3", "10.", "NaN", "99999999999999"]
    )
    def test_in_another_spelling_are_refused(self, shop: CsvShop, amount: str) -> None:
        block = order("#1", TEA, subtotal="S")
        assert f"row 2, column 'Subtotal': '{amount}' is no amount" in shop.refuses(
            orders(block.replace(",S,", f',"{amount}",'))
        )

    @pytest.mark.parametrize(("amount", "minor"), [("1,234.50", 123450), ("1234.5", 123450), ("0.01", 1), ("7", 700)])
    def test_in_shopifys_spelling_are_read(self, shop: CsvShop, amount: str, minor: int) -> None:
        shop.imports(orders(order("#1", "1,Tea,P,TEA").replace(",P,", f',"{amount}",')))
        assert shop.lines("l.total_minor") == [(minor,)]

    @pytest.mark.parametrize("column", ["Shipping", "Taxes", "Total", "Discount Amount", "Refunded Amount"])
    def test_of_every_column_are_checked(self, shop: CsvShop, column: str) -> None:
        block = order("#1", TEA, **{column.casefold().replace(" ", "_"): "ten"})
        assert f"row 2, column '{column}': 'ten' is no amount" in shop.refuses(orders(block))
