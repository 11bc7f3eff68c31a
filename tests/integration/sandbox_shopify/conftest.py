"""The Shopify stand-in on a free port, a client that speaks to it as an app does, and an app that hears it."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.clock import SandboxClock
from sandbox.demo_shop import build_shop
from sandbox.options import DEFAULT_SCOPES, SandboxOptions
from sandbox.shopify import create_app
from sandbox.shopify.tokens import EXCHANGE, ID_TOKEN, OFFLINE, mint_id_token
from sandbox.web import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.shopify.app import StandIn

TINY, OTHER = "encore-tiny.myshopify.com", "other-tiny.myshopify.com"
PATIENCE_SECONDS = 60.0  # for a machine that is busy with other tests


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


@dataclass
class Listener:
    """An app that only listens: keeps every webhook, answers with the next status of `answers`, else 200."""

    url: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def topics(self) -> list[str]:
        return [headers["X-Shopify-Topic"] for _, headers, _ in self.heard]

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(body) for _, headers, body in self.heard if headers["X-Shopify-Topic"] == topic]


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                found.heard.append((self.path, dict(self.headers), body))
                status = found.answers.pop(0) if found.answers else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


class Shopper:
    """Speaks to the stand-in as an app does for one shop."""

    def __init__(self, url: str, shop: str, stand_in: StandIn) -> None:
        self.url, self.shop, self.stand_in = url, shop, stand_in
        self.http = httpx.Client(base_url=url, headers={"Host": shop}, timeout=20)
        self.token = ""

    def exchange(self, **changes: Any) -> httpx.Response:
        body = {
            "client_id": "encore-sandbox-key",
            "client_secret": self.stand_in.options.api_secret,
            "grant_type": EXCHANGE,
            "subject_token": mint_id_token(self.shop, 7),
            "subject_token_type": ID_TOKEN,
            "requested_token_type": OFFLINE,
            "expiring": "1",
        }
        return self.http.post("/admin/oauth/access_token", json=body | changes)

    def refresh(self, refresh_token: str) -> httpx.Response:
        secret = self.stand_in.options.api_secret
        body = {"client_id": "encore-sandbox-key", "client_secret": secret, "grant_type": "refresh_token"}
        return self.http.post("/admin/oauth/access_token", json=body | {"refresh_token": refresh_token})

    def install(self) -> Shopper:
        self.token = self.exchange().raise_for_status().json()["access_token"]
        return self

    def post(self, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"X-Shopify-Access-Token": self.token}
        return self.http.post(
            "/admin/api/2026-10/graphql.json", json={"query": query, "variables": variables}, headers=headers
        )

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = self.post(query, variables).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def errors(self, query: str, **variables: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post(query, variables).json()["errors"]
        return found

    def start_bulk(self, query: str) -> dict[str, Any]:
        text = """mutation($q: String!) { bulkOperationRunQuery(query: $q, groupObjects: false) {
            bulkOperation { id status } userErrors { field message code } } }"""
        data: dict[str, Any] = self.ask(text, q=query)["bulkOperationRunQuery"]
        return data

    def finished(self, operation: str) -> dict[str, Any]:
        text = "query($i: ID!) { bulkOperation(id: $i) { status errorCode objectCount rootObjectCount url fileSize } }"
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.ask(text, i=operation)["bulkOperation"])
            return found["status"] not in {"CREATED", "RUNNING", "CANCELING"}

        until(ended, "the bulk operation's end")
        return found

    def bulk(self, query: str) -> list[dict[str, Any]]:
        """The objects of a bulk query that succeeds."""
        started = self.start_bulk(query)
        assert not started["userErrors"], started
        done = self.finished(started["bulkOperation"]["id"])
        assert done["status"] == "COMPLETED", done
        if done["url"] is None:
            return []
        lines = httpx.get(done["url"]).text.splitlines()
        assert len(lines) == int(done["objectCount"])
        return [json.loads(line) for line in lines]

    def sandbox(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(f"/sandbox/{path}", json=body)


@dataclass
class Stage:
    """A running stand-in, with everything that a test may want to turn."""

    url: str
    stand_in: StandIn
    state: Path
    shoppers: list[Shopper] = field(default_factory=list)

    def shopper(self, shop: str = TINY) -> Shopper:
        self.shoppers.append(Shopper(self.url, shop, self.stand_in))
        return self.shoppers[-1]


@cache
def _built(shop: str) -> Path:
    """A tiny shop, built once for the whole run; each stage changes a copy."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-shop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_shop(folder / "shop.sqlite", "tiny", shop, datetime.now(UTC))


def run_stage(
    state: Path, *, app_url: str = "http://127.0.0.1:9", scopes: tuple[str, ...] = DEFAULT_SCOPES, deliver: bool = False
) -> Iterator[Stage]:
    """Serve two tiny shops until the generator is closed."""
    clock = SandboxClock(state)
    for shop in (TINY, OTHER):
        if not (kept := state / "shops" / f"{shop}.sqlite").exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_built(shop), kept)
    # The port is known only once the socket is open, and the options name it in download addresses.
    ports = {"shopify": 0, "admin": 4011}
    options = SandboxOptions(
        app_url=app_url,
        ports=ports,
        shops={TINY: "tiny", OTHER: "tiny"},
        scopes=scopes,
        deliver_webhooks=deliver,
        webhook_backoff_seconds=(0.05, 0.1),
    )
    app = create_app(state, clock, options)
    server = WebServer(app, "127.0.0.1", 0, threads=6).start()
    ports["shopify"] = server.port
    stand_in: StandIn = app.extensions["shopify"]
    stage = Stage(f"http://127.0.0.1:{server.port}", stand_in, state)
    yield stage
    for shopper in stage.shoppers:
        shopper.http.close()
    server.stop()
    stand_in.close()


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stand-in for tests that change nothing."""
    yield from run_stage(tmp_path_factory.mktemp("shopify"))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stand-in of the test's own; webhooks stay queued."""
    yield from run_stage(tmp_path / "shopify")


@pytest.fixture
def live_stage(tmp_path: Path, listener: Listener) -> Iterator[Stage]:
    """A stand-in of the test's own that delivers webhooks to `listener`."""
    yield from run_stage(tmp_path / "shopify", app_url=listener.url, deliver=True)


@pytest.fixture
def reader(shared_stage: Stage) -> Shopper:
    """An installed app that only reads."""
    shared_stage.stand_in.faults.clear()
    shared_stage.stand_in.api.bucket(shared_stage.stand_in.shops[TINY]).__init__()  # type: ignore[misc] # full again
    return shared_stage.shopper().install()


@pytest.fixture
def shopper(stage: Stage) -> Shopper:
    """An installed app with a stand-in of its own."""
    return stage.shopper().install()


@pytest.fixture
def live(live_stage: Stage) -> Shopper:
    """An installed app whose webhooks arrive at `listener`."""
    return live_stage.shopper().install()
