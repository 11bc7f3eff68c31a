"""The weekly cap under every order of events that a random walk and a directed one can find.

Virtual time; the real cap, outbox, ledger and marks on a SQLite store in memory. In the model: two keys,
merges, changed addresses, unsubscribes and topics, expiry, ambiguous ends, crashes at every step, restores
that forget. Mutants of the code must each be caught, else the walk proves nothing; random steps alone miss
some of them, so directed rules go to the exact edges.
"""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from app.domain.campaigns import Reason
from app.domain.context import ShopContext
from app.store import cap, ledger, outbox, slots
from app.store.base import Base
from app.store.crypto import Vault
from app.store.marks import Marks
from app.store.models.sending import Cap, LedgerEntry, LedgerHead, Message, MessageEvent, SendingEpoch
from app.store.models.shops import Shop
from app.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

WEEK = timedelta(hours=168)
START = datetime(2026, 3, 1, tzinfo=UTC)
ADDRESS_OF = {1: "ann", 2: "ben", 3: "ben", 4: "cat"}  # two customers, one address: one person
CTX = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")
TABLES = [model.__table__ for model in (Shop, Cap, Message, MessageEvent, LedgerHead, LedgerEntry, SendingEpoch)]
GOOD_FOR = timedelta(hours=24)

customers = st.sampled_from(sorted(ADDRESS_OF))
campaigns = st.sampled_from([1, 2])
endings = st.sampled_from(["accepted", "accepted_unreported", "unknown", "unknown_accepted", "refused", "not_accepted"])


STORE = Store("sqlite://")
MEMORY = "/dev/shm"  # noqa: S108 - marks are flushed to the disk; here that costs more than all else


@cache
def fresh_store(guards: Sequence[str]) -> sqlite3.Connection:
    """A store with one shop. guards: the triggers that it is made with, for the cache."""
    del guards
    made = Store("sqlite://")
    Base.metadata.create_all(made.engine, tables=TABLES)
    with made.operator_session() as session:
        session.add(
            Shop(id=1, domain=CTX.domain, name="", currency="USD", timezone="UTC", source="csv", installed_at=START)
        )
    return copy_of(made)


def copy_of(store: Store) -> sqlite3.Connection:
    """The whole store as it is now."""
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with store.engine.connect() as connection:
        connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
    return copy


@dataclass(frozen=True)
class InHand:
    """A stamped message. persons: the numbers of all who were the customer when it was stamped."""

    message_id: str
    customer_no: int
    persons: frozenset[int]
    address: str
    started: float


