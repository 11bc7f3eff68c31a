"""How mail fares per mailbox provider: counted by message, from what was kept beside the sealed address."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import g

from app.api.app import create_app
from app.services.mail_providers import by_provider
from app.store.models.customers import Customer
from app.store.models.mail_events import MailEvent
from app.store.models.sending import Message
from tests.integration.sending.test_measure_campaigns import decide
from tests.integration.sending.world import NOW

if TYPE_CHECKING:
    from tests.integration.sending.world import World

DAY = timedelta(days=1)


def lives_at(world: World, customer: int, provider: str | None) -> None:
    world.customer(customer)
    with world.store.session(world.ctx) as session:
        session.get_one(Customer, {"shop_id": world.ctx.shop_id, "customer_no": customer}).mail_provider = provider


def told(world: World, message: str, kind: str, severity: str | None = None, *, machine: bool = False) -> None:
    """The same twice, as providers do."""
    with world.store.session(world.ctx) as session:
        row = session.get_one(Message, {"shop_id": world.ctx.shop_id, "id": message})
        for number in range(2):
            session.add(
                MailEvent(
                    shop_id=world.ctx.shop_id, id=f"{kind}:{severity}:{number}:{message}"[:64], message_id=message,
                    customer_no=row.customer_no, campaign_id=row.campaign_id, kind=kind, at=NOW, recorded_at=NOW,
                    machine=machine, severity=severity, source="ses", raw={},
                )
            )  # fmt: skip


def test_every_message_counts_once_and_the_parts_are_the_whole(world: World) -> None:
    for customer, provider in enumerate(("gmail", "gmail", "icloud", "other", None), start=1):
        lives_at(world, customer, provider)
    first = [decide(world, customer, "sent", NOW - DAY) for customer in range(1, 6)]
    again = decide(world, 1, "unknown", NOW - 9 * DAY)
    decide(world, 2, "sent", NOW - 31 * DAY)  # too long ago
    decide(world, 3, "held_out", NOW - 9 * DAY)
    told(world, first[0], "bounced", "soft")
    told(world, first[0], "bounced", "hard")
    told(world, again, "bounced", "soft")
    told(world, first[1], "complained")
    told(world, first[1], "opened")
    told(world, first[2], "opened", machine=True)
    told(world, first[4], "opened")
    found = by_provider(world.rooms, world.ctx)
    assert [(one.provider, one.sent, one.bounced, one.for_good, one.complained, one.opened) for one in found.items] == [
        ("gmail", 3, 2, 1, 1, 1),
        ("icloud", 1, 0, 0, 0, 0),
        ("other", 1, 0, 0, 0, 0),
        ("unknown", 1, 0, 0, 0, 1),
    ]
    assert found.sent == sum(one.sent for one in found.items) == 6

    def authenticate() -> None:
        g.shop = world.ctx

    answer = create_app(world.rooms, authenticate, []).test_client().get("/api/deliverability/providers").json
    assert [one["provider"] for one in answer["items"]] == ["gmail", "icloud", "other", "unknown"]
