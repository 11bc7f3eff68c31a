"""Serves a stand-in over real HTTP on a free loopback port, with a clock that tests move."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from sandbox.clock import SandboxClock
from sandbox.http_spec import shared_folder
from sandbox.options import SandboxOptions
from sandbox.standin.base import Behaviour
from sandbox.web import WebServer

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loopback is plain HTTP; loading certificates takes long


class FakeTime:
    """A moment that only `pass_` moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Running:
    """One stand-in that answers at `url`."""

    url: str
    time: FakeTime
    app: Flask
    client: httpx.Client = field(repr=False)

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(path, json=body).raise_for_status().json()

    def fault(self, route: str, kind: str, **more: Any) -> None:
        self.post("/sandbox/faults", {"route": route, "kind": kind, **more})

    def calls(self) -> list[dict[str, Any]]:
        return list(self.get("/sandbox/requests")["requests"])

    def last_call(self) -> dict[str, Any]:
        return self.calls()[-1]

    def refusals(self) -> list[str]:
        return [v["kind"] for v in self.get("/sandbox/violations")["violations"]]

    def state(self) -> dict[str, Any]:
        return dict(self.get("/sandbox/state"))


@contextmanager
def serving(app: Flask, time: FakeTime) -> Iterator[Running]:
    server = WebServer(app, "127.0.0.1", 0, threads=16).start()
    url = f"http://127.0.0.1:{server.port}"
    try:
        with httpx.Client(base_url=url, timeout=10, verify=NO_TLS) as client:
            yield Running(url, time, app, client)
    finally:
        standin = app.extensions.get("standin")
        if standin is not None:
            standin.guard.release()
        server.stop()
        for extension in app.extensions.values():
            extension.close()


Starter = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """`with run(create_app) as standin:` on the test's own state folder; twice = a restart."""

    @contextmanager
    def start(create_app: Starter, *, job_seconds: float = 0, windows: bool = False) -> Iterator[Running]:
        time = FakeTime()
        clock = SandboxClock(tmp_path, real_now=time)
        behaviour = Behaviour(job_seconds=job_seconds, windows=windows)
        app = create_app(tmp_path, clock, SandboxOptions(), behaviour=behaviour)
        with serving(app, time) as running:
            yield running

    return start


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def served() -> Callable[..., Any]:
    """`with served(app, fake_time) as running:`"""
    return serving


@pytest.fixture
def documents() -> Path:
    """The folder of the vendors' documents. Absent ones skip a test, but on CI they may not be lost."""
    folder = shared_folder()
    if folder is not None and (folder / "specs").is_dir():
        return folder / "specs"
    if os.environ.get("CI") == "true" and folder is not None:
        pytest.fail(f"{folder} holds no specs, so nothing was validated")
    pytest.skip("the vendors' documents are not beside this clone (../shared or ENCORE_SHARED)")
