"""Cap, outbox and ledger on both databases, and with several processes at once."""

from __future__ import annotations

import multiprocessing
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from app.domain.campaigns import Reason
from app.store import cap, ledger, outbox
from app.store.crypto import Vault
from app.store.models.customers import Customer
from app.store.models.sending import Cap, LedgerEntry, LedgerHead, Message, MessageEvent
from app.store.session import Store
from tests.conftest import add_shop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EDGE = cap.WINDOW + cap.MARGIN
INSTANT = timedelta(microseconds=1)


def new(customer: int, campaign: int = 1, occurrence: str = "1") -> outbox.NewMessage:
    return outbox.NewMessage(
        customer_no=customer, campaign_id=campaign, occurrence=occurrence, content_version=1, sender_id=1, product_no=1,
        purchased_product_no=None, kind="repurchase", probability=0.5, lift=None,
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def recheck(_: Session, due: Sequence[Message]) -> dict[str, outbox.Check]:
    return {m.id: outbox.Check(f"address-{m.customer_no}") for m in due}


def stamp(store: Store, ctx: ShopContext, vault: Vault, now: datetime = NOW, limit: int = 50) -> outbox.Batch:
    with store.session(ctx) as session:
        return outbox.stamp_batch(session, ctx, vault, clock=lambda _: now, owner="w", recheck=recheck, limit=limit)


def busy(store: Store, ctx: ShopContext, addresses: dict[int, str]) -> set[int]:
    """Which customers' weeks are taken. addresses: of customers whom nobody mailed, who tell of an address's week."""
    same = {"shop_id": ctx.shop_id, "contact": b"", "email_valid": True, "created_at": NOW, "updated_at": NOW}
    consent = {"email_consent": "SUBSCRIBED", "sms_consent": "NOT_SUBSCRIBED"}
    with store.session(ctx) as session:
        session.add_all(Customer(customer_no=n, email_hash=one, **same, **consent) for n, one in addresses.items())
        session.flush()
        return set(cap.busy_customers(session, ctx, NOW).tolist())


class TestTheCap:
    def test_is_free_again_exactly_at_the_edge(self, store: Store, ctx: ShopContext) -> None:
        keys = cap.keys_of(1, "a")
        with store.session(ctx) as session:
            assert cap.stamp(session, ctx, NOW, keys, "m1")
            assert not cap.stamp(session, ctx, NOW + EDGE - INSTANT, keys, "m2")
            assert cap.stamp(session, ctx, NOW + EDGE, keys, "m2")

    def test_either_key_refuses_and_then_neither_changes(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            cap.stamp(session, ctx, NOW, cap.keys_of(1, "a"), "m1")
            assert not cap.stamp(session, ctx, NOW, cap.keys_of(2, "a"), "m2")
            assert not cap.stamp(session, ctx, NOW, cap.keys_of(1, "b"), "m3")
            held = {row.key: row.holder for row in session.scalars(select(Cap))}
        assert held == {"c:1": "m1", "e:a": "m1"}

    def test_its_holder_may_stamp_again_and_time_never_goes_back(self, store: Store, ctx: ShopContext) -> None:
        keys = cap.keys_of(1, "a")
        with store.session(ctx) as session:
            cap.stamp(session, ctx, NOW, keys, "m1")
            assert cap.stamp(session, ctx, NOW - timedelta(hours=2), keys, "m1")
            assert set(session.scalars(select(Cap.last_at))) == {NOW}

    def test_counts_per_shop(self, store: Store, ctx: ShopContext) -> None:
        other = add_shop(store, 2, "second.myshopify.com")
        with store.session(ctx) as session:
            assert cap.stamp(session, ctx, NOW, cap.keys_of(1, "a"), "m1")
        with store.session(other) as session:
            assert cap.stamp(session, other, NOW, cap.keys_of(1, "a"), "m2")

    def test_a_merged_customer_brings_the_later_stamp_along(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            cap.stamp(session, ctx, NOW, cap.keys_of(1, "a"), "m1")
            cap.merge(session, ctx, loser=1, survivor=2)
            assert not cap.stamp(session, ctx, NOW, cap.keys_of(2, "b"), "m2")
            cap.merge(session, ctx, loser=7, survivor=2)
            assert cap.stamp(session, ctx, NOW + EDGE, cap.keys_of(2, "b"), "m2")
            cap.merge(session, ctx, loser=1, survivor=2)
            assert not cap.stamp(session, ctx, NOW + EDGE, cap.keys_of(2, "c"), "m3")

    @pytest.mark.parametrize(("loser_at", "survivor_at"), [(0, 5), (5, 0)])
    def test_a_merge_within_one_week_lets_neither_message_stamp_again(
        self, store: Store, ctx: ShopContext, loser_at: int, survivor_at: int
    ) -> None:
        with store.session(ctx) as session:
            cap.stamp(session, ctx, NOW + timedelta(minutes=loser_at), cap.keys_of(1, "a"), "m1")
            cap.stamp(session, ctx, NOW + timedelta(minutes=survivor_at), cap.keys_of(2, "b"), "m2")
            cap.merge(session, ctx, loser=1, survivor=2)
            again = NOW + timedelta(minutes=10)
            assert not cap.stamp(session, ctx, again, cap.keys_of(2, "b"), "m2")
            assert not cap.stamp(session, ctx, again, cap.keys_of(2, "b"), "m1")
            assert not cap.stamp(session, ctx, NOW + EDGE, cap.keys_of(2, "c"), "m3")
            assert cap.stamp(session, ctx, NOW + EDGE + timedelta(minutes=5), cap.keys_of(2, "c"), "m3")

    def test_a_merge_with_an_older_week_leaves_the_retry_alone(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            cap.stamp(session, ctx, NOW - EDGE, cap.keys_of(1, "a"), "m1")
            cap.stamp(session, ctx, NOW, cap.keys_of(2, "b"), "m2")
            cap.merge(session, ctx, loser=1, survivor=2)
            assert cap.stamp(session, ctx, NOW + timedelta(minutes=10), cap.keys_of(2, "b"), "m2")

    def test_locking_leaves_a_key_free(self, store: Store, ctx: ShopContext) -> None:
        keys = cap.keys_of(1, "a")
        with store.session(ctx) as session:
            cap.lock(session, ctx, keys)
            assert cap.stamp(session, ctx, NOW, keys, "m1")
            cap.lock(session, ctx, keys)
            assert not cap.stamp(session, ctx, NOW, keys, "m2")


class TestTheOutbox:
    def test_takes_each_occurrence_once_and_one_live_message_per_customer(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            first = outbox.enqueue(session, ctx, NOW, new(1))
            assert first is not None
            assert outbox.enqueue(session, ctx, NOW, new(1)) is None
            assert outbox.enqueue(session, ctx, NOW, new(1, campaign=2)) is None
            session.execute(update(Message).values(state="cancelled"))
            assert outbox.enqueue(session, ctx, NOW, new(1)) is None
            assert outbox.enqueue(session, ctx, NOW, new(1, campaign=2)) is not None

    def test_a_second_message_in_the_week_is_capped_not_postponed(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, new(1))
        (sent,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(sent.id, "accepted")])
            second = outbox.enqueue(session, ctx, NOW, new(1, occurrence="2"))
        batch = stamp(store, ctx, vault, NOW + EDGE - INSTANT)
        assert (batch.stamped, batch.capped) == ([], 1)
        with store.reading(ctx) as session:
            row = session.get_one(Message, {"shop_id": 1, "id": second})
            assert (row.state, row.reason) == ("capped", Reason.WEEKLY_CAP)

    def test_every_change_of_state_is_written_down(self, store: Store, ctx: ShopContext, vault: Vault) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, new(1))
        (message,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, "not_accepted", "body: 451")])
        (again,) = stamp(store, ctx, vault, NOW + timedelta(minutes=2)).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(again.id, "accepted")])
            steps = [
                (e.from_state, e.to_state) for e in session.scalars(select(MessageEvent).order_by(MessageEvent.id))
            ]
        assert again.id == message.id
        assert steps == [
            (None, "queued"), ("queued", "sending"), ("sending", "queued"), ("queued", "sending"), ("sending", "sent"),
        ]  # fmt: skip

    def test_a_late_yes_settles_unknown_and_a_late_no_does_not(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        with store.session(ctx) as session:
            for customer in (1, 2):
                outbox.enqueue(session, ctx, NOW, new(customer))
        first, second = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            assert outbox.reap(session, ctx, NOW + timedelta(minutes=16)) == 2
            outbox.record(session, ctx, NOW, [outbox.Outcome(first.id, "accepted")])
            outbox.record(session, ctx, NOW, [outbox.Outcome(second.id, "not_accepted")])
            found = {m.id: m.state for m in session.scalars(select(Message))}
        assert found == {first.id: "sent", second.id: "unknown"}

    def test_gives_its_week_back_if_it_ends_without_having_left(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, replace(new(1), expires_at=NOW + timedelta(hours=1)))
            outbox.enqueue(session, ctx, NOW, new(2))
        for message in stamp(store, ctx, vault).stamped:
            with store.session(ctx) as session:
                outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, "not_accepted")])
        with store.session(ctx) as session:
            outbox.cancel_campaign(session, ctx, NOW, 1, Reason.CAMPAIGN_NOT_ACTIVE)
        assert busy(store, ctx, {101: "address-1", 102: "address-2"}) == set()
        with store.session(ctx) as session:
            assert outbox.enqueue(session, ctx, NOW, new(1, occurrence="2")) is not None
        assert len(stamp(store, ctx, vault).stamped) == 1

    @pytest.mark.parametrize("result", ["unknown", "refused", "accepted"])
    def test_keeps_its_week_if_it_may_have_left(
        self, store: Store, ctx: ShopContext, vault: Vault, result: outbox.Result
    ) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, new(1))
        (message,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, result)])
            outbox.cancel_campaign(session, ctx, NOW, 1, Reason.CAMPAIGN_NOT_ACTIVE)
        assert busy(store, ctx, {101: "address-1"}) == {1, 101}

    def test_gives_back_only_what_it_holds_itself(self, store: Store, ctx: ShopContext, vault: Vault) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, new(1))
        (message,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, "not_accepted")])
            cap.stamp(session, ctx, NOW, cap.keys_of(7, "g"), "another")
            cap.merge(session, ctx, loser=7, survivor=1)
            outbox.cancel_campaign(session, ctx, NOW, 1, Reason.CAMPAIGN_NOT_ACTIVE)
        assert busy(store, ctx, {101: "address-1", 107: "g"}) == {1, 7, 107}

    def test_tries_again_ever_more_rarely_until_it_expires(self, store: Store, ctx: ShopContext, vault: Vault) -> None:
        with store.session(ctx) as session:
            outbox.enqueue(session, ctx, NOW, replace(new(1), expires_at=NOW + timedelta(hours=24)))
        at, waits = NOW, []
        while batch := stamp(store, ctx, vault, at).stamped:
            with store.session(ctx) as session:
                outbox.record(session, ctx, at, [outbox.Outcome(batch[0].id, "not_accepted")])
                due = session.get_one(Message, {"shop_id": 1, "id": batch[0].id}).not_before or at
            waits.append((due - at) // timedelta(minutes=1))
            at = due
        assert waits[:8] == [2, 4, 8, 16, 32, 64, 120, 120]
        with store.reading(ctx) as session:
            row = session.scalars(select(Message)).one()
            assert (row.state, row.reason) == ("cancelled", Reason.EXPIRED)

    def test_a_batch_is_never_larger_than_fifty(self, store: Store, ctx: ShopContext, vault: Vault) -> None:
        with store.session(ctx) as session:
            for customer in range(60):
                outbox.enqueue(session, ctx, NOW, new(customer))
        assert len(stamp(store, ctx, vault, limit=1_000).stamped) == 50


class TestTheLedger:
    @pytest.fixture
    def chain(self, store: Store, ctx: ShopContext) -> ShopContext:
        stamps = [ledger.Stamp(NOW + timedelta(days=8 * n), "ann", "a@", f"m{n}", "mail") for n in range(3)] + [
            ledger.Stamp(NOW + timedelta(days=17), "ann", "a@", "h", "holdout")
        ]
        with store.session(ctx) as session:
            ledger.append(session, ctx, stamps[:2])
            ledger.append(session, ctx, stamps[2:])
        return ctx

    def verdict(self, store: Store, ctx: ShopContext) -> ledger.Verdict:
        with store.reading(ctx) as session:
            return ledger.verify(1, ledger.entries(session, ctx), ledger.head(session, ctx), cap.WINDOW)

    def test_a_whole_chain_holds_and_names_its_shortest_gap(self, store: Store, chain: ShopContext) -> None:
        verdict = self.verdict(store, chain)
        assert (verdict.entries, verdict.mails, verdict.broken, verdict.too_short) == (4, 3, [], [])
        assert verdict.shortest is not None
        assert verdict.shortest.length == timedelta(days=8)

    @pytest.mark.parametrize("field", ["customer_hash", "email_hash", "message_id", "kind", "hash"])
    def test_a_changed_field_is_named_with_its_entry(self, store: Store, chain: ShopContext, field: str) -> None:
        with store.session(chain) as session:
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == 2).values({field: "forged"}))
        assert any("entry 2 was changed" in sentence for sentence in self.verdict(store, chain).broken)

    def test_a_moved_instant_is_named(self, store: Store, chain: ShopContext) -> None:
        with store.session(chain) as session:
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == 3).values(stamped_at=NOW))
        assert "entry 3 was changed: its hash is not that of its content" in self.verdict(store, chain).broken

    @pytest.mark.parametrize(("seq", "words"), [(2, "entry 2 is missing"), (4, "should end at entry 4")])
    def test_a_removed_entry_is_named(self, store: Store, chain: ShopContext, seq: int, words: str) -> None:
        with store.session(chain) as session:
            session.delete(session.get_one(LedgerEntry, {"shop_id": 1, "seq": seq}))
        assert any(words in sentence for sentence in self.verdict(store, chain).broken)

    def test_a_chain_that_ends_otherwise_than_it_was_kept_is_named(self, store: Store, chain: ShopContext) -> None:
        with store.session(chain) as session:
            session.execute(update(LedgerHead).values(hash="f" * 64))
        (sentence,) = self.verdict(store, chain).broken
        assert "should end with another entry 4" in sentence

    def test_two_mails_a_minute_short_of_a_week_apart_are_named(self, store: Store, chain: ShopContext) -> None:
        short = timedelta(hours=167, minutes=59)
        with store.session(chain) as session:
            ledger.append(session, chain, [
                ledger.Stamp(NOW + timedelta(days=30), "ben", "b@", "m8", "mail"),
                ledger.Stamp(NOW + timedelta(days=30) + short, "cyd", "b@", "m9", "mail"),
            ])  # fmt: skip
        (gap,) = self.verdict(store, chain).too_short
        assert (gap.key, gap.first_seq, gap.second_seq, gap.length) == ("e:b@", 5, 6, short)

    @pytest.mark.parametrize(("taken_back", "mails", "short"), [({3}, 3, 0), (set(), 4, 2)])
    def test_a_second_stamp_of_one_message_is_a_second_mail_unless_the_first_was_taken_back(
        self, store: Store, chain: ShopContext, taken_back: set[int], mails: int, short: int
    ) -> None:
        with store.session(chain) as session:
            again = ledger.Stamp(NOW + timedelta(days=16, minutes=5), "ann", "a@", "m2", "mail")
            ledger.append(session, chain, [again])
            entries, head = ledger.entries(session, chain), ledger.head(session, chain)
            verdict = ledger.verify(1, entries, head, cap.WINDOW, taken_back)
        assert (verdict.mails, len(verdict.too_short)) == (mails, short)


