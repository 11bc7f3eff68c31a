"""The simulator and the past year over HTTP, as the review step asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import g

from app.api.app import create_app
from app.services import campaigns

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.sending.world import World


@pytest.fixture
def client(world: World) -> FlaskClient:
    def authenticate() -> None:
        g.shop = world.ctx

    return create_app(world.rooms, authenticate, []).test_client()


class TestTheSimulation:
    def test_answers_with_the_campaigns_own_settings_and_with_others(self, client: FlaskClient, draft: str) -> None:
        own = client.post(f"/api/campaigns/{draft}/simulation", json={}).json
        assert own["emails"] == {"expected": 20.0, "low": 20, "high": 20}
        assert (own["days"], own["timing"]["frequency"], own["discount_minor"]) == (30, "once", None)
        tried = {"days": 60, "frequency": "every", "every_days": 7, "repeats": 3, "discount_percent": 10}
        other = client.post(f"/api/campaigns/{draft}/simulation", json=tried).json
        assert other["emails"]["expected"] > 40
        assert [week["days"] for week in other["weeks"]] == [7] * 8 + [4]
        assert other["discount_minor"]["expected"] == pytest.approx(90 * other["orders"]["expected"])

    @pytest.mark.parametrize(
        ("body", "field"),
        [({"days": 91}, "days"), ({"wait_days": 91}, "wait_days"), ({"days": 0}, "days"), ({"colour": 1}, "colour")],
    )
    def test_refuses_what_can_never_be(self, client: FlaskClient, draft: str, body: dict[str, int], field: str) -> None:
        answer = client.post(f"/api/campaigns/{draft}/simulation", json=body)
        assert answer.status_code == 422
        assert answer.json["error"]["field"] == field

    def test_waits_for_an_audience(self, world: World, client: FlaskClient) -> None:
        empty = campaigns.create(world.rooms, world.ctx)
        for answer in (
            client.post(f"/api/campaigns/{empty}/simulation", json={}),
            client.get(f"/api/campaigns/{empty}/before-you-send"),
        ):
            assert (answer.status_code, answer.json["error"]["field"]) == (409, "audience.type")
        assert client.get("/api/campaigns/cmp_99/before-you-send").status_code == 404


class TestThePastYear:
    def test_without_a_back_test_says_so(self, client: FlaskClient, draft: str) -> None:
        found = client.get(f"/api/campaigns/{draft}/before-you-send").json
        assert (found["state"], found["weeks"], found["share"]) == ("none", [], 1.0)
