from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.domain.rules.evaluate import evaluate
from app.domain.rules.parse import parse
from app.services import customer_features
from app.services.erase import erase_customer
from app.services.merge import merge_customers
from app.services.published import PublishedRun
from app.services.segments_world import new_world
from app.store.models.segment_pins import SegmentPin
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from pyroaring import BitMap

    from tests.integration.segments.conftest import SmallShop

RECENT = {"v": 1, "match": {"all": [{"did": "ordered", "during": {"last": "30d"}},
                                    {"attr": "orders.count", "op": "gte", "value": 3}]}}  # fmt: skip
COFFEE = {"v": 1, "match": {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "1001"}]}}


@pytest.fixture
def client(shop: SmallShop) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


def made(client: FlaskClient, rule: dict[str, Any]) -> str:
    answer = client.post("/api/segments", json={"name": "Mine", "rule": rule})
    assert answer.status_code == 201, answer.json
    return str(answer.json["id"])


def members(client: FlaskClient, segment: str) -> dict[int, str]:
    found = client.get(f"/api/segments/{segment}/members?limit=200").json
    return {row["customer_no"]: row["reason"] for row in found["items"]}


def selected(shop: SmallShop, rule: dict[str, Any], at: datetime, run_id: int) -> BitMap:
    """Who a rule selects at a later moment, with the figures of a refresh at that moment."""
    folder = shop.rooms.lake.run_dir(shop.ctx, run_id)
    shutil.copytree(shop.run.dir, folder, dirs_exist_ok=True)
    connection = shop.rooms.lake.connect(shop.ctx, shop.run.versions)
    customer_features.build(connection, shop.ctx, at, folder / "features.parquet")
    connection.close()
    run = PublishedRun(run_id, at, shop.run.versions, at, folder)
    with new_world(shop.rooms, shop.ctx, run) as world:
        return evaluate(parse(rule), world.world).members


class TestExplain:
    def test_says_for_every_customer_what_the_segment_says(self, client: FlaskClient) -> None:
        segment = made(client, RECENT)
        inside = set(members(client, segment))
        for no in range(1, 61, 7):
            found = client.get(f"/api/segments/{segment}/explain/{no}").json
            assert (found["holds"], found["member"]) == (no in inside, no in inside), no
            assert [part["depth"] for part in found["parts"]] == [0, 1, 1]

    def test_names_the_customers_own_values_and_the_nearest_change(self, client: FlaskClient) -> None:
        found = client.get(f"/api/segments/{made(client, COFFEE)}/explain/3").json
        assert (found["name"], found["email"]) == ("Ann-Marie O'Hara 3", "c3@example.com")
        assert found["summary"] == "The rule does not hold for this customer."
        assert found["parts"][0]["value"] == "Never ordered so"
        assert found["ways"][0]["text"].startswith("the customer placed 1 more order now, counted by “Ordered (product")

    def test_says_when_time_alone_flips_it(self, client: FlaskClient) -> None:
        # Customer 6 ordered 7 times, the last 6 days ago: the order leaves 30 store days 24 days from now.
        found = client.get(f"/api/segments/{made(client, RECENT)}/explain/6").json
        assert (found["member"], found["flips_to"]) == (True, False)
        assert found["flips_at"].startswith("2026-12-14T05:00:00")

    def test_an_automatic_stage_says_when_its_own_clock_moves_the_customer_on(
        self, client: FlaskClient, shop: SmallShop
    ) -> None:
        refresh_segments(shop)
        stages = client.get("/api/segments?category=retain&limit=200").json["items"]
        active = next(row["id"] for row in stages if row["key"] == "auto:active")
        found = client.get(f"/api/segments/{active}/explain/6").json
        assert (found["member"], found["flips_to"]) == (True, False)
        rule = client.get(f"/api/segments/{active}").json["rule"]
        at = datetime.fromisoformat(found["flips_at"])
        assert 6 in selected(shop, rule, at - timedelta(microseconds=1), 2)
        assert 6 not in selected(shop, rule, at, 3)

    def test_of_nobody_is_not_found_and_an_erased_customer_says_so(self, client: FlaskClient, shop: SmallShop) -> None:
        segment = made(client, RECENT)
        assert client.get(f"/api/segments/{segment}/explain/999").status_code == 404
        erase_customer(shop.rooms, shop.ctx, 9006)
        gone = client.get(f"/api/segments/{segment}/explain/6")
        assert gone.status_code == 404
        assert "erased" in gone.json["error"]["message"]


