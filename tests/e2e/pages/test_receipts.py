"""The strip of promises and receipts on a product segment's page, as the browser draws it."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.pages.fake_api import FakeApi
    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser
KEY = "GET /api/segments/seg_7/receipts"


class TestTheJobs:
    def test_of_a_refresh_are_followed_by_the_look_back(self, tiny: RunningDemo) -> None:
        for _ in range(120):
            found = tiny.api("/api/receipts")["look_back"]
            if found["state"] == "done":
                break
            threading.Event().wait(0.5)
        assert found["state"] == "done"


class TestTheStrip:
    def test_has_a_bar_for_each_promise_and_a_dot_on_its_scale_for_each_receipt(
        self, api: FakeApi, go: Callable[[str], Page]
    ) -> None:
        page = go("/segments/seg_7")
        expect(page.get_by_text("We expect 41 of 312 to buy within 30 days (33 to 49).")).to_be_visible()
        card = page.locator("s-section[heading='Promised and bought']")
        bars = card.locator(".recharts-bar-rectangle path")
        dots = card.locator("svg circle")
        expect(bars).to_have_count(5)
        expect(dots).to_have_count(4)
        receipts = api.sample(KEY)["receipts"]
        for number, receipt in enumerate(receipts):
            bar, dot = bars.nth(number).bounding_box(), dots.nth(number).bounding_box()
            assert bar is not None
            assert dot is not None
            middle = dot["y"] + dot["height"] / 2
            assert (bar["y"] <= middle <= bar["y"] + bar["height"]) == receipt["inside"]
            per_buyer = bar["height"] / (receipt["high"] - receipt["low"])
            assert middle == pytest.approx(bar["y"] + (receipt["high"] - receipt["buyers"]) * per_buyer, abs=2)
        expect(card.get_by_text("back-dated", exact=True)).to_have_count(3)
        expect(card.get_by_text("still open", exact=True)).to_have_count(1)

    def test_can_be_read_as_a_table(self, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_7")
        card = page.locator("s-section[heading='Promised and bought']")
        card.get_by_role("button", name="Show table").click()
        rows = card.locator("s-table-row")
        expect(rows).to_have_count(5)
        expect(rows.nth(1)).to_contain_text("Back-dated")
        expect(rows.nth(1)).to_contain_text("24")

    def test_of_many_months_stays_readable(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        found = api.sample(KEY)
        first = found["receipts"][-1]
        found["receipts"] = [first | {"as_of": f"{2023 + n // 12}-{n % 12 + 1:02}-15T12:00:00Z"} for n in range(36)]
        api.answers[KEY] = found
        card = go("/segments/seg_7").locator("s-section[heading='Promised and bought']")
        expect(card.locator(".recharts-bar-rectangle path")).to_have_count(37)
        boxes = [tick.bounding_box() for tick in card.locator(".encore-tick").all()]
        places = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box is not None)
        assert len(places) >= 5
        assert all(right <= left for (_, right), (left, _) in pairwise(places))
