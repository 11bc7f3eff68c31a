"""What Shopify is told of a consent that was given or taken back here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import Unavailable
from app.services import unsubscribe
from app.shopify.consent import ShopifyConsent
from app.store.models.customers import ConsentEvent, Customer

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.context import ShopContext
    from tests.integration.sending.world import World


class FakeApi:
    """Shopify's Admin API as far as consent goes; `meanwhile` happens once, while it takes an update."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.refuse: list[dict[str, str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def run(self, _ctx: ShopContext, _name: str, variables: dict[str, Any]) -> dict[str, Any]:
        happens, self.meanwhile = self.meanwhile, lambda: None
        happens()
        given = variables["input"]
        state = given["emailMarketingConsent"]["marketingState"]
        self.told.append((given["customerId"].rpartition("/")[2], state))
        return {"customerEmailMarketingConsentUpdate": {"userErrors": self.refuse}}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def writer(world: World, api: FakeApi) -> ShopifyConsent:
    world.customer(1)
    return ShopifyConsent(api, world.store)  # type: ignore[arg-type]


def says(world: World, state: str, source: str) -> None:
    """Customer 1 decides, and it is written down."""
    world.clock.advance(timedelta(minutes=1))
    with world.store.session(world.ctx) as session:
        row = session.get_one(Customer, {"shop_id": 1, "customer_no": 1})
        number = 1 + session.query(ConsentEvent).count()
        event = {"shop_id": 1, "id": number, "customer_no": 1, "channel": "email", "previous": row.email_consent}
        session.add(ConsentEvent(**event, state=state, at=world.clock.now(), source=source))
        row.email_consent, row.email_consent_at = state, world.clock.now()


class TestWritingBack:
    def test_tells_an_unsubscribe_and_its_undoing(self, world: World, api: FakeApi, writer: ShopifyConsent) -> None:
        says(world, "UNSUBSCRIBED", "one_click")
        writer.write(world.ctx, 1)
        says(world, "SUBSCRIBED", unsubscribe.UNDO)
        writer.write(world.ctx, 1)
        assert api.told == [("1001", "UNSUBSCRIBED"), ("1001", "SUBSCRIBED")]

    def test_tells_nothing_that_shopify_said_itself(self, world: World, api: FakeApi, writer: ShopifyConsent) -> None:
        writer.write(world.ctx, 1)
        says(world, "UNSUBSCRIBED", "one_click")
        says(world, "SUBSCRIBED", "shopify")
        writer.write(world.ctx, 1)
        assert api.told == []

    def test_the_last_word_is_what_stands(self, world: World, api: FakeApi, writer: ShopifyConsent) -> None:
        says(world, "UNSUBSCRIBED", "one_click")
        api.meanwhile = lambda: says(world, "SUBSCRIBED", unsubscribe.UNDO)
        writer.write(world.ctx, 1)
        assert api.told[-1] == ("1001", "SUBSCRIBED")

    def test_a_refusal_is_said_so_that_the_job_is_tried_again(
        self, world: World, api: FakeApi, writer: ShopifyConsent
    ) -> None:
        says(world, "UNSUBSCRIBED", "one_click")
        api.refuse = [{"code": "INVALID"}]
        with pytest.raises(Unavailable, match="INVALID"):
            writer.write(world.ctx, 1)
