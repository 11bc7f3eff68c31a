"""Encore's discounts at the Shopify stand-in: made, filled, used at the checkout, cleaned up, after faults too."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.errors import Conflict, Unavailable
from app.services.shop_ports import NewDiscount
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.app import create_app
from tests.fakes import FakeClock
from tests.standins import TINY, Connected, connect, fresh_store, port_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.shopify.discounts import ShopifyDiscounts

CUSTOMER = 6000000000001


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    state = tmp_path_factory.mktemp("shopify")
    ports = {"shopify": 0}
    options = SandboxOptions(shops={TINY: "tiny"}, ports=ports, deliver_webhooks=False)
    app = create_app(state, SandboxClock(state), options)
    with serving(app) as url:
        ports["shopify"] = port_of(url)
        yield app.extensions["shopify"], url
    app.extensions["shopify"].close()


@pytest.fixture
def encore(stand_in: tuple[Any, str], tmp_path: Path) -> Iterator[Connected]:
    store = fresh_store(tmp_path)
    connected = connect(stand_in[1], tmp_path, store, FakeClock(stand_in[0].clock.now()))
    yield connected
    connected.close()
    store.close()


@pytest.fixture
def ctx(encore: Connected) -> ShopContext:
    return encore.install()


@pytest.fixture
def shop(encore: Connected) -> ShopifyDiscounts:
    assert encore.rooms.discount_shop is not None
    return encore.rooms.discount_shop  # type: ignore[return-value]


def discount(encore: Connected, code: str, **changes: Any) -> NewDiscount:
    now = encore.rooms.clock.now()
    values: dict[str, Any] = {
        "title": "Encore test", "code": code, "amount_minor": 500, "min_basket_minor": 0, "usage_limit": 1,
        "starts_at": now - timedelta(minutes=1), "ends_at": now + timedelta(days=14),
    }  # fmt: skip
    return NewDiscount(**{**values, **changes})


def order(url: str, code: str, customer: int = CUSTOMER, quantity: int = 5) -> httpx.Response:
    body = {"customer_id": customer, "quantity": quantity, "discount_code": code}
    return httpx.post(f"{url}/sandbox/orders", params={"shop": TINY}, json=body)


class TestMaking:
    def test_a_discount_is_found_by_its_code_with_its_bounds(
        self, encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "FIND-ME"))
        found = shop.find(ctx, "find-me")
        assert found is not None
        assert (found.gid, found.status, found.usage_limit, found.used) == (gid, "ACTIVE", 1, 0)
        assert found.product_ids is None
        assert shop.find(ctx, "NO-SUCH-CODE") is None

    def test_a_code_that_exists_is_a_conflict(
        self, encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        shop.create(ctx, discount(encore, "TWICE"))
        with pytest.raises(Conflict):
            shop.create(ctx, discount(encore, "twice"))

    def test_codes_added_twice_are_there_once(
        self, encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "FIRST-A"))
        codes = [f"A-{number}" for number in range(250)]
        assert shop.add_codes(ctx, gid, codes) == set(codes)
        assert shop.add_codes(ctx, gid, codes) == set(codes)
        assert set(shop.codes(ctx, gid)) == {"FIRST-A", *codes}

    def test_more_codes_than_shopify_takes_are_never_sent(
        self, encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "FIRST-B"))
        with pytest.raises(ValueError, match="1 to 250"):
            shop.add_codes(ctx, gid, [f"B-{number}" for number in range(251)])

    def test_a_fault_is_waited_out(
        self, stand_in: tuple[Any, str], encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "FIRST-C"))
        fault = {"kind": "http_500", "count": 1, "match": "discountRedeemCodeBulkAdd"}
        httpx.post(f"{stand_in[1]}/sandbox/faults", json=fault)
        assert shop.add_codes(ctx, gid, ["C-1"]) == {"C-1"}

    def test_an_unknown_discount_takes_no_codes(self, shop: ShopifyDiscounts, ctx: ShopContext) -> None:
        with pytest.raises(Unavailable, match="does not exist"):
            shop.add_codes(ctx, "gid://shopify/DiscountCodeNode/999999", ["Z-1"])


class TestCheckout:
    def test_a_code_takes_its_amount_off_once(
        self, stand_in: tuple[Any, str], encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "CHECK-A"))
        placed = order(stand_in[1], "check-a")
        assert placed.status_code == 201
        assert [one["code"] for one in placed.json()["discount_codes"]] == ["CHECK-A"]
        assert placed.json()["total_discounts"] == "5.00"
        assert shop.codes(ctx, gid)["CHECK-A"][1] == 1
        refused = order(stand_in[1], "CHECK-A", customer=CUSTOMER + 1)
        assert refused.status_code == 422
        assert "usage limit" in refused.json()["error"]

    def test_a_customer_uses_one_code_of_a_discount(
        self, stand_in: tuple[Any, str], encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "CHECK-B"))
        shop.add_codes(ctx, gid, ["CHECK-B2"])
        assert order(stand_in[1], "CHECK-B").status_code == 201
        assert "already" in order(stand_in[1], "CHECK-B2").json()["error"]

    def test_an_order_below_the_minimum_is_told_what_is_missing(
        self, stand_in: tuple[Any, str], encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        shop.create(ctx, discount(encore, "CHECK-C", min_basket_minor=10_000_000))
        assert "Add items worth" in order(stand_in[1], "CHECK-C").json()["error"]

    def test_a_removed_code_no_longer_works(
        self, stand_in: tuple[Any, str], encore: Connected, shop: ShopifyDiscounts, ctx: ShopContext
    ) -> None:
        gid = shop.create(ctx, discount(encore, "CHECK-D"))
        shop.add_codes(ctx, gid, ["CHECK-D2"])
        shop.remove_codes(ctx, gid, [shop.codes(ctx, gid)["CHECK-D2"][0]])
        assert set(shop.codes(ctx, gid)) == {"CHECK-D"}
        assert "valid discount code" in order(stand_in[1], "CHECK-D2").json()["error"]
