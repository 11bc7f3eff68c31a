"""The layer around every stand-in: what its log shows has begun, and what was let go does not hang."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from sandbox.clock import SandboxClock
from sandbox.standin.faults import Fault, FaultScript
from sandbox.standin.guard import Guard
from sandbox.standin.log import Call, Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class LogThatIsRead(Log):
    """Does something as soon as a call is seen in it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Callable[[], object] = lambda: None

    def open(self, **about: Any) -> Call:
        call = super().open(**about)
        seen, self.seen = self.seen, lambda: None
        seen()
        return call


@pytest.fixture
def log() -> LogThatIsRead:
    return LogThatIsRead()


@pytest.fixture
def faults() -> FaultScript:
    return FaultScript()


@pytest.fixture
def guard(tmp_path: Path, log: Log, faults: FaultScript) -> Guard:
    def error(status: int, _fault: Fault | None) -> Response:
        return Response(status=status)

    return Guard(Response("done"), log=log, faults=faults, clock=SandboxClock(tmp_path), error=error, max_open=1)


class TestACallInTheLog:
    def test_counts_as_open(self, guard: Guard, log: LogThatIsRead) -> None:
        client, others = Client(guard), []
        log.seen = lambda: others.append(client.get("/api").status_code)
        assert client.get("/api").status_code == 200
        assert others == [429]

    @pytest.mark.timeout(60)
    def test_is_let_go_although_it_does_not_hang_yet(
        self, guard: Guard, log: LogThatIsRead, faults: FaultScript
    ) -> None:
        faults.add(Fault("*", "hang", seconds=3600))
        log.seen = guard.release
        assert Client(guard).get("/api").status_code == 500
        assert [call.fault for call in log.all()] == ["hang"]
