"""Background work: recorded first, run once, recovered after a crash."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.jobs import queue
from app.jobs.runner import Runner, run_one
from app.store.models.shops import Job
from tests.conftest import add_shop
from tests.integration.jobs.worker_build import build, builder, rooms_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.session import Store


def states(rooms: Rooms) -> list[tuple[str, str, str | None]]:
    with rooms.store.operator_session() as session:
        return [(j.job, j.state, j.error) for j in session.scalars(select(Job).order_by(Job.shop_id, Job.id))]


class TestEnqueue:
    def test_the_same_job_twice_is_one_job_until_it_ends(self, rooms: Rooms, ctx: ShopContext) -> None:
        first = rooms.jobs.enqueue(ctx, "mark", "a")
        assert rooms.jobs.enqueue(ctx, "mark", "a") == first
        assert rooms.jobs.enqueue(ctx, "mark", "b") != first
        for claim in queue.claim(rooms, 2):
            queue.end(rooms, claim, None)
        assert rooms.jobs.enqueue(ctx, "mark", "a") > first

    def test_threads_that_ask_at_the_same_time_get_the_same_job(self, rooms: Rooms, ctx: ShopContext) -> None:
        got: list[int] = []
        threads = [threading.Thread(target=lambda: got.append(rooms.jobs.enqueue(ctx, "mark", "a"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(got) == {got[0]}
        assert len(states(rooms)) == 1

    def test_that_loses_a_race_gets_the_winners_job_whatever_ended_before(
        self, rooms: Rooms, ctx: ShopContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2):
            rooms.jobs.enqueue(ctx, "mark", "a")
            queue.end(rooms, queue.claim(rooms, 1)[0], None)
        theirs = rooms.jobs.enqueue(ctx, "mark", "a")

        @contextmanager
        def collides(_ctx: ShopContext) -> Iterator[None]:
            raise IntegrityError("INSERT INTO jobs", {}, Exception("ux_jobs_live"))
            yield

        monkeypatch.setattr(rooms.store, "session", collides)
        assert rooms.jobs.enqueue(ctx, "mark", "a") == theirs

    def test_two_shops_do_not_share_jobs(self, store: Store, rooms: Rooms, ctx: ShopContext) -> None:
        other = add_shop(store, 2, "second.myshopify.com")
        rooms.jobs.enqueue(ctx, "mark", "a")
        rooms.jobs.enqueue(other, "mark", "a")
        assert {claim.shop_id for claim in queue.claim(rooms, 9)} == {1, 2}


class TestClaim:
    def test_a_back_test_lets_everything_else_go_first(self, rooms: Rooms, ctx: ShopContext) -> None:
        for job in ("backtest", "plan_and_send", "import"):
            rooms.jobs.enqueue(ctx, job)
        assert [claim.job for _ in range(3) for claim in queue.claim(rooms, 1)] == [
            "plan_and_send",
            "import",
            "backtest",
        ]

    def test_imports_and_refreshes_of_one_shop_run_one_after_the_other(
        self, store: Store, rooms: Rooms, ctx: ShopContext
    ) -> None:
        other = add_shop(store, 2, "second.myshopify.com")
        for shop in (ctx, other):
            rooms.jobs.enqueue(shop, "import")
            rooms.jobs.enqueue(shop, "refresh")
        first = queue.claim(rooms, 9)
        assert [(c.shop_id, c.job) for c in first] == [(1, "import"), (2, "import")]
        assert queue.claim(rooms, 9) == []
        queue.end(rooms, first[0], None)
        assert [(c.shop_id, c.job) for c in queue.claim(rooms, 9)] == [(1, "refresh")]

    def test_jobs_of_a_living_process_are_left_alone(self, rooms: Rooms, ctx: ShopContext) -> None:
        rooms.jobs.enqueue(ctx, "mark", "a")
        queue.claim(rooms, 1)
        assert queue.free_orphans(rooms) == 0

    def test_jobs_of_a_dead_process_run_again_and_are_given_up_after_three_tries(
        self, rooms: Rooms, ctx: ShopContext
    ) -> None:
        rooms.jobs.enqueue(ctx, "mark", "a")
        for _ in range(3):
            assert len(queue.claim(rooms, 1)) == 1
            with rooms.store.operator_session() as session:
                for job in session.scalars(select(Job)):
                    job.owner = "999999999:1"
            assert queue.free_orphans(rooms) == 1
        assert queue.claim(rooms, 1) == []
        assert states(rooms) == [("mark", "failed", "Stopped three times without ending.")]


class TestRunOne:
    def test_a_failure_keeps_the_words_for_the_merchant_and_a_crash_names_only_its_kind(
        self, rooms: Rooms, ctx: ShopContext, store_url: str, tmp_path: Path
    ) -> None:
        _, handlers = build(store_url, str(tmp_path))
        assert run_one(rooms, handlers, queue.Claim(1, 1, "mark", "a")) is None
        assert run_one(rooms, handlers, queue.Claim(1, 1, "refuse", "")) == "The vendor sleeps."
        assert run_one(rooms, handlers, queue.Claim(1, 1, "crash", "")) == "ZeroDivisionError: the log has the details."


class TestRunner:
    @pytest.fixture
    def runner(self, rooms: Rooms, ctx: ShopContext, store_url: str, tmp_path: Path) -> Iterator[Runner]:
        started = Runner(rooms, builder(store_url, tmp_path), workers=2)
        started.start()
        yield started
        started.stop()

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end, "not done within a minute"
            threading.Event().wait(0.05)

    def test_it_runs_every_job_once_and_says_how_each_ended(
        self, runner: Runner, rooms: Rooms, ctx: ShopContext, tmp_path: Path
    ) -> None:
        rooms.jobs.enqueue(ctx, "mark", "a")
        rooms.jobs.enqueue(ctx, "mark", "b")
        rooms.jobs.enqueue(ctx, "refuse")
        self.until(lambda: all(state in ("done", "failed") for _, state, _ in states(rooms)))
        assert states(rooms) == [
            ("mark", "done", None),
            ("mark", "done", None),
            ("refuse", "failed", "The vendor sleeps."),
        ]
        assert sorted(f.name.split("-")[0] for f in tmp_path.iterdir() if f.name[0] in "ab") == ["a", "b"]

    def test_a_job_whose_worker_was_killed_runs_again(self, runner: Runner, rooms: Rooms, ctx: ShopContext) -> None:
        rooms.jobs.enqueue(ctx, "die_once", "x")
        self.until(lambda: states(rooms)[0][1] in ("done", "failed"))
        assert states(rooms) == [("die_once", "done", None)]


def runs(pid: int) -> bool:
    """Whether a process lives. One that ended stays a zombie for as long as nobody asks how it ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


class TestAKilledRunner:
    def test_takes_its_workers_along(self, store_url: str, store: Store, ctx: ShopContext, tmp_path: Path) -> None:
        rooms = rooms_on(store_url)
        rooms.jobs.enqueue(ctx, "linger", "x")
        script = Path(__file__).parent / "runner_child.py"
        child = subprocess.Popen([sys.executable, str(script), store_url, str(tmp_path)])
        try:
            mark = self.appears(tmp_path)
            child.kill()
            child.wait(10)
            worker = int(mark.name.split("-")[1])
            end = time.monotonic() + 20
            while runs(worker):
                assert time.monotonic() < end, "the worker outlived its runner"
                threading.Event().wait(0.05)
        finally:
            child.kill()
            child.wait(10)
        assert queue.free_orphans(rooms) == 1
        rooms.store.close()

    def appears(self, folder: Path) -> Path:
        end = time.monotonic() + 60
        while not (found := list(folder.glob("linger-*"))):
            assert time.monotonic() < end, "the job did not start"
            threading.Event().wait(0.05)
        return found[0]
