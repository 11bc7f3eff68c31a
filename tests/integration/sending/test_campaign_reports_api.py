"""Reports and results over HTTP, as the pages use them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g

from app.api.app import create_app
from app.services import campaign_reports, measure_campaigns, plan_sends, send_due
from tests.integration.sending.world import COFFEE, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.fixture
def shop(world: World) -> World:
    """Thirty customers who were decided a week ago, three of ten held out, one of whom bought since."""
    segment = world.coffee_drinkers(30)
    world.campaign(segment, name="Coffee", holdout=30)
    plan_sends.plan(world.rooms, world.ctx)
    send_due.send(world.rooms, world.ctx)
    world.clock.advance(timedelta(days=7))
    world.bought(1, COFFEE, world.clock.now() - timedelta(days=6), 1_200)
    world.publish()
    return world


@pytest.fixture
def client(shop: World) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


class TestReport:
    def test_before_the_first_measurement_it_says_what_it_will_take(self, client: FlaskClient) -> None:
        found = client.get("/api/campaigns/cmp_1/report").json
        assert (found["figures"], found["as_of"], found["history"]) == (None, None, [])
        assert (found["holdout_percent"], found["window_days"]) == (30, 51)

    def test_shows_what_was_measured_and_messages_that_add_up(self, shop: World, client: FlaskClient) -> None:
        measure_campaigns.measure(shop.rooms, shop.ctx)
        found = client.get("/api/campaigns/cmp_1/report").json
        messages = dict(found["messages"])
        assert messages.pop("planned") == 30 == sum(messages.values())
        effect, funnel = found["figures"]["effect"], found["figures"]["funnel"]
        assert effect["treated"] + effect["held_out"] == funnel["eligible"] == 30
        assert (effect["verdict"], funnel["sent"]) == ("collecting", messages["sent"])
        (then,) = found["history"]
        assert (then["estimate"], then["low"], then["high"]) == (None, None, None)  # collecting: no number yet
        results = client.get("/api/campaign-results").json
        assert results["items"] == [
            {
                "campaign_id": "cmp_1", "verdict": "collecting", "incremental_orders": None, "clicked": 0,
                "ordered": found["figures"]["attribution"]["orders"], "waiting": 0,
            }
        ]  # fmt: skip
        assert sum(one["sent"] for one in results["days"]) == messages["sent"]

    def test_a_campaign_that_is_not_there_has_none(self, client: FlaskClient) -> None:
        assert client.get("/api/campaigns/cmp_99/report").status_code == 404

    def test_is_measured_again_in_the_background(self, shop: World, client: FlaskClient) -> None:
        assert client.post("/api/campaign-results/refresh").status_code == 202
        assert (shop.ctx.shop_id, "measure", "") in shop.jobs.asked


class TestTogether:
    def test_keeps_measured_and_attributed_apart(self, shop: World) -> None:
        with shop.store.reading(shop.ctx) as session:
            assert campaign_reports.together(session, shop.ctx).as_of is None
        measure_campaigns.measure(shop.rooms, shop.ctx)
        with shop.store.reading(shop.ctx) as session:
            found = campaign_reports.together(session, shop.ctx)
        assert (found.incremental_revenue, found.measured, found.collecting) == (None, 0, 1)
        assert found.emails_sent == len(shop.transport.taken)


class TestShopHoldout:
    def test_is_changed_within_its_bounds(self, client: FlaskClient) -> None:
        assert client.get("/api/settings/holdout").json["percent"] == 0
        assert client.patch("/api/settings/holdout", json={"percent": 5}).json["percent"] == 5
        found = client.get("/api/settings/holdout").json
        assert (found["percent"], found["default"], found["most"]) == (5, 3, 10)
        assert found["changed_at"] is not None
        assert client.patch("/api/settings/holdout", json={"percent": 50}).status_code == 422
