"""Pages that mailed links open: looking changes nothing, posting acts once."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import select

from app.api import public, tracking
from app.api.common import ROOMS
from app.services import campaigns, plan_sends, preview, send_due, senders
from app.services.merge import merge_customers
from app.services.send_due_events import write_events
from app.store.models.customers import ConsentEvent, Customer
from app.store.models.mail_events import MailEvent
from app.store.models.shops import Job
from tests.conftest import add_shop
from tests.integration.sending.world import COFFEE, LONG_AGO, World

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

PRODUCT_PAGE = "https://first.myshopify.com/products/p1?utm_source=encore&utm_medium=email&utm_campaign=encore-1"
CHANGED = [{"type": "text", "html": "<p>Changed later</p>"}]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def client(world: World) -> FlaskClient:
    app = Flask("test")
    app.extensions[ROOMS] = world.rooms
    for blueprint in [*public.blueprints(), tracking.blueprint()]:
        app.register_blueprint(blueprint)
    return app.test_client()


@pytest.fixture
def links(world: World) -> dict[str, str]:
    """The paths in one campaign mail to customer 1."""
    world.customer(1)
    world.bought(1, COFFEE, LONG_AGO)
    world.pair(1, COFFEE, "repurchase", 0.3)
    world.sender()
    coffee = world.segment("buy_again:101", "repurchase", [1], COFFEE)
    world.publish()
    world.campaign(coffee, name="A", frequency="every", every_days=7, repeats=5)
    plan_sends.plan(world.rooms, world.ctx)
    send_due.send(world.rooms, world.ctx)
    mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    header = re.search(r"<https://encore.example(/u/[^>]+)>", mail["List-Unsubscribe"]).group(1)  # type: ignore[union-attr]
    found = {kind: re.search(rf'https://encore.example(/{kind}/[^"]+)"', html).group(1) for kind in "ucv"}  # type: ignore[union-attr]
    assert found["u"] == header
    return found


def consent(world: World, customer: int = 1) -> str:
    with world.store.reading(world.ctx) as session:
        return session.get_one(Customer, {"shop_id": 1, "customer_no": customer}).email_consent


def write_backs(world: World) -> list[str]:
    """Keys of the recorded write-backs: customer and consent event."""
    with world.store.reading(world.ctx) as session:
        return list(session.scalars(select(Job.key).where(Job.job == "write_consent").order_by(Job.id)))


def undo_path(page: TestResponse) -> str:
    return re.search(r'action="(/u/[^"]+/undo)"', page.text).group(1)  # type: ignore[union-attr]


class TestUnsubscribing:
    def test_opening_the_link_in_any_way_changes_nothing_and_shows_a_button(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        for _ in range(3):
            answer = client.get(links["u"])
            client.head(links["u"])
            client.options(links["u"])
        assert answer.status_code == 200
        assert '<button type="submit">Unsubscribe</button>' in answer.text
        assert "<script" not in answer.text
        assert consent(world) == "SUBSCRIBED"

    def test_one_click_needs_no_cookie_and_no_redirect_and_twice_is_once(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        for _ in range(2):
            assert client.post(links["u"], data=ONE_CLICK).status_code == 200
        assert consent(world) == "UNSUBSCRIBED"
        with world.store.reading(world.ctx) as session:
            events = [(e.state, e.source) for e in session.scalars(select(ConsentEvent))]
        assert events == [("UNSUBSCRIBED", "one_click")]
        assert write_backs(world) == ["1:1"]

    def test_takes_effect_before_the_next_stamp(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        world.clock.advance(timedelta(days=8))
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1
        client.post(links["u"])
        assert send_due.send(world.rooms, world.ctx).cancelled == 1

    def test_reaches_every_record_with_the_address(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        world.customer(2, email="C1@example.com ")
        client.post(links["u"])
        assert consent(world, 2) == "UNSUBSCRIBED"
        assert write_backs(world) == ["1:1", "2:2"]

    def test_reaches_the_others_although_the_mailed_record_is_unsubscribed_already(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        world.customer(2, email="c1@example.com")
        with world.store.session(world.ctx) as session:
            session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent = "UNSUBSCRIBED"
        client.post(links["u"])
        assert consent(world, 2) == "UNSUBSCRIBED"
        assert write_backs(world) == ["2:1"]

    def test_after_a_merge_reaches_the_survivor_and_whoever_has_the_mailed_address(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        world.customer(2, email="new@example.com")
        world.customer(3, email="c1@example.com")
        merge_customers(world.rooms, world.ctx, kept=1002, deleted=1001)
        assert "unsubscribed" in client.post(links["u"]).text
        assert (consent(world, 2), consent(world, 3)) == ("UNSUBSCRIBED", "UNSUBSCRIBED")
        assert [key.partition(":")[0] for key in write_backs(world)] == ["2", "3"]

    def test_is_written_together_with_its_job_or_not_at_all(
        self, world: World, client: FlaskClient, links: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(**_: object) -> Job:
            raise Killed

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr("app.services.unsubscribe.Job", die)
            client.post(links["u"])
        assert (consent(world), write_backs(world)) == ("SUBSCRIBED", [])
        client.post(links["u"])
        assert (consent(world), write_backs(world)) == ("UNSUBSCRIBED", ["1:1"])

    def test_can_be_undone_from_the_page(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        page = client.post(links["u"])
        undo = undo_path(page)
        for _ in range(2):
            assert "subscribed again" in client.post(undo).text
        assert consent(world) == "SUBSCRIBED"
        assert write_backs(world) == ["1:1", "1:2"]

    def test_an_undo_subscribes_nobody_who_was_not_subscribed_before(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        world.customer(2, email="c1@example.com", consent="NOT_SUBSCRIBED")
        world.customer(3, email="c1@example.com", consent="UNSUBSCRIBED")
        world.customer(4, email="c1@example.com")
        client.post(undo_path(client.post(links["u"])))
        assert [consent(world, n) for n in (1, 2, 3, 4)] == [
            "SUBSCRIBED", "UNSUBSCRIBED", "UNSUBSCRIBED", "SUBSCRIBED",
        ]  # fmt: skip

    def test_an_undo_does_not_overrule_what_happened_elsewhere_since(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        page = client.post(links["u"])
        undo = undo_path(page)
        with world.store.session(world.ctx) as session:
            event = {"shop_id": 1, "id": 999, "customer_no": 1, "channel": "email", "at": world.clock.now()}
            session.add(ConsentEvent(**event, state="UNSUBSCRIBED", source="shopify"))
        client.post(undo)
        assert consent(world) == "UNSUBSCRIBED"

    def test_links_of_another_shop_forged_or_cut_are_not_found(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        add_shop(world.store, 2, "second.myshopify.com")
        tokens = senders.tokens(world.rooms)
        shop_id, message, customer = tokens.read("unsubscribe", links["u"][3:], 3) or []
        foreign = tokens.make("unsubscribe", [2, message, customer])
        other_customer = tokens.make("unsubscribe", [shop_id, message, 77])
        for token in (foreign, other_customer, links["u"][3:-2], links["v"][3:], "x"):
            assert client.post(f"/u/{token}", data=ONE_CLICK).status_code == 404
            assert client.get(f"/u/{token}").status_code == 404
        assert consent(world) == "SUBSCRIBED"

    def test_a_test_mails_link_changes_nothing(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        preview.send_test(world.rooms, world.ctx, "cmp_1", ["boss@beans.example"])
        mail = message_from_bytes(world.transport.taken[-1].data, policy=default)
        assert mail["X-Encore-Test"] == "yes"
        path = re.search(r"<https://encore.example(/u/[^>]+)>", mail["List-Unsubscribe"]).group(1)  # type: ignore[union-attr]
        assert client.post(path, data=ONE_CLICK).status_code == 200
        assert consent(world) == "SUBSCRIBED"


class TestOtherLinks:
    def test_a_click_leads_to_the_product_and_is_recorded(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        answer = client.get(links["c"])
        assert (answer.status_code, answer.location) == (302, PRODUCT_PAGE)
        with world.store.reading(world.ctx) as session:
            clicked = select(MailEvent.link_id).where(MailEvent.kind == "clicked")
            assert session.scalars(clicked).all() == [2]  # the first is the cart's

    def test_no_parameter_bends_a_click(self, client: FlaskClient, links: dict[str, str]) -> None:
        answer = client.get(links["c"] + "?dest=https://evil.example&url=//evil.example")
        assert answer.location == PRODUCT_PAGE
        assert client.get(links["c"] + "x").status_code == 404

    def test_the_web_view_shows_the_words_that_were_sent(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        campaigns.change(world.rooms, world.ctx, "cmp_1", {"content": {"blocks": CHANGED}})
        answer = client.get(links["v"])
        assert "Hi Ann" in answer.text
        assert "Changed later" not in answer.text
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


class TestConfirmingASender:
    def test_opening_the_link_confirms_nothing_the_button_does_once(self, world: World, client: FlaskClient) -> None:
        made = world.sender(verified=False)
        path = f"/senders/confirm/{world.link_in(world.transport.taken[-1].data)}"
        page = client.get(path)
        client.head(path)
        assert "Confirm this address" in page.text
        assert senders.one(world.rooms, world.ctx, made).state == "pending"
        assert client.post(path).status_code == 200
        assert senders.one(world.rooms, world.ctx, made).state == "verified"
        assert client.post(path).status_code == 410
        assert client.get(path).status_code == 410

    def test_a_link_expires_after_72_hours(self, world: World, client: FlaskClient) -> None:
        made = world.sender(verified=False)
        path = f"/senders/confirm/{world.link_in(world.transport.taken[-1].data)}"
        world.clock.advance(timedelta(hours=72, seconds=1))
        answer = client.post(path)
        assert answer.status_code == 410
        assert "expired" in answer.text
        assert senders.one(world.rooms, world.ctx, made).state == "expired"

    def test_a_link_to_the_old_address_confirms_nothing_after_a_change(self, world: World, client: FlaskClient) -> None:
        made = world.sender(verified=False)
        path = f"/senders/confirm/{world.link_in(world.transport.taken[-1].data)}"
        senders.change(world.rooms, world.ctx, made, {"from_address": "new@beans.example"})
        assert client.post(path).status_code == 410
        assert senders.one(world.rooms, world.ctx, made).state == "unverified"

    def test_a_resend_replaces_the_link_and_is_rationed(self, world: World, client: FlaskClient) -> None:
        made = world.sender(verified=False)
        old = f"/senders/confirm/{world.link_in(world.transport.taken[-1].data)}"
        for _ in range(4):
            senders.send_verification(world.rooms, world.ctx, made)
        with pytest.raises(senders.TooMany):
            senders.send_verification(world.rooms, world.ctx, made)
        assert client.post(old).status_code == 410
        world.clock.advance(timedelta(hours=1))
        senders.send_verification(world.rooms, world.ctx, made)

    def test_a_link_for_another_shop_is_refused(self, world: World, client: FlaskClient) -> None:
        world.sender(verified=False)
        token = senders.tokens(world.rooms).make("confirm", [2, 1, 1])
        assert client.post(f"/senders/confirm/{token}").status_code == 404


class TestEventsInTheLake:
    def test_mails_clicks_and_unsubscribes_reach_it_once(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        client.get(links["c"])  # within seconds of the hand-over: a scanner's doing
        world.clock.advance(timedelta(minutes=5))
        client.get(links["c"])
        client.post(links["u"])
        for _ in range(2):
            assert write_events(world.rooms, world.ctx) == 4
        versions = world.rooms.lake.versions(world.ctx)
        connection = world.rooms.lake.connect(world.ctx, versions)
        rows = connection.execute("SELECT kind, customer_no, bot FROM events ORDER BY kind, bot").fetchall()
        connection.close()
        assert rows == [
            ("email_clicked", 1, False), ("email_clicked", 1, True), ("email_sent", 1, False),
            ("email_unsubscribed", 1, False),
        ]  # fmt: skip
