"""One import and one refresh of a shop at a time, whichever process asks."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from app import wiring
from app.cli import main
from app.jobs import queue
from app.jobs.runner import run_one
from app.services import processes, runs
from app.store.models.shops import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "TURNS", 1)


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def begun_by(rooms: Rooms, ctx: ShopContext, name: str, source: str = "bulk") -> int:
    """An import that another process began."""
    run = runs.begin(rooms, ctx, "import", source, ["products"])
    with rooms.store.session(ctx) as session:
        session.get_one(Run, (ctx.shop_id, run.id)).owner = name
    return run.id


def state(rooms: Rooms, ctx: ShopContext, run_id: int) -> str:
    with rooms.store.reading(ctx) as session:
        return session.get_one(Run, (ctx.shop_id, run_id)).state


class TestARunOfALivingProcess:
    @pytest.mark.parametrize("source", ["bulk", "changes"])
    def test_is_neither_joined_nor_ended_by_another(
        self, rooms: Rooms, ctx: ShopContext, other_process: subprocess.Popen[bytes], source: str
    ) -> None:
        run_id = begun_by(rooms, ctx, processes.owner(other_process.pid))
        with pytest.raises(runs.Busy, match="Nothing was changed"):
            runs.begin(rooms, ctx, "import", source, ["products"])
        assert state(rooms, ctx, run_id) == "running"

    def test_does_not_hold_up_another_kind(
        self, rooms: Rooms, ctx: ShopContext, other_process: subprocess.Popen[bytes]
    ) -> None:
        begun_by(rooms, ctx, processes.owner(other_process.pid))
        assert not runs.begin(rooms, ctx, "refresh", "refresh", ["features"]).resumed


class TestARunWhoseJobFellBetweenItsBeginAndItsEnd:
    def test_is_left_to_whoever_asks_next(self, rooms: Rooms, ctx: ShopContext) -> None:
        def falls(shop: ShopContext, _key: str) -> None:
            runs.begin(rooms, shop, "refresh", "refresh", ["features"])
            raise ZeroDivisionError

        rooms.jobs.enqueue(ctx, "refresh")
        claim = queue.claim(rooms, 1)[0]
        assert run_one(rooms, {"refresh": falls}, claim) == "ZeroDivisionError: the log has the details."
        with rooms.store.reading(ctx) as session:
            run = runs.latest(session, ctx, "refresh")
        assert run is not None
        assert (run.state, run.owner) == ("running", None)


class TestARunOfADeadProcess:
    def test_is_taken_over(self, rooms: Rooms, ctx: ShopContext, other_process: subprocess.Popen[bytes]) -> None:
        name = processes.owner(other_process.pid)
        run_id = begun_by(rooms, ctx, name)
        other_process.kill()
        other_process.wait()
        resumed = runs.begin(rooms, ctx, "import", "bulk", ["products"])
        assert (resumed.id, resumed.resumed) == (run_id, True)
        with rooms.store.reading(ctx) as session:
            assert session.get_one(Run, (ctx.shop_id, run_id)).owner == processes.owner()

    def test_of_another_kind_of_import_is_ended(self, rooms: Rooms, ctx: ShopContext) -> None:
        run_id = begun_by(rooms, ctx, "0:gone")
        assert not runs.begin(rooms, ctx, "import", "changes", ["products"]).resumed
        assert state(rooms, ctx, run_id) == "failed"


class TestAZombie:
    def test_is_dead_although_its_number_is_still_taken(self, other_process: subprocess.Popen[bytes]) -> None:
        name = processes.owner(other_process.pid)
        assert processes.is_alive(name)
        other_process.kill()
        os.waitid(os.P_PID, other_process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody took note
        assert not processes.is_alive(name)
        assert not processes.is_alive(processes.owner(other_process.pid))


class TestTheCommandLine:
    def test_refuses_a_refresh_while_another_process_refreshes(
        self,
        rooms: Rooms,
        ctx: ShopContext,
        other_process: subprocess.Popen[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run = runs.begin(rooms, ctx, "refresh", "refresh", ["features"])
        with rooms.store.session(ctx) as session:
            session.get_one(Run, (ctx.shop_id, run.id)).owner = processes.owner(other_process.pid)
        monkeypatch.setattr("app.services.refresh_shop.latest_history", lambda *_: object())
        encore = wiring.Encore(None, rooms, None, None, None, {})  # type: ignore[arg-type] # a refresh needs rooms
        monkeypatch.setattr("app.cli._encore", lambda: encore)
        answer = CliRunner().invoke(main, ["refresh", ctx.domain])
        assert answer.exit_code == 1
        assert f"Another process is at work on the refresh of {ctx.domain}" in answer.output
        assert state(rooms, ctx, run.id) == "running"
