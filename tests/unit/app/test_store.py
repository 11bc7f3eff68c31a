"""The store's foundations: instants, numbers, sealing, tenancy of keys."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError, StatementError
from tenacity import stop_after_delay

from app.domain.campaigns import Reason
from app.store import rowset, session
from app.store.counters import allocate
from app.store.crypto import CannotUnseal, Vault
from app.store.models.sending import MessageEvent
from app.store.models.shops import Shop
from app.store.outbox_rows import Move, write_events
from app.store.schema import metadata
from tests.standins import fresh_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.store.session import Store

VAULT = Vault({1: b"k" * 32}, b"pepper-of-the-tests")


class TestInstants:
    def test_an_instant_comes_back_aware_in_utc(self, store: Store, ctx: ShopContext) -> None:
        tokyo = datetime(2026, 5, 1, 9, tzinfo=timezone(timedelta(hours=9)))
        with store.operator_session() as session:
            session.get_one(Shop, ctx.shop_id).installed_at = tokyo
        with store.operator_session() as session:
            found = session.get_one(Shop, ctx.shop_id).installed_at
        assert found == datetime(2026, 5, 1, 0, tzinfo=UTC)
        assert found.utcoffset() == timedelta(0)

    def test_a_naive_instant_is_refused(self, store: Store, ctx: ShopContext) -> None:
        with pytest.raises(StatementError), store.operator_session() as session:
            session.get_one(Shop, ctx.shop_id).installed_at = datetime(2026, 5, 1)  # noqa: DTZ001
            session.flush()

    def test_the_database_clock_moves_within_a_transaction(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            first = store.db_now(session)
            threading.Event().wait(0.02)
            assert store.db_now(session) > first


class TestCounters:
    def test_numbers_are_dense_and_per_shop_and_kind(self, store: Store, ctx: ShopContext) -> None:
        with store.session(ctx) as session:
            assert allocate(session, ctx.shop_id, "segments") == 1
            assert allocate(session, ctx.shop_id, "segments", 5) == 2
            assert allocate(session, ctx.shop_id, "segments") == 7
            assert allocate(session, ctx.shop_id, "campaigns") == 1

    def test_a_rolled_back_number_is_given_again(self, store: Store, ctx: ShopContext) -> None:
        with pytest.raises(RuntimeError), store.session(ctx) as session:
            allocate(session, ctx.shop_id, "segments")
            raise RuntimeError("the transaction fails")
        with store.session(ctx) as session:
            assert allocate(session, ctx.shop_id, "segments") == 1

    def test_writers_at_the_same_time_never_get_the_same_number(self, store: Store, ctx: ShopContext) -> None:
        taken: list[int] = []

        def take() -> None:
            for _ in range(10):
                with store.session(ctx) as session:
                    taken.append(allocate(session, ctx.shop_id, "segments"))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == list(range(1, 41))


def shop(domain: str) -> Shop:
    """A shop's row."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return Shop(domain=domain, name=domain, currency="USD", timezone="UTC", source="csv", installed_at=now)


class TestWritersOfOneFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Iterator[Store]:
        store = fresh_store(tmp_path)
        yield store
        store.close()

    def test_take_turns(self, file: Store) -> None:
        entered = threading.Event()

        def write() -> None:
            with file.operator_session() as second:
                second.add(shop("b"))
                second.flush()
                entered.set()

        waiting = threading.Thread(target=write)
        with file.operator_session() as first:
            first.add(shop("a"))
            first.flush()
            waiting.start()
            assert not entered.wait(0.1)
        waiting.join()
        assert entered.is_set()

    def test_that_wait_too_long_are_told_so_and_may_try_again(
        self, file: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "IN_TURN", session.IN_TURN.copy(stop=stop_after_delay(0.05)))
        with file.operator_session() as first:
            first.add(shop("a"))
            first.flush()
            with pytest.raises(OperationalError, match="database is locked"), file.operator_session() as second:
                second.add(shop("b"))
        with file.operator_session() as again:
            again.add(shop("c"))
            assert again.scalars(select(Shop.domain).order_by(Shop.id)).all() == ["a", "c"]

    def test_wait_for_what_else_the_file_is_busy_with(self, file: Store) -> None:
        with file.operator_session() as one:
            assert one.execute(text("PRAGMA busy_timeout")).scalar() == 1000 * session.SQLITE_BUSY_SECONDS


class TestManyRows:
    def test_are_written_in_slices_in_order_and_none_is_lost(
        self, store: Store, ctx: ShopContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rowset, "ROWS_PER_STATEMENT", 2)
        at = datetime(2026, 5, 1, 9, 0, 0, 250, tzinfo=UTC)
        names = [f"m{number}" for number in range(5)]
        with store.session(ctx) as writing:
            moves = [Move(name, "queued", "cancelled", Reason.EXPIRED) for name in names]
            write_events(writing, ctx, at, moves)
        with store.reading(ctx) as reading:
            found = reading.scalars(select(MessageEvent).order_by(MessageEvent.id)).all()
        assert [(one.message_id, one.at, one.detail) for one in found] == [
            (name, at, {"reason": "expired"}) for name in names
        ]


class TestEveryTable:
    def test_the_shop_leads_the_key_of_every_table_of_a_shop(self) -> None:
        tables = metadata().tables.values()
        of_shops = [t for t in tables if "shop_id" in t.columns and t.columns["shop_id"].primary_key]
        assert len(of_shops) > 10
        assert [t.name for t in of_shops if next(iter(t.primary_key.columns)).name != "shop_id"] == []

    def test_only_these_tables_are_not_of_one_shop(self) -> None:
        others = {t.name for t in metadata().tables.values() if "shop_id" not in t.columns}
        public = {"reference_tables", "reference_income"}  # what the operator loaded for all shops
        assert others == {"shops", "webhook_inbox", "installation_counters"} | public


class TestVault:
    @given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers(-(2**53), 2**53), st.booleans())))
    def test_what_is_sealed_opens(self, value: dict[str, object]) -> None:
        assert VAULT.open(1, "customer:1", VAULT.seal(1, "customer:1", value)) == value

    def test_it_opens_for_no_other_shop_or_subject(self) -> None:
        blob = VAULT.seal(1, "customer:1", {"email": "ann@example.com"})
        for shop, subject in ((2, "customer:1"), (1, "customer:2")):
            with pytest.raises(CannotUnseal):
                VAULT.open(shop, subject, blob)

    def test_a_changed_blob_does_not_open(self) -> None:
        blob = bytearray(VAULT.seal(1, "customer:1", {"email": "ann@example.com"}))
        blob[-1] ^= 1
        with pytest.raises(CannotUnseal):
            VAULT.open(1, "customer:1", bytes(blob))

    def test_a_new_key_seals_and_the_old_one_still_opens(self) -> None:
        old = VAULT.seal(1, "x", {"a": 1})
        rotated = Vault({1: b"k" * 32, 2: b"n" * 32}, b"pepper-of-the-tests")
        assert rotated.open(1, "x", old) == {"a": 1}
        with pytest.raises(CannotUnseal):
            VAULT.open(1, "x", rotated.seal(1, "x", {"a": 1}))

    def test_addresses_that_differ_in_case_and_blanks_are_one(self) -> None:
        assert VAULT.email_hash(" Ann@Example.com ") == VAULT.email_hash("ann@example.com")
        assert VAULT.email_hash("ann@example.com") != VAULT.email_hash("bob@example.com")
