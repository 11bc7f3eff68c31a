"""Where clicks lead: rows made before a message exists, a cart filled at the click, and never anywhere else."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.api import public, tracking
from app.api.common import ROOMS
from app.errors import Invalid
from app.services import campaigns, plan_sends, send_due, senders
from app.store.models.campaigns import Link
from app.store.models.sending import Message
from tests.integration.sending.world import COFFEE, LONG_AGO, NOW, TEA, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient

TAGS = "utm_source=encore&utm_medium=email&utm_campaign=encore-1"
OWN = "https://blog.example.com/brewing?a=1"
BLOCKS = [
    {"type": "text", "html": f'<p>Hi, read <a href="{OWN}">this</a></p>'},
    {"type": "product", "show_image": False, "button_label": "Order again", "to": "cart"},
    {"type": "button", "label": "See it", "to": "product"},
    {"type": "discount"},
]


@pytest.fixture
def client(world: World) -> FlaskClient:
    app = Flask("test")
    app.extensions[ROOMS] = world.rooms
    for blueprint in [*public.blueprints(), tracking.blueprint()]:
        app.register_blueprint(blueprint)
    return app.test_client()


def sent(world: World, **changes: Any) -> str:
    """The HTML of one campaign mail to customer 1, who bought two bags of a variant of coffee once."""
    world.customer(1)
    world.bought(1, COFFEE, LONG_AGO, variant=11)
    world.bought(1, COFFEE, LONG_AGO + timedelta(days=1), variant=12, quantity=2)
    world.bought(1, TEA, LONG_AGO + timedelta(days=2), variant=21)
    world.pair(1, COFFEE, "repurchase", 0.3)
    world.sender()
    coffee = world.segment("buy_again:101", "repurchase", [1], COFFEE)
    world.publish()
    world.campaign(coffee, name="Secret winter plan", active=False)
    campaigns.change(world.rooms, world.ctx, "cmp_1", {"content": {"blocks": BLOCKS}, **changes})
    campaigns.activate(world.rooms, world.ctx, "cmp_1")
    plan_sends.plan(world.rooms, world.ctx)
    assert send_due.send(world.rooms, world.ctx).sent == 1
    mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
    return mail.get_body(("html",)).get_content()  # type: ignore[union-attr,no-any-return]


def clicks(html: str, client: FlaskClient) -> list[str]:
    """Where the mail's click links lead, in order."""
    paths = re.findall(r'href="https://encore.example(/c/[^"]+)"', html)
    return [client.get(path).location for path in paths]


def variant(number: int, product: int = COFFEE, *, available: bool = True) -> dict[str, Any]:
    return {"variant_id": number, "product_no": product, "title": str(number), "available": available}


class TestClicks:
    def test_every_link_is_tracked_by_id_and_leads_where_it_was_fixed_to(
        self, world: World, client: FlaskClient
    ) -> None:
        world.variants = [variant(11), variant(12)]
        html = sent(world)
        assert clicks(html, client) == [
            f"{OWN}&{TAGS}",
            f"https://first.myshopify.com/cart/12:2?{TAGS}",
            f"https://first.myshopify.com/products/p1?{TAGS}",
        ]
        assert set(re.findall(r'href="https://([^/"]+)', html)) == {"encore.example"}
        with world.store.reading(world.ctx) as session:
            assert set(session.scalars(select(Link.kind))) == {"product", "cart", "url"}

    def test_the_cart_carries_the_code_that_the_message_shows(self, world: World, client: FlaskClient) -> None:
        world.variants = [variant(12)]
        html = sent(world, discount={"mode": "single", "code": "SAVE 10&x"})
        assert "SAVE 10&amp;x" in html
        assert clicks(html, client)[1] == f"https://first.myshopify.com/cart/12:2?discount=SAVE%2010%26x&{TAGS}"

    @pytest.mark.parametrize(
        ("variants", "cart"),
        [
            ([variant(11), variant(12, available=False)], "/cart/11:1"),  # what was bought before is sold out
            ([variant(13), variant(14)], "/cart/12:2"),  # an import that lists no such variant knows nothing against it
            ([variant(11, available=False), variant(12, available=False), variant(13)], "/cart/13:1"),
        ],
    )
    def test_the_cart_holds_what_was_bought_last_and_can_be_had(
        self, world: World, client: FlaskClient, variants: list[dict[str, Any]], cart: str
    ) -> None:
        world.variants = variants
        assert clicks(sent(world), client)[1].startswith(f"https://first.myshopify.com{cart}?")

    def test_a_product_without_any_variant_leads_to_its_page(self, world: World, client: FlaskClient) -> None:
        html = sent(world)
        with world.store.session(world.ctx) as session:
            session.scalars(select(Message)).one().customer_no = 99  # bought nothing
        assert clicks(html, client)[1] == "https://first.myshopify.com/products/p1"

    @pytest.mark.parametrize("url", ["https://evil.example/cart", "javascript:alert(1)", "//evil.example/cart", ""])
    def test_a_cart_that_is_not_the_shops_own_leads_nowhere(self, world: World, client: FlaskClient, url: str) -> None:
        html = sent(world)
        with world.store.session(world.ctx) as session:
            session.scalars(select(Link).where(Link.kind == "cart")).one().url = url
        assert clicks(html, client)[1] is None

    def test_a_token_without_its_row_leads_nowhere(self, world: World, client: FlaskClient) -> None:
        sent(world)
        for number in (0, 99, 2**31 - 1):
            token = senders.tokens(world.rooms).make("click", [1, number, "m"])
            assert client.get(f"/c/{token}").status_code == 404


