"""The pages over the real app, inside the admin: what is on screen is what the API says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.on_screen import whole_dollars

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser


def figure(app: FrameLocator, label: str) -> Any:
    """The number that stands under a label."""
    return app.locator(".encore-figure", has_text=label).locator(".encore-figure-value").first


class TestDashboard:
    def test_key_numbers_are_the_api_s(
        self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page
    ) -> None:
        app = encore("/")
        api = tiny.api("/api/dashboard")
        expect(figure(app, "Customers")).to_have_text(f"{api['customers']:,}")
        expect(figure(app, "Buyers")).to_have_text(f"{api['buyers']:,}")
        expect(figure(app, "Reachable by e-mail")).to_have_text(f"{api['reachable']:,}")
        expect(figure(app, "Net sales, last 30 days")).to_have_text(whole_dollars(api["net_sales_30d_minor"]))
        assert sum(stage["size"] for stage in api["stages"]) == api["buyers"]
        app.get_by_role("button", name="Show table").click()
        rows = app.locator("s-section[heading='Retain stages'] s-table-row")
        for row, stage in enumerate(api["stages"]):
            expect(rows.nth(row)).to_contain_text(stage["name"])
            expect(rows.nth(row)).to_contain_text(f"{stage['size']:,}")

    def test_the_admin_shows_navigation_and_title(
        self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page
    ) -> None:
        encore("/")
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        page.get_by_role("link", name="Senders").click()
        expect(page.get_by_role("heading", name="Senders")).to_be_visible()
        expect(page).to_have_url(re.compile(r"/apps/encore/senders$"))


class TestSegments:
    def test_rows_are_the_api_s(self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page) -> None:
        app = encore("/segments")
        api = tiny.api("/api/segments", sort="size", order="desc", limit=50)
        for segment in api["items"][:8]:
            row = app.get_by_role("row").filter(has=app.get_by_role("link", name=segment["name"], exact=True))
            expect(row).to_contain_text(f"{segment['size']:,}")
            expect(row).to_contain_text(f"{segment['reachable']:,}")
        expect(app.get_by_text(f"of {api['total']:,} segments")).to_be_visible()

    def test_details_are_the_api_s(self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page) -> None:
        app = encore("/segments/seg_1")
        api = tiny.api("/api/segments/seg_1")
        statistics = api["statistics"]
        expect(figure(app, "Size")).to_have_text(f"{statistics['size']:,}")
        expect(figure(app, "Reachable by e-mail")).to_have_text(f"{statistics['reachable']:,}")
        expect(figure(app, "Net sales")).to_have_text(whole_dollars(statistics["net_sales_minor"]))
        unreachable = sum(one["count"] for one in statistics["not_reachable"])
        assert statistics["size"] == statistics["reachable"] + unreachable
        members = tiny.api("/api/segments/seg_1/members", limit=25)
        expect(app.get_by_text(f"of {members['total']:,} members")).to_be_visible()
        expect(app.get_by_text(members["items"][0]["reason"]).first).to_be_visible()

    def test_a_rule_is_counted_saved_and_shown(
        self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page
    ) -> None:
        app = encore("/segments/new")
        app.get_by_role("textbox", name="Name").fill("Ordered at all")
        app.get_by_role("combobox", name="Add condition").select_option("attr:orders.count")
        app.get_by_role("combobox", name="Orders", exact=True).select_option("gte")
        app.get_by_label("Value", exact=True).fill("1")
        buyers = tiny.api("/api/dashboard")["buyers"]
        expect(figure(app, "Customers")).to_have_text(f"{buyers:,}")
        app.get_by_role("button", name="Save segment").click()
        expect(page.get_by_role("heading", name="Ordered at all")).to_be_visible()
        expect(figure(app, "Size")).to_have_text(f"{buyers:,}")


class TestEmptyPages:
    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("/campaigns", "Campaigns send by themselves"),
            ("/senders", "Campaigns need an address to send from"),
            ("/connections", "No segment is synced yet"),
        ],
    )
    def test_teach_before_the_first_one(
        self, tiny: RunningDemo, encore: Callable[[str], FrameLocator], page: Page, path: str, says: str
    ) -> None:
        expect(encore(path).get_by_text(says)).to_be_visible()
