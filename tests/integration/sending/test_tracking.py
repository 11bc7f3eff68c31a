"""Clicks and openings are written down with what was seen, and change nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import select

from app.api import tracking
from app.api.common import ROOMS
from app.services import plan_sends, send_due, senders, senders_health
from app.services.send_due_events import write_events
from app.store.models.campaigns import Link
from app.store.models.customers import ConsentEvent, Customer
from app.store.models.mail_events import MailEvent
from app.store.models.sending import Message, MessageEvent

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.sending.world import World

BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36"}


@pytest.fixture
def client(world: World) -> FlaskClient:
    app = Flask("test")
    app.extensions[ROOMS] = world.rooms
    app.register_blueprint(tracking.blueprint())
    return app.test_client()


def mailed(world: World, open_tracking: str | None = None) -> str:
    """The HTML of a campaign mail to customer 1, whose own choice at Shopify is given."""
    segment = world.coffee_drinkers(1)
    with world.store.session(world.ctx) as session:
        session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).open_tracking = open_tracking
    world.campaign(segment, name="A")
    plan_sends.plan(world.rooms, world.ctx)
    assert send_due.send(world.rooms, world.ctx).sent == 1
    mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
    return str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]


def path(html: str, kind: str) -> str:
    found = re.search(rf'https://encore.example(/{kind}/[^"]+)"', html)
    assert found is not None
    return found.group(1)


def events(world: World) -> list[tuple[str, bool]]:
    with world.store.reading(world.ctx) as session:
        return [(row.kind, row.machine) for row in session.scalars(select(MailEvent).order_by(MailEvent.at))]


class TestClicks:
    def test_lead_on_and_are_told_apart_from_machines_with_all_that_was_seen(
        self, world: World, client: FlaskClient
    ) -> None:
        link = path(mailed(world), "c")
        answer = client.get(link, headers=BROWSER)  # within a second of the hand-over
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("https://first.myshopify.com/products/p1?utm_source=encore&")
        world.clock.advance(timedelta(minutes=5))
        client.get(link, headers=BROWSER)
        world.clock.advance(timedelta(minutes=5))
        assert client.head(link, headers=BROWSER).status_code == 302
        assert events(world) == [("clicked", True), ("clicked", False), ("clicked", True)]
        with world.store.reading(world.ctx) as session:
            row = session.scalars(select(MailEvent).order_by(MailEvent.at.desc())).first()
        assert row is not None
        assert row.raw == {
            "method": "HEAD", "user_agent": BROWSER["User-Agent"], "seconds": 600.0, "links_at_once": 1,
        }  # fmt: skip

    def test_many_links_at_once_were_one_machine(self, world: World, client: FlaskClient) -> None:
        mailed(world)
        world.clock.advance(timedelta(hours=1))
        with world.store.session(world.ctx) as session:
            (message,) = session.scalars(select(Message))
            session.add_all(
                Link(shop_id=1, id=n, campaign_id=message.campaign_id, url=f"https://first.myshopify.com/{n}")
                for n in (11, 12, 13)
            )
        for number in (11, 12, 13):
            token = senders.tokens(world.rooms).make("click", [1, number, message.id])
            client.get(f"/c/{token}", headers=BROWSER)
        assert events(world) == [("clicked", True)] * 3

    @pytest.mark.parametrize("method", ["get", "head", "options"])
    def test_looking_changes_neither_consent_nor_message(self, world: World, client: FlaskClient, method: str) -> None:
        html = mailed(world, "OPTED_IN")
        with world.store.reading(world.ctx) as session:
            before = len(session.scalars(select(MessageEvent)).all())
        for kind in "co":
            getattr(client, method)(path(html, kind))
        with world.store.reading(world.ctx) as session:
            assert session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent == "SUBSCRIBED"
            assert [m.state for m in session.scalars(select(Message))] == ["sent"]
            assert len(session.scalars(select(MessageEvent)).all()) == before
            assert session.scalars(select(ConsentEvent)).all() == []

    @pytest.mark.parametrize("link", ["/c/x", "/o/x", "/c/WzEsMSwiYSJd.bad"])
    def test_tokens_that_are_not_ours_lead_nowhere(self, client: FlaskClient, link: str) -> None:
        assert client.get(link).status_code == 404


class TestOpenings:
    @pytest.mark.parametrize("choice", [None, "UNKNOWN", "OPTED_OUT"])
    def test_nobody_who_did_not_agree_gets_the_picture(self, world: World, choice: str | None) -> None:
        assert "/o/" not in mailed(world, choice)

    def test_who_agreed_is_seen_and_proxies_are_marked(self, world: World, client: FlaskClient) -> None:
        picture = path(mailed(world, "OPTED_IN"), "o")
        world.clock.advance(timedelta(hours=1))
        answer = client.get(picture, headers=BROWSER)
        assert (answer.status_code, answer.mimetype) == (200, "image/gif")
        world.clock.advance(timedelta(hours=1))
        client.get(picture, headers={"User-Agent": "Mozilla/5.0"})
        assert events(world) == [("opened", False), ("opened", True)]
        assert write_events(world.rooms, world.ctx) == 3

    def test_a_choice_that_was_taken_back_holds_for_mails_that_are_out(self, world: World, client: FlaskClient) -> None:
        picture = path(mailed(world, "OPTED_IN"), "o")
        senders_health.choose(world.rooms, world.ctx, {"open_tracking": "off"})
        assert client.get(picture, headers=BROWSER).status_code == 200
        assert events(world) == []