class Sending(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None)
        # One store for all examples, filled anew: an engine of its own would compile every statement again.
        self.store = STORE
        self.store.marks = Marks(Path(self.folder.name))
        self._load(fresh_store(slots.ON_SQLITE))
        self.vault = Vault({1: b"k" * 32}, b"pepper-of-the-tests")
        self.addresses = dict(ADDRESS_OF)
        self.survivor = {number: number for number in ADDRESS_OF}
        self.unsubscribed: dict[str, datetime] = {}
        self.accepted: list[tuple[datetime, InHand]] = []
        self.stamped: list[tuple[datetime, str, datetime]] = []
        self.in_hand: list[InHand] = []
        self.planned = 0
        # Messages of one instant are taken in the order of their ids: random ones would make no walk repeatable.
        self.ids = (f"{number:036d}" for number in count(1))
        self.made_by, outbox.new_id = outbox.new_id, lambda: next(self.ids)

    def teardown(self) -> None:
        """What is written stays, so that it is enough to look at the end of a walk."""
        try:
            self.no_two_slots_of_a_customer_overlap()
            self.sent_rows_were_accepted_and_the_chain_holds()
        finally:
            outbox.new_id = self.made_by
            self.folder.cleanup()

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def recheck(self, _: Session, due: Sequence[Message]) -> dict[str, outbox.Check]:
        """What the sender's service asks under lock: merged away, unsubscribed, or go."""
        found = {}
        for message in due:
            if self.survivor[message.customer_no] != message.customer_no:
                found[message.id] = outbox.Check(None, Reason.ERASED)
            elif self.addresses[message.customer_no] in self.unsubscribed:
                found[message.id] = outbox.Check(None, Reason.NOT_SUBSCRIBED)
            else:
                found[message.id] = outbox.Check(self.addresses[message.customer_no])
        return found

    def new(self, customer: int, campaign: int) -> outbox.NewMessage:
        self.planned += 1
        return outbox.NewMessage(
            customer_no=customer, campaign_id=campaign, occurrence=f"7:life:{self.planned}", content_version=1,
            sender_id=1, product_no=7, purchased_product_no=None, kind="repurchase", probability=0.5, lift=None,
            expires_at=self.now + GOOD_FOR,
        )  # fmt: skip

    @rule(chosen=st.lists(customers, min_size=1, max_size=4), campaign=campaigns)
    def plan(self, chosen: list[int], campaign: int) -> None:
        if self.locked():
            return
        with self.store.session(CTX) as session:
            outbox.enqueue_many(session, CTX, self.now, [self.new(customer, campaign) for customer in chosen])

    @rule(chosen=st.lists(customers, min_size=1, max_size=3))
    def hold_out(self, chosen: list[int]) -> None:
        if self.locked():
            return
        new = [(self.new(customer, 3), self.addresses[customer]) for customer in chosen]
        with self.store.session(CTX) as session:
            stamps = outbox.hold_out_many(session, CTX, self.vault, self.now, new)
            ledger.append(session, CTX, [stamp for stamp in stamps if stamp])

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        started = self.monotonic()
        with self.store.session(CTX) as session:
            batch = outbox.stamp_batch(
                session, CTX, self.vault, clock=lambda _: self.now, owner="w", recheck=self.recheck, limit=limit
            )
            taken = [self.held(message, started) for message in batch.stamped]
            self.stamped += [(self.now, self.addresses[m.customer_no], m.expires_at) for m in batch.stamped]
        if self.locked():
            assert taken == []
        self.in_hand += taken

    def held(self, message: Message, started: float) -> InHand:
        number = message.customer_no
        persons = frozenset(n for n, now in self.survivor.items() if now == number)
        return InHand(message.id, number, persons, self.addresses[number], started)

    @rule(ending=endings, pick=st.integers(0, 9))
    def hand_over(self, ending: str, pick: int) -> None:
        if self.in_hand:
            self.finish(self.in_hand.pop(pick % len(self.in_hand)), ending)

    def finish(self, held: InHand, ending: str) -> None:
        if not outbox.in_time(held.started, self.monotonic()):
            ending = "not_accepted"
        if ending in {"accepted", "accepted_unreported", "unknown_accepted"}:
            self.accepted.append((self.now, held))
        if ending == "accepted_unreported":
            return  # killed after the server said yes
        result = "unknown" if ending == "unknown_accepted" else ending
        with self.store.session(CTX) as session:
            outbox.record(session, CTX, self.now, [outbox.Outcome(held.message_id, result)])  # type: ignore[arg-type]

    def finish_all(self, ending: str) -> None:
        while self.in_hand:
            self.finish(self.in_hand.pop(0), ending)

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

    @rule(customer=customers)
    def unsubscribe(self, customer: int) -> None:
        self.unsubscribed.setdefault(self.addresses[customer], self.now)

    @rule(customer=customers)
    def subscribe(self, customer: int) -> None:
        self.unsubscribed.pop(self.addresses[customer], None)

    @rule(customer=customers, address=st.sampled_from(["ann", "ben", "cat", "dan"]))
    def change_address(self, customer: int, address: str) -> None:
        self.addresses[customer] = address

    @rule(loser=customers, kept=customers)
    def merge(self, loser: int, kept: int) -> None:
        if loser == kept or self.survivor[loser] != loser or self.survivor[kept] != kept:
            return
        self.survivor = {n: kept if now == loser else now for n, now in self.survivor.items()}
        with self.store.session(CTX) as session:
            cap.merge(session, CTX, loser=loser, survivor=kept)

    @rule(campaign=campaigns)
    def cancel(self, campaign: int) -> None:
        with self.store.session(CTX) as session:
            outbox.cancel_campaign(session, CTX, self.now, campaign, Reason.CAMPAIGN_NOT_ACTIVE)

    def locked(self) -> bool:
        assert self.store.marks is not None
        with self.store.reading(CTX) as session:
            return self.store.marks.refusal(session, 1, self.now) is not None

    @rule(customer=customers)
    def restore_of_yesterday(self, customer: int) -> None:
        """A backup, one more mail, the backup restored: nothing leaves until the store is whole again."""
        kept, before = copy_of(self.store), len(self.stamped)
        self.plan([customer], 1)
        self.claim(4)
        grown = len(self.stamped) > before
        self.finish_all("accepted")
        whole = copy_of(self.store)
        self._load(kept)
        self.plan([customer], 2)
        self.claim(4)
        self.finish_all("accepted")
        if grown:
            self._load(whole)

    def _load(self, kept: sqlite3.Connection) -> None:
        with self.store.engine.connect() as connection:
            kept.backup(connection.connection.driver_connection)  # type: ignore[arg-type]

    @rule(customer=customers, stall=st.sampled_from([0, 59, 7_200]), other=customers, ending=endings)
    def cycle(self, customer: int, stall: int, other: int, ending: str) -> None:
        """Mail, with a stall before the final dot, then jump to the very edge of the week and mail again."""
        self.plan([customer], 1)
        self.claim(4)
        self.now += timedelta(seconds=stall)
        self.finish_all(ending)
        with self.store.reading(CTX) as session:
            row = session.get(Cap, {"shop_id": 1, "key": f"c:{customer}"})
            edge = row.last_at + cap.WINDOW + cap.MARGIN if row else self.now
        self.now = max(self.now, edge)
        self.plan([other], 2)
        self.claim(4)
        self.finish_all("accepted")

    @rule(customer=customers, seconds=st.sampled_from([-1, 0]))
    def wait_for_expiry(self, customer: int, seconds: int) -> None:
        """Plan, and come for it at the edge of its time."""
        self.plan([customer], 1)
        self.now += GOOD_FOR + timedelta(seconds=seconds)
        self.claim(4)

    @rule(customer=customers)
    def doubt(self, customer: int) -> None:
        """The server took it, nobody here knows; then come for what is in line again."""
        self.plan([customer], 1)
        self.claim(4)
        self.finish_all("unknown_accepted")
        self.now += timedelta(minutes=3)
        self.claim(4)
        self.finish_all("accepted")

    @rule(loser=customers, kept=customers)
    def mailed_and_merged(self, loser: int, kept: int) -> None:
        """Mail one of two who turn out to be one person, then plan for the other."""
        self.plan([loser], 1)
        self.claim(4)
        self.finish_all("accepted")
        self.merge(loser, kept)
        self.plan([kept], 2)
        self.claim(4)
        self.finish_all("accepted")

    @rule(customer=customers)
    def change_of_mind_in_line(self, customer: int) -> None:
        """Plan, then unsubscribe, then stamp."""
        self.plan([customer], 1)
        self.unsubscribe(customer)
        self.now += timedelta(minutes=1)
        self.claim(4)

    @invariant()
    def hand_overs_to_one_person_are_a_week_apart(self) -> None:
        last: dict[str, datetime] = {}
        for at, held in self.accepted:
            keys = [f"e:{held.address}", *(f"c:{number}" for number in held.persons)]
            assert all(at - last[key] >= WEEK for key in keys if key in last), keys
            last |= {f"e:{held.address}": at, f"c:{held.customer_no}": at}

    @invariant()
    def no_message_is_accepted_twice(self) -> None:
        ids = [held.message_id for _, held in self.accepted]
        assert len(ids) == len(set(ids))

    @invariant()
    def nobody_is_stamped_after_unsubscribing_nor_after_the_message_expired(self) -> None:
        for at, address, expires_at in self.stamped:
            assert at < expires_at
            assert not (address in self.unsubscribed and self.unsubscribed[address] < at)

    def no_two_slots_of_a_customer_overlap(self) -> None:
        query = select(Message.customer_no, Message.slot_from, Message.slot_until).where(Message.slot_from.is_not(None))
        with self.store.reading(CTX) as session:
            rows = session.execute(query.order_by(Message.customer_no, Message.slot_from)).all()
        for before, after in pairwise(rows):
            assert before.customer_no != after.customer_no or before.slot_until <= after.slot_from

    def sent_rows_were_accepted_and_the_chain_holds(self) -> None:
        accepted = {held.message_id for _, held in self.accepted}
        with self.store.reading(CTX) as session:
            sent = set(session.scalars(select(Message.id).where(Message.state == "sent")))
            taken_back = ledger.taken_back(session, CTX)
            verdict = ledger.verify(1, ledger.entries(session, CTX), ledger.head(session, CTX), WEEK, taken_back)
            missing = ledger.missing(session, CTX)
        assert sent <= accepted
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


