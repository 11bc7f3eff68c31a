"""Which process holds a job or a run, and whether it still lives on this machine."""

from __future__ import annotations

import os
from pathlib import Path

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
