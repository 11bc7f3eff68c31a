"""Fixed-window rate limits, as vendors count them: so many calls a second, a minute, a day."""

import math
import threading
from dataclasses import dataclass
from datetime import datetime

SECOND, MINUTE, DAY = 1, 60, 86_400


@dataclass(frozen=True)
class Rate:
    """The limits of one operation. Source: the vendor's `x-klaviyo-ratelimit`."""

    burst: int  # calls a second
    steady: int  # calls a minute
    daily: int | None = None

    def windows(self) -> list[tuple[int, int]]:
        """(seconds, calls) of each window."""
        windows = [(SECOND, self.burst), (MINUTE, self.steady)]
        return [*windows, (DAY, self.daily)] if self.daily is not None else windows


@dataclass(frozen=True)
class Verdict:
    """Whether a call fits, and the state of the steady window after it."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    retry_after: int = 0  # seconds until the fullest window starts anew; 0 if allowed


class FixedWindows:
    """Counts calls per key in windows aligned to the clock. A refused call is not counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}  # -> (window's number, calls)
        self._lock = threading.Lock()

    def count(self, key: str, rate: Rate, now: datetime) -> Verdict:
        """Count one call of `key` at `now` (UTC)."""
        seconds = now.timestamp()
        with self._lock:
            used = {length: self._used(key, length, seconds) for length, _ in rate.windows()}
            full = [length for length, calls in rate.windows() if used[length] >= calls]
            if not full:
                for length, calls in used.items():
                    self._counts[key, length] = (int(seconds // length), calls + 1)
        return Verdict(
            allowed=not full,
            limit=rate.steady,
            remaining=max(0, rate.steady - used[MINUTE] - (not full)),
            reset_seconds=_seconds_left(seconds, MINUTE),
            retry_after=max((_seconds_left(seconds, length) for length in full), default=0),
        )

    def clear(self) -> None:
        """Start all windows anew."""
        with self._lock:
            self._counts.clear()

    def _used(self, key: str, length: int, seconds: float) -> int:
        window, calls = self._counts.get((key, length), (-1, 0))
        return calls if window == int(seconds // length) else 0


def _seconds_left(seconds: float, length: int) -> int:
    return max(1, math.ceil(length - seconds % length))
