"""A product's link in a message leads to the shop, whatever stands in its catalogue."""

from __future__ import annotations

import duckdb
import pytest

from app.domain.context import ShopContext
from app.services.campaigns_audience import products

OWN = ShopContext(1, "beans.myshopify.com", "USD", "UTC", "www.beans.example")
BY_HANDLE = "https://beans.myshopify.com/products/dark-roast"


def link(url: str | None, handle: str | None = "dark-roast", ctx: ShopContext = OWN) -> str:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE products AS SELECT 1 AS product_no, 'Coffee' AS title, $url::VARCHAR AS url, "
            "$handle::VARCHAR AS handle, NULL AS image_url, 'ACTIVE' AS status, false AS is_gift_card, "
            "5 AS total_inventory",
            {"url": url, "handle": handle},
        )
        return products(connection, ctx, [1])[1].url


class TestTheLinkOfAProduct:
    @pytest.mark.parametrize(
        "url",
        [
            "https://beans.myshopify.com/products/dark-roast",
            "https://www.beans.example/products/dark-roast?variant=7",
            "https://WWW.Beans.Example/en/products/dark-roast",
            "https://www.beans.example:443/products/dark-roast",
        ],
    )
    def test_is_the_catalogues_where_that_is_one_of_the_shops_own_pages(self, url: str) -> None:
        assert link(url) == url

    @pytest.mark.parametrize(
        "url",
        [
            None,
            "",
            "https://evil.example/products/dark-roast",
            "https://www.beans.example.evil.example/",
            "https://evilwww.beans.example/",
            "https://beans.example/",
            "https://www.beans.example@evil.example/",
            "https://evil.example\\@www.beans.example/",
            "https://evil.example/?www.beans.example",
            "https://evil.example#www.beans.example",
            "https://www.beans.example:8443/",
            "http://www.beans.example/products/dark-roast",
            "https:www.beans.example/products/dark-roast",
            "//www.beans.example/products/dark-roast",
            "javascript:alert(1)//www.beans.example/",
            "https://www.beans.example/a b",
            "https://[www.beans.example/",
        ],
    )
    def test_is_built_from_its_handle_everywhere_else(self, url: str | None) -> None:
        assert link(url) == BY_HANDLE

    def test_is_the_shop_where_there_is_no_handle(self) -> None:
        assert link("https://evil.example/", None) == "https://beans.myshopify.com/"

    def test_carries_nothing_of_an_odd_handle_but_its_letters(self) -> None:
        assert link(None, "kaffee-größe?next=//evil.example") == (
            "https://beans.myshopify.com/products/kaffee-gr%C3%B6%C3%9Fe%3Fnext%3D//evil.example"
        )

    def test_of_a_shop_whose_web_address_is_not_known_stays_at_shopify(self) -> None:
        unknown = ShopContext(1, "beans.myshopify.com", "USD", "UTC")
        assert link("https://www.beans.example/products/dark-roast", ctx=unknown) == BY_HANDLE
