"""Faults on demand: "answer the next two calls of this route with a 429"."""

import threading
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

LAST_STATUS = 600

# Besides these, every status from 400 to 599 is a kind: the vendor's own error form.
KINDS = {
    "hang": "no answer for `seconds`, then the connection closes",
    "reset": "the connection closes at once, nothing is done",
    "answer_lost": "the call is carried out, then the connection closes without an answer",
    "truncated": "the call is carried out, half of the answer arrives",
    "empty_body": "`status` (200 if not given) without a body, nothing is done",
    "html": "`status` (502 if not given) with an HTML page, nothing is done",
}
AFTERWARDS = frozenset({"answer_lost", "truncated"})


@dataclass(frozen=True)
class Fault:
    """What happens to the next `count` calls that match `route`.

    route: "POST /api/lists", "/api/lists/*" (any method) or "*".
    """

    route: str
    kind: str
    count: int = 1
    status: int | None = None
    seconds: float = 30.0  # of a hang
    retry_after: int = 1  # seconds, for a 429 whose vendor sends Retry-After

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Fault":
        """Read a fault. Raises ValueError naming what is wrong."""
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown fields {sorted(unknown)}")
        fault = cls(**{"route": "*", **given, "kind": str(given.get("kind", ""))})
        if fault.kind not in KINDS and fault.error_status is None:
            raise ValueError(f"kind must be a status from 400 to 599 or one of {sorted(KINDS)}")
        if fault.count < 1:
            raise ValueError("count must be at least 1")
        return fault

    @property
    def error_status(self) -> int | None:
        """The status of a plain error fault, else None."""
        status = int(self.kind) if self.kind.isdecimal() else 0
        return status if HTTPStatus.BAD_REQUEST <= status < LAST_STATUS else None

    def matches(self, method: str, path: str) -> bool:
        """Whether a call to this method and path is meant."""
        return fnmatchcase(f"{method} {path}", self.route) or fnmatchcase(path, self.route)


class FaultScript:
    """The faults still to come, taken in the order in which they were scripted."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Script one more fault."""
        with self._lock:
            self._faults.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this call, counted down; None if it may go through."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.matches(method, path):
                    if fault.count > 1:
                        self._faults[index] = replace(fault, count=fault.count - 1)
                    else:
                        del self._faults[index]
                    return fault
        return None

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """The faults still to come."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]
