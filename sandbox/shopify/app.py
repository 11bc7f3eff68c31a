"""The Shopify stand-in over HTTP: the shop is named by the Host header, as at {shop}.myshopify.com."""

import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, abort, request, send_file
from flask.typing import ResponseReturnValue

from sandbox.clock import SandboxClock
from sandbox.demo_shop import build_shop
from sandbox.options import SandboxOptions
from sandbox.shopify import payloads
from sandbox.shopify.admin_api import AdminApi
from sandbox.shopify.behaviour import Behaviour
from sandbox.shopify.bulk import Bulk
from sandbox.shopify.discounts import Discounts
from sandbox.shopify.faults import Faults
from sandbox.shopify.ledger import Ledger
from sandbox.shopify.marketing import Marketing
from sandbox.shopify.merchant import Merchant
from sandbox.shopify.operations import Operations
from sandbox.shopify.page import register_page
from sandbox.shopify.schema import API_VERSION
from sandbox.shopify.shop import Shop
from sandbox.shopify.tokens import Grant, OAuthError, Tokens
from sandbox.shopify.webhooks import Webhooks

CHUNK = 1 << 16


class StandIn:
    """Everything behind the endpoints, wired once. `close` stops its threads."""

    def __init__(self, state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> None:
        self.clock, self.options = clock, options
        self.ledger = Ledger(state_dir / "shopify.sqlite")
        self.faults = Faults()
        self.tokens = Tokens(self.ledger, clock, options)
        self.shops: dict[str, Shop] = {}
        for domain, kind in options.shops.items():
            path = build_shop(state_dir / "shops" / f"{domain}.sqlite", kind, domain, clock.now())
            self.shops[domain] = Shop(path, clock)
        self.webhooks = Webhooks(self.ledger, clock, options, self.faults)
        self.discounts = Discounts(self.ledger, clock)
        self.marketing = Marketing(self.ledger, clock)
        self.behaviours = {
            domain: Behaviour(shop, self.webhooks, self.discounts) for domain, shop in self.shops.items()
        }
        self.merchants = {domain: Merchant(shop, self.webhooks, self.tokens) for domain, shop in self.shops.items()}
        self.bulk = Bulk(self.ledger, self.shops, state_dir / "bulk", clock, options, self._bulk_finished)
        self.api = AdminApi(Operations(self.bulk, self.behaviours, self.discounts, self.marketing), self.faults)
        self.bulk.documents = self.api.documents
        self.bulk.resume()
        self.webhooks.start()

    def close(self) -> None:
        """Stop delivering webhooks; everything else ends with the process and resumes with the next."""
        self.webhooks.stop()

    def shop_of_request(self) -> Shop:
        """The shop that the Host header names; on loopback, `?shop=` or the first one. 404 for another."""
        host = request.host.split(":")[0]
        if not host.endswith(".myshopify.com"):
            host = request.args.get("shop") or next(iter(self.shops))
        if host not in self.shops:
            abort(HTTPStatus.NOT_FOUND)
        return self.shops[host]

    def _bulk_finished(self, shop: Shop, operation: dict[str, Any]) -> None:
        self.webhooks.emit(shop.domain, "bulk_operations/finish", payloads.bulk_finished(operation))


def create_app(state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> Flask:
    """The stand-in as a Flask app; the first call builds the shops (a few seconds for the demo).

    `app.extensions["shopify"]` is the StandIn, for tests and for a clean shutdown.
    """
    app = Flask(__name__)
    stand_in = StandIn(state_dir, clock, options)
    app.extensions["shopify"] = stand_in
    _register_faults(app, stand_in)
    _register_api(app, stand_in)
    register_page(app, stand_in)
    return app


def _json(content: object, status: int = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(content), status=status, mimetype="application/json")


def _register_faults(app: Flask, stand_in: StandIn) -> None:
    @app.before_request
    def fail_on_demand() -> ResponseReturnValue | None:
        if not request.path.startswith("/admin/"):
            return None
        text = request.path + " " + request.get_data(as_text=True)
        if slow := stand_in.faults.take("slow", text):
            time.sleep(slow.seconds)
        if stand_in.faults.take("http_429", text):
            answer = _json({"errors": "Exceeded 2 calls per second for api client."}, HTTPStatus.TOO_MANY_REQUESTS)
            answer.headers["Retry-After"] = "1.0"
            return answer
        if stand_in.faults.take("http_500", text):
            return _json({"errors": "Internal Server Error"}, HTTPStatus.INTERNAL_SERVER_ERROR)
        return None


def _register_api(app: Flask, stand_in: StandIn) -> None:
    @app.post("/admin/oauth/access_token")
    def access_token() -> ResponseReturnValue:
        body = request.get_json(silent=True) or request.form.to_dict()
        try:
            return _json(stand_in.tokens.answer(stand_in.shop_of_request().domain, body))
        except OAuthError as error:
            return _json({"error": error.error, "error_description": error.description}, error.status)

    @app.post("/admin/api/<version>/graphql.json")
    def graphql(version: str) -> ResponseReturnValue:
        shop = stand_in.shop_of_request()
        if version != API_VERSION:
            return _json({"errors": f"stand-in serves API version {API_VERSION} only"}, HTTPStatus.NOT_FOUND)
        grant = stand_in.tokens.check(shop.domain, request.headers.get("X-Shopify-Access-Token"))
        if grant is None:
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return _json({"errors": message}, HTTPStatus.UNAUTHORIZED)
        return _answer(stand_in, shop, grant)

    @app.get("/sandbox/bulk/<int:number>.jsonl")
    def bulk_file(number: int) -> ResponseReturnValue:
        path = stand_in.bulk.file(number)
        if not path.exists():
            abort(HTTPStatus.NOT_FOUND)
        if stand_in.faults.take("truncate_jsonl", path.name):
            return Response(_part_of(path), mimetype="application/jsonl")
        return send_file(path, mimetype="application/jsonl")


def _answer(stand_in: StandIn, shop: Shop, grant: Grant) -> Response:
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return _json({"errors": {"query": "Required parameter missing or invalid"}}, HTTPStatus.BAD_REQUEST)
    return _json(stand_in.api.answer(shop, grant, body["query"], body.get("variables")))


def _part_of(path: Path) -> Iterator[bytes]:
    """The first part of a file, ending within a line."""
    size = path.stat().st_size
    left = size * 3 // 5
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk if left > 0 else chunk.rstrip(b"}\n")
