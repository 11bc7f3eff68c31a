"""What a stand-in was asked, and what it refused. Kept in memory, the oldest dropped first."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

KEPT_CALLS = 5_000
KEPT_BODY_BYTES = 64_000_000  # across all calls; a bulk import may carry 5 MB
SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})


@dataclass
class Call:
    """One request of a client, with what became of it."""

    number: int
    at: datetime  # UTC, sandbox time
    method: str
    path: str
    query_string: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # without secrets
    body: bytes
    status: int | None = None  # None while it runs, and if the answer never left
    operation: str | None = None
    valid: bool | None = None  # None: no published document at hand, so only our own rules were checked
    fault: str | None = None
    answered: bool = False

    def to_json(self, *, with_body: bool = True) -> dict[str, Any]:
        """The call as plain JSON; `body` is parsed if it is JSON, else text, null if empty."""
        row = {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query_string": self.query_string,
            "query": self.query,
            "headers": self.headers,
            "bytes": len(self.body),
            "status": self.status,
            "operation": self.operation,
            "valid": self.valid,
            "fault": self.fault,
            "answered": self.answered,
        }
        return {**row, "body": _parsed(self.body)} if with_body else row


@dataclass(frozen=True)
class Violation:
    """Something that a real vendor would have refused, or that we answered wrongly ourselves."""

    call: int
    at: datetime
    method: str
    path: str
    # auth | route | document | limit | window | connections: refused.
    # not_built: the vendor may do it, the stand-in does not. answer: our own answer was wrong.
    kind: str
    detail: str
    pointer: str = ""

    def to_json(self) -> dict[str, Any]:
        """The violation as plain JSON."""
        return {**self.__dict__, "at": self.at.isoformat()}


@dataclass
class Log:
    """Calls and violations of one stand-in; safe to use from several threads."""

    calls: deque[Call] = field(default_factory=deque)
    violations: list[Violation] = field(default_factory=list)
    total: int = 0
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(
        self,
        *,
        at: datetime,
        method: str,
        path: str,
        query_string: str,
        query: Iterable[tuple[str, list[str]]],
        headers: Iterable[tuple[str, str]],
        body: bytes,
    ) -> Call:
        """Note a request as it arrives."""
        with self._lock:
            self.total += 1
            call = Call(
                number=self.total,
                at=at,
                method=method,
                path=path,
                query_string=query_string,
                query=dict(query),
                headers={name: _without_secret(name, value) for name, value in headers},
                body=body,
            )
            self.calls.append(call)
            self._bytes += len(body)
            while len(self.calls) > KEPT_CALLS or self._bytes > KEPT_BODY_BYTES:
                self._bytes -= len(self.calls.popleft().body)
            return call

    def refuse(self, call: Call, kind: str, detail: str, pointer: str = "") -> None:
        """Note why a call was, or should have been, refused."""
        with self._lock:
            self.violations.append(Violation(call.number, call.at, call.method, call.path, kind, detail, pointer))

    def recent(self, count: int) -> list[Call]:
        """The newest calls, newest first."""
        with self._lock:
            return list(self.calls)[: -count - 1 : -1]

    def all(self) -> list[Call]:
        """Every kept call, oldest first."""
        with self._lock:
            return list(self.calls)

    def clear(self) -> None:
        """Forget everything; numbering goes on."""
        with self._lock:
            self.calls.clear()
            self.violations.clear()
            self._bytes = 0


def _without_secret(name: str, value: str) -> str:
    if name.lower() not in SECRET_HEADERS:
        return value
    return f"{value.split(' ', 1)[0]} [hidden]" if " " in value else "[hidden]"


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
