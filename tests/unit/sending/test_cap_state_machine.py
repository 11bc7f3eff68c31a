"""The weekly cap under every order of events that a random walk and a directed one can find.

Virtual time; the real cap, outbox and ledger code. Mutants of that code must be caught, else the
walk proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from app.domain.context import ShopContext
from app.store import cap, ledger, outbox
from app.store.base import Base
from app.store.crypto import Vault
from app.store.models.sending import Cap, LedgerEntry, LedgerHead, Message, MessageEvent
from app.store.models.shops import Shop
from app.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

WEEK = timedelta(hours=168)
START = datetime(2026, 3, 1, tzinfo=UTC)
ADDRESS_OF = {1: "ann", 2: "ben", 3: "ben"}  # two customers, one address: one person
CTX = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")
TABLES = [model.__table__ for model in (Shop, Cap, Message, MessageEvent, LedgerHead, LedgerEntry)]

customers = st.sampled_from(sorted(ADDRESS_OF))
campaigns = st.sampled_from([1, 2])
endings = st.sampled_from(["accepted", "accepted_unreported", "unknown", "unknown_accepted", "refused", "not_accepted"])


@dataclass
class InHand:
    message_id: str
    customer_no: int
    started: float


class Sending(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.store = Store("sqlite://")
        self.vault = Vault({1: b"k" * 32}, b"pepper-of-the-tests")
        Base.metadata.create_all(self.store.engine, tables=TABLES)
        with self.store.operator_session() as session:
            session.add(
                Shop(id=1, domain=CTX.domain, name="", currency="USD", timezone="UTC", source="csv", installed_at=START)
            )
        self.accepted: list[tuple[datetime, int, str]] = []
        self.in_hand: list[InHand] = []
        self.planned = 0

    def teardown(self) -> None:
        self.store.close()

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def recheck(self, session: Session, due: Sequence[Message]) -> dict[str, outbox.Check]:
        return {m.id: outbox.Check(ADDRESS_OF[m.customer_no]) for m in due}

    @rule(customer=customers, campaign=campaigns)
    def plan(self, customer: int, campaign: int) -> None:
        self.planned += 1
        new = outbox.NewMessage(
            customer_no=customer,
            campaign_id=campaign,
            occurrence=f"7:life:{self.planned}",
            content_version=1,
            sender_id=1,
            product_no=7,
            purchased_product_no=None,
            kind="repurchase",
            probability=0.5,
            lift=None,
            expires_at=self.now + timedelta(days=30),
        )
        with self.store.session(CTX) as session:
            outbox.enqueue(session, CTX, self.now, new)

    @rule(customer=customers)
    def hold_out(self, customer: int) -> None:
        self.planned += 1
        new = outbox.NewMessage(
            customer_no=customer,
            campaign_id=3,
            occurrence=f"7:life:{self.planned}",
            content_version=1,
            sender_id=1,
            product_no=7,
            purchased_product_no=None,
            kind="repurchase",
            probability=0.5,
            lift=None,
            expires_at=self.now + timedelta(days=30),
        )
        with self.store.session(CTX) as session:
            stamp = outbox.hold_out(session, CTX, self.vault, self.now, new, ADDRESS_OF[customer])
            ledger.append(session, CTX, [stamp] if stamp else [])

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        started = self.monotonic()
        with self.store.session(CTX) as session:
            batch = outbox.stamp_batch(
                session, CTX, self.vault, clock=lambda _: self.now, owner="w", recheck=self.recheck, limit=limit
            )
            taken = [InHand(m.id, m.customer_no, started) for m in batch.stamped]
        self.in_hand += taken

    @rule(ending=endings, pick=st.integers(0, 9))
    def hand_over(self, ending: str, pick: int) -> None:
        if self.in_hand:
            self.finish(self.in_hand.pop(pick % len(self.in_hand)), ending)

    def finish(self, held: InHand, ending: str) -> None:
        if not outbox.in_time(held.started, self.monotonic()):
            ending = "not_accepted"
        if ending in {"accepted", "accepted_unreported", "unknown_accepted"}:
            self.accepted.append((self.now, held.customer_no, held.message_id))
        if ending == "accepted_unreported":
            return  # killed after the server said yes
        result = "unknown" if ending == "unknown_accepted" else ending
        with self.store.session(CTX) as session:
            outbox.record(session, CTX, self.now, [outbox.Outcome(held.message_id, result)])  # type: ignore[arg-type]

    @rule()
    def worker_dies(self) -> None:
        self.in_hand.clear()

    @rule()
    def reap(self) -> None:
        with self.store.session(CTX) as session:
            outbox.reap(session, CTX, self.now)

    @rule(minutes=st.sampled_from([1, 5, 20, 130, 60 * 24, 60 * 167, 60 * 169]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(customer=customers, stall=st.sampled_from([0, 59, 7_200]), other=customers, ending=endings)
    def cycle(self, customer: int, stall: int, other: int, ending: str) -> None:
        """Mail, with a stall before the final dot, then jump to the very edge of the week and mail again."""
        self.plan(customer, 1)
        self.claim(3)
        self.now += timedelta(seconds=stall)
        while self.in_hand:
            self.finish(self.in_hand.pop(0), ending)
        with self.store.reading(CTX) as session:
            row = session.get(Cap, {"shop_id": 1, "key": f"c:{customer}"})
            edge = row.last_at + cap.WINDOW + cap.MARGIN if row else self.now
        self.now = max(self.now, edge)
        self.plan(other, 2)
        self.claim(3)
        while self.in_hand:
            self.finish(self.in_hand.pop(0), "accepted")

    @invariant()
    def hand_overs_to_one_person_are_a_week_apart(self) -> None:
        times: dict[str, list[datetime]] = defaultdict(list)
        for at, customer, _ in self.accepted:
            times[f"c:{customer}"].append(at)
            times[f"e:{ADDRESS_OF[customer]}"].append(at)
        for key, accepted in times.items():
            gaps = [b - a for a, b in pairwise(accepted)]
            assert all(gap >= WEEK for gap in gaps), f"{key}: {min(gaps)}"

    @invariant()
    def no_message_is_accepted_twice(self) -> None:
        ids = [message_id for _, _, message_id in self.accepted]
        assert len(ids) == len(set(ids))

    @invariant()
    def sent_rows_were_accepted_and_the_chain_holds(self) -> None:
        accepted = {message_id for _, _, message_id in self.accepted}
        with self.store.reading(CTX) as session:
            rows = session.query(Message.id).filter(Message.state == "sent").all()
            taken_back = ledger.taken_back(session, CTX)
            verdict = ledger.verify(1, ledger.entries(session, CTX), ledger.head(session, CTX), WEEK, taken_back)
            missing = ledger.missing(session, CTX)
        assert {row.id for row in rows} <= accepted
        assert verdict.broken + missing == []
        assert verdict.too_short == []


def walk(examples: int, **overrides: object) -> None:
    run_state_machine_as_test(
        Sending,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            **overrides,  # type: ignore[arg-type]
        ),
    )


class TestTheWeeklyCap:
    def test_holds_in_every_order_of_events(self) -> None:
        walk(60)


class TestTheWalkHasTeeth:
    """Each mutant leaves out one part of the protocol; the walk must notice."""

    def caught(self) -> None:
        with pytest.raises(AssertionError):
            walk(300, phases=[Phase.generate], report_multiple_bugs=False)

    def test_no_margin_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "MARGIN", timedelta(0))
        self.caught()

    def test_no_deadline_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "DEADLINE_SECONDS", float("inf"))
        self.caught()

    def test_retrying_unknown_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "NEXT_STATE", {**outbox.NEXT_STATE, "unknown": "queued"})
        self.caught()

    def test_stamping_one_key_only_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "keys_of", lambda customer_no, _: (f"c:{customer_no}",))
        self.caught()

    def test_no_cap_at_all_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "take", lambda _s, _c, now, wanted: dict.fromkeys(wanted, now))
        self.caught()
