"""What the tests of the main job share: Encore in the admin's frame, and the automatic segments of one run.

All of them use the one demo of the session, and its scheduler works on meanwhile: an import of changes may
publish a new run between two requests, so `shop` reads again until a whole answer comes from one run.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from app.domain.context import ShopContext
from tests.e2e.journey.main_job import Shop, all_segments, history, is_of_a_type, members_of_run, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first of these tests waits for the demo's import, which the usual limit does not allow for."""
    for item in items:
        if "journey" in item.path.parts:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def shop(demo: RunningDemo) -> Iterator[Shop]:
    """The automatic segments of one run as the API lists them, their members as stored, and that run's history."""
    about = demo.api("/api/shop")
    context = ShopContext(shop_id=1, domain=about["domain"], currency=about["currency"], timezone=about["timezone"])

    def read() -> Shop | None:
        before = demo.api("/api/dashboard")
        segments = [row for row in all_segments(demo) if row["source"] == "automatic"]
        members = members_of_run(demo, context, before["run_id"])
        about_a_chance = [row for row in segments if row["product"] or is_of_a_type(row["key"])]
        rules = {row["key"]: demo.api(f"/api/segments/{row['id']}")["rule"] for row in about_a_chance}
        if demo.api("/api/dashboard")["run_id"] != before["run_id"]:
            return None
        run_id = before["run_id"]
        connection = history(demo, context, run_id)
        as_of = datetime.fromisoformat(before["as_of"])
        return Shop(run_id, as_of, context, segments, rules, members, connection)

    found = wait_for(read, "every segment from one and the same run", seconds=300)
    yield found
    found.connection.close()


@pytest.fixture
def encore(page: Page, demo: RunningDemo) -> Callable[[str], FrameLocator]:
    """Opens one of Encore's pages within the admin; returns the app's frame."""

    def open_at(path: str) -> FrameLocator:
        page.goto(demo.url + path.rstrip("/"))
        return page.frame_locator("#app-frame")

    return open_at
