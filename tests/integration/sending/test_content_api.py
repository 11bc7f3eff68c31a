"""Content, its preview and its tests, and the shop's look, over HTTP."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.store.models.brand import TestList
from tests.conftest import add_shop
from tests.integration.sending.world import COFFEE, TEA, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from app.domain.context import ShopContext

DRAFT = "/api/campaigns/cmp_1"


def client_of(world: World, ctx: ShopContext) -> FlaskClient:
    def authenticate() -> None:
        g.shop = ctx

    return create_app(world.rooms, authenticate, []).test_client()


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A draft for three coffee drinkers; the second has no name, and the third is due for tea besides."""
    world.variants = [{"variant_id": 12, "product_no": COFFEE, "title": "1 kg", "available": True}]
    world.campaign(world.coffee_drinkers(3), name="Secret plan", active=False)
    return client_of(world, world.ctx)


def blocks(client: FlaskClient, *wanted: dict[str, Any]) -> Any:
    return client.patch(DRAFT, json={"content": {"blocks": list(wanted)}})


class TestContent:
    def test_is_saved_and_read_back_as_blocks(self, client: FlaskClient) -> None:
        picture = {"type": "image", "url": "https://cdn.example.com/a.png", "alt": "A", "href": "", "width": 50}
        saved = blocks(client, picture, {"type": "divider"}).json
        assert saved["content"]["blocks"] == [picture, {"type": "divider"}]
        assert client.get(DRAFT).json["content"] == saved["content"]
        assert "content.blocks" not in saved["suggested"]

    def test_of_another_window_is_not_lost_unseen(self, client: FlaskClient) -> None:
        line, text = {"type": "divider"}, {"type": "text", "html": "<p>Mine</p>"}
        old = client.get(DRAFT).json["content"]["blocks"]
        mine = {"content": {"blocks": [text], "blocks_before": old}}
        assert blocks(client, line).status_code == 200
        refused = client.patch(DRAFT, json=mine)
        assert (refused.status_code, refused.json["error"]["field"]) == (409, "content.blocks")
        assert client.get(DRAFT).json["content"]["blocks"] == [line]
        mine["content"]["blocks_before"] = [line]
        for _ in range(2):  # the second time as after an answer that was lost
            assert client.patch(DRAFT, json=mine).json["content"]["blocks"] == [text]

    def test_what_is_missing_names_its_block(self, client: FlaskClient) -> None:
        button = {"type": "button", "label": "Go", "to": "url", "url": "http://example.com"}
        unresolved = blocks(client, {"type": "text", "html": "<p>[Nope]</p>"}, button).json["unresolved"]
        assert [u["field"] for u in unresolved] == ["blocks.0.html", "blocks.1.url"]
        shown = client.post(f"{DRAFT}/preview", json={})
        assert (shown.status_code, shown.json["error"]["field"]) == (422, "content.blocks.0.html")

    def test_more_than_mailboxes_show_whole_is_refused(self, client: FlaskClient) -> None:
        long = [{"type": "text", "html": f"<p>{'word ' * 3900}</p>"} for _ in range(6)]
        (problem,) = blocks(client, *long).json["unresolved"]
        assert (problem["field"], "Gmail cuts it off" in problem["message"]) == ("blocks", True)

    def test_goes_back_to_what_was_suggested(self, client: FlaskClient) -> None:
        before = client.get(DRAFT).json["content"]["blocks"]
        blocks(client, {"type": "divider"})
        assert client.patch(DRAFT, json={"reset_content": True}).json["content"]["blocks"] == before
        assert [block["type"] for block in before] == ["text", "product", "discount"]


class TestPreview:
    def test_fills_the_cart_of_the_member_that_it_is_made_for(self, client: FlaskClient) -> None:
        client.patch(DRAFT, json={"discount": {"mode": "single", "code": "SAVE10"}})
        shown = client.post(f"{DRAFT}/preview", json={"customer_no": 1}).json
        assert 'href="https://first.myshopify.com/cart/12:1?discount=SAVE10&amp;utm_source=encore' in shown["html"]
        assert "SAVE10" in shown["text"]

    def test_points_to_the_text_that_a_member_can_not_fill(self, world: World, client: FlaskClient) -> None:
        world.pair(3, TEA, "cross_sell", 0.9)
        segment = world.segment("buy_new:102", "cross_sell", [3], TEA)
        world.publish()
        client.patch(DRAFT, json={"audience": {"type": "segment", "segment_id": f"seg_{segment}"}})
        said = {"type": "text", "html": "<p>You bought [Purchased Product]</p>"}
        blocks(client, {"type": "divider"}, said)
        answer = client.post(f"{DRAFT}/preview", json={})
        assert (answer.status_code, answer.json["error"]["field"]) == (422, "content.blocks.1.html")


class TestTests:
    def test_say_so_in_subject_header_and_body_and_lead_somewhere(self, world: World, client: FlaskClient) -> None:
        sent = client.post(f"{DRAFT}/test", json={"addresses": ["a@example.com"], "customer_no": 1})
        assert sent.json["items"][0]["state"] == "sent"
        mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
        html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
        assert mail["Subject"].startswith("[TEST] ")
        assert mail["X-Encore-Test"] == "yes"
        assert "TEST. Links work" in html
        assert 'href="https://first.myshopify.com/cart/12:1?' in html
        assert "Secret plan" not in world.transport.taken[-1].data.decode() + html

    def test_go_to_a_list_that_is_kept_sealed_per_shop(self, world: World, client: FlaskClient) -> None:
        people = ["Team@example.com", "boss@example.com"]
        assert client.post(f"{DRAFT}/preview", json={}).json["testers"] == []
        client.post(f"{DRAFT}/test", json={"addresses": people})
        assert client.post(f"{DRAFT}/preview", json={}).json["testers"] == []
        client.post(f"{DRAFT}/test", json={"addresses": people, "remember": True})
        assert client.post(f"{DRAFT}/preview", json={}).json["testers"] == people
        with world.store.reading(world.ctx) as session:
            assert b"example.com" not in session.scalars(select(TestList.sealed)).one()


class TestBrand:
    def test_is_plain_at_first_and_looks_as_chosen_from_then_on(self, client: FlaskClient) -> None:
        assert client.get("/api/settings/brand").json["accent"] == "#1f2328"
        logo = {"logo_url": "https://cdn.example.com/logo.png", "logo_alt": "Beans"}
        changed = client.patch("/api/settings/brand", json={"accent": "#ffe08a", **logo}).json
        assert (changed["accent"], changed["on_accent"], changed["background"]) == ("#ffe08a", "#1f2328", "#f6f8fa")
        shown = client.post(f"{DRAFT}/preview", json={}).json["html"]
        assert "background:#ffe08a" in shown
        assert 'alt="Beans"' in shown

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("accent", "red"), ("background", "#12345"), ("logo_url", "http://cdn.example.com/l.png"),
            ("logo_url", "https://localhost/l.png"), ("logo_width", 4000),
        ],
    )  # fmt: skip
    def test_what_can_not_be_shown_is_refused_by_name(self, client: FlaskClient, field: str, value: object) -> None:
        refused = client.patch("/api/settings/brand", json={"logo_alt": "x", field: value})
        assert (refused.status_code, refused.json["error"]["field"]) == (422, field)

    def test_is_each_shops_own(self, world: World, client: FlaskClient) -> None:
        client.patch("/api/settings/brand", json={"accent": "#ffe08a"})
        other = client_of(world, add_shop(world.store, 2, "second.myshopify.com"))
        assert other.get("/api/settings/brand").json["accent"] == "#1f2328"