class TestPins:
    def test_put_customers_in_and_out_and_the_numbers_add_up(self, client: FlaskClient) -> None:
        segment = made(client, RECENT)
        before = client.get(f"/api/segments/{segment}").json
        inside = set(members(client, segment))
        out, into = min(inside), 60
        client.put(f"/api/segments/{segment}/pins/{out}", json={"kind": "out"})
        answer = client.put(f"/api/segments/{segment}/pins/{into}", json={"kind": "in", "note": "Our baker"})
        assert answer.status_code == 200, answer.json
        after = answer.json
        assert after["pins"] == {"pinned_in": 1, "pinned_out": 1, "added": 1, "removed": 1}
        assert set(members(client, segment)) == inside - {out} | {into}
        assert members(client, segment)[into] == "Pinned in by you"
        assert after["leaves"] == before["leaves"]
        assert after["statistics"]["size"] == before["leaves"][-1]["remaining"] + 1 - 1
        assert after["history"][-1]["entered"] == after["history"][-2]["left"] == 1

    def test_survive_versions_and_refreshes_and_can_be_taken_off(self, client: FlaskClient, shop: SmallShop) -> None:
        segment = made(client, RECENT)
        client.put(f"/api/segments/{segment}/pins/60", json={"kind": "in"})
        client.put(f"/api/segments/{segment}", json={"rule": COFFEE})
        refresh_segments(shop)
        assert 60 in members(client, segment)
        client.delete(f"/api/segments/{segment}/pins/60")
        assert 60 not in members(client, segment)
        assert client.get(f"/api/segments/{segment}/pins").json == {"items": []}

    def test_follow_a_merged_customer_and_go_with_an_erased_one(self, client: FlaskClient, shop: SmallShop) -> None:
        segment = made(client, COFFEE)
        client.put(f"/api/segments/{segment}/pins/57", json={"kind": "in"})
        client.put(f"/api/segments/{segment}/pins/59", json={"kind": "in"})
        merge_customers(shop.rooms, shop.ctx, kept=9051, deleted=9057)
        erase_customer(shop.rooms, shop.ctx, 9059)
        refresh_segments(shop)
        found = members(client, segment)
        assert (51 in found, 57 in found, 59 in found) == (True, False, False)
        assert [row["customer_no"] for row in client.get(f"/api/segments/{segment}/pins").json["items"]] == [51]
        with shop.rooms.store.reading(shop.ctx) as session:
            assert list(session.scalars(select(SegmentPin.customer_no))) == [57]

    def test_are_told_by_the_explanation(self, client: FlaskClient) -> None:
        segment = made(client, COFFEE)
        client.put(f"/api/segments/{segment}/pins/3", json={"kind": "in"})
        found = client.get(f"/api/segments/{segment}/explain/3").json
        assert (found["pinned"], found["member"], found["holds"]) == ("in", True, False)
        assert found["summary"] == "Pinned in by you. The rule alone would not."

    def test_are_refused_where_they_have_no_place(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        automatic = client.get("/api/segments?category=retain").json["items"][0]["id"]
        assert client.put(f"/api/segments/{automatic}/pins/3", json={"kind": "in"}).status_code == 409
        own = made(client, COFFEE)
        assert client.put(f"/api/segments/{own}/pins/999", json={"kind": "in"}).status_code == 404
