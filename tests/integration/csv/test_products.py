"""The product export: a row per variant, product fields on the first, further rows for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.csv.conftest import ANNS, order, orders

if TYPE_CHECKING:
    from tests.integration.csv.conftest import CsvShop

HEADER = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option1 Linked To,"
    "Option2 Name,Option2 Value,Option2 Linked To,Option3 Name,Option3 Value,Option3 Linked To,Variant SKU,"
    "Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
    "Variant Fulfillment Service,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable,"
    "Variant Barcode,Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,SEO Description,Variant Image,"
    "Variant Weight Unit,Variant Tax Code,Cost per item,Status\n"
)
TEA = (
    'tea,Tea,"<p>Two\nlines, one ""tea""</p>",Leaf,Food,Drinks,"new, hot",true,Size,Small,,,,,,,,TEA,100,'
    "shopify,5,deny,manual,10.00,,true,true,'123,https://cdn.example.com/1.png,1,,false,,,,g,,,active\n"
    "tea,,,,,,,,,Large,,,,,,,,TEA-L,100,shopify,5,deny,manual,18.00,,true,true,,https://cdn.example.com/2.png,2,,,,,"
    "https://cdn.example.com/large.png,g,,,\n"
    "tea,,,,,,,,,,,,,,,,,,,,,,,,,,,,https://cdn.example.com/3.png,3,,,,,,,,,\n"
)
CUP = (
    "cup,Cup,,Pott,Home,Ware,,true,Colour,Red,,Size,Big,,,,,,300,,,deny,manual,5.00,,true,true,,,,,false,,,,g,,,draft\n"
    "cup,,,,,,,,,Blue,,,Big,,,,,,300,,,deny,manual,5.50,,true,true,,,,,,,,,g,,,\n"
)
CARD = (
    "card,Voucher,,Us,,,,true,Title,Default Title,,,,,,,,CARD,0,,,deny,gift_card,20.00,,false,false,,,,,true,,,,g,,,"
    "active\n"
)
ALL = "SELECT title, product_type, vendor, status, handle, price_minor FROM products ORDER BY title"


class TestShopifysProductExport:
    def test_gives_every_variant_its_products_fields(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(orders(ANNS), products=HEADER + TEA)
        assert shop_on_both.lake(ALL) == [
            ("Cup", "", "", "ACTIVE", "cup", 500),  # known from its order line alone
            ("Tea - Large", "Drinks", "Leaf", "ACTIVE", "tea", 1800),
            ("Tea - Small", "Drinks", "Leaf", "ACTIVE", "tea", 1000),
        ]

    def test_has_rows_that_carry_images_alone(self, shop: CsvShop) -> None:
        shop.imports(orders(ANNS), products=HEADER + TEA)
        assert shop.lake("SELECT title, image_url FROM products WHERE handle = 'tea' ORDER BY title") == [
            ("Tea - Large", "https://cdn.example.com/large.png"),
            ("Tea - Small", "https://cdn.example.com/1.png"),
        ]

    def test_names_a_variant_without_sku_as_order_lines_do(self, shop: CsvShop) -> None:
        sold = order("#1", "1,Cup - Blue / Big,5.50,")
        counts = shop.imports(orders(sold), products=HEADER + CUP)
        assert counts["products"] == 2
        assert shop.lake("SELECT p.title, p.status FROM order_lines JOIN products p USING (product_no)") == [
            ("Cup - Blue / Big", "DRAFT")
        ]

    def test_says_what_is_a_gift_card(self, shop: CsvShop) -> None:
        shop.imports(orders(ANNS), products=HEADER + CARD)
        assert shop.lake("SELECT title FROM products WHERE is_gift_card") == [("Voucher",)]

    def test_is_read_in_its_newer_columns_too(self, shop: CsvShop) -> None:
        products = (
            "Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,"
            "Barcode,Option1 name,Option1 value,Price,Product image URL,Gift card\n"
            "Tea,tea,,Leaf,,Drinks,,TRUE,Active,TEA,,Size,Small,10.00,https://cdn.example.com/1.png,FALSE\n"
            ",tea,,,,,,,,TEA-L,,,Large,18.00,,\n"
        )
        shop.imports(orders(ANNS), products=products)
        assert shop.lake(f"SELECT * FROM ({ALL}) WHERE handle = 'tea'") == [
            ("Tea - Large", "Drinks", "Leaf", "ACTIVE", "tea", 1800),
            ("Tea - Small", "Drinks", "Leaf", "ACTIVE", "tea", 1000),
        ]

    def test_needs_no_more_than_handle_and_title(self, shop: CsvShop) -> None:
        shop.imports(orders(ANNS), products="Handle,Title\njar,Jar\n")
        assert shop.lake("SELECT title FROM products ORDER BY 1") == [("Cup",), ("Jar",), ("Tea",)]

    def test_a_price_that_is_none_is_refused_by_row(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS), products=HEADER + CARD + TEA.replace("18.00", "free"))
        assert message.startswith("products_export.csv, row 4, column 'Variant Price': 'free' is no amount")

    def test_a_row_without_handle_is_refused(self, shop: CsvShop) -> None:
        message = shop.refuses(orders(ANNS), products=HEADER + CARD.replace("card,V", ",V"))
        assert message.startswith("products_export.csv, row 2, column 'Handle': a blank")