@pytest.mark.timeout(1_200)  # half a minute of a quiet machine; others may be at work on this one
class TestTheWeeklyCap:
    def test_holds_in_every_order_of_events(self) -> None:
        walk(400)


class TestTheWalkHasTeeth:
    """Each mutant leaves out one part of the protocol; the walk must notice."""

    def caught(self) -> None:
        with pytest.raises(AssertionError):
            walk(400, phases=[Phase.generate], report_multiple_bugs=False)

    @pytest.fixture
    def unguarded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The store's own guard is dropped, so that a mutant of the cap is not stopped by it."""
        monkeypatch.setattr(slots, "ON_SQLITE", ())

    def test_no_margin_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "MARGIN", timedelta(0))
        self.caught()

    def test_no_deadline_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "DEADLINE_SECONDS", float("inf"))
        self.caught()

    @pytest.mark.usefixtures("unguarded")
    def test_retrying_unknown_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "NEXT_STATE", {**outbox.NEXT_STATE, "unknown": "queued"})
        self.caught()

    def test_stamping_one_key_only_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "keys_of", lambda customer_no, _: (f"c:{customer_no}",))
        self.caught()

    @pytest.mark.usefixtures("unguarded")
    def test_no_cap_at_all_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "take", lambda _s, _c, now, wanted, _w: dict.fromkeys(wanted, now))
        self.caught()

    def test_no_consent_check_at_the_stamp_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def careless(self: Sending, _: Session, due: Sequence[Message]) -> dict[str, outbox.Check]:
            return {m.id: outbox.Check(self.addresses[m.customer_no]) for m in due}

        monkeypatch.setattr(Sending, "recheck", careless)
        self.caught()

    def test_a_merge_without_the_cap_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cap, "merge", lambda *_, **__: None)
        self.caught()

    def test_no_lock_after_a_restore_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Marks, "refusal", lambda *_, **__: None)
        self.caught()
