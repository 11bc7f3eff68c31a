"""An order placed in the shop reaches Encore within minutes: webhook, import, refresh, new numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.journey.main_job import all_segments, encore, pages, wait_for

if TYPE_CHECKING:
    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser
MINUTES = 120.0  # seconds; an import of changes and a refresh take half a minute on two free cores


def counts(demo: RunningDemo) -> dict[str, Any]:
    """What `encore status --json` prints of this shop."""
    done = encore(demo, "status", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["shops"] if one["shop"] == demo.domain]
    return dict(found["counts"])


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

        def published() -> dict[str, Any] | None:
            now: dict[str, Any] = demo.api("/api/dashboard")
            return now if now["orders_30d"] > dashboard["orders_30d"] else None

        after = wait_for(published, "the order on the dashboard", seconds=MINUTES)
        assert after["run_id"] > dashboard["run_id"]
        assert after["orders_30d"] == dashboard["orders_30d"] + 1
        now = counts(demo)
        assert now["orders"] == before["orders"] + 1
        assert now["order_lines"] == before["order_lines"] + 1
        (shop_counts,) = [one for one in after["health"]["differences"] if one["object"] == "orders"]
        assert shop_counts["difference"] == 0
        assert buyer["customer_no"] not in {one["customer_no"] for one in pages(demo, path)}
