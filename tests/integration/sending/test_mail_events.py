"""What is reported of messages acts at once, once, and on the right address."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from flask import Flask, g
from sqlalchemy import func, select

from app.api import mail_reports as mail_api
from app.api.app import create_app
from app.api.common import ROOMS
from app.errors import Conflict, NotFound
from app.mail.mailbox import Maildir
from app.mail.sns import Notification, Verifier
from app.services import (
    mail_events,
    mail_reports,
    plan_sends,
    send_due,
    sending_brakes,
    sending_limits,
    suppressions,
)
from app.services.mail_events import Report
from app.store.models.customers import ConsentEvent, Customer, Suppression
from app.store.models.mail_events import MailEvent, SendingStop
from app.store.models.sending import Message
from app.store.models.shops import Job
from tests.conftest import add_shop
from tests.integration.sending.world import NOW, World
from tests.unit.mail.test_reports import report as bounce_mail
from tests.unit.mail.test_sns import TOPIC, Amazon

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from app.mail.delivery import Delivery
    from app.services.mail_events import Kind, Severity


def sent(world: World, customer: int, state: str = "sent") -> str:
    """A message that went to the customer a minute ago; returns its id."""
    message_id = str(uuid4())
    with world.store.session(world.ctx) as session:
        session.add(
            Message(
                shop_id=1, id=message_id, customer_no=customer, campaign_id=1, occurrence=message_id, content_version=1,
                sender_id=1, product_no=1, kind="repurchase", probability=0.5, state=state, planned_at=NOW,
                expires_at=NOW + timedelta(days=1), stamped_at=NOW - timedelta(minutes=1), attempts=1,
            )
        )  # fmt: skip
    return message_id


def told(world: World, message: str, kind: Kind, severity: Severity | None = None, key: str = "") -> bool:
    return mail_events.record(
        world.rooms, world.ctx, Report(kind, message, world.clock.now(), key or str(uuid4()), "ses", severity)
    )


def suppressed(world: World) -> dict[str, str]:
    with world.store.reading(world.ctx) as session:
        return {row.email_hash: row.reason for row in session.scalars(select(Suppression))}


def hash_of(world: World, customer: int) -> str:
    return world.rooms.vault.email_hash(f"c{customer}@example.com")


def state_of(world: World, message: str) -> str:
    with world.store.reading(world.ctx) as session:
        return session.get_one(Message, {"shop_id": 1, "id": message}).state


class TestBounces:
    def test_a_hard_one_suppresses_at_once_with_its_evidence(self, world: World) -> None:
        world.customer(1)
        message = sent(world, 1)
        assert told(world, message, "bounced", "hard")
        assert suppressed(world) == {hash_of(world, 1): "hard_bounce"}
        _, (found,) = suppressions.listing(world.rooms, world.ctx)
        assert (found.email, found.customers) == ("c1@example.com", [1])
        assert found.evidence is not None
        assert message in found.evidence

    def test_the_fifth_soft_one_in_a_row_suppresses(self, world: World) -> None:
        world.customer(1)
        for _ in range(4):
            told(world, sent(world, 1), "bounced", "soft")
        assert suppressed(world) == {}
        world.clock.advance(timedelta(minutes=1))
        told(world, sent(world, 1), "delivered")
        world.clock.advance(timedelta(minutes=1))
        for _ in range(4):
            told(world, sent(world, 1), "bounced", "soft")
        assert suppressed(world) == {}
        told(world, sent(world, 1), "bounced", "soft")
        assert suppressed(world) == {hash_of(world, 1): "soft_bounces"}

    def test_the_address_that_was_mailed_is_meant_not_the_one_of_today(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(1), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        with world.store.session(world.ctx) as session:
            (message,) = session.scalars(select(Message.id))
            row = session.get_one(Customer, {"shop_id": 1, "customer_no": 1})
            row.email_hash = world.rooms.vault.email_hash("new@example.com")
        told(world, message, "bounced", "hard")
        assert suppressed(world) == {hash_of(world, 1): "hard_bounce"}

    def test_whoever_is_suppressed_is_not_mailed(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(2), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        told(world, sent(world, 1, state="sent"), "bounced", "hard")
        done = send_due.send(world.rooms, world.ctx)
        assert (done.sent, done.cancelled) == (1, 1)
        assert [e.rcpt_to for e in world.transport.taken] == ["c2@example.com"]


class TestReports:
    def test_the_same_one_twice_is_one(self, world: World) -> None:
        world.customer(1)
        message = sent(world, 1)
        assert told(world, message, "bounced", "soft", key="k")
        assert not told(world, message, "bounced", "soft", key="k")
        with world.store.reading(world.ctx) as session:
            assert session.execute(select(func.count()).select_from(MailEvent)).scalar_one() == 1

    def test_a_message_that_never_left_has_none(self, world: World) -> None:
        world.customer(1)
        for message in (sent(world, 1, state="queued"), sent(world, 2, state="failed"), str(uuid4())):
            with pytest.raises(NotFound):
                told(world, message, "bounced", "hard")
        assert suppressed(world) == {}

    @pytest.mark.parametrize("kind", ["delivered", "bounced", "complained"])
    def test_what_may_have_left_did(self, world: World, kind: Kind) -> None:
        world.customer(1)
        message = sent(world, 1, state="unknown")
        told(world, message, kind, "soft" if kind == "bounced" else None)
        assert state_of(world, message) == "sent"

    @pytest.mark.parametrize("kind", ["opened", "clicked"])
    def test_looking_at_it_changes_no_state(self, world: World, kind: Kind) -> None:
        world.customer(1)
        message = sent(world, 1, state="unknown")
        told(world, message, kind)
        assert state_of(world, message) == "unknown"

    def test_another_shop_s_message_is_none(self, world: World) -> None:
        world.customer(1)
        message = sent(world, 1)
        other = add_shop(world.store, 2, "second.myshopify.com")
        with pytest.raises(NotFound):
            mail_events.record(world.rooms, other, Report("bounced", message, NOW, "k", "ses", "hard"))
        assert mail_events.shop_of(world.rooms, message).shop_id == 1


class TestComplaints:
    def test_one_suppresses_and_unsubscribes_and_tells_the_shop(self, world: World) -> None:
        world.customer(1)
        told(world, sent(world, 1), "complained")
        assert suppressed(world) == {hash_of(world, 1): "complaint"}
        with world.store.reading(world.ctx) as session:
            assert session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent == "UNSUBSCRIBED"
            (event,) = session.scalars(select(ConsentEvent))
            assert (event.source, event.previous) == ("complaint", "SUBSCRIBED")
            assert list(session.scalars(select(Job.key).where(Job.job == "write_consent"))) == [f"1:{event.id}"]


class TestReinstating:
    def test_lets_the_address_be_mailed_again_and_leaves_consent(self, world: World) -> None:
        world.customer(1)
        told(world, sent(world, 1), "complained")
        suppressions.reinstate(world.rooms, world.ctx, hash_of(world, 1), "7")
        assert suppressed(world) == {}
        with world.store.reading(world.ctx) as session:
            assert session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent == "UNSUBSCRIBED"

    def test_nobody_who_was_erased(self, world: World) -> None:
        world.customer(1)
        with world.store.session(world.ctx) as session:
            session.add(Suppression(shop_id=1, email_hash=hash_of(world, 1), reason="erased", at=NOW, evidence=None))
        with pytest.raises(Conflict):
            suppressions.reinstate(world.rooms, world.ctx, hash_of(world, 1), None)
        assert suppressions.listing(world.rooms, world.ctx) == (0, [])


class TestNotificationsOfSes:
    def notification(self, message: str, about: dict[str, Any], **mail: Any) -> Notification:
        text = json.dumps({"eventType": "Bounce", "bounce": about, "mail": mail})
        return Notification("Notification", f"sns-{message}", "t", NOW, text, None)

    def test_act_on_the_message_that_the_tag_names(self, world: World) -> None:
        world.customer(1)
        message = sent(world, 1)
        told_ = self.notification(message, {"bounceType": "Permanent"}, tags={"encore-message": [f"1-{message}"]})
        assert mail_reports.take_notification(world.rooms, told_) == "kept"
        assert mail_reports.take_notification(world.rooms, told_) == "known"
        assert suppressed(world) == {hash_of(world, 1): "hard_bounce"}

    def test_fall_back_on_the_message_id(self, world: World) -> None:
        world.customer(1)
        message = sent(world, 1)
        about = self.notification(
            message, {"bounceType": "Permanent"}, commonHeaders={"messageId": f"<{message}@encore.example>"}
        )
        assert mail_reports.take_notification(world.rooms, about) == "kept"

    @pytest.mark.parametrize("tag", ["", "1-nothing", "99-x", "x-1", "1-" + "0" * 36])
    def test_of_other_messages_are_refused(self, world: World, tag: str) -> None:
        with pytest.raises(NotFound):
            mail_reports.take_notification(
                world.rooms, self.notification("x", {"bounceType": "Permanent"}, tags={"encore-message": [tag]})
            )


class TestTheSnsWebhook:
    def test_a_signed_notification_acts_once_and_others_are_refused(self, world: World) -> None:
        amazon = Amazon()
        app = Flask("test")
        app.extensions[ROOMS] = world.rooms
        app.register_blueprint(mail_api.blueprint(Verifier({TOPIC}, amazon.fetch)))
        client = app.test_client()
        world.customer(1)
        message = sent(world, 1)

        def event(name: str) -> str:
            mail = {"tags": {"encore-message": [f"1-{name}"]}}
            return json.dumps({"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}, "mail": mail})

        def post(told: dict[str, Any]) -> int:
            return client.post("/reports/ses", data=json.dumps(told), content_type="text/plain").status_code

        genuine = amazon.says(Message=event(message))
        assert post({**genuine, "Message": event(str(uuid4()))}) == 400
        assert suppressed(world) == {}
        assert [post(genuine), post(genuine)] == [200, 200]
        assert suppressed(world) == {hash_of(world, 1): "hard_bounce"}
        with world.store.reading(world.ctx) as session:
            assert session.execute(select(func.count()).select_from(MailEvent)).scalar_one() == 1
        assert post(amazon.says(Message=event(str(uuid4())))) == 404
        assert post(amazon.says(Message="Successfully validated SNS topic")) == 200
        world.clock.advance(timedelta(hours=2))
        assert post(genuine) == 400


class TestTheBounceMailbox:
    def test_each_mail_is_handled_once(self, world: World, tmp_path: Path) -> None:
        world.customer(1)
        message = sent(world, 1)
        for folder in ("new", "cur", "tmp"):
            (tmp_path / "box" / folder).mkdir(parents=True)
        mails = {
            "1": bounce_mail(to=f"bounces+1-{message}@mail.example"),
            "2": bounce_mail(to=f"bounces+1-{message}@mail.example"),
            "3": bounce_mail(to=f"bounces+1-{uuid4()}@mail.example"),
            "4": b"Subject: hello\n\nI am on holiday.",
        }
        for name, data in mails.items():
            (tmp_path / "box" / "new" / name).write_bytes(data)
        first = mail_reports.read_mailbox(world.rooms, Maildir(str(tmp_path / "box")))
        assert first == {"kept": 1, "known": 1, "foreign": 1, "ignored": 1}
        assert mail_reports.read_mailbox(world.rooms, Maildir(str(tmp_path / "box"))) == {}
        assert suppressed(world) == {hash_of(world, 1): "hard_bounce"}


class TestTheCircuitBreaker:
    def volume(self, world: World, count: int) -> None:
        with world.store.session(world.ctx) as session:
            sending_limits.count(session, world.ctx, world.clock.now(), {"beans.example": count})

    def stops(self, world: World) -> list[str]:
        with world.store.reading(world.ctx) as session:
            return [row.kind for row in session.scalars(select(SendingStop)) if row.released_at is None]

    def bounce(self, world: World, first: int, count: int) -> None:
        for number in range(first, first + count):
            world.customer(number)
            told(world, sent(world, number), "bounced", "hard")

    def test_opens_at_five_percent_of_hard_bounces(self, world: World) -> None:
        self.volume(world, 200)
        self.bounce(world, 1, 9)
        assert self.stops(world) == []
        self.bounce(world, 10, 1)
        assert self.stops(world) == ["bounces"]

    def test_opens_at_three_complaints_in_a_thousand(self, world: World) -> None:
        self.volume(world, 1000)
        for number in (1, 2, 3):
            world.customer(number)
            assert self.stops(world) == []
            told(world, sent(world, number), "complained")
        assert self.stops(world) == ["complaints"]

    def test_few_messages_mean_nothing(self, world: World) -> None:
        self.volume(world, 199)
        self.bounce(world, 1, 12)
        assert self.stops(world) == []

    def test_nothing_is_sent_until_a_person_releases_it(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(2), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        self.volume(world, 200)
        self.bounce(world, 100, 10)
        assert send_due.send(world.rooms, world.ctx).sent == 0
        assert set(world.message_states().values()) >= {"queued"}
        world.clock.advance(timedelta(minutes=1))
        sending_brakes.release(world.rooms, world.ctx, "7")
        assert send_due.send(world.rooms, world.ctx).sent == 2
        assert self.stops(world) == []  # what was counted before the release does not count again

    def test_a_stop_within_a_run_ends_it_after_the_batch(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(15), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        self.volume(world, 200)
        deliver = world.transport.deliver_many

        def bounce_meanwhile(*given: Any) -> list[Delivery]:
            self.bounce(world, 100, 10)
            return deliver(*given)

        world.transport.deliver_many = bounce_meanwhile  # type: ignore[method-assign]
        assert send_due.send(world.rooms, world.ctx).sent == send_due.FIRST_BATCH


class TestOverHttp:
    @pytest.fixture
    def client(self, world: World) -> FlaskClient:
        def authenticate() -> None:
            g.shop = world.ctx

        return create_app(world.rooms, authenticate, []).test_client()

    def test_status_release_and_reinstating(self, world: World, client: FlaskClient) -> None:
        breaker = TestTheCircuitBreaker()
        breaker.volume(world, 200)
        breaker.bounce(world, 1, 10)
        status = client.get("/api/deliverability").json
        assert (status["level"], status["stop"]["kind"], status["stop"]["hard_bounces"]) == ("stop", "bounces", 10)
        assert status["bounce_rate"] == 0.05
        assert client.post("/api/deliverability/release").json["stop"] is None
        assert client.post("/api/deliverability/release").status_code == 404
        listed = client.get("/api/deliverability/suppressions").json
        assert listed["count"] == 10
        (one,) = client.get("/api/deliverability/suppressions?customer_no=3").json["items"]
        assert one["email"] == "c3@example.com"
        assert client.post(f"/api/deliverability/suppressions/{one['id']}/reinstate").status_code == 204
        assert client.post(f"/api/deliverability/suppressions/{one['id']}/reinstate").status_code == 404

    def test_choices_are_kept(self, client: FlaskClient) -> None:
        assert client.get("/api/deliverability").json["open_tracking"] == "opted_in"
        answer = client.patch("/api/deliverability", json={"open_tracking": "off", "hourly_limit": 100}).json
        assert (answer["open_tracking"], answer["hourly_limit"]) == ("off", 100)
        assert client.patch("/api/deliverability", json={"hourly_limit": None}).json["hourly_limit"] is None
        assert client.patch("/api/deliverability", json={"hourly_limit": 1}).status_code == 422
        assert client.patch("/api/deliverability", json={"open_tracking": "all"}).status_code == 422

    def test_a_notification_without_a_signature_is_refused(self, client: FlaskClient) -> None:
        assert client.post("/reports/ses", data=b'{"Type":"Notification"}').status_code == 400
