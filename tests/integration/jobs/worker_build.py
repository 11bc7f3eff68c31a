"""What a test's worker process builds: rooms on the test's store, and handlers that leave marks in files."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import Unavailable
from app.jobs.queue import StoredJobs
from app.services.rooms import Rooms
from app.store.session import Store

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.jobs.runner import Handler


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def rooms_on(url: str) -> Rooms:
    """Rooms with a store and a job queue, which is all that jobs need."""
    store, clock = Store(url), RealClock()
    return Rooms(None, clock, store, None, None, StoredJobs(store, clock), None, None, None)  # type: ignore[arg-type]


def build(url: str, marks: str) -> tuple[Rooms, dict[str, Handler]]:
    """Rooms and handlers of one worker."""
    folder = Path(marks)

    def mark(_ctx: ShopContext, key: str) -> None:
        (folder / f"{key}-{os.getpid()}-{time.monotonic_ns()}").touch()

    def refuse(_ctx: ShopContext, _key: str) -> None:
        raise Unavailable("The vendor sleeps.")

    def crash(_ctx: ShopContext, _key: str) -> None:
        raise ZeroDivisionError

    def die_once(_ctx: ShopContext, key: str) -> None:
        first = folder / f"died-{key}"
        if not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        mark(_ctx, key)

    def linger(_ctx: ShopContext, key: str) -> None:
        (folder / f"linger-{os.getpid()}-{key}").touch()
        time.sleep(60)

    return rooms_on(url), {
        "linger": linger,
        "mark": mark,
        "refuse": refuse,
        "crash": crash,
        "die_once": die_once,
        "refresh": mark,
    }


def builder(url: str, folder: Path) -> partial[tuple[Rooms, dict[str, Handler]]]:
    """`build` with its arguments, in a form that can be sent to another process."""
    return partial(build, url, str(folder))
