"""Fixtures for tests in a real browser.

`page`     a fresh Playwright page in its own context (1280 by 900). After the test it fails on: a console
           error, an uncaught page error, a request to any host but this machine.
`problems` what `page` watches. A test that provokes an error says so first: `problems.allow("401")`, a
           regular expression looked for in the message. Only what is allowed may happen.
`chromium` the session's browser, for a test that needs contexts of its own; pass each of its pages to
           `problems.watch(page)`.
`demo`     the demo shop, imported and refreshed, as `make run` shows it; started once a session. Tests may add
           to it (senders, segments, campaigns) and must not count on being alone in it.
`serve`    starts a WSGI app on a free port of 127.0.0.1 and returns its address; stopped after the test.

Mark such tests with `pytestmark = pytest.mark.browser`. Locators pierce the elements' shadow roots:
`page.get_by_label("Title")`, `page.get_by_role("button", name="Save")`, `page.get_by_role("row")`; choices by
role: `page.get_by_role("radio", name="Everyone")`, as `get_by_label` does not look through slots. In the
admin, the app is in `page.frame_locator("#app-frame")`.

Debian's Chromium is used (`apt-get install chromium`), or the program named in CHROMIUM.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from sandbox.web import WebServer
from tests.e2e.running_demo import RunningDemo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Long enough for a machine that is busy with other tests; whoever waits for what never comes pays it once.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
THREADS = 16  # a browser asks six things of a host at once, and tests hold some of the answers back
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Problems:
    """Errors that the watched pages met, apart from those that the test allowed."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        """Let errors pass whose message contains `pattern`, a regular expression."""
        self._allowed.append(re.compile(pattern))

    def watch(self, page: Page) -> None:
        """Note every console error, page error and foreign request of a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in LOOPBACK:
            self.found.append(f"request to a foreign host: {request.url}")

    def _note(self, message: str) -> None:
        if not any(pattern.search(message) for pattern in self._allowed):
            self.found.append(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, started once. Its absence fails in CI and skips elsewhere."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        message = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(LAUNCH_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def problems() -> Iterator[Problems]:
    noted = Problems()
    yield noted
    assert noted.found == []


@pytest.fixture
def page(chromium: Browser, problems: Problems) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    problems.watch(opened)
    yield opened
    context.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("demo"), "demo")
    try:
        yield running.start()
    finally:
        running.interrupt()


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    running: list[WebServer] = []

    def start(app: Flask) -> str:
        # Not werkzeug's own server: where a browser breaks off while it reads a file, that leaves the file open.
        server = WebServer(app, "127.0.0.1", 0, THREADS).start()
        running.append(server)
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server in running:
        server.stop()
