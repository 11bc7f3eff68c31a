"""What the browser draws of the next weeks and the past year on the review step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.pages.fake_api import FakeApi

pytestmark = pytest.mark.browser
REVIEW = "/campaigns/cmp_3/edit?step=review"
SIMULATION = "POST /api/campaigns/cmp_3/simulation"


class TestTheNextWeeks:
    def test_are_bars_with_the_range_of_nine_in_ten_futures(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        card = go(REVIEW).locator("s-section[heading='E-mails per week']")
        bars = card.locator(".recharts-bar").nth(0).locator(".recharts-bar-rectangle path")
        expect(bars).to_have_count(5)
        expect(card.locator(".recharts-errorBar")).to_have_count(5)
        heights = [box["height"] for bar in bars.all() if (box := bar.bounding_box()) is not None]
        weeks = [week["emails"]["expected"] for week in api.sample(SIMULATION)["weeks"]]
        assert heights[0] / heights[3] == pytest.approx(weeks[0] / weeks[3], rel=0.05)

    def test_can_be_read_as_a_table(self, go: Callable[[str], Page]) -> None:
        card = go(REVIEW).locator("s-section[heading='E-mails per week']")
        card.get_by_role("button", name="Show table").click()
        expect(card.locator("s-table-row")).to_have_count(5)
        expect(card.locator("s-table-row").nth(0)).to_contain_text("112 (104 to 121)")

    def test_follow_a_setting_that_is_tried(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go(REVIEW)
        expect(page.get_by_text("E-mails in 30 days")).to_be_visible()
        days = page.get_by_label("Days after an order")
        days.fill("3")
        days.blur()
        expect(page.get_by_text("With the settings tried above.")).to_be_visible()
        tried = {"days": 30, "wait_days": 3}
        assert api.asked(SIMULATION, last=tried)[-1][1] == tried


class TestThePastYear:
    def test_has_three_bars_for_each_week(self, go: Callable[[str], Page]) -> None:
        card = go(REVIEW).locator("s-section[heading='Had it been active for the last 12 months']")
        expect(card.locator(".recharts-bar-rectangle path")).to_have_count(33)
        expect(card.get_by_text("none of this was caused by the campaign")).to_be_visible()
