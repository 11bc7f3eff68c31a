"""Counts of a campaign add up, whatever happened to its messages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.campaigns import Reason
from app.services.sending_counts import counts
from app.store import ledger, outbox
from app.store.models.sending import MESSAGE_STATES
from tests.integration.sending.test_cap_store import NOW, new, stamp

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store

steps = st.sampled_from(["plan", "hold_out", "send", "reap", "cancel", *get_args(outbox.Result)])


class TestCounts:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(steps, min_size=5, max_size=25))
    def test_add_up_after_every_step(self, store: Store, ctx: ShopContext, vault: Vault, taken: list[str]) -> None:
        at, planned = NOW, self.planned(store, ctx)
        before = planned
        for number, step in enumerate(taken):
            at += timedelta(hours=30)
            with store.session(ctx) as session:
                message = new(number % 4, campaign=1 + number % 2, occurrence=f"{before}:{number}")
                if step == "plan":
                    planned += outbox.enqueue(session, ctx, at, message) is not None
                elif step == "hold_out":
                    made = outbox.hold_out(session, ctx, vault, at, message, f"address-{message.customer_no}")
                    ledger.append(session, ctx, [made] if made else [])
                    planned += made is not None
                elif step == "reap":
                    outbox.reap(session, ctx, at)
                elif step == "cancel":
                    outbox.cancel_campaign(session, ctx, at, 1, Reason.CAMPAIGN_NOT_ACTIVE)
            if step in {"send", *get_args(outbox.Result)}:
                batch = stamp(store, ctx, vault, at)
                with store.session(ctx) as session:
                    ends = [outbox.Outcome(m.id, step) for m in batch.stamped if step != "send"]  # type: ignore[arg-type]
                    outbox.record(session, ctx, at, ends)
            assert self.planned(store, ctx) == planned

    def planned(self, store: Store, ctx: ShopContext) -> int:
        """The sum over both campaigns, having checked that each adds up."""
        with store.reading(ctx) as session:
            found = counts(session, ctx, [1, 2])
        for one in found.values():
            assert one["planned"] == sum(one[state] for state in MESSAGE_STATES)
        return sum(one["planned"] for one in found.values())

    def test_of_a_campaign_without_messages_are_zeros(self, store: Store, ctx: ShopContext) -> None:
        with store.reading(ctx) as session:
            assert counts(session, ctx, [7]) == {7: dict.fromkeys(("planned", *MESSAGE_STATES), 0)}
