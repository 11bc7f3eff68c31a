"""Every page in each of its states, as a merchant sees it in a browser with Polaris elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.pages.fake_api import FakeApi

pytestmark = pytest.mark.browser

NO_RUN: dict[str, Any] = {
    **dict.fromkeys(
        (
            "as_of",
            "run_id",
            "customers",
            "buyers",
            "reachable",
            "net_sales_30d_minor",
            "orders_30d",
            "expected_buyers_30d",
        )
    ),
    "stages": [],
    "movers": [],
    "health": {
        "last_import": None,
        "last_refresh": None,
        "failed_jobs": 0,
        "running_jobs": 0,
        "differences": [],
        "models": [],
    },
}


@dataclass(frozen=True)
class States:
    """One page: the question it lives from, and what it says in each state.

    empty: the answer's changed parts; None where a page has no empty state of that question.
    """

    name: str
    path: str
    key: str
    loading: str
    failed: str
    empty: dict[str, Any] | None
    empty_says: str
    full: list[str] = field(default_factory=list)


PAGES = [
    States(
        "dashboard",
        "/",
        "GET /api/dashboard",
        "Loading the dashboard",
        "The dashboard could not be loaded",
        NO_RUN,
        "Encore is waiting for your first import",
        ["2,469", "1,655", "$312,045", "1,803", "Remind 207 customers of Fluid Milk 1 gal"],
    ),
    States(
        "segments",
        "/segments",
        "GET /api/segments",
        "Loading segments",
        "Segments could not be loaded",
        {"items": [], "total": 0, "next": None, "state": "before_analysis"},
        "Your segments are on the way",
        ["Due for Fluid Milk 1 gal", "61.4%", "No customer has a known income in this range.", "of 53 segments"],
    ),
    States(
        "segment details",
        "/segments/seg_7",
        "GET /api/segments/seg_7",
        "Loading the segment",
        "The segment could not be loaded",
        {"state": "empty", "reason": "No customer is due.", "probabilities": [], "expected": None},
        "Nobody is in this segment now",
        ["12.6% of customers", "33 to 49 within 30 days", "$164,906", "ada.winters@example.com", "Milk reminder"],
    ),
    States(
        "customer",
        "/customers/8",
        "GET /api/customers/8",
        "Loading the customer",
        "The customer could not be loaded",
        {"facts": None, "values": None, "repurchase": [], "cross_sell": []},
        "Nothing is predicted for this customer.",
        ["Not reachable: Unsubscribed", "$182.40", "Coffee lovers who stopped", "Order #1042", "Milk reminder"],
    ),
    States(
        "segment builder",
        "/segments/new",
        "GET /api/segments/vocabulary",
        "Loading the segment builder",
        "The segment builder could not be loaded",
        {},
        "Add a condition to see who matches.",
        ["Best customers about to leave", "88 customers now", "Include a segment"],
    ),
    States(
        "campaigns",
        "/campaigns",
        "GET /api/campaigns",
        "Loading campaigns",
        "Campaigns could not be loaded",
        {"items": []},
        "Campaigns send by themselves",
        ["Milk reminder", "103", "most: Not subscribed to e-mail marketing (93)", "Unnamed draft"],
    ),
    States(
        "new campaign",
        "/campaigns/cmp_3/edit?step=review",
        "GET /api/campaigns/cmp_3",
        "Loading the campaign",
        "The campaign could not be loaded",
        {"name": None, "unresolved": [{"step": "name", "field": "name", "message": "Give it a name."}]},
        "1. Name (1 open)",
        ["118 people of 312 in the audience", "Start: 118 people can be mailed", "Bought too recently: 61"],
    ),
    States(
        "campaign",
        "/campaigns/cmp_1",
        "GET /api/campaigns/cmp_1",
        "Loading the campaign",
        "The campaign could not be loaded",
        {"state": "draft"},
        "Nothing is sent before you start it.",
        ["312 customers considered", "97 + 4 + 14 + 194 + 2 + 1 = 312", "Customer 8"],
    ),
    States(
        "predictions",
        "/predictions",
        "GET /api/predictions/card",
        "Loading the model card",
        "The model card could not be loaded",
        {"card": None},
        "No predictions yet",
        ["29,038 came", "Decayed frequency, 120 days", "Fluid Milk 1 gal", "3 weeks in all", "Came per expected buyer"],
    ),
    States(
        "senders",
        "/senders",
        "GET /api/senders",
        "Loading senders",
        "Senders could not be loaded",
        {"items": []},
        "Campaigns need an address to send from",
        ["Encore Demo Grocery", "Verified", "Cincinnati, OH 45202", "Sends on behalf"],
    ),
    States(
        "connections",
        "/connections",
        "GET /api/syncs",
        "Loading syncs",
        "Syncs could not be loaded",
        {"items": []},
        "No segment is synced yet",
        ["Encore Demo Klaviyo", "Not connected", "10 + 4 + 283 + 12 + 3 = 312 members", "Partly in step"],
    ),
    States(
        "settings",
        "/settings",
        "GET /api/settings/demographics",
        "Loading estimates",
        "Estimates could not be loaded",
        None,
        "",
        ["Estimate gender from first names", "60.7% of customers", "Expected to be wrong", "30,621 ZIP areas"],
    ),
    States(
        "upload",
        "/segments/upload",
        "GET /api/shop",
        "Loading your shop",
        "Your shop could not be loaded",
        None,
        "",
        ["Choose a CSV file", "nobody becomes e-mailable by being on a list"],
    ),
]
HAVE_EMPTY = [states for states in PAGES if states.empty is not None]
by_page = pytest.mark.parametrize("states", PAGES, ids=[states.name for states in PAGES])


def shows(page: Page, text: str) -> None:
    """The text stands somewhere on the page for a reader."""
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible()


@by_page
class TestPage:
    def test_says_what_it_waits_for(self, states: States, api: FakeApi, go: Callable[[str], Page]) -> None:
        api.hold(states.key)
        page = go(states.path)
        expect(page.get_by_role("status", name=states.loading)).to_be_visible()
        api.release()
        shows(page, states.full[0])

    def test_says_what_failed_and_loads_when_tried_again(
        self, states: States, api: FakeApi, go: Callable[[str], Page], problems: Any
    ) -> None:
        problems.allow("422")
        api.fail(states.key, 422, "The store said no.")
        page = go(states.path)
        shows(page, states.failed)
        shows(page, "The store said no.")
        api.recover(states.key)
        page.get_by_role("button", name="Try again").click()
        shows(page, states.full[0])

    def test_shows_the_numbers_of_the_api(self, states: States, go: Callable[[str], Page]) -> None:
        page = go(states.path)
        for text in states.full:
            shows(page, text)


@pytest.mark.parametrize("states", HAVE_EMPTY, ids=[states.name for states in HAVE_EMPTY])
class TestEmptyPage:
    def test_teaches_what_will_be_there(self, states: States, api: FakeApi, go: Callable[[str], Page]) -> None:
        answer = {**api.sample(states.key), **(states.empty or {})}
        if states.name == "segment details":
            answer["statistics"] = {**answer["statistics"], "size": 0, "reachable": 0, "not_reachable": []}
        api.answers[states.key] = answer
        shows(go(states.path), states.empty_says)
