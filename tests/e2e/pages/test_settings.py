"""Settings over a running Encore: estimates turned on make segments, turned off they are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser
LABEL = "Estimate gender from first names"


def listed(demo: RunningDemo) -> list[dict[str, Any]]:
    """The estimate's segments that have members to show."""
    rows = demo.api("/api/segments", category="demographics", limit=200)["items"]
    return [row for row in rows if row["name"].startswith("Gender: ") and row["state"] in {"ready", "empty", "merged"}]


class TestDemographics:
    def test_turned_on_segments_appear_and_turned_off_they_are_gone(
        self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page
    ) -> None:
        app = encore("/settings")
        expect(page.locator("#title").get_by_text("Settings", exact=True)).to_be_visible()
        # No table of incomes is loaded here: the switch says what would unlock it.
        expect(app.get_by_role("switch", name="Estimate income by postcode")).to_be_disabled()
        expect(app.get_by_text("encore load-reference income FILE")).to_be_visible()

        app.get_by_role("switch", name=LABEL).click()
        expect(app.get_by_text("Gender estimate is on")).to_be_visible()
        expect(app.get_by_text("Expected to be wrong")).to_be_visible(timeout=60_000)
        coverage = tiny.api("/api/settings/demographics")["estimates"][0]["coverage"]
        assert coverage["estimated"] > coverage["customers"] / 2
        figure = app.locator('.encore-figure:has(> .encore-figure-label:text-is("Estimated"))')
        expect(figure).to_contain_text(str(coverage["estimated"]))

        app.get_by_role("link", name="See the segments").click()
        expect(page.locator("#title").get_by_text("Segments", exact=True)).to_be_visible()
        made = listed(tiny)
        assert {"Gender: female", "Gender: male", "Gender: unknown"} >= {row["name"] for row in made}
        assert sum(row["size"] for row in made if row["name"] != "Gender: unknown") > 0
        for row in made:
            expect(app.get_by_role("link", name=row["name"])).to_be_visible()

        app = encore("/settings")
        app.get_by_role("switch", name=LABEL).click()
        expect(app.get_by_text("Gender estimate is off")).to_be_visible()
        assert listed(tiny) == []
        expect(app.get_by_role("button", name="Undo")).to_be_visible()
        expect(app.get_by_role("switch", name=LABEL)).not_to_be_checked()
