"""An order placed in the shop reaches Encore within minutes: webhook, import, refresh, new numbers."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.e2e.journey.main_job import all_segments, encore, pages, wait_for

if TYPE_CHECKING:
    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser
MINUTES = 300.0  # seconds; an import of changes and a refresh take half a minute on two free cores


def counts(demo: RunningDemo) -> dict[str, Any]:
    """What `encore status --json` prints of this shop."""
    done = encore(demo, "status", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["shops"] if one["shop"] == demo.domain]
    return dict(found["counts"])


def day(moment: str, timezone: ZoneInfo) -> date:
    """The shop's day of a moment of the API."""
    return datetime.fromisoformat(moment).astimezone(timezone).date()


class TestAnOrderInTheShop:
    def test_it_counts_and_its_buyer_leaves_the_segment_for_who_never_bought_it(self, demo: RunningDemo) -> None:
        before, dashboard = counts(demo), demo.api("/api/dashboard")
        row = next(row for row in all_segments(demo) if row["category"] == "cross_sell" and row["size"] > 0)
        path = f"/api/segments/{row['id']}/members"
        buyer = next(one for one in pages(demo, path) if one["customer_id"])
        order = httpx.post(
            f"{demo.stand_in('shopify')}/sandbox/orders",
            json={
                "customer_id": int(buyer["customer_id"]),
                "lines": [{"product_id": int(row["product"]["product_id"]), "quantity": 2}],
            },
            headers={"Accept": "application/json"},
            timeout=30,
        )
        assert order.status_code == 201, order.text

        def left() -> dict[str, Any] | None:
            # Not the run's number alone: a refresh that began before the import publishes a run too. Nor the members
            # alone: they change a moment before their run is published.
            stays = any(one["customer_no"] == buyer["customer_no"] for one in pages(demo, path))
            if stays or demo.api("/api/progress")["running"]:
                return None
            now: dict[str, Any] = demo.api("/api/dashboard")
            return now if now["run_id"] > dashboard["run_id"] else None

        after = wait_for(left, "the buyer leaving the segment", seconds=MINUTES)
        timezone = ZoneInfo(demo.api("/api/shop")["timezone"])
        if day(dashboard["as_of"], timezone) == day(after["as_of"], timezone):  # else the thirty days moved on
            assert after["orders_30d"] == dashboard["orders_30d"] + 1
        now = counts(demo)
        assert now["orders"] == before["orders"] + 1
        assert now["order_lines"] == before["order_lines"] + 1
        (shop_counts,) = [one for one in after["health"]["differences"] if one["object"] == "orders"]
        assert shop_counts["difference"] == 0
