"""Explaining, pinning, finding a customer, deleting: as a merchant does it in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.pages.fake_api import FakeApi

pytestmark = pytest.mark.browser


class TestWhy:
    def test_a_member_is_explained_from_the_row_and_pinned_out(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_21")
        page.get_by_label("More about Ben Okafor").click()
        page.get_by_text("Why in?").locator("visible=true").click()
        expect(page.get_by_text("The rule holds for this customer.")).to_be_visible()
        expect(page.get_by_text("Ordered 4 times, last on 14 August 2026")).to_be_visible()
        assert "customer=8" in page.url
        page.get_by_role("button", name="Never in", exact=True).click()
        assert api.asked("PUT /api/segments/seg_21/pins/8") == [({}, {"kind": "out"})]
        expect(page.get_by_text("1 customer pinned in, 1 pinned out.")).to_be_visible()

    def test_of_a_customer_who_is_not_found_says_so(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        api.answers["GET /api/customers"] = {"items": []}
        page = go("/segments/seg_21")
        page.get_by_label("Find a customer").fill("Ben")
        page.keyboard.press("Enter")
        expect(page.get_by_text("No customer of your shop fits “Ben”.")).to_be_visible()


class TestCustomerPage:
    def test_is_reached_by_a_whole_address(self, go: Callable[[str], Page]) -> None:
        page = go("/customers")
        page.get_by_label("Find a customer").fill("ben.okafor@example.com")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Open", exact=True).click()
        expect(page.get_by_text("Order #1042")).to_be_visible()
        page.get_by_label("Why: Coffee lovers who stopped").click()
        expect(page.get_by_text("If nothing happens:")).to_be_visible()

    def test_of_an_erased_customer_says_only_that(self, api: FakeApi, go: Callable[[str], Page], problems: Any) -> None:
        problems.allow("404")
        api.fail("GET /api/customers/8", 404, "This customer's data was erased. Nothing of it is kept here.")
        page = go("/customers/8")
        expect(page.get_by_text("This customer's data was erased.")).to_be_visible()
        expect(page.get_by_text("Timeline")).to_have_count(0)

    def test_fits_a_narrow_screen(self, go: Callable[[str], Page]) -> None:
        page = go("/customers/8")
        page.set_viewport_size({"width": 360, "height": 740})
        expect(page.get_by_text("Order #1042")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
