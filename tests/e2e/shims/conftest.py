"""A small app embedded in the sandbox's admin, each on an origin of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jwt
import pytest
from flask import Flask, Response, jsonify, redirect, request

from sandbox.admin import create_app
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.typing import ResponseReturnValue
    from playwright.sync_api import FrameLocator, Page

SECRET = "a secret long enough for HMAC-SHA256 and PyJWT"


@dataclass
class EmbeddedApp:
    """The app under the admin: what its pages hold, and the requests that it got."""

    admin_url: str = ""
    url: str = ""
    body: str = "<s-page heading='Home'></s-page>"
    tokens: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refusals: int = 0

    def document(self, body: str) -> str:
        """A whole page with both scripts in its head."""
        return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Embedded</title>
<link rel="icon" href="data:,"><meta name="shopify-api-key" content="{SandboxOptions.api_key}">
<script src="{self.admin_url}/shims/app-bridge.js"></script>
<script src="{self.admin_url}/shims/polaris.js"></script></head><body>{body}</body></html>"""

    def claims(self, token: str) -> dict[str, object]:
        """The claims of a session token, its signature and expiry checked."""
        return jwt.decode(token, SECRET, algorithms=["HS256"], audience=SandboxOptions.api_key)

    def flask(self) -> Flask:
        """The app itself."""
        app = Flask("embedded")

        @app.get("/")
        @app.get("/<path:path>")
        def show(path: str = "") -> ResponseReturnValue:
            self.headers.append(dict(request.headers))
            return self.document(self.body)

        @app.get("/guarded")
        def guarded() -> ResponseReturnValue:
            """A document that needs a token, and sends who has none to the patch page."""
            if not request.args.get("id_token"):
                return redirect("/patch?shopify-reload=%2Fguarded%3Fq%3D1")
            self.tokens.append(request.args["id_token"])
            return self.document("<s-page heading='Guarded'></s-page>")

        @app.get("/patch")
        def patch() -> ResponseReturnValue:
            key = SandboxOptions.api_key
            return f'<script data-api-key="{key}" src="{self.admin_url}/shims/app-bridge.js"></script>'

        @app.route("/api", methods=["GET", "POST"])
        def api() -> ResponseReturnValue:
            """Answers with what arrived; refuses the first `refusals` requests as a stale session."""
            self.headers.append(dict(request.headers))
            if self.refusals > 0:
                self.refusals -= 1
                return Response(status=401, headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
            return jsonify(token=request.headers.get("Authorization"), body=request.get_data(as_text=True))

        @app.get("/unauthorised")
        def unauthorised() -> ResponseReturnValue:
            self.headers.append(dict(request.headers))
            return "", 401

        return app


@pytest.fixture
def app(serve: Callable[[Flask], str], tmp_path: Path) -> EmbeddedApp:
    """The embedded app and its admin, both running; `app.admin_url` and `app.url` say where."""
    embedded = EmbeddedApp()
    embedded.url = serve(embedded.flask())
    shops = {"first-shop.myshopify.com": "tiny", "second-shop.myshopify.com": "tiny"}
    options = SandboxOptions(app_url=embedded.url, api_secret=SECRET, shops=shops)
    embedded.admin_url = serve(create_app(tmp_path, SandboxClock(tmp_path), options))
    return embedded


@pytest.fixture
def embed(app: EmbeddedApp, page: Page) -> Callable[..., FrameLocator]:
    """Opens a body in the admin and returns the frame it is in."""

    def opened(body: str, path: str = "") -> FrameLocator:
        app.body = body
        page.goto(f"{app.admin_url}/store/first-shop/apps/encore{path}")
        frame = page.frame_locator("#app-frame")
        frame.locator("body").wait_for(state="attached")
        return frame

    return opened


@pytest.fixture
def alone(app: EmbeddedApp, page: Page) -> Callable[[str], Page]:
    """Opens a body by itself, outside the admin: enough for the elements."""

    def opened(body: str) -> Page:
        app.body = body
        page.goto(app.url)
        return page

    return opened
