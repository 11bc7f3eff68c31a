"""Housekeeping of what belongs to nobody in particular."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.services.tidy import tidy
from app.store.models.shops import WebhookDelivery
from tests.integration.imports.conftest import START

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World


class TestWebhookBodies:
    @pytest.mark.parametrize("domain", ["first.myshopify.com", "nobody.myshopify.com"])
    def test_go_after_thirty_days_whoever_sent_them(self, world: World, domain: str) -> None:
        with world.rooms.store.operator_session() as session:
            session.add_all(
                WebhookDelivery(
                    webhook_id=f"{age}", shop_domain=domain, topic="orders/create", sealed_body=b"", state="dead",
                    received_at=START - timedelta(days=age), attempts=1,
                )
                for age in (29, 31)
            )  # fmt: skip
        assert tidy(world.rooms, world.ctx)["deliveries"] == 1
        with world.rooms.store.operator_session(writing=False) as session:
            assert session.scalars(select(WebhookDelivery.webhook_id)).all() == ["29"]
