"""Which process holds a job or a run, and whether it still lives on this machine."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = "gone"
MOST_WORKERS = 4  # the other processors are for pages and e-mails
ENDED_STATES = "ZX"  # a zombie does no more work; it only waits for its parent to ask how it ended


def owner(pid: int | None = None) -> str:
    """The name of a process, this one by default, told apart from a later one with the same number by its start."""
    number = os.getpid() if pid is None else pid
    return f"{number}:{_started(number)}"


def is_alive(name: str) -> bool:
    """Whether the process that `owner` named still lives on this machine."""
    pid, _, started = name.partition(":")
    return bool(pid.isdigit()) and started != GONE and _started(int(pid)) == started


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
        return GONE if fields[0] in ENDED_STATES else fields[19]
    except (OSError, IndexError):
        return GONE


def workers() -> int:
    """How many threads may compute side by side in this process."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Let Python's collector rest while many rows go through one loop.

    They hold no cycles, so counting references frees them at once; looking for cycles among them is a third of the
    time. Two threads may do this at a time: the first to end wakes the collector for both, which only costs time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
