"""Connections and syncs over HTTP, as the pages use them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import g
from pyroaring import BitMap

from app.api.app import create_app
from app.services.sync_segment import due, run_sync
from app.store.models.connections import Connection
from app.store.models.segments import Membership as StoredMembership
from app.store.models.segments import Segment
from tests.contract.connectors.conftest import KEYS
from tests.integration.sync.conftest import NOW, addresses

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.sync.conftest import ShopUnderTest

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


class Page:
    """What a page does: calls with JSON in and out."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def get(self, path: str, status: int = 200) -> Any:
        return self._answer(self._client.get(f"/api{path}"), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._answer(self._client.post(f"/api{path}", json=body or {}), status)

    def patch(self, path: str, body: Any) -> Any:
        return self._answer(self._client.patch(f"/api{path}", json=body), 200)

    def delete(self, path: str, status: int = 200) -> Any:
        return self._answer(self._client.delete(f"/api{path}"), status)

    def text(self, path: str) -> str:
        return self._client.get(f"/api{path}").get_data(as_text=True)

    @staticmethod
    def _answer(answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()


@pytest.fixture
def page(shop: ShopUnderTest) -> Page:
    def authenticate() -> None:
        g.shop = shop.ctx

    return Page(create_app(shop.rooms, authenticate, []).test_client())


def put_members(shop: ShopUnderTest, members: BitMap, number: int = 1) -> None:
    """Publish a membership of segment 1, as a refresh does."""
    with shop.rooms.store.session(shop.ctx) as session:
        session.add(
            StoredMembership(
                shop_id=shop.ctx.shop_id,
                id=number,
                segment_id=1,
                run_id=None,
                evaluated_at=shop.clock.now(),
                watermark=None,
                next_flip_at=None,
                members=members.serialize(),
                size=len(members),
                leaves=[],
                statistics={},
                duration_ms=1,
            )
        )
        session.get_one(Segment, (shop.ctx.shop_id, 1)).membership_id = number


def connected(shop: ShopUnderTest, page: Page) -> str:
    body = {"vendor": shop.vendor, "api_key": KEYS[shop.vendor]}
    return str(page.post("/connections", body, 201)["id"])


def made(shop: ShopUnderTest, page: Page, **fields: Any) -> str:
    shop.add_segment(1)
    connection_id = connected(shop, page)
    targets = page.get(f"/connections/{connection_id}/targets")
    container = targets["containers"][0]["id"] if targets["containers"] else None
    body = {
        "segment_id": "seg_1",
        "connection_id": connection_id,
        "target": {"name": "Encore: VIP", "container_id": container},
        **fields,
    }
    shop.sync_id = page.post("/syncs", body, 201)["id"]
    return shop.sync_id


class TestTiles:
    def test_every_vendor_says_what_it_enables_and_what_happens_to_consent(
        self, shop: ShopUnderTest, page: Page
    ) -> None:
        tiles = page.get("/connections")["items"]
        assert [tile["vendor"] for tile in tiles] == ["shopify", "klaviyo", "mailchimp"]
        for tile in tiles:
            assert tile["enables"]
            assert "Encore never" in tile["consent"]
        assert {tile["state"] for tile in tiles[1:]} == {"not_connected"}

    def test_a_connected_account_is_named(self, shop: ShopUnderTest, page: Page) -> None:
        connected(shop, page)
        tile = next(tile for tile in page.get("/connections")["items"] if tile["vendor"] == shop.vendor)
        assert tile["state"] == "connected"
        assert tile["account_name"] == tile["connections"][0]["account_name"]


class TestConnect:
    def test_a_wrong_key_is_refused_with_what_to_do(self, shop: ShopUnderTest, page: Page) -> None:
        error = page.post("/connections", {"vendor": shop.vendor, "api_key": "wrong-us1"}, 422)["error"]
        assert error["field"] == "api_key"
        assert "connect again" in error["message"]
        assert page.get("/connections")["items"][1]["connections"] == []

    def test_a_vendor_that_is_down_is_no_fault_of_the_key(self, shop: ShopUnderTest, page: Page) -> None:
        shop.standin.fault("*", "503", count=50)
        error = page.post("/connections", {"vendor": shop.vendor, "api_key": KEYS[shop.vendor]}, 503)["error"]
        assert "try again" in error["message"]

    def test_the_key_is_sealed(self, shop: ShopUnderTest, page: Page) -> None:
        connected(shop, page)
        with shop.rooms.store.reading(shop.ctx) as session:
            row = session.get_one(Connection, (shop.ctx.shop_id, 1))
        assert KEYS[shop.vendor].encode() not in row.sealed

    def test_a_check_finds_a_revoked_key_and_a_mended_one(self, shop: ShopUnderTest, page: Page) -> None:
        connection_id = connected(shop, page)
        shop.standin.fault("*", "401")
        broken = page.post(f"/connections/{connection_id}/check")
        assert (broken["state"], bool(broken["problem"])) == ("needs_reconnect", True)
        assert page.post(f"/connections/{connection_id}/check")["state"] == "connected"

    def test_disconnecting_forgets_the_syncs_and_leaves_the_vendor_alone(self, shop: ShopUnderTest, page: Page) -> None:
        made(shop, page)
        shop.run(shop.customers(range(1, 6)))
        there = shop.there()
        message = page.delete("/connections/con_1")["message"]
        assert "stay there" in message
        assert shop.there() == there
        assert page.get("/syncs")["items"] == []
        page.post("/connections/con_1/check", status=404)

    def test_another_shop_s_connection_does_not_exist(self, shop: ShopUnderTest, page: Page) -> None:
        page.get("/connections/con_7/targets", 404)
        page.get("/connections/7/targets", 422)


class TestCreateSync:
    def test_a_new_target_is_made_at_the_vendor_and_nobody_is_sent(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        sync = page.get(f"/syncs/{sync_id}")
        assert (sync["state"], sync["target_name"], sync["segment_name"], sync["at_vendor"], sync["last_run"]) == (
            "active",
            "Encore: VIP",
            "VIP",
            0,
            None,
        )
        assert shop.there() == []

    def test_a_name_that_exists_is_not_made_again(self, shop: ShopUnderTest, page: Page) -> None:
        made(shop, page)
        targets = page.get("/connections/con_1/targets")
        container = targets["containers"][0]["id"] if targets["containers"] else None
        body = {
            "segment_id": "seg_1",
            "connection_id": "con_1",
            "target": {"name": "Encore: VIP", "container_id": container},
        }
        assert page.post("/syncs", body, 409)["error"]["field"] == "target"

    def test_two_syncs_can_t_share_a_target(self, shop: ShopUnderTest, page: Page) -> None:
        made(shop, page)
        target = page.get("/syncs/syn_1")["target_id"]
        body = {"segment_id": "seg_1", "connection_id": "con_1", "target": {"id": target}}
        assert "each other" in page.post("/syncs", body, 409)["error"]["message"]

    @pytest.mark.parametrize("target", [{}, {"id": "x", "name": "y"}])
    def test_a_target_is_either_old_or_new(self, shop: ShopUnderTest, page: Page, target: dict[str, str]) -> None:
        made(shop, page)
        body = {"segment_id": "seg_1", "connection_id": "con_1", "target": target}
        assert page.post("/syncs", body, 422)["error"]["field"] == "target"

    def test_an_unknown_target_or_segment_is_said(self, shop: ShopUnderTest, page: Page) -> None:
        made(shop, page)
        body = {"segment_id": "seg_1", "connection_id": "con_1", "target": {"id": "gone:1"}}
        assert "no longer has" in page.post("/syncs", body, 422)["error"]["message"]
        page.post("/syncs", body | {"segment_id": "seg_9"}, 404)


class TestRuns:
    def test_preview_run_and_outcomes_agree(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        members = shop.customers(range(1, 11)) | BitMap([shop.customer(20, None), shop.customer(21, "broken@")])
        put_members(shop, members)
        preview = page.post(f"/syncs/{sync_id}/preview")
        assert (preview["queried"], preview["to_add"], preview["skipped"], preview["first_run"]) == (12, 11, 1, True)
        page.post(f"/syncs/{sync_id}/run", status=202)
        assert shop.jobs.asked == [(shop.ctx.shop_id, "sync", sync_id)]
        run_sync(shop.rooms, shop.ctx, sync_id, patience=shop.patience())
        (run,) = page.get(f"/syncs/{sync_id}/runs")["items"]
        assert (run["state"], run["queried"], run["added"], run["skipped"], run["failed"]) == ("partial", 12, 10, 1, 1)
        assert next((r["outcome"], r["code"]) for r in run["reasons"]) == ("skipped", "no_address")
        outcomes = page.get(f"/syncs/{sync_id}/runs/{run['id']}/outcomes")
        assert outcomes["total"] == 12
        assert sorted(row["customer_no"] for row in outcomes["items"]) == list(members)
        assert page.get(f"/syncs/{sync_id}")["at_vendor"] == 10

    def test_outcomes_are_filtered_and_paged(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        shop.run(shop.customers(range(1, 26)) | BitMap([shop.customer(40, None)]))
        path = f"/syncs/{sync_id}/runs/1/outcomes"
        first = page.get(f"{path}?outcome=added&limit=20")
        second = page.get(f"{path}?outcome=added&limit=20&cursor={first['next']}")
        assert (len(first["items"]), len(second["items"]), second["next"]) == (20, 5, None)
        both = [row["email"] for row in first["items"] + second["items"]]
        assert sorted(both) == addresses(range(1, 26))
        (skipped,) = page.get(f"{path}?code=no_address")["items"]
        assert (skipped["customer_no"], skipped["customer_id"], skipped["email"]) == (40, "1040", None)

    def test_the_file_has_every_row_and_no_formula(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        shop.run(shop.customers(range(1, 6)) | BitMap([shop.customer(9, "=cmd|calc!a1@example.com")]))
        rows = list(csv.DictReader(io.StringIO(page.text(f"/syncs/{sync_id}/runs/1/outcomes.csv"))))
        assert len(rows) == 6
        assert {row["email"] for row in rows} >= {"ann1@example.com", "'=cmd|calc!a1@example.com"}

    def test_runs_are_paged_newest_first(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        members = shop.customers(range(1, 4))
        for _ in range(3):
            shop.run(members)
        first = page.get(f"/syncs/{sync_id}/runs?limit=2")
        second = page.get(f"/syncs/{sync_id}/runs?limit=2&cursor={first['next']}")
        assert [run["id"] for run in first["items"] + second["items"]] == [3, 2, 1]

    def test_a_mass_removal_is_approved_by_the_number_looked_at(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        members = shop.customers(range(1, 11))
        put_members(shop, members)
        run_sync(shop.rooms, shop.ctx, sync_id, patience=shop.patience())
        put_members(shop, members - BitMap(range(1, 6)), number=2)
        preview = page.post(f"/syncs/{sync_id}/preview")
        assert (preview["needs_approval"], preview["to_remove"]) == (True, 5)
        assert "5 of 10" in preview["warning"]
        page.post(f"/syncs/{sync_id}/run", {"approve_removals": True}, 202)
        result = run_sync(shop.rooms, shop.ctx, sync_id, patience=shop.patience())
        assert (result.state, result.counts["removed"]) == ("done", 5)

    def test_a_sync_that_follows_the_refresh_is_due_after_each(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page, schedule="after_refresh")
        members = shop.customers(range(1, 11))
        put_members(shop, members)
        assert due(shop.rooms, shop.ctx) == []  # the merchant starts the first run
        page.post(f"/syncs/{sync_id}/run", status=202)
        run_sync(shop.rooms, shop.ctx, sync_id, patience=shop.patience())
        assert due(shop.rooms, shop.ctx) == []
        shop.clock.advance(timedelta(hours=4))
        put_members(shop, members, number=2)
        assert due(shop.rooms, shop.ctx) == [sync_id]
        page.post(f"/syncs/{sync_id}/pause")
        assert due(shop.rooms, shop.ctx) == []
        page.post(f"/syncs/{sync_id}/resume")
        page.patch(f"/syncs/{sync_id}", {"schedule": "manual"})
        assert due(shop.rooms, shop.ctx) == []

    def test_a_paused_sync_refuses_to_run(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        assert page.post(f"/syncs/{sync_id}/pause")["state"] == "paused"
        page.post(f"/syncs/{sync_id}/run", status=409)

    def test_a_segment_that_is_gone_pauses_the_sync(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Segment, (shop.ctx.shop_id, 1)).deleted_at = NOW
        assert run_sync(shop.rooms, shop.ctx, sync_id).state == "failed"
        sync = page.get(f"/syncs/{sync_id}")
        assert (sync["state"], bool(sync["problem"])) == ("needs_attention", True)

    def test_deleting_a_sync_keeps_the_members_and_says_so(self, shop: ShopUnderTest, page: Page) -> None:
        sync_id = made(shop, page)
        shop.run(shop.customers(range(1, 6)))
        assert "5 members" in page.delete(f"/syncs/{sync_id}")["message"]
        assert len(shop.there()) == 5
        page.get(f"/syncs/{sync_id}", 404)
