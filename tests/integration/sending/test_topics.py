"""Preferences by topic: what a customer does not want is neither planned nor sent, whoever they are by then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.domain.campaigns import GOOD_FOR, Reason
from app.services import plan_sends, send_due, topics
from app.services.measure_campaigns_read import decided
from app.services.merge import merge_customers
from app.store.models.customers import ConsentEvent
from app.store.models.sending import Message
from tests.integration.sending.test_decide_and_send import reasons
from tests.integration.sending.test_public_pages import client, consent, links, undo_path, write_backs

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.integration.sending.world import World

__all__ = ["client", "links"]  # fixtures


def choose(client: FlaskClient, links: dict[str, str], *wanted: str) -> TestResponse:
    return client.post(f"{links['u']}/topics", data={"topic": list(wanted)})


def declined(world: World) -> set[tuple[int, str]]:
    with world.store.reading(world.ctx) as session:
        return topics.declined(session, world.ctx)


class TestWhoLeft:
    """A campaign's unsubscribes are of its own messages' links, each message once, unless taken back by the same."""

    def left(self, world: World) -> list[tuple[int, str | None]]:
        with world.store.reading(world.ctx) as session:
            found = decided(session, world.ctx).left
        return list(zip(found["customer"], found["message"], strict=True))

    def test_a_topic_and_then_everything_is_one(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        with world.store.reading(world.ctx) as session:
            message = session.scalars(select(Message.id)).one()
        choose(client, links, "cross_sell")
        assert self.left(world) == [(1, message)]
        client.post(links["u"])
        assert self.left(world) == [(1, message)]

    def test_what_is_taken_back_is_none(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        page = client.post(links["u"])
        assert len(self.left(world)) == 1
        client.post(undo_path(page))
        assert (self.left(world), consent(world)) == ([], "SUBSCRIBED")
        choose(client, links)
        choose(client, links, "repurchase")
        assert len(self.left(world)) == 1
        choose(client, links, "repurchase", "cross_sell")
        assert self.left(world) == []

    def test_of_before_messages_were_written_down_each_customer_counts_once(self, world: World) -> None:
        with world.store.session(world.ctx) as session:
            for number in (1, 2):
                session.add(
                    ConsentEvent(
                        shop_id=world.ctx.shop_id, id=900 + number, customer_no=1, channel="email",
                        state="UNSUBSCRIBED", at=world.clock.now(), source="one_click",
                    )
                )  # fmt: skip
        assert self.left(world) == [(1, None)]


class TestChoosingTopics:
    def test_the_page_shows_what_is_wanted_and_saves_a_choice(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        page = client.get(links["u"]).text
        assert len(re.findall('type="checkbox" name="topic" value="[a-z_]+" checked', page)) == 2
        for _ in range(2):
            answer = choose(client, links, "cross_sell")
            assert "Suggestions of products" in answer.text
            assert "Reminders" not in answer.text
        assert declined(world) == {(1, "repurchase")}
        assert len(re.findall('name="topic" value="[a-z_]+" checked', client.get(links["u"]).text)) == 1

    def test_leaves_the_subscription_alone_and_tells_shopify_nothing(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        choose(client, links)
        assert (consent(world), write_backs(world)) == ("SUBSCRIBED", [])
        with world.store.reading(world.ctx) as session:
            events = [(e.channel, e.state) for e in session.scalars(select(ConsentEvent).order_by(ConsentEvent.id))]
        assert events == [("topic", "repurchase:declined"), ("topic", "cross_sell:declined")]

    def test_can_be_undone_from_the_page(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        page = choose(client, links, "cross_sell").text
        before = re.findall(r'type="hidden" name="topic" value="([a-z_]+)"', page)
        assert before == ["repurchase", "cross_sell"]
        assert "as it was before" not in choose(client, links, "cross_sell").text
        choose(client, links, *before)
        assert declined(world) == set()

    def test_holds_before_the_next_stamp(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        world.clock.advance(plan_sends.KEPT_FOR)
        world.clock.advance(GOOD_FOR)
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1
        choose(client, links, "cross_sell")
        assert send_due.send(world.rooms, world.ctx).cancelled == 1
        with world.store.reading(world.ctx) as session:
            ended = session.scalars(select(Message.reason).where(Message.state == "cancelled")).all()
        assert ended == [Reason.TOPIC_DECLINED]

    def test_holds_in_planning_and_stands_in_the_diary(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        choose(client, links, "cross_sell")
        world.clock.advance(plan_sends.KEPT_FOR)
        world.clock.advance(GOOD_FOR)
        assert plan_sends.plan(world.rooms, world.ctx).skipped == {Reason.TOPIC_DECLINED: 1}
        assert reasons(world, "cmp_1") == {1: Reason.TOPIC_DECLINED}

    def test_of_the_other_kind_does_not_matter(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        choose(client, links, "repurchase")
        world.clock.advance(plan_sends.KEPT_FOR)
        world.clock.advance(GOOD_FOR)
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1

    def test_follows_the_person_to_a_record_with_the_address_and_through_a_merge(
        self, world: World, client: FlaskClient, links: dict[str, str]
    ) -> None:
        choose(client, links, "repurchase")
        world.customer(2, email="c1@example.com")
        world.customer(3, email="new@example.com")
        assert declined(world) == {(1, "cross_sell"), (2, "cross_sell")}
        merge_customers(world.rooms, world.ctx, kept=1003, deleted=1001)
        assert (3, "cross_sell") in declined(world)
        choose(client, links, "repurchase", "cross_sell")
        assert declined(world) == set()

    def test_a_test_mails_link_changes_nothing(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        from app.services import senders

        token = senders.tokens(world.rooms).make("unsubscribe", [1, "test", None])
        assert "test message" in client.post(f"/u/{token}/topics").text
        assert declined(world) == set()

    @pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
    def test_only_a_post_chooses(self, world: World, client: FlaskClient, links: dict[str, str], method: str) -> None:
        getattr(client, method)(f"{links['u']}/topics?topic=repurchase")
        assert declined(world) == set()
        assert client.post("/u/x/topics").status_code == 404
