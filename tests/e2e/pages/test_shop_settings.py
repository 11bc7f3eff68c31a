"""The settings of the shop and the discount step, over answers that the test chooses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.conftest import Problems
    from tests.e2e.pages.fake_api import FakeApi

    Go = Callable[[str], Page]

pytestmark = pytest.mark.browser
CAP = "Days between two e-mails to one customer"
KEPT = "Days that past decisions are kept"


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asks for one."""
    folder = os.environ.get("ENCORE_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


class TestSettings:
    def test_say_what_saving_would_do_before_it_is_saved(self, api: FakeApi, go: Go) -> None:
        page = go("/settings")
        page.get_by_label(CAP).fill("14")
        expect(page.get_by_text("412 customers could not be mailed at this moment")).to_be_visible()
        picture(page, "settings")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
        [(_, body)] = api.asked("PATCH /api/settings/shop")
        assert body == {"changes": {"cap_days": 14}, "version": 0, "confirmed": ""}

    def test_are_as_before_when_discarded(self, api: FakeApi, go: Go) -> None:
        page = go("/settings")
        page.get_by_label(CAP).fill("20")
        page.get_by_role("button", name="Discard").click()
        expect(page.get_by_label(CAP)).to_have_value("7")
        assert api.asked_so_far("PATCH /api/settings/shop") == []

    def test_that_remove_history_want_a_word_typed(self, api: FakeApi, go: Go) -> None:
        api.answers["POST /api/settings/shop/preview"] |= {"confirm": "shop.myshopify.com", "decisions_removed": 31}
        page = go("/settings")
        page.get_by_label(KEPT).fill("100")
        expect(page.get_by_text("31 past decisions would be removed tonight.")).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).click()
        dialog = page.get_by_role("dialog", name="Remove history for good?")
        expect(dialog).to_be_visible()
        remove = page.get_by_role("button", name="Remove and save")
        expect(remove).to_be_disabled()
        page.get_by_label("Type shop.myshopify.com to confirm").fill("shop.myshopify.com")
        picture(page, "settings-confirm")
        remove.click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
        assert api.asked("PATCH /api/settings/shop")[0][1]["confirmed"] == "shop.myshopify.com"

    def test_that_were_refused_stay_on_screen_with_the_reason(self, api: FakeApi, go: Go, problems: Problems) -> None:
        problems.allow("409")
        api.fail("PATCH /api/settings/shop", 409, "Somebody else changed the settings meanwhile.")
        page = go("/settings")
        page.get_by_label(CAP).fill("14")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Somebody else changed the settings meanwhile.")).to_be_visible()
        expect(page.get_by_label(CAP)).to_have_value("14")

    def test_changed_before_are_listed_with_who_and_what(self, go: Go) -> None:
        row = go("/settings").get_by_role("row").filter(has_text="Days between two e-mails")
        expect(row).to_contain_text("Staff member 42")


class TestTheDiscountStep:
    def test_checks_a_code_at_shopify(self, api: FakeApi, go: Go) -> None:
        key = "GET /api/campaigns/cmp_1"
        api.answers[key] |= {"discount": {"mode": "single", "code": "TEN", "description": "", "expires_on": None}}
        page = go("/campaigns/cmp_1/edit?step=discount")
        page.get_by_role("button", name="Check the code").click()
        expect(page.get_by_text("The code works")).to_be_visible()
        assert api.asked("POST /api/campaigns/cmp_1/discount/check")[0][1] == {"code": "TEN"}

    def test_keeps_amounts_and_shows_what_they_could_cost(self, api: FakeApi, go: Go) -> None:
        key = "GET /api/campaigns/cmp_1"
        api.answers[key] |= {"discount": {"mode": "managed", "code": None, "description": None, "expires_on": None}}
        page = go("/campaigns/cmp_1/edit?step=discount")
        expect(page.get_by_text("$756.00")).to_be_visible()
        picture(page, "discount")
        field = page.get_by_label("Budget for all codes (USD)")
        field.fill("500")
        field.blur()
        assert api.asked("PATCH /api/campaigns/cmp_1/discount")[0][1] == {"budget_minor": 50_000}
        expect(page.get_by_text("$756.00")).to_be_visible()

    def test_says_when_the_permission_is_missing(self, api: FakeApi, go: Go) -> None:
        key = "GET /api/campaigns/cmp_1"
        api.answers[key] |= {"discount": {"mode": "managed", "code": None, "description": None, "expires_on": None}}
        api.answers["GET /api/campaigns/cmp_1/discount"] |= {"blocked": "Grant the new permission."}
        page = go("/campaigns/cmp_1/edit?step=discount")
        expect(page.get_by_text("Encore can't make discounts in this store yet")).to_be_visible()