def work(url: str, worker: int, rounds: int) -> None:
    """One process that plans for shared customers and stamps what is due, on the database's own clock."""
    store, vault = Store(url), Vault({1: b"k" * 32}, b"pepper-of-the-tests")
    with store.operator_session(writing=False) as session:
        from app.services.shops import context_of, find_shop

        ctx = context_of(find_shop(session, "first.myshopify.com"))  # type: ignore[arg-type]
    for round_no in range(rounds):
        with store.session(ctx) as session:
            now = store.db_now(session)
            for customer in range(20):
                outbox.enqueue(session, ctx, now, new(customer, worker, f"{round_no}"))
        with store.session(ctx) as session:
            batch = outbox.stamp_batch(
                session, ctx, vault, clock=store.db_now, owner=str(worker), limit=7,
                # Ten addresses for twenty customers: the second key has to bite as well.
                recheck=lambda _, due: {m.id: outbox.Check(f"a{m.customer_no % 10}") for m in due},
            )  # fmt: skip
        with store.session(ctx) as session:
            outcomes = [outbox.Outcome(m.id, "accepted") for m in batch.stamped]
            outbox.record(session, ctx, store.db_now(session), outcomes)
    store.close()


class TestManyProcesses:
    def test_stamp_each_person_once_and_keep_one_whole_chain(
        self, store: Store, ctx: ShopContext, store_url: str
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=work, args=(store_url, number, 8)) for number in range(1, 5)]
        for process in workers:
            process.start()
        for process in workers:
            process.join(120)
        assert [process.exitcode for process in workers] == [0, 0, 0, 0]
        with store.reading(ctx) as session:
            messages = list(session.scalars(select(Message)))
            verdict = ledger.verify(1, ledger.entries(session, ctx), ledger.head(session, ctx), cap.WINDOW)
        went = [m for m in messages if m.stamped_at is not None]
        per_address = Counter(m.customer_no % 10 for m in went)
        assert per_address == dict.fromkeys(range(10), 1)
        assert (verdict.mails, verdict.broken, verdict.too_short) == (10, [], [])
        by_state: dict[str, int] = defaultdict(int)
        for message in messages:
            by_state[message.state] += 1
        assert by_state["sent"] == 10
        assert by_state["sending"] == 0
