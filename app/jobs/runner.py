"""Runs recorded jobs in a process pool in this process tree."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.errors import EncoreError
from app.jobs import queue
from app.services import runs
from app.services.shops import context_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

    Handler = Callable[[ShopContext, str], object]
    Build = Callable[[], tuple[Rooms, dict[str, Handler]]]

log = structlog.get_logger()

IDLE_SECONDS = 0.5

T = TypeVar("T")
R = TypeVar("R")

_built: tuple[Rooms, dict[str, Handler]] | None = None


def _prepare(build: Build) -> None:
    """Build this worker's own rooms once: connections don't survive a process border."""
    global _built  # noqa: PLW0603 - the pool offers no other place for a worker's state
    threading.Thread(target=_die_with_parent, name="parent-watch", daemon=True).start()
    _built = build()


def _die_with_parent() -> None:
    """End this worker when the runner's process is gone: a killed runner's jobs are run again by the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(claim: queue.Claim) -> str | None:
    """Run one job in a worker; returns the error to keep, or None."""
    if _built is None:
        return "The worker was not prepared."
    rooms, handlers = _built
    return run_one(rooms, handlers, claim)


def run_one(rooms: Rooms, handlers: dict[str, Handler], claim: queue.Claim) -> str | None:
    """Run one job here; returns the error to keep, or None."""
    ctx = None
    try:
        ctx = context_by_id(rooms, claim.shop_id)
        handlers[claim.job](ctx, claim.key)
    except EncoreError as fault:
        log.warning("job_failed", job=claim.job, shop_id=claim.shop_id, code=fault.code)
        error = fault.message
    except Exception as fault:
        log.exception("job_crashed", job=claim.job, shop_id=claim.shop_id)
        error = f"{type(fault).__name__}: the log has the details."
    else:
        return None
    if ctx is not None and claim.job in queue.EXCLUSIVE:
        runs.let_go(rooms, ctx)
    return error


class Runner:
    """Claims jobs and runs them in worker processes.

    build: makes a worker's rooms and handlers; a module-level function, so that it can be sent there.
    """

    def __init__(self, rooms: Rooms, build: Build, workers: int) -> None:
        self._rooms, self._build, self._workers = rooms, build, workers
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._pool: ProcessPoolExecutor | None = None
        self._running: dict[Future[str | None], queue.Claim] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)

    def start(self) -> None:
        """Free what a dead process left, then begin."""
        freed = queue.free_orphans(self._rooms)
        if freed:
            log.info("jobs_recovered", jobs=freed)
        self._pool = self._make_pool()
        self._thread.start()

    def stop(self) -> None:
        """Stop claiming, end the workers; what was running is freed at the next start."""
        self._stop.set()
        self._wake.set()
        self._thread.join(5)
        if self._pool is not None:
            for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                process.terminate()
            self._pool.shutdown(wait=False, cancel_futures=True)

    def map(self, function: Callable[[T], R], buckets: Iterable[T]) -> list[R]:
        """Run a stage over buckets in the pool, in order; a stage must be repeatable."""
        if self._pool is None:
            raise RuntimeError("the runner is not started")
        return list(self._pool.map(function, buckets))

    def _make_pool(self) -> ProcessPoolExecutor:
        # spawn: forking a process with threads and database connections copies locks that nobody frees
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=_prepare, initargs=(self._build,))

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._claim()
            except Exception:  # the loop must outlive a locked database
                log.exception("job_claim_failed")
            self._wake.wait(IDLE_SECONDS)
            self._wake.clear()

    def _claim(self) -> None:
        with self._lock:
            free = self._workers - len(self._running)
        for claim in queue.claim(self._rooms, free) if free > 0 else []:
            self._submit(claim)

    def _submit(self, claim: queue.Claim) -> None:
        if self._pool is None:
            return
        try:
            future = self._pool.submit(_work, claim)
        except BrokenExecutor:
            self._pool = self._make_pool()
            future = self._pool.submit(_work, claim)
        with self._lock:
            self._running[future] = claim
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[str | None]) -> None:
        with self._lock:
            claim = self._running.pop(future)
        if self._stop.is_set() or future.cancelled():
            return
        fault = future.exception()
        try:
            if isinstance(fault, BrokenExecutor):
                log.warning("worker_killed", job=claim.job, shop_id=claim.shop_id)
                queue.release(self._rooms, claim)
            elif fault is not None:
                queue.end(self._rooms, claim, f"{type(fault).__name__}: the log has the details.")
            else:
                queue.end(self._rooms, claim, future.result())
        except Exception:  # a callback's exception would be swallowed by the pool
            log.exception("job_end_failed", job=claim.job)
        self._wake.set()
