from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flask import g

from app.api.app import create_app
from app.services import customer_profile_timeline
from app.services import decision_sheets as sheets
from app.services.erase import erase_customer
from app.services.merge import merge_customers
from app.store.models.campaigns import Campaign, DecisionHead
from app.store.models.customers import ConsentEvent
from app.store.models.sending import Message, MessageEvent
from tests.integration.segments.conftest import AS_OF, refresh_segments

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.segments.conftest import SmallShop


@pytest.fixture
def client(shop: SmallShop) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


def mail(shop: SmallShop, no: int) -> None:
    """A campaign that mailed the customer two days ago, and passed them over today."""
    at = AS_OF - timedelta(days=2)
    with shop.rooms.store.session(shop.ctx) as session:
        session.add(
            Campaign(
                shop_id=shop.ctx.shop_id, id=1, name="Coffee again", folded_name="coffee again", state="active",
                sender_id=None, audience_type="automatic", segment_id=None, frequency="once", every_days=21,
                wait_days=14, repeats=2, content_version=1, discount_mode="off", discount_code=None,
                discount_description=None,
                discount_expires_on=None, holdout_percent=10, suggested=[], recommendation_id=None, stale=None,
                created_at=at, updated_at=at, activated_at=at, paused_at=None, deleted_at=None,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            Message(
                shop_id=shop.ctx.shop_id, id="m1", customer_no=no, campaign_id=1, occurrence="1:life:1",
                content_version=1, sender_id=1, product_no=1, purchased_product_no=1, kind="repurchase",
                probability=0.5, lift=None, state="sent", reason=None, planned_at=at, not_before=None,
                expires_at=at + timedelta(days=7), lease_owner=None, stamped_at=at, finished_at=at, attempts=1,
                last_error=None, consent_source=None,
            )
        )  # fmt: skip
        session.add(
            MessageEvent(
                shop_id=shop.ctx.shop_id, message_id="m1", at=at, from_state="sending", to_state="sent", detail={}
            )
        )
        session.add(DecisionHead(shop_id=shop.ctx.shop_id, campaign_id=1, last_tick=AS_OF, counts={}))
        stands = sheets.Decisions(
            customer_no=np.array([no], np.int32), says=np.array([sheets.PLACE["wait_after_purchase"]], np.uint8),
            product_no=np.array([1], np.int32), kind=np.array([0], np.int8), probability=np.array([0.5], np.float32),
            lift=np.array([np.nan], np.float32), since=np.array([sheets.instant(AS_OF)]),
        )  # fmt: skip
        sheets.write(session, shop.ctx, 1, 0, stands)
        session.add(
            ConsentEvent(
                shop_id=shop.ctx.shop_id, id=1, customer_no=no, channel="email", state="SUBSCRIBED", previous=None,
                at=AS_OF - timedelta(days=3), source="shopify",
            )
        )  # fmt: skip


def whole(client: FlaskClient, no: int, limit: int) -> list[dict[str, Any]]:
    """The timeline, page by page."""
    entries, cursor = [], ""
    for _ in range(200):
        page = client.get(f"/api/customers/{no}/timeline?limit={limit}{cursor}").json
        entries += page["items"]
        if page["next"] is None:
            return entries
        cursor = f"&cursor={page['next']}"
    raise AssertionError("the timeline has no end")


class TestSearch:
    @pytest.mark.parametrize("wanted", ["c3@example.com", " C3@Example.com ", "9003", "3", "%233"])
    def test_finds_by_exact_address_id_or_number(self, client: FlaskClient, wanted: str) -> None:
        found = client.get(f"/api/customers?q={wanted}").json["items"]
        assert [(row["customer_no"], row["email"]) for row in found] == [(3, "c3@example.com")]

    @pytest.mark.parametrize("wanted", ["Ann-Marie", "example.com", "c3@example", "99999", "²"])
    def test_finds_nobody_by_name_or_part(self, client: FlaskClient, wanted: str) -> None:
        assert client.get(f"/api/customers?q={wanted}").json == {"items": []}

    def test_finds_who_stands_for_a_merged_customer_and_nobody_erased(
        self, client: FlaskClient, shop: SmallShop
    ) -> None:
        merge_customers(shop.rooms, shop.ctx, kept=9003, deleted=9005)
        assert [row["customer_no"] for row in client.get("/api/customers?q=9005").json["items"]] == [3]
        erase_customer(shop.rooms, shop.ctx, 9007)
        assert client.get("/api/customers?q=9007").json == {"items": []}


class TestProfile:
    def test_shows_who_what_and_what_is_expected(self, client: FlaskClient, shop: SmallShop) -> None:
        mail(shop, 10)
        found = client.get("/api/customers/10").json
        assert (found["name"], found["reachable"], found["why_not"]) == ("Ann-Marie O'Hara 10", True, None)
        assert (found["facts"]["orders"], found["facts"]["net_minor"]) == (4, 4 * 1200 + 2000)
        assert found["values"]["value_12m_minor"] == 1000
        assert found["consent"][0]["state"] == "subscribed"
        assert (found["consent"][0]["source"], found["consent"][1]["source"]) == ("shopify", None)
        assert [row["title"] for row in found["repurchase"]] == ["Dark Coffee"]
        assert found["cross_sell"][0]["probability"] == 0.01
        assert (found["messages"]["sent"], found["messages"]["held_out"]) == (1, 0)

    def test_says_why_somebody_cannot_be_mailed(self, client: FlaskClient) -> None:
        found = client.get("/api/customers/1").json
        assert (found["reachable"], found["not_reachable"], found["why_not"]) == (False, "unsubscribed", "Unsubscribed")

    def test_of_a_customer_without_orders_has_no_facts(self, client: FlaskClient) -> None:
        found = client.get("/api/customers/55").json
        assert (found["facts"], found["values"], found["repurchase"]) == (None, None, [])
        assert client.get("/api/customers/55/timeline").json == {"items": [], "next": None}

    def test_of_an_erased_customer_says_that_and_nothing_else(self, client: FlaskClient, shop: SmallShop) -> None:
        erase_customer(shop.rooms, shop.ctx, 9010)
        for part in ("", "/timeline", "/segments", "/decisions"):
            answer = client.get(f"/api/customers/10{part}")
            assert answer.status_code == 404
            assert "erased" in answer.json["error"]["message"]
        assert client.get("/api/customers/999").status_code == 404


class TestTimeline:
    def test_has_orders_with_lines_messages_consent_and_segments_newest_first(
        self, client: FlaskClient, shop: SmallShop
    ) -> None:
        refresh_segments(shop)
        mail(shop, 10)
        entries = whole(client, 10, 200)
        times = [entry["at"] for entry in entries]
        assert times == sorted(times, reverse=True)
        kinds = [entry["kind"] for entry in entries]
        assert (kinds.count("order"), kinds.count("message"), kinds.count("consent")) == (4, 1, 1)
        assert kinds.count("segment") > 3
        order = next(entry for entry in entries if entry["kind"] == "order")["order"]
        assert [line["title"] for line in order["lines"]] == ["Dark Coffee"]
        message = next(entry for entry in entries if entry["kind"] == "message")
        assert message["text"] == "E-mail of “Coffee again”: sent"

    def test_of_small_pages_is_the_same_as_of_one(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        mail(shop, 10)
        assert whole(client, 10, 2) == whole(client, 10, 200)

    def test_that_stops_looking_for_segments_goes_on_from_there_and_leaves_nothing_out(
        self, client: FlaskClient, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refresh_segments(shop)
        mail(shop, 10)
        whole_at_once = whole(client, 10, 200)
        monkeypatch.setattr(customer_profile_timeline, "CHANGES_READ_AT_ONCE", 3)
        monkeypatch.setattr(customer_profile_timeline, "MOST_CHANGES_READ", 6)
        assert whole(client, 10, 4) == whole_at_once

    def test_says_what_became_of_orders(self, client: FlaskClient) -> None:
        states = [entry["order"]["state"] for entry in whole(client, 7, 50) if entry["kind"] == "order"]
        assert sorted(states) == ["cancelled", "counts", "test"]
        refunded = [entry["order"] for entry in whole(client, 50, 50) if entry["kind"] == "order"]
        assert all(order["refunded_minor"] == order["total_minor"] for order in refunded)
        assert all(line["kept"] == 0 for order in refunded for line in order["lines"])

    def test_refuses_a_cursor_of_its_own_making(self, client: FlaskClient) -> None:
        assert client.get("/api/customers/10/timeline?cursor=abc").status_code == 422


class TestSegmentsAndDecisions:
    def test_lists_exactly_the_segments_that_have_the_customer(self, client: FlaskClient, shop: SmallShop) -> None:
        refresh_segments(shop)
        mine = {row["segment_id"] for row in client.get("/api/customers/10/segments").json["items"]}
        for row in client.get("/api/segments?limit=200").json["items"]:
            if row["state"] == "merged":
                continue  # the same members as another, which is listed
            members = client.get(f"/api/segments/{row['id']}/members?limit=200").json["items"]
            assert (row["id"] in mine) == (10 in {member["customer_no"] for member in members}), row["name"]

    def test_tells_pins_apart(self, client: FlaskClient) -> None:
        rule = {"v": 1, "match": {"did": "ordered"}}
        segment = client.post("/api/segments", json={"name": "Buyers", "rule": rule}).json["id"]
        client.put(f"/api/segments/{segment}/pins/10", json={"kind": "out"})
        found = client.get("/api/customers/10/segments").json["items"]
        assert [(row["member"], row["pinned"], row["reason"]) for row in found] == [(False, "out", "Pinned out by you")]

    def test_shows_what_campaigns_decided_and_why_nothing_was_sent(self, client: FlaskClient, shop: SmallShop) -> None:
        mail(shop, 10)
        found = client.get("/api/customers/10/decisions").json["items"]
        assert [(row["campaign"], row["outcome"], row["text"], row["product"]) for row in found] == [
            ("Coffee again", "skipped", "Bought too recently", "Dark Coffee")
        ]
