"""Files as people save them: read right, or refused in one line that says what to do; then nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.csv.conftest import ANNS, BOBS, CUSTOMERS, order, orders

if TYPE_CHECKING:
    from tests.integration.csv.conftest import CsvShop

GOOD = orders(ANNS, BOBS)
LINES = [("#1", "Cup", 1, 500), ("#1", "Tea", 2, 2000), ("#2", "Tea", 1, 1000)]


class TestAFileThatIsReadRight:
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param("\ufeff" + GOOD, id="with a byte order mark"),
            pytest.param(GOOD.replace("\n", "\r\n"), id="with Windows line ends"),
            pytest.param(GOOD.removesuffix("\n"), id="without an end of its last line"),
            pytest.param(GOOD + "\n\n", id="with empty lines at its end"),
            pytest.param("\n".join(f'"{line}"'.replace(",", '","') for line in GOOD.splitlines()), id="all in quotes"),
        ],
    )
    def test_gives_the_same_lines(self, shop: CsvShop, content: str) -> None:
        shop.imports(content)
        assert shop.lines() == LINES

    def test_keeps_newlines_and_quotes_within_a_cell(self, shop: CsvShop) -> None:
        shop.imports(GOOD.replace(",Tea,", ',"Tea,\nthe ""best""",'))
        assert [title for _, title, *_ in shop.lines()] == ["Cup", 'Tea,\nthe "best"', 'Tea,\nthe "best"']

    def test_keeps_letters_of_all_scripts(self, shop: CsvShop) -> None:
        shop.imports(GOOD.replace(",Tea,", ",Thé 茶,"))
        assert shop.lines("l.title") == [("Cup",), ("Thé 茶",), ("Thé 茶",)]

    def test_may_name_no_customer(self, shop: CsvShop) -> None:
        assert shop.imports(GOOD, CUSTOMERS.splitlines()[0] + "\n")["customers"] == 2  # guests of the orders


class TestAFileThatIsRefused:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param(b"", "orders_export.csv is empty.", id="empty"),
            pytest.param(b"\n \n", "orders_export.csv is empty.", id="blank"),
            pytest.param(orders(), "below the header there is no order.", id="header only"),
            pytest.param(GOOD.encode("utf-16"), "is UTF-16 text; save it as CSV in UTF-8.", id="UTF-16"),
            pytest.param(GOOD.encode("utf-16-le"), "has a zero byte in line 1", id="UTF-16 without mark"),
            pytest.param(GOOD.replace("Cup", "C\0p"), "has a zero byte in line 3", id="zero byte"),
            pytest.param(GOOD.replace("Cup", "Thé").encode("latin-1"), "is no UTF-8 text (line 3)", id="Latin-1"),
            pytest.param(GOOD.replace(",", ";"), "separated by semicolons", id="semicolons"),
            pytest.param(GOOD.replace(",", "\t"), "separated by tabs", id="tabs"),
            pytest.param(GOOD.replace(",Cup,", ',"Cup,'), "a quote is not closed", id="open quote"),
            pytest.param(GOOD.replace("\n", "\r\n", 1), "lines end in different ways", id="mixed line ends"),
            pytest.param(CUSTOMERS, "it looks like Shopify's customers export.", id="customers as orders"),
            pytest.param(
                "Handle,Title\ntea,Tea\n", "it looks like Shopify's products export.", id="products as orders"
            ),
            pytest.param("one\n1\n", "is it Shopify's orders export?", id="something else"),
        ],
    )
    def test_is_named_in_one_line_that_says_why(self, shop: CsvShop, content: str | bytes, words: str) -> None:
        message = shop.refuses(content)
        assert message.startswith("orders_export.csv")
        assert words in message
        assert message.endswith("Nothing was changed.")
        assert "\n" not in message

    def test_may_be_broken_far_below_its_first_lines(self, shop: CsvShop) -> None:
        many = "".join(order(f"#{n}", "1,Tea,10.00,TEA") for n in range(20_000))
        message = shop.refuses(orders(many).encode() + "é".encode("latin-1"))
        assert "is no UTF-8 text (line 20002)" in message
        assert "column 'Lineitem price': 'ten'" in shop.refuses(orders(many, ANNS.replace("10.00", "ten")))

    def test_may_be_the_second_or_the_third(self, shop: CsvShop) -> None:
        assert "it looks like Shopify's orders export" in shop.refuses(GOOD, customers=GOOD)
        assert "it looks like Shopify's customers export" in shop.refuses(GOOD, products=CUSTOMERS)


class TestARefusal:
    WRONG = (
        {"orders": GOOD.replace("Cup,5.00", "Cup,five")},
        {"orders": orders(ANNS, BOBS, BOBS.replace("paid", "refunded"))},
        {"orders": GOOD.replace("GBP", "EUR")},
        {"orders": GOOD, "customers": CUSTOMERS.replace("'1001", "one")},
        {"orders": GOOD, "products": "Handle,Title,Variant Price\ntea,Tea,ten\n"},
    )

    @pytest.mark.parametrize("files", WRONG)
    def test_leaves_no_shop_no_run_and_no_file(self, shop_on_both: CsvShop, files: dict[str, str]) -> None:
        shop_on_both.refuses(**files)
        assert shop_on_both.everything() == {"shops": [], "runs": [], "customers": 0, "files": []}

    @pytest.mark.parametrize("files", WRONG)
    def test_leaves_what_was_imported_before(self, shop: CsvShop, files: dict[str, str]) -> None:
        shop.imports(GOOD)
        before, lines = shop.everything(), shop.lines()
        assert before["files"]
        shop.refuses(**files)
        assert shop.everything() == before
        assert shop.lines() == lines
