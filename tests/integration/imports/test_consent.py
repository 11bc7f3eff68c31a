"""E-mail consent through imports: granted by a newer decision, taken away by a newer record, tied to an address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.store.models.customers import ConsentEvent, Customer
from tests.integration.imports.conftest import START, customer

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World

DAY = timedelta(days=1)


@pytest.fixture
def subscribed(world: World) -> World:
    world.bring(full=True, customers=[customer(7)])
    return world


def say(world: World, **given: Any) -> Customer:
    """The shop says something newer of customer 7; returns what Encore then holds."""
    world.bring(full=False, customers=[customer(7, **{"updated_at": START + DAY, **given})])
    return world.customer(1)


def decide(world: World, state: str, at: datetime, source: str) -> None:
    """The customer decides by a link of Encore's."""
    with world.rooms.store.session(world.ctx) as session:
        row = session.get_one(Customer, (world.ctx.shop_id, 1))
        row.email_consent, row.email_consent_at = state, at
        number = 1 + len(session.scalars(select(ConsentEvent)).all())
        session.add(
            ConsentEvent(
                shop_id=world.ctx.shop_id, id=number + 100, customer_no=1, channel="email", state=state, at=at,
                source=source,
            )
        )  # fmt: skip


class TestAWithdrawal:
    @pytest.mark.parametrize("state", ["NOT_SUBSCRIBED", "UNSUBSCRIBED", "PENDING", "REDACTED"])
    def test_without_a_date_is_taken_from_a_newer_record(self, subscribed: World, state: str) -> None:
        assert say(subscribed, email_consent=state, email_consent_at=None).email_consent == state

    def test_is_in_the_consent_history(self, subscribed: World) -> None:
        say(subscribed, email_consent="UNSUBSCRIBED", email_consent_at=None)
        with subscribed.rooms.store.reading(subscribed.ctx) as session:
            events = session.execute(select(ConsentEvent.state, ConsentEvent.at).order_by(ConsentEvent.id)).all()
        assert [tuple(event) for event in events][-1] == ("UNSUBSCRIBED", START + DAY)

    def test_of_an_older_record_changes_nothing(self, subscribed: World) -> None:
        after = say(subscribed, email_consent="UNSUBSCRIBED", email_consent_at=None, updated_at=START - DAY)
        assert after.email_consent == "SUBSCRIBED"

    def test_that_the_customer_took_back_here_stays_taken_back(self, subscribed: World) -> None:
        decide(subscribed, "SUBSCRIBED", START + DAY / 2, "undo_link")
        after = say(subscribed, email_consent="UNSUBSCRIBED", email_consent_at=START + DAY / 4)
        assert after.email_consent == "SUBSCRIBED"
        after = say(subscribed, email_consent="UNSUBSCRIBED", email_consent_at=START + DAY)
        assert after.email_consent == "UNSUBSCRIBED"


class TestAGrant:
    def test_needs_a_date_no_earlier_than_the_withdrawal_here(self, subscribed: World) -> None:
        decide(subscribed, "UNSUBSCRIBED", START, "one_click")
        assert say(subscribed).email_consent == "UNSUBSCRIBED"
        assert say(subscribed, email_consent_at=None).email_consent == "UNSUBSCRIBED"
        assert say(subscribed, email_consent_at=START + DAY).email_consent == "SUBSCRIBED"

    def test_is_not_got_by_an_undated_word_in_between(self, subscribed: World) -> None:
        decide(subscribed, "UNSUBSCRIBED", START, "one_click")
        say(subscribed, email_consent="NOT_SUBSCRIBED", email_consent_at=None)
        after = say(subscribed, updated_at=START + 2 * DAY)  # dated the first of January
        assert after.email_consent == "NOT_SUBSCRIBED"


class TestAnotherAddress:
    def test_brings_its_own_state(self, subscribed: World) -> None:
        after = say(subscribed, email="new@example.com", email_consent="NOT_SUBSCRIBED", email_consent_at=None)
        assert after.email_consent == "NOT_SUBSCRIBED"
        assert after.email_consent_at is None

    def test_is_subscribed_if_the_shop_says_so_of_it(self, subscribed: World) -> None:
        decide(subscribed, "UNSUBSCRIBED", START, "one_click")
        since = datetime(2026, 2, 1, tzinfo=UTC)
        after = say(subscribed, email="new@example.com", email_consent_at=since)
        assert (after.email_consent, after.email_consent_at) == ("SUBSCRIBED", since)

    def test_taken_away_takes_consent_along(self, subscribed: World) -> None:
        row = {**customer(7), "email": None, "email_consent": "NOT_SUBSCRIBED", "email_consent_at": None}
        subscribed.bring(full=False, customers=[{**row, "updated_at": START + DAY}])
        assert subscribed.customer(1).email_consent == "NOT_SUBSCRIBED"
