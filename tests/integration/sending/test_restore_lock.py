"""A store that fell behind what was sent, or was copied, sends nothing until a person says what to do."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url, select

from app.cli_unlock_sending import unlock_sending
from app.services import plan_sends, send_due, sending_lock
from app.store import cap, outbox
from app.store.marks import Marks
from app.store.models.sending import Message
from tests.conftest import _run_sql
from tests.integration.sending.world import FakeTimeStore, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(world: World, tmp_path: Path) -> World:
    """Three customers due for coffee, a campaign that may mail them every week, a watched store."""
    world.store.marks = Marks(tmp_path / "sending")
    world.campaign(world.coffee_drinkers(3), name="A", frequency="every", every_days=7, repeats=9)
    return world


def mailed(shop: World) -> int:
    """How many mails a tick and a call of the sender hand over now."""
    before = len(shop.transport.taken)
    plan_sends.plan(shop.rooms, shop.ctx)
    send_due.send(shop.rooms, shop.ctx)
    return len(shop.transport.taken) - before


@contextmanager
def backup(shop: World, tmp_path: Path) -> Iterator[str]:
    """The URL of a copy of the store as it is now."""
    shop.store.engine.dispose()
    url = make_url(shop.store.engine.url)
    if shop.store.is_sqlite:
        file = tmp_path / "backup.sqlite3"
        with shop.store.operator_session(writing=False) as session:
            session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(url.database or "", file)
        yield f"sqlite:///{file}"
        return
    name = f"backup{time.monotonic_ns()}"
    server = url.set(database="postgres").render_as_string(hide_password=False)
    _run_sql(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'")
    _run_sql(server, f"CREATE DATABASE {name} TEMPLATE {url.database}")
    yield url.set(database=name).render_as_string(hide_password=False)
    _run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def restore(shop: World, url: str, marks: Marks | None = None) -> None:
    """From now on the app works with this copy, beside the same data folder unless other marks are given."""
    marks = marks or shop.store.marks
    shop.store.close()
    shop.store = FakeTimeStore(url, shop.clock)
    shop.store.marks = marks
    shop.rooms = replace(shop.rooms, store=shop.store)


def unlock(shop: World, *options: str, typed: str = "first.myshopify.com") -> Result:
    encore = SimpleNamespace(rooms=shop.rooms)
    return CliRunner().invoke(unlock_sending, [shop.ctx.domain, *options], input=f"{typed}\n", obj=lambda: encore)


class TestARestoredBackup:
    def test_sends_nothing_until_it_is_unlocked_and_then_to_nobody_within_a_week(
        self, shop: World, tmp_path: Path
    ) -> None:
        with backup(shop, tmp_path) as yesterday:
            shop.clock.advance(timedelta(days=1))
            assert mailed(shop) == 3
            restore(shop, yesterday)
            assert mailed(shop) == 0
            assert "older copy" in (sending_lock.why(shop.rooms, shop.ctx) or "")
            assert unlock(shop, typed="yes").exit_code == 1
            assert mailed(shop) == 0
            assert unlock(shop).exit_code == 0
            shop.clock.advance(cap.WINDOW + cap.MARGIN - timedelta(seconds=1))
            assert mailed(shop) == 0
            shop.clock.advance(timedelta(seconds=1))
            assert mailed(shop) == 3

    def test_mails_at_once_whoever_the_relays_log_does_not_name(self, shop: World, tmp_path: Path) -> None:
        with backup(shop, tmp_path) as yesterday:
            mailed(shop)
            restore(shop, yesterday)
            relay = tmp_path / "mail.log"
            relay.write_text("Mar 2 12:00:00 relay smtp[7]: to=<C1@example.com>, status=sent\nc3@example.com\n")
            assert "2 addresses count as mailed" in unlock(shop, "--relay-log", str(relay)).output
            assert mailed(shop) == 1
            assert shop.transport.taken[-1].rcpt_to == "c2@example.com"

    def test_what_it_had_in_line_may_have_been_sent_or_is_decided_anew(self, shop: World, tmp_path: Path) -> None:
        plan_sends.plan(shop.rooms, shop.ctx)
        with shop.store.session(shop.ctx) as session:
            recheck = lambda _, due: {m.id: outbox.Check(f"a{m.customer_no}") for m in due}  # noqa: E731
            given = {"clock": shop.store.db_now, "owner": "w", "recheck": recheck, "limit": 1}
            outbox.stamp_batch(session, shop.ctx, shop.rooms.vault, **given)
        with backup(shop, tmp_path) as before:
            mailed(shop)
            restore(shop, before)
            assert unlock(shop, "--complete").exit_code == 0
            with shop.store.reading(shop.ctx) as session:
                assert sorted(session.scalars(select(Message.state))) == ["cancelled", "cancelled", "unknown"]

    def test_a_crash_between_stamp_and_mark_locks_nothing(self, shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(*_: object) -> None:
            raise KeyboardInterrupt

        plan_sends.plan(shop.rooms, shop.ctx)
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Marks, "note", die)
            send_due.send(shop.rooms, shop.ctx)
        assert shop.transport.taken == []
        assert sending_lock.why(shop.rooms, shop.ctx) is None


class TestAnotherInstallation:
    def test_does_not_send_from_a_copy_of_the_store(self, shop: World, tmp_path: Path) -> None:
        assert mailed(shop) == 3
        with backup(shop, tmp_path) as copy:
            restore(shop, copy, Marks(tmp_path / "elsewhere"))
            shop.clock.advance(timedelta(days=8))
            assert mailed(shop) == 0
            assert "another installation" in (sending_lock.why(shop.rooms, shop.ctx) or "")
            assert unlock(shop, "--complete").exit_code == 0
            assert mailed(shop) == 3

    def test_a_word_in_the_environment_locks_a_machine_that_was_restored_as_a_whole(
        self, shop: World, tmp_path: Path
    ) -> None:
        shop.store.marks = Marks(tmp_path / "sending", "before")
        assert mailed(shop) == 3
        shop.store.marks = Marks(tmp_path / "sending", "after")
        shop.clock.advance(timedelta(days=8))
        assert mailed(shop) == 0

    def test_a_mark_that_cannot_be_read_locks(self, shop: World, tmp_path: Path) -> None:
        mailed(shop)
        (tmp_path / "sending" / "shop-1.json").write_text("")
        shop.clock.advance(timedelta(days=8))
        assert mailed(shop) == 0

    def test_whoever_is_not_locked_is_not_asked_for_anything(self, shop: World) -> None:
        mailed(shop)
        assert unlock(shop).output == "Sending is not locked for first.myshopify.com.\n"
