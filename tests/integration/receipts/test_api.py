"""Promises and receipts over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g

from app.api.app import create_app
from app.services import receipts
from tests.integration.receipts.conftest import promise_for
from tests.integration.sending.world import COFFEE, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.fixture
def client(world: World) -> FlaskClient:
    def authenticate() -> None:
        g.shop = world.ctx

    return create_app(world.rooms, authenticate, []).test_client()


def a_month(world: World, members: list[int], buyers: list[int]) -> None:
    """A promise about these members, of whom these buy, and its receipt."""
    promise_for(world, members)
    for who in buyers:
        world.bought(who, COFFEE, world.clock.now() + timedelta(days=3))
    world.clock.advance(timedelta(days=30))
    world.publish()
    assert receipts.settle(world.rooms, world.ctx) == 1


class TestTheApi:
    def test_of_a_segment_gives_its_promises_oldest_first(self, world: World, client: FlaskClient) -> None:
        number = world.segment("buy_again:101", "repurchase", [1, 2], COFFEE)
        a_month(world, list(range(1, 41)), list(range(1, 16)))  # sixteen are expected
        a_month(world, list(range(1, 41)), [])
        promise_for(world, list(range(1, 31)))
        found = client.get(f"/api/segments/seg_{number}/receipts").json
        assert found["promised"] is True
        assert [(one["buyers"], one["inside"]) for one in found["receipts"]] == [(15, True), (0, False)]
        assert found["receipts"][0]["due_at"] == found["receipts"][1]["as_of"]
        assert [(one["size"], one["expected"]) for one in found["open"]] == [(30, 12.0)]
        totals = {
            "receipts": 2,
            "inside": 1,
            "above": 0,
            "below": 1,
            "expected": 32.0,
            "buyers": 15,
            "mailed_buyers": 0,
        }
        assert found["totals"] == totals
        # The interval of the second promise knew nothing of the first receipt, the third one knows both.
        width = [one["high"] - one["low"] for one in (*found["receipts"], *found["open"])]
        assert width[2] / 30 > width[1] / 40

    def test_of_another_segment_says_that_it_promises_nothing(self, world: World, client: FlaskClient) -> None:
        number = world.segment("auto:lapsed", "retain", [1, 2])
        found = client.get(f"/api/segments/seg_{number}/receipts").json
        assert (found["promised"], found["open"], found["receipts"]) == (False, [], [])

    def test_of_an_unknown_segment_is_404(self, client: FlaskClient) -> None:
        assert client.get("/api/segments/seg_99/receipts").status_code == 404

    def test_of_the_shop_counts_segments_that_are_no_longer_listed(self, world: World, client: FlaskClient) -> None:
        a_month(world, list(range(1, 41)), list(range(1, 16)))
        found = client.get("/api/receipts").json
        assert [(one["key"], one["segment_id"], one["buyers"]) for one in found["segments"]] == [
            ("buy_again:101", None, 15)
        ]
        assert found["months"] == [{"month": "2026-03", "back_dated": False, **found["totals"]}]
        assert found["live"] == found["totals"]
        assert found["back_dated"]["receipts"] == 0
        assert found["coverage"] == 0.8

    def test_of_a_new_shop_is_empty(self, client: FlaskClient) -> None:
        found = client.get("/api/receipts").json
        assert (found["totals"]["receipts"], found["open"], found["next_due_at"]) == (0, 0, None)
        assert found["look_back"] == {"state": "waiting", "done": 0, "wanted": 3, "moments": 0}
