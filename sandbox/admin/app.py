"""The Flask app of the admin host page.

Routes: /store/{name}/apps/encore[/path] embeds the app; every other page of a store says that it is not
part of the sandbox; /shims/ serves app-bridge.js and polaris.js to other origins; POST /sandbox/id-token
mints session tokens for this origin's own page.
"""

import os
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from sandbox.admin.launch import frame_address, session_token, shop_domain
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.install import admin_host, signed_launch_query

SHIMS = Path(__file__).resolve().parents[1] / "shims" / "dist"
# What the admin's page itself and the app's pages load; nothing else of the build is served.
SHARED_SCRIPTS = frozenset({"app-bridge.js", "polaris.js"})
OWN_ASSETS = frozenset({"admin-host.js", "admin-host.css"})
NAVIGATION = (
    ("Home", "home", ""),
    ("Orders", "order", "orders"),
    ("Products", "product", "products"),
    ("Customers", "person", "customers"),
    ("Marketing", "megaphone", "marketing"),
    ("Discounts", "discount", "discounts"),
    ("Content", "image", "content"),
    ("Analytics", "chart-vertical", "analytics"),
)


def create_app(state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> Flask:
    """The admin for the shops in `options`.

    state_dir, clock: not needed here, but every stand-in is built with the same arguments. Session tokens
    live by real time, as browsers and JWT libraries do.
    Raises FileNotFoundError, naming the remedy, while the shims are not built.
    """
    del state_dir, clock
    missing = sorted(name for name in SHARED_SCRIPTS | OWN_ASSETS if not (SHIMS / name).exists())
    if missing:
        raise FileNotFoundError(f"{SHIMS} lacks {', '.join(missing)}: run `npm ci && npm run build` in sandbox/shims")
    app = Flask(__name__)
    _serve_pages(app, options)
    _serve_tokens(app, options)
    _serve_files(app)
    return app


def _serve_pages(app: Flask, options: SandboxOptions) -> None:
    stand_ins = [
        ("Shopify stand-in", options.url("shopify")),
        ("Klaviyo", options.url("klaviyo")),
        ("Mailchimp", options.url("mailchimp")),
        ("Inbox", options.url("mailbox")),
    ]

    def page(store: str, **more: object) -> str:
        name = store.replace("-", " ").title()
        return render_template(
            "admin.html",
            store=store,
            store_name=name,
            initials="".join(word[0] for word in name.split()[:2]),
            navigation=NAVIGATION,
            stand_ins=stand_ins,
            **more,
        )

    @app.get("/")
    def root() -> ResponseReturnValue:
        """The first shop's embedded app."""
        first = next(iter(options.shops)).removesuffix(".myshopify.com")
        return redirect(url_for("embedded", store=first))

    @app.get("/store/<store>/apps/encore", strict_slashes=False)
    @app.get("/store/<store>/apps/encore/<path:path>")
    def embedded(store: str, path: str = "") -> ResponseReturnValue:
        """The app in its iframe, opened at `path`. 404 for a store that the sandbox does not serve."""
        shop = shop_domain(store, options) or abort(HTTPStatus.NOT_FOUND)
        launch = signed_launch_query(shop, admin_host(shop, options), options=options)
        own = list(request.args.items(multi=True))
        parts = urlsplit(options.app_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        config = {
            "appOrigin": origin,
            "appPrefix": parts.path.rstrip("/"),
            "apiKey": options.api_key,
            "shop": shop,
            "locale": launch["locale"],
            "storePath": f"/store/{store}",
            "appPath": f"/store/{store}/apps/encore",
            "tokenUrl": url_for("mint_token"),
        }
        body = page(store, frame=frame_address(path, own, launch, options), config=config, current="encore")
        answer = Response(body)
        # A cached copy would bring an expired token along.
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Security-Policy"] = (
            f"frame-src {origin}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        )
        return answer

    @app.get("/store/<store>", strict_slashes=False)
    @app.get("/store/<store>/<path:section>")
    def elsewhere(store: str, section: str = "") -> ResponseReturnValue:
        """Any other page of the admin: says so. 404 for an unknown store."""
        if shop_domain(store, options) is None:
            abort(HTTPStatus.NOT_FOUND)
        return page(store, section=section or "home", current=section.partition("/")[0])


def _serve_tokens(app: Flask, options: SandboxOptions) -> None:
    @app.post("/sandbox/id-token")
    def mint_token() -> ResponseReturnValue:
        """A session token for {"shop": domain}; 403 unless this origin's own page asks."""
        # Browsers send Origin with every POST and a page cannot forge it.
        if request.headers.get("Origin") != request.host_url.rstrip("/"):
            abort(HTTPStatus.FORBIDDEN)
        shop = (request.get_json() or {}).get("shop")
        if shop not in options.shops:
            abort(HTTPStatus.NOT_FOUND)
        answer = app.json.response({"id_token": session_token(shop, options)})
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _serve_files(app: Flask) -> None:
    @app.get("/shims/<name>")
    def shared_script(name: str) -> ResponseReturnValue:
        """A script for the app's pages, which are of another origin."""
        answer = _built(name, SHARED_SCRIPTS)
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return answer

    @app.get("/assets/<name>")
    def own_asset(name: str) -> ResponseReturnValue:
        """The admin page's own script and style."""
        return _built(name, OWN_ASSETS)

    @app.get("/favicon.ico")
    def favicon() -> ResponseReturnValue:
        """None: the answer spares the log a 404 per page."""
        return "", HTTPStatus.NO_CONTENT


def _built(name: str, allowed: frozenset[str]) -> Response:
    if name not in allowed:
        abort(HTTPStatus.NOT_FOUND)
    answer = send_from_directory(os.fspath(SHIMS), name)
    # Checked by ETag each time, so that a rebuild shows at the next load.
    answer.headers["Cache-Control"] = "no-cache"
    return answer
