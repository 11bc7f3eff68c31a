"""Rules about a segment's past, and Shopify's language, against the store and over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import g
from pyroaring import BitMap

from app.api.app import create_app
from app.errors import Invalid
from app.services import segments, segments_preview
from app.services.evaluate_segments import evaluate_all, membership, publish
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.segments.conftest import SmallShop


def create(shop: SmallShop, name: str, match: dict[str, Any]) -> int:
    return segments.create(shop.rooms, shop.ctx, name, {"v": 1, "match": match})


def counted(shop: SmallShop, match: dict[str, Any]) -> int:
    found: int = segments_preview.preview(shop.rooms, shop.ctx, {"v": 1, "match": match}, 0)["count"]
    return found


class TestMembershipHistory:
    def test_a_new_segment_found_its_members_there(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        assert counted(shop, {"in": f"seg_{number}", "moved": "entered"}) == 0
        assert counted(shop, {"in": f"seg_{number}", "moved": "was_in", "during": {"last": "1d"}}) == 50

    def test_who_comes_and_goes_with_an_evaluation_entered_and_left(self, shop: SmallShop) -> None:
        number = create(shop, "Some", {"did": "ordered", "count": {"op": "lte", "n": 3}})
        segments.change(shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"did": "ordered"}})
        segments.change(
            shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"none": [{"did": "ordered"}]}}
        )  # fmt: skip
        now = membership(shop.rooms, shop.ctx, number).members
        assert now == BitMap(range(51, 61))
        assert counted(shop, {"in": f"seg_{number}", "moved": "left"}) == 60
        assert counted(shop, {"in": f"seg_{number}", "moved": "was_in"}) == 60
        found_there = counted(shop, {"all": [{"did": "ordered"}, {"did": "ordered", "count": {"op": "lte", "n": 3}}]})
        assert counted(shop, {"in": f"seg_{number}", "moved": "entered"}) == 60 - found_there

    def test_a_refresh_counts_what_it_finds_itself(self, shop: SmallShop) -> None:
        number = create(shop, "Some", {"did": "ordered", "count": {"op": "gte", "n": 1}})
        mover = create(shop, "Left", {"in": f"seg_{number}", "moved": "left", "during": {"last": "7d"}})
        assert membership(shop.rooms, shop.ctx, mover).members == BitMap()
        segments.change(shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"none": [{"did": "ordered"}]}})
        shop.clock.advance(timedelta(minutes=5))
        refresh_segments(shop)
        assert membership(shop.rooms, shop.ctx, mover).members == BitMap(range(1, 51))

    def test_a_segment_cannot_look_at_its_own_past(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        rule = {"v": 1, "match": {"in": f"seg_{number}", "moved": "was_in"}}
        with pytest.raises(Invalid, match="“Buyers” → “Buyers”"):
            segments.change(shop.rooms, shop.ctx, number, rule=rule)

    def test_a_segment_among_whom_customers_are_ranked_is_a_reference_too(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        rank = {"rank": "orders.count", "top_percent": 10, "among": {"in": f"seg_{number}"}}
        user = create(shop, "Top", rank)
        assert len(membership(shop.rooms, shop.ctx, user).members) > 0
        with pytest.raises(Invalid, match="circle"):
            segments.change(shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"in": f"seg_{user}"}})
        with pytest.raises(Invalid, match="there is no segment seg_99"):
            create(shop, "X", {**rank, "among": {"in": "seg_99"}})

    def test_events_that_the_history_lacks_are_refused_inside_sequences_too(self, shop: SmallShop) -> None:
        clicked = {"did": "email_clicked"}
        sequence = {"first": {"did": "ordered"}, "then": clicked, "within": "3d"}
        latest = {"latest": "email_clicked", "has": [{"attr": "bot", "op": "false"}]}
        for match, place in ((sequence, "then.did"), (latest, "latest"),
                             ({"life": "first_time", "event": "email_clicked"}, "event")):  # fmt: skip
            with pytest.raises(Invalid, match="not available yet") as caught:
                create(shop, "X", match)
            assert caught.value.field == f"rule.match.{place}"

    def test_a_refresh_stores_each_boundary_in_the_funnel(self, shop: SmallShop) -> None:
        create(shop, "Top", {"rank": "orders.count", "top_percent": 10})
        evaluated = evaluate_all(shop.rooms, shop.ctx, shop.run, lambda _done, _total: None)
        with shop.rooms.store.session(shop.ctx) as session:
            publish(session, shop.rooms, shop.ctx, evaluated)
        sentences = [leaf["sentence"] for outcome in evaluated.outcomes for leaf in outcome.leaves]
        assert "Number of orders is in the top 10% of customers with an order (7 or more)" in sentences


@pytest.fixture
def client(shop: SmallShop) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


class TestShopifyLanguageApi:
    def test_a_segment_is_read_with_what_could_not_be_carried_over(self, client: FlaskClient) -> None:
        query = "products_purchased(id: 1001) = true AND customer_email_domain = 'example.com'"
        found = client.post("/api/segments/shopify/import", json={"query": query}).json
        assert found["sentence"] == "Customers who ordered (product is “Dark Coffee”)."
        assert [one["part"] for one in found["left_out"]] == ["customer_email_domain = 'example.com'"]
        counted = client.post("/api/segments/preview", json={"rule": found["rule"], "sample": 0}).json
        assert counted["count"] == 24

    def test_other_text_is_refused_with_the_place(self, client: FlaskClient) -> None:
        answer = client.post("/api/segments/shopify/import", json={"query": "amount_spent >> 3"})
        assert answer.status_code == 422
        assert answer.json["error"]["field"] == "query"
        assert "At character 15" in answer.json["error"]["message"]

    def test_what_is_beyond_our_limits_is_refused_in_words(self, client: FlaskClient) -> None:
        query = f"amount_spent > {'9' * 40}"
        answer = client.post("/api/segments/shopify/import", json={"query": query})
        assert answer.status_code == 422
        assert "can't hold" in answer.json["error"]["message"]

    def test_a_rule_is_written_in_either_spelling(self, client: FlaskClient) -> None:
        rule = {"v": 1, "match": {"all": [
            {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "1001"}]},
            {"reachable": "email"}]}}  # fmt: skip
        for spelling, query in (("2026-10", "products_purchased MATCHES (id = 1001)"),
                                ("2026-07", "products_purchased(id: 1001) = true")):  # fmt: skip
            found = client.post("/api/segments/shopify/export", json={"rule": rule, "spelling": spelling}).json
            assert found["query"] == query
            assert [one["part"] for one in found["left_out"]] == ["Can be reached by e-mail"]
