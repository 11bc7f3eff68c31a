"""A wrong key ring is refused at the start."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.errors import Conflict
from app.services.keys import check_keys
from app.store.crypto import Vault, customer_subject
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.store.session import Store

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OTHER = Vault({1: b"o" * 32}, b"pepper-of-the-tests")


class TestCheckKeys:
    def test_an_empty_store_takes_any_ring(self, store: Store) -> None:
        check_keys(store, OTHER)

    def test_the_ring_that_sealed_is_taken_and_another_refused(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        with store.session(ctx) as session:
            session.add(
                Customer(
                    shop_id=1, customer_no=1, contact=vault.seal(1, customer_subject(1), {}), email_valid=False,
                    email_consent="NOT_SUBSCRIBED", sms_consent="NOT_SUBSCRIBED", created_at=NOW, updated_at=NOW,
                )
            )  # fmt: skip
        check_keys(store, vault)
        with pytest.raises(Conflict, match="ENCORE_KEYS does not open"):
            check_keys(store, OTHER)
