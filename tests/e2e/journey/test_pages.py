"""Every page with the demo shop in it, in the admin's frame: its headings, and the API's numbers on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import all_segments, heading, shown
from tests.e2e.on_screen import whole, whole_dollars

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

    Open = Callable[[str], FrameLocator]

pytestmark = pytest.mark.browser
CATEGORY_NAMES = {
    "cross_sell": "Cross-sell",
    "repurchase": "Repurchase",
    "retain": "Retain customers",
    "behavioral": "Behavioral",
    "demographics": "Demographics",
    "custom": "Custom",
}


class TestDashboard:
    def test_its_numbers_are_the_api_s(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        app = encore("")
        heading(page, "Dashboard")
        for name in ("Your customers", "Retain stages", "Segments that moved most", "Health"):
            expect(app.get_by_role("heading", name=name)).to_be_visible()
        numbers = demo.api("/api/dashboard")
        shown(app, "Customers", numbers["customers"])
        shown(app, "Buyers", numbers["buyers"])
        shown(app, "Reachable by e-mail", numbers["reachable"])
        shown(app, "Net sales, last 30 days", whole_dollars(numbers["net_sales_30d_minor"]))
        shown(app, "Net sales, last 30 days", f"{numbers['orders_30d']:,} orders")
        shown(app, "Likely buyers, next 30 days", whole(numbers["expected_buyers_30d"]))
        app.locator("s-section[heading='Retain stages']").get_by_role("button", name="Show table").click()
        for stage in numbers["stages"]:
            expect(app.get_by_role("row").filter(has_text=stage["name"]).first).to_contain_text(f"{stage['size']:,}")
        assert sum(stage["size"] for stage in numbers["stages"]) == numbers["buyers"]
        expect(app.get_by_text("Imported counts equal the store's own.")).to_be_visible()


class TestSegments:
    def test_every_row_and_category_shows_the_api_s_counts(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        app = encore("/segments")
        heading(page, "Segments")
        listed = demo.api("/api/segments")
        for row in listed["categories"]:
            chip = f"{CATEGORY_NAMES[row['category']]}, {row['count']} segments"
            if row["count"] != 1:
                expect(app.get_by_role("button", name=chip)).to_be_visible()
        rows = app.locator("s-table-body s-table-row")
        expect(rows).to_have_count(50)
        for position in (0, 1, 2, 24, 49):
            segment = listed["items"][position]
            row = rows.nth(position)
            expect(row).to_contain_text(segment["name"])
            expect(row).to_contain_text(f"{segment['size']:,}")
            expect(row).to_contain_text(f"{segment['reachable']:,}")
        app.get_by_role("button", name="Next").click()
        expect(rows.first).to_contain_text(all_segments(demo)[50]["name"])


class TestSegmentDetails:
    def test_its_figures_members_and_reasons_are_the_api_s(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        (row,) = [row for row in all_segments(demo) if row["key"] == "auto:lapsed"]
        app = encore(f"/segments/{row['id']}")
        heading(page, "Lapsed")
        expect(app.get_by_role("heading", name="How these customers behave")).to_be_visible()
        segment = demo.api(f"/api/segments/{row['id']}")
        numbers = segment["statistics"]
        expect(app.get_by_text(segment["definition"])).to_be_visible()
        shown(app, "Size", numbers["size"])
        shown(app, "Reachable by e-mail", numbers["reachable"])
        shown(app, "Orders", numbers["orders"])
        shown(app, "Net sales", whole_dollars(numbers["net_sales_minor"]))
        shown(app, "Average order", f"${numbers['average_order_minor'] / 100:,.2f}")
        for reason in numbers["not_reachable"]:
            expect(app.get_by_text(re.compile(rf"{re.escape(reason['label'])} {reason['count']:,}\b"))).to_be_visible()
        assert numbers["size"] == numbers["reachable"] + sum(one["count"] for one in numbers["not_reachable"])
        for member in demo.api(f"/api/segments/{row['id']}/members", limit=3)["items"]:
            line = app.get_by_role("row").filter(has_text=member["name"]).first
            expect(line).to_contain_text(member["reason"])


class TestSegmentBuilder:
    def test_templates_show_their_size_now(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        app = encore("/segments/new")
        heading(page, "New segment")
        for template in demo.api("/api/segments/templates")["items"]:
            expect(app.get_by_role("heading", name=template["name"])).to_be_visible()
            words = "1 customer now" if template["count"] == 1 else f"{template['count']:,} customers now"
            expect(app.get_by_text(words).first).to_be_visible()


class TestOtherPages:
    @pytest.mark.parametrize(
        ("path", "name", "heads"),
        [
            ("/campaigns", "Campaigns", []),
            ("/senders", "Senders", []),
            ("/connections", "Connections", ["Shopify", "Klaviyo", "Mailchimp"]),
            ("/settings", "Settings", ["Demographics"]),
        ],
    )
    def test_it_opens_in_the_admin(self, page: Page, encore: Open, path: str, name: str, heads: list[str]) -> None:
        app = encore(path)
        heading(page, name)
        for head in heads:
            expect(app.get_by_role("heading", name=head, exact=True)).to_be_visible()

    def test_connections_say_what_happens_to_consent(self, demo: RunningDemo, encore: Open) -> None:
        app = encore("/connections")
        for tile in demo.api("/api/connections")["items"]:
            expect(app.get_by_text(tile["consent"])).to_be_visible()

    def test_the_navigation_of_the_admin_leads_to_each_page(self, page: Page, encore: Open) -> None:
        encore("")
        for name in ("Segments", "Campaigns", "Senders", "Connections", "Settings"):
            page.get_by_role("navigation", name="Admin").get_by_role("link", name=name, exact=True).click()
            heading(page, name)
            expect(page).to_have_url(re.compile(f"/{name.lower()}$"))
