"""The demo's time: real time plus an offset that "advance n days" raises.

The offset lives in `<state>/clock.json` as {"offset_seconds": n}. Encore reads the same file, so that
both programs agree on what "now" is without talking to each other.
"""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SandboxClock:
    """Real time plus a stored offset; every process that reads the same state folder sees one time."""

    def __init__(self, state_dir: Path, real_now: Callable[[], datetime] = _utc_now) -> None:
        """`real_now` may be frozen by tests; it must return an aware UTC datetime."""
        self.path = state_dir / "clock.json"
        self._real_now = real_now
        self._lock = threading.Lock()
        state_dir.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self._write(0)

    def now(self) -> datetime:
        """The demo's time, aware, UTC."""
        return self._real_now() + timedelta(seconds=self.offset_seconds)

    @property
    def offset_seconds(self) -> int:
        """How far the demo's time runs ahead of real time; read afresh, as another process may raise it."""
        return int(json.loads(self.path.read_text())["offset_seconds"])

    def advance(self, days: float) -> datetime:
        """Move the demo's time forward and return the new time. ValueError for a negative step."""
        if days < 0:
            raise ValueError("the demo's time only moves forward")
        with self._lock:
            self._write(self.offset_seconds + round(days * 86_400))
        return self.now()

    def _write(self, seconds: int) -> None:
        # Written aside and renamed: a reader in the other process never sees half a file.
        aside = self.path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_text(json.dumps({"offset_seconds": seconds}))
        aside.replace(self.path)
