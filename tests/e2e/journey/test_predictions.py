"""The model card of the demo shop, in the admin's frame, reached from the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import heading, shown, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser


class TestPredictions:
    def test_the_card_is_a_click_from_the_dashboard_and_shows_the_api_s_figures(
        self, page: Page, demo: RunningDemo, encore: Callable[[str], FrameLocator]
    ) -> None:
        app = encore("")
        app.get_by_text("How good they are").click()
        heading(page, "Predictions")
        card = demo.api("/api/predictions/card")["card"]
        expect(app.get_by_text(card["headline"])).to_be_visible()
        for kind, name in zip(card["kinds"], ("Repurchase", "Cross-sell"), strict=True):
            app.get_by_role("button", name=f"{name}, ").click()
            expect(app.get_by_text(kind["basis_reason"])).to_be_visible()
            shown(app, "Expected buyers", f"{kind['calibration']['observed']:,} came within 30 days")
            for scorer in kind["scorers"]:
                row = app.get_by_role("row").filter(has_text=scorer["name"]).first
                expect(row).to_contain_text(f"{scorer['average_precision']:.3f}")
            product = kind["products"][0]
            app.get_by_label("Find a product").fill(product["title"])
            row = app.get_by_role("row").filter(has_text=product["title"]).first
            expect(row).to_contain_text(f"{product['positives']:,}")

    def test_past_predictions_can_be_read_as_a_table(
        self, page: Page, demo: RunningDemo, encore: Callable[[str], FrameLocator]
    ) -> None:
        def done() -> dict[str, Any] | None:
            found: dict[str, Any] = demo.api("/api/predictions/backtest")
            return found if found["state"] == "ready" else None

        found = wait_for(done, "the back-test", seconds=600)
        app = encore("/predictions")
        heading(page, "Predictions")
        section = app.locator("s-section[heading^='Past predictions']")
        section.get_by_role("button", name="Show table").click()
        rows = section.get_by_role("row")
        expect(rows).to_have_count(len(found["moments"]) + 1)
        again = next(one for one in found["moments"][0]["kinds"] if one["kind"] == "repurchase")
        expect(rows.nth(1)).to_contain_text(f"{round(again['expected']):,}")
        expect(rows.nth(1)).to_contain_text(f"{again['actual']:,}")
