"""A campaign that is changed while its messages wait."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from app.domain.blocks import plain
from app.mail.starters import starter
from app.services import campaigns, plan_sends, send_due
from app.store.models.sending import Message
from tests.integration.sending.world import NOW

if TYPE_CHECKING:
    from tests.integration.sending.world import World

HI = [{"type": "text", "html": "<p>Hi</p>"}]


@pytest.fixture
def planned(world: World) -> World:
    """Three customers are due for coffee; messages to the first two wait."""
    coffee = world.coffee_drinkers(3)
    world.members(coffee, [1, 2])
    world.campaign(coffee, name="A")
    plan_sends.plan(world.rooms, world.ctx)
    return world


class TestAnActiveCampaign:
    @pytest.mark.parametrize(
        "changes",
        [
            {"content": {"subject": "Corrected"}},
            {"timing": {"wait_days": 30}},
            {"utm": {"medium": "newsletter"}},
            {"audience": {"type": "automatic"}, "content": {"blocks": HI}},
        ],
    )
    def test_a_change_takes_what_waits_out_of_the_line_and_decides_anew(
        self, planned: World, changes: dict[str, Any]
    ) -> None:
        campaigns.change(planned.rooms, planned.ctx, "cmp_1", changes)
        with planned.store.reading(planned.ctx) as session:
            assert {(m.state, m.reason) for m in session.scalars(select(Message))} == {
                ("cancelled", "campaign_changed")
            }
        assert plan_sends.plan(planned.rooms, planned.ctx, NOW + timedelta(minutes=1)).queued >= 2
        assert send_due.send(planned.rooms, planned.ctx).sent >= 2
        subjects = {message_from_bytes(e.data, policy=default)["Subject"] for e in planned.transport.taken}
        assert ("Corrected" in subjects) == ("subject" in changes.get("content", {}))

    def test_a_change_of_the_segment_mails_nobody_of_the_old_one(self, planned: World) -> None:
        other = planned.segment("another", "custom", [3])
        campaigns.change(
            planned.rooms, planned.ctx, "cmp_1",
            {"audience": {"type": "segment", "segment_id": f"seg_{other}"}, "content": {"blocks": HI}},
        )  # fmt: skip
        plan_sends.plan(planned.rooms, planned.ctx, NOW + timedelta(minutes=1))
        send_due.send(planned.rooms, planned.ctx)
        assert [e.rcpt_to for e in planned.transport.taken] == ["c3@example.com"]

    def test_saving_without_a_change_leaves_the_line_alone(self, planned: World) -> None:
        words = vars(starter("repurchase")) | {"blocks": plain(starter("repurchase").blocks)}
        same = {"name": "Other", "content": words, "timing": {"frequency": "every"}}
        campaigns.change(planned.rooms, planned.ctx, "cmp_1", same)
        assert set(planned.message_states().values()) == {"queued"}

    def test_words_of_an_older_version_are_not_sent(self, planned: World) -> None:
        with planned.store.session(planned.ctx) as session:
            session.execute(update(Message).values(content_version=0))
        assert send_due.send(planned.rooms, planned.ctx).cancelled == 2
