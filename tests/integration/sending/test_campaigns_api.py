"""Campaigns, senders and recommendations over HTTP, as the pages use them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.services import plan_sends, recommendations, send_due
from app.services.published import published
from app.store.models.sending import LedgerEntry, Message
from tests.conftest import add_shop
from tests.integration.sending.world import COFFEE, LONG_AGO, MUG, TEA, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.fixture
def shop(world: World) -> World:
    """Thirty customers due for coffee, one of them unsubscribed; ten could try tea."""
    for number in range(1, 31):
        world.customer(
            number, consent="UNSUBSCRIBED" if number == 30 else "SUBSCRIBED", name=None if number == 2 else "Ann"
        )
        world.bought(number, COFFEE, LONG_AGO)
        world.pair(number, COFFEE, "repurchase", 0.2)
        if number <= 10:
            world.pair(number, TEA, "cross_sell", 0.5, because_product_no=COFFEE, lift=2.0)
    world.segment("buy_again:101", "repurchase", list(range(1, 31)), COFFEE)
    world.segment("buy_new:102", "cross_sell", list(range(1, 11)), TEA)
    world.segment("auto:active", "retain", [1, 2])
    world.publish()
    return world


@pytest.fixture
def client(shop: World) -> FlaskClient:
    def authenticate() -> None:
        g.shop = shop.ctx

    return create_app(shop.rooms, authenticate, []).test_client()


def recommend(shop: World) -> int:
    """Compute the recommendations of the published run."""
    run = published(shop.rooms, shop.ctx)
    assert run is not None
    with shop.rooms.store.session(shop.ctx) as session:
        return recommendations.refresh(session, shop.rooms, shop.ctx, run)


class TestTheMainPath:
    def test_from_recommendation_to_counts_that_add_up(self, shop: World, client: FlaskClient) -> None:
        recommend(shop)
        best = client.get("/api/recommendations").json["items"][0]
        assert (best["kind"], best["members"], best["reachable"]) == ("repurchase", 30, 29)
        assert best["expected_orders"] == round(29 * 0.2 * 0.05, 1)
        assert "29 of 30 members can be mailed" in best["reason"]
        draft = client.post("/api/campaigns", json={"recommendation_id": best["id"]}).json
        assert draft["name"] == "Buy again: Coffee & Co"
        assert "content.subject" in draft["suggested"]
        assert [(u["step"], u["field"]) for u in draft["unresolved"]] == [("sender", "sender_id")]
        path = f"/api/campaigns/{draft['id']}"
        assert client.post(f"{path}/activate").status_code == 422
        shop.sender()
        client.patch(path, json={"sender_id": "snd_1", "content": {"subject": "More [Recommended Product]?"}})
        shown = client.get(path).json
        assert shown["unresolved"] == []
        assert "content.subject" not in shown["suggested"]
        ready = client.get(f"{path}/preflight").json
        assert (ready["ready"], ready["people"], ready["candidates"]) == (True, 29, 30)
        (links,) = [check["message"] for check in ready["checks"] if check["subject"] == "Links"]
        assert links == "Links lead to the product's page and to a cart with it."
        assert ready["reasons"] == [
            {"reason": "not_subscribed", "text": "Not subscribed to e-mail marketing", "count": 1}
        ]
        for _ in range(2):
            assert client.post(f"{path}/activate").json["state"] == "active"
        assert client.get("/api/recommendations").json["items"][0]["kind"] == "cross_sell"
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        counts = client.get(path).json["counts"]
        states = ("queued", "sending", "sent", "failed", "unknown", "capped", "cancelled", "held_out", "skipped")
        assert counts["candidates"] == 30 == sum(counts[state] for state in states)
        assert counts["sent"] == counts["messages_sent"] == len(shop.transport.taken)
        assert counts["sent"] + counts["held_out"] == 29
        shop.clock.advance(timedelta(days=1))
        plan_sends.plan(shop.rooms, shop.ctx)
        later = client.get(path).json["counts"]
        assert {s: later[s] for s in states} == {s: counts[s] for s in states}

    def test_the_decision_diary_is_searchable(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        shop.campaign(1, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        diary = "/api/campaigns/cmp_1/decisions"
        first = client.get(f"{diary}?limit=20").json
        rest = client.get(f"{diary}?limit=20&cursor={first['next']}").json
        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (20, 10, None)
        (found,) = client.get(f"{diary}?search=C30@example.com").json["items"]
        assert (found["customer_no"], found["outcome"], found["reason"]) == (30, "skipped", "not_subscribed")
        assert len(client.get(f"{diary}?reason=not_subscribed").json["items"]) == 1
        assert len(client.get(f"{diary}?outcome=selected").json["items"]) == 29
        (seven,) = client.get(f"{diary}?search=7").json["items"]
        assert (seven["customer_no"], seven["product_title"], seven["message_state"]) == (7, "Coffee & Co", "queued")
        assert client.get(f"{diary}?cursor=x").status_code == 422


class TestDrafts:
    def test_from_scratch_lists_what_is_missing_by_step(self, client: FlaskClient) -> None:
        draft = client.post("/api/campaigns", json={}).json
        assert {u["step"] for u in draft["unresolved"]} == {"name", "sender", "audience"}
        assert draft["suggested"] == []

    def test_names_are_one_of_a_kind_ignoring_case_until_deleted(self, shop: World, client: FlaskClient) -> None:
        first = client.post("/api/campaigns", json={}).json["id"]
        second = client.post("/api/campaigns", json={}).json["id"]
        client.patch(f"/api/campaigns/{first}", json={"name": "Spring"})
        taken = client.patch(f"/api/campaigns/{second}", json={"name": " SPRING "}).json
        assert [u["message"] for u in taken["unresolved"] if u["step"] == "name"] == ["Another campaign has this name."]
        assert client.delete(f"/api/campaigns/{first}").status_code == 204
        assert client.get(f"/api/campaigns/{first}").status_code == 404
        again = client.patch(f"/api/campaigns/{second}", json={"name": "Spring"}).json
        assert [u for u in again["unresolved"] if u["step"] == "name"] == []

    def test_less_than_a_week_is_refused_with_the_reason(self, client: FlaskClient) -> None:
        draft = client.post("/api/campaigns", json={}).json["id"]
        answer = client.patch(f"/api/campaigns/{draft}", json={"timing": {"frequency": "every", "every_days": 6}})
        assert answer.status_code == 422
        assert answer.json["error"]["field"] == "timing.every_days"
        assert "rolling week" in answer.json["error"]["message"]
        assert client.get(f"/api/campaigns/{draft}").json["timing"]["frequency"] == "once"

    def test_a_misspelt_placeholder_is_named_and_blocks(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        draft = client.post("/api/campaigns", json={"segment_id": "seg_1"}).json["id"]
        answer = client.patch(f"/api/campaigns/{draft}", json={"content": {"subject": "[Recomended Product]"}}).json
        assert answer["unresolved"][0]["message"] == (
            "[Recomended Product] is not a placeholder. Did you mean [Recommended Product]?"
        )
        assert client.post(f"/api/campaigns/{draft}/activate").status_code == 422
        reset = client.patch(f"/api/campaigns/{draft}", json={"reset_content": True}).json
        assert reset["unresolved"] == []

    def test_an_active_campaign_cannot_be_left_unfinished(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        shop.campaign(1, name="A")
        assert client.patch("/api/campaigns/cmp_1", json={"content": {"subject": "[Nope]"}}).status_code == 422
        assert client.get("/api/campaigns/cmp_1").json["content"]["subject"] == "Time for more [Recommended Product]?"

    def test_unedited_words_follow_the_audience_and_edited_ones_stay(self, client: FlaskClient) -> None:
        draft = client.post("/api/campaigns", json={}).json
        path = f"/api/campaigns/{draft['id']}"
        assert draft["placeholders"] == ["[Recommended Product]", "[Customer First Name]"]
        chosen = client.patch(path, json={"audience": {"type": "segment", "segment_id": "seg_1"}}).json
        assert chosen["content"]["subject"] == "Time for more [Recommended Product]?"
        client.patch(path, json={"content": {"subject": "Mine"}})
        changed = client.patch(path, json={"audience": {"type": "segment", "segment_id": "seg_2"}}).json
        assert changed["content"]["subject"] == "Mine"
        mixed = client.patch(path, json={"audience": {"type": "automatic"}}).json
        assert "[Purchased Product]" in next(u["message"] for u in mixed["unresolved"] if u["step"] == "content")

    def test_another_shop_sees_none_of_it(self, shop: World) -> None:
        other = add_shop(shop.store, 2, "second.myshopify.com")
        shop.sender()
        shop.campaign(1, name="A")

        def authenticate() -> None:
            g.shop = other

        stranger = create_app(shop.rooms, authenticate, []).test_client()
        assert stranger.get("/api/campaigns").json["items"] == []
        assert stranger.get("/api/senders").json["items"] == []
        for method, path in (
            ("GET", "/api/campaigns/cmp_1"), ("PATCH", "/api/campaigns/cmp_1"), ("DELETE", "/api/campaigns/cmp_1"),
            ("POST", "/api/campaigns/cmp_1/activate"), ("POST", "/api/campaigns/cmp_1/preview"),
            ("GET", "/api/campaigns/cmp_1/decisions"), ("DELETE", "/api/senders/snd_1"),
            ("POST", "/api/senders/snd_1/verification"), ("POST", "/api/senders/snd_1/default"),
        ):  # fmt: skip
            answer = stranger.open(path, method=method, json={} if method != "GET" else None)
            assert (path, answer.status_code) == (path, 404)

    def test_a_code_shows_in_the_mail_until_its_last_day_has_passed(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        shop.campaign(1, name="A")
        discount = {"mode": "single", "code": "SAVE10", "description": "10% off", "expires_on": "2026-03-02"}
        assert client.patch("/api/campaigns/cmp_1", json={"discount": discount}).json["unresolved"] == []
        shown = client.post("/api/campaigns/cmp_1/preview", json={}).json
        assert "10% off, until 2 March 2026" in shown["html"]
        assert "SAVE10" in shown["text"]
        shop.clock.advance(timedelta(days=1))
        assert "SAVE10" not in client.post("/api/campaigns/cmp_1/preview", json={}).json["html"]
        (problem,) = client.get("/api/campaigns/cmp_1").json["unresolved"]
        assert (problem["step"], problem["field"]) == ("discount", "expires_on")
        for field in ("code", "description"):
            bad = client.patch("/api/campaigns/cmp_1", json={"discount": {field: "10% off [Recommended Product]"}})
            assert (bad.status_code, bad.json["error"]["field"]) == (422, f"discount.{field}")
        no_code = client.patch("/api/campaigns/cmp_1", json={"discount": {"code": " "}})
        assert (no_code.status_code, no_code.json["error"]["field"]) == (422, "discount.code")

    def test_a_stale_recommendation_opens_an_empty_draft_that_says_so(self, shop: World, client: FlaskClient) -> None:
        recommend(shop)
        best = client.get("/api/recommendations").json["items"][0]
        shop.members(1, [])
        draft = client.post("/api/campaigns", json={"recommendation_id": best["id"]}).json
        assert "no longer holds" in draft["stale"]
        assert draft["audience"]["type"] is None

    @pytest.mark.parametrize("campaign", ["cmp_99", "cmp_x", "seg_1", "cmp_99999999999999"])
    def test_what_is_not_there_is_not_found(self, client: FlaskClient, campaign: str) -> None:
        assert client.get(f"/api/campaigns/{campaign}").status_code == 404


class TestPreviewAndTest:
    def test_shows_a_given_member_and_says_which_fallback_it_took(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        draft = client.post("/api/campaigns", json={"segment_id": "seg_1"}).json["id"]
        shown = client.post(f"/api/campaigns/{draft}/preview", json={"customer_no": 2}).json
        assert shown["customer_no"] == 2
        assert shown["subject"] == "Time for more Coffee & Co?"
        assert "Hi there," in shown["text"]
        assert shown["fallbacks"] == ["Customer First Name"]
        assert shown["members"][0]["customer_no"] == 2
        assert client.post(f"/api/campaigns/{draft}/preview", json={"customer_no": 77}).status_code == 404

    def test_the_preview_is_what_is_sent_but_for_the_links(self, shop: World, client: FlaskClient) -> None:
        import re
        from email import message_from_bytes
        from email.policy import default

        shop.sender()
        shop.campaign(1, name="A")
        shown = client.post("/api/campaigns/cmp_1/preview", json={"customer_no": 1}).json
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        (sent,) = [e for e in shop.transport.taken if e.rcpt_to == "c1@example.com"]
        html = message_from_bytes(sent.data, policy=default).get_body(("html",)).get_content()  # type: ignore[union-attr]
        html = html.replace("\r\n", "\n")
        links = re.compile(r'href="[^"]*"')
        assert links.sub("", html).strip() == links.sub("", shown["html"]).strip()

    def test_a_test_mail_touches_neither_cap_nor_outbox(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        draft = client.post("/api/campaigns", json={"segment_id": "seg_1"}).json["id"]
        addresses = ["a@example.com", "b@example.com"]
        answer = client.post(f"/api/campaigns/{draft}/test", json={"addresses": addresses}).json
        assert [item["state"] for item in answer["items"]] == ["sent", "sent"]
        assert b"[TEST]" in shop.transport.taken[-1].data
        with shop.store.reading(shop.ctx) as session:
            assert session.scalars(select(Message)).all() == []
            assert session.scalars(select(LedgerEntry)).all() == []

    def test_tests_are_rationed_and_need_a_verified_sender(self, shop: World, client: FlaskClient) -> None:
        draft = client.post("/api/campaigns", json={"segment_id": "seg_1"}).json["id"]
        path = f"/api/campaigns/{draft}/test"
        assert client.post(path, json={"addresses": ["a@example.com"]}).status_code == 422
        shop.sender()
        client.patch(f"/api/campaigns/{draft}", json={"sender_id": "snd_1"})
        ten = {"addresses": [f"a{n}@example.com" for n in range(10)]}
        assert [client.post(path, json=ten).status_code for _ in range(3)] == [200, 200, 429]
        assert client.post(path, json={"addresses": ["nobody"]}).status_code == 422
        assert client.post(path, json={"addresses": []}).status_code == 422


class TestSenders:
    def test_the_first_is_the_default_and_free_mail_goes_out_on_its_behalf(self, client: FlaskClient) -> None:
        body = {
            "display_name": "Ann's Beans", "from_address": "ann@gmail.com", "company": "Beans",
            "postal_address": "1 Road",
        }  # fmt: skip
        made = client.post("/api/senders", json=body)
        assert made.status_code == 201
        assert made.json["is_default"]
        assert made.json["on_behalf"]
        assert made.json["header_from"] == "Ann's Beans via Encore <no-reply@encore.example>"
        assert made.json["domain_checks"] == {"spf": "not_checked", "dkim": "not_checked", "dmarc": "not_checked"}

    @pytest.mark.parametrize(
        ("domain", "on_behalf"),
        [
            ("yahoo.fr", True), ("yahoo.co.jp", True), ("hotmail.co.uk", True), ("outlook.de", True), ("aol.de", True),
            ("live.com.mx", True), ("GMX.ch", True), ("yandex.ru", True), ("gmail.com", True), ("web.de", True),
            ("live.beans.example", False), ("notyahoo.com", False), ("live.shop", False), ("yahoo.beans.de", False),
        ],
    )  # fmt: skip
    def test_free_mail_of_every_country_is_known(self, client: FlaskClient, domain: str, on_behalf: bool) -> None:
        body = {"display_name": "B", "from_address": f"a@{domain}", "company": "C", "postal_address": "1 Road"}
        assert client.post("/api/senders", json=body).json["on_behalf"] == on_behalf

    @pytest.mark.parametrize("field", ["display_name", "from_address", "company", "postal_address"])
    def test_every_part_that_the_law_asks_for_is_required(self, client: FlaskClient, field: str) -> None:
        body = {"display_name": "B", "from_address": "a@b.example", "company": "C", "postal_address": "1 Road"}
        answer = client.post("/api/senders", json={**body, field: " "})
        assert (answer.status_code, answer.json["error"]["field"]) == (422, field)

    def test_one_that_an_active_campaign_uses_cannot_be_deleted(self, shop: World, client: FlaskClient) -> None:
        shop.sender()
        shop.campaign(1, name="A")
        refused = client.delete("/api/senders/snd_1")
        assert refused.status_code == 409
        client.post("/api/campaigns/cmp_1/pause")
        assert client.delete("/api/senders/snd_1").status_code == 204
        assert client.get("/api/campaigns/cmp_1").json["unresolved"][0]["step"] == "sender"
        assert client.post("/api/campaigns/cmp_1/resume").status_code == 422


class TestRecommendations:
    def test_an_automatic_campaign_covers_all_and_leaves_nothing_to_expect(
        self, shop: World, client: FlaskClient
    ) -> None:
        shop.sender()
        shop.campaign(None, name="Automatic")
        assert recommend(shop) == 0
        assert client.get("/api/recommendations").json["items"] == []

    def test_a_dismissed_one_comes_back_after_thirty_days_and_a_refresh(self, shop: World, client: FlaskClient) -> None:
        recommend(shop)
        (only,) = client.get("/api/recommendations?segment_id=seg_1").json["items"]
        assert client.post(f"/api/recommendations/{only['id']}/dismiss").status_code == 204
        recommend(shop)
        assert client.get("/api/recommendations?segment_id=seg_1").json["items"] == []
        assert len(client.get("/api/recommendations").json["items"]) == 1
        shop.clock.advance(timedelta(days=30))
        assert [r["id"] for r in client.get("/api/recommendations?segment_id=seg_1").json["items"]] == [only["id"]]

    def test_custom_and_uploaded_segments_get_none(self, shop: World, client: FlaskClient) -> None:
        recommend(shop)
        assert client.get("/api/recommendations?segment_id=seg_3").json["items"] == []
        assert MUG not in {r["product_no"] for r in client.get("/api/recommendations").json["items"]}