class TestTags:
    def test_the_merchant_chooses_them_or_switches_them_off(self, world: World, client: FlaskClient) -> None:
        world.variants = [variant(12)]
        html = sent(world, utm={"source": "shop", "medium": "mail", "campaign": "spring-1"})
        assert all("utm_source=shop&utm_medium=mail&utm_campaign=spring-1" in url for url in clicks(html, client))
        campaigns.change(world.rooms, world.ctx, "cmp_1", {"utm": {"enabled": False}})
        world.clock.advance(timedelta(days=1))
        with world.store.reading(world.ctx) as session:
            assert campaigns.find(session, world.ctx, "cmp_1").utm == {}

    def test_the_internal_name_stands_nowhere_in_a_message(self, world: World, client: FlaskClient) -> None:
        html = sent(world)
        raw = world.transport.taken[-1].data.decode()
        mail = message_from_bytes(raw.encode(), policy=default)
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        everything = " ".join([raw, html, text, *clicks(html, client)]).lower()
        assert not re.search(r"secret.{0,3}winter", everything)

    @pytest.mark.parametrize("field", ["source", "medium", "campaign"])
    def test_a_tag_that_repeats_the_internal_name_is_refused(self, world: World, field: str) -> None:
        campaign = world.campaign(world.coffee_drinkers(1), name="Secret winter plan", active=False)
        with pytest.raises(Invalid, match="internal name"):
            campaigns.change(world.rooms, world.ctx, campaign, {"utm": {"campaign": "secret_Winter-plan"}})
        with pytest.raises(Invalid, match="letters"):
            campaigns.change(world.rooms, world.ctx, campaign, {"utm": {field: "a b"}})


class TestBlocksOfACampaign:
    def test_a_draft_may_be_unfinished_and_says_what_is_missing(self, world: World) -> None:
        campaign = world.campaign(world.coffee_drinkers(1), name="A", active=False)
        blocks = [{"type": "text", "html": "<p>Hi</p>"}, {"type": "image", "url": "", "alt": ""}]
        campaigns.change(world.rooms, world.ctx, campaign, {"content": {"blocks": blocks}})
        with world.store.reading(world.ctx) as session:
            row = campaigns.find(session, world.ctx, campaign)
            found = campaigns.standing(world.rooms, session, world.ctx, row).unresolved
        assert [(u.step, u.field) for u in found] == [("content", "blocks.1.url"), ("content", "blocks.1.alt")]

    @pytest.mark.parametrize(
        ("block", "field"),
        [
            ({"type": "video"}, "type"),
            ({"type": "text"}, "html"),
            ({"type": "text", "html": "x" * 20_001}, "html"),
            ({"type": "image", "url": "u", "alt": "a", "width": 5}, "width"),
            ({"type": "button", "label": "x", "to": "nowhere"}, "to"),
            ({"type": "divider", "colour": "red"}, "colour"),
        ],
    )
    def test_another_shape_is_refused_by_name(self, world: World, block: dict[str, Any], field: str) -> None:
        campaign = world.campaign(None, name="A", active=False)
        with pytest.raises(Invalid) as caught:
            campaigns.change(world.rooms, world.ctx, campaign, {"content": {"blocks": [{"type": "divider"}, block]}})
        assert caught.value.field == f"content.blocks.1.{field}"

    def test_a_discount_needs_a_place(self, world: World) -> None:
        campaign = world.campaign(world.coffee_drinkers(1), name="A", active=False)
        changes = {
            "content": {"blocks": [{"type": "text", "html": "<p>Hi</p>"}]},
            "discount": {"mode": "single", "code": "SAVE"},
        }
        campaigns.change(world.rooms, world.ctx, campaign, changes)
        with pytest.raises(Invalid, match="Add a discount block"):
            campaigns.activate(world.rooms, world.ctx, campaign)

    def test_a_version_from_before_blocks_goes_on_and_is_edited_as_blocks(self, world: World) -> None:
        campaign = world.campaign(world.coffee_drinkers(2), name="A", active=False)
        with world.store.session(world.ctx) as session:
            content = campaigns.content_of(session, campaigns.find(session, world.ctx, campaign))
            content.blocks = None
            content.body_html, content.button_label, content.show_image = "<p>Old words</p>", "Old button", True
        campaigns.activate(world.rooms, world.ctx, campaign)
        plan_sends.plan(world.rooms, world.ctx, NOW)
        send_due.send(world.rooms, world.ctx)
        mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert "Old words" in text
        assert "Old button" in text
        campaigns.change(world.rooms, world.ctx, campaign, {"content": {"subject": "New subject"}})
        with world.store.reading(world.ctx) as session:
            row = campaigns.find(session, world.ctx, campaign)
            made = campaigns.content_of(session, row)
            assert (row.content_version, made.subject) == (2, "New subject")
            assert [block.type for block in made.blocks or ()] == ["text", "product", "discount"]
