"""Segments that the merchant makes: a rule in the builder, and a list from a file."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import addresses, fresh, heading, history, shown, wait_for
from tests.e2e.journey.segment_sql import Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.journey.main_job import Shop
    from tests.e2e.running_demo import RunningDemo

    Open = Callable[[str], FrameLocator]

pytestmark = pytest.mark.browser


class TestRuleSegment:
    def test_it_is_counted_while_it_is_built_then_saved_and_listed(
        self, page: Page, demo: RunningDemo, encore: Open
    ) -> None:
        app = encore("/segments/new")
        name = f"Big and reachable {fresh()}"
        app.get_by_role("textbox", name="Name").fill(name)
        app.get_by_role("combobox", name="Add condition").select_option("attr:spend.net")
        app.get_by_label("Total spend").select_option("gte")
        app.get_by_label("Value (USD)").fill("2500")
        rule: dict[str, Any] = {"v": 1, "match": {"all": [{"attr": "spend.net", "op": "gte", "value": 250000}]}}
        alone = demo.ask("POST", "/api/segments/preview", json={"rule": rule}).json()
        shown(app, "Customers", alone["count"])
        shown(app, "Customers", f"of {alone['universe']:,}")
        shown(app, "Reachable by e-mail", alone["reachable"])
        app.get_by_role("combobox", name="Add condition").select_option("reachable:email")
        rule["match"]["all"].append({"reachable": "email"})
        both = demo.ask("POST", "/api/segments/preview", json={"rule": rule}).json()
        assert 0 < both["count"] == alone["reachable"] < alone["count"]
        shown(app, "Customers", f"{both['count']:,}of")
        app.get_by_role("button", name="Save segment").click()
        heading(page, name)
        shown(app, "Size", both["count"])
        saved = demo.api(f"/api/segments/{page.url.rsplit('/', 1)[1]}")
        assert saved["rule"] == rule
        app = encore("/segments?categories=custom")
        row = app.locator("s-table-body s-table-row").filter(has_text=name)
        expect(row).to_contain_text(f"{both['count']:,}")

    def test_its_count_is_what_sql_finds(self, demo: RunningDemo, shop: Shop) -> None:
        best = "(SELECT product_no FROM order_lines WHERE counts GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)"
        ((product_id,),) = shop.connection.execute(
            f"SELECT product_id FROM products WHERE product_no = {best}"
        ).fetchall()
        bought = {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": str(product_id)}]}
        recently = {**bought, "during": {"last": "60d"}}
        rule = {"v": 1, "match": {"all": [{**bought, "count": {"op": "gte", "n": 2}}, {"none": [recently]}]}}
        counted, run_id = wait_for(lambda: count_in_one_run(demo, rule), "a count within one run")
        at = Moment(datetime.fromisoformat(counted["as_of"]), shop.context.timezone)
        times = f"""SELECT customer_no, count(DISTINCT order_id) AS times, max(ordered_at) AS latest FROM order_lines
                    WHERE counts AND product_no = {best} AND ordered_at < {at.sql()} GROUP BY customer_no"""
        with history(demo, shop.context, run_id) as connection:
            ((by_hand,),) = connection.execute(
                f"SELECT count(*) FROM ({times}) WHERE times >= 2 AND latest < {at.day(59)}"
            ).fetchall()
        assert counted["count"] == by_hand > 0


def count_in_one_run(demo: RunningDemo, rule: dict[str, Any]) -> tuple[dict[str, Any], int] | None:
    """The rule counted, with the run that it was counted on; None if a new run came in between."""
    before = demo.api("/api/dashboard")["run_id"]
    counted = demo.ask("POST", "/api/segments/preview", json={"rule": rule}).json()
    return (counted, before) if demo.api("/api/dashboard")["run_id"] == before else None


class TestUploadedList:
    def test_a_hostile_file_is_read_and_every_row_accounted_for(
        self, page: Page, demo: RunningDemo, encore: Open
    ) -> None:
        known = addresses(demo, "auto:loyal", 8)
        lines = [
            "Name;E-Mail;Note",
            *(f'"Smith; {number}";{address};=1+1' for number, address in enumerate(known[:5])),
            f"Shout;  {known[5].upper()}  ;trailing blanks and capitals",
            f'"Two\r\nlines";{known[6]};"a quoted ""line"""',
            f"Again;{known[0]};the same customer",
            f"Again;{known[0].upper()};and once more",
            "Stranger;nobody.at.all@example.net;unknown to the shop",
            "Broken;not an address;no usable address",
            "Empty;;",
        ]
        content = b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"
        app = encore("/segments/upload")
        heading(page, "Upload a list")
        name = f"hostile {fresh()}"
        file = {"name": f"{name.replace(' ', '_')}.csv", "mimeType": "text/csv", "buffer": content}
        app.locator('input[type="file"]').set_input_files(file)
        expect(app.get_by_text(re.compile("12 rows, utf-8.*, separated by semicolon"))).to_be_visible()
        app.get_by_role("button", name="Make a list from 12 rows").click()
        expect(app.get_by_role("heading", name=f"{name}: 7 members")).to_be_visible()
        for label, value in (("Matched", 7), ("Not matched", 1), ("Duplicates", 2), ("Invalid", 2)):
            shown(app, label, value)
        expect(app.get_by_text("7 + 1 + 2 + 2 = 12 rows")).to_be_visible()
        app.get_by_role("button", name="Open the segment").or_(app.get_by_role("link", name="Open the segment")).click()
        heading(page, name)
        shown(app, "Size", 7)
        members = demo.api(f"/api/segments/{page.url.rsplit('/', 1)[1]}/members")["items"]
        assert {one["email"] for one in members} == set(known[:7])
