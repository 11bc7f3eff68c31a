"""Failures on demand, so that Encore's behaviour under them can be seen and tested."""

import threading
from dataclasses import dataclass

KINDS = ("http_429", "http_500", "throttled", "truncate_jsonl", "slow", "duplicate_webhooks", "reorder_webhooks")


@dataclass
class Fault:
    """`count` more times, what it names happens to requests whose path or body contains `match` (empty: all)."""

    kind: str
    count: int
    match: str = ""
    seconds: float = 1.0


class Faults:
    """The faults still to happen. They end with the process: a restart is a shop in good health."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Arrange a fault. ValueError for an unknown kind or a count below one."""
        if fault.kind not in KINDS or fault.count < 1:
            raise ValueError(f"kind must be one of {', '.join(KINDS)} and count at least 1")
        with self._lock:
            self._waiting.append(fault)

    def take(self, kind: str, text: str = "") -> Fault | None:
        """The fault of this kind that applies to `text`, counted down; None if there is none."""
        with self._lock:
            for fault in self._waiting:
                if fault.kind == kind and fault.match in text:
                    fault.count -= 1
                    if not fault.count:
                        self._waiting.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """What is still to happen."""
        with self._lock:
            return list(self._waiting)
