"""The admin host page's routes, without a browser."""

from __future__ import annotations

import base64
import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from sandbox.admin import create_app
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.install import sign_query

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

SECRET = "a secret long enough for HMAC-SHA256 and PyJWT"
OPTIONS = SandboxOptions(
    app_url="http://127.0.0.1:4000",
    api_secret=SECRET,
    shops={"first-shop.myshopify.com": "tiny", "second-shop.myshopify.com": "tiny"},
)
OWN = {"Origin": "http://localhost"}


@pytest.fixture
def admin(tmp_path: Path) -> FlaskClient:
    return create_app(tmp_path, SandboxClock(tmp_path), OPTIONS).test_client()


def frame_of(html: str) -> str:
    """The address in the page's iframe."""
    found = re.search(r'<iframe id="app-frame"[^>]* data-src="([^"]*)"', html)
    assert found
    return unescape(found[1])


class TestTheEmbeddedApp:
    def test_is_opened_with_a_launch_query_that_its_secret_signs(self, admin: FlaskClient) -> None:
        address = urlsplit(frame_of(admin.get("/store/first-shop/apps/encore").text))
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        assert (address.netloc, address.path) == ("127.0.0.1:4000", "/")
        assert query["hmac"] == sign_query(query, SECRET)
        assert query["embedded"] == "1"
        assert query["shop"] == "first-shop.myshopify.com"
        assert base64.b64decode(query["host"] + "==").decode() == "127.0.0.1:4011/store/first-shop"
        claims = jwt.decode(query["id_token"], SECRET, algorithms=["HS256"], audience=OPTIONS.api_key)
        assert claims["iss"] == "https://first-shop.myshopify.com/admin"

    def test_gets_the_deep_links_path_and_query_but_no_old_launch(self, admin: FlaskClient) -> None:
        html = admin.get("/store/first-shop/apps/encore/segments/7?tab=orders&id_token=stale&shop=evil").text
        address = urlsplit(frame_of(html))
        query = parse_qs(address.query)
        assert address.path == "/segments/7"
        assert query["tab"] == ["orders"]
        assert query["shop"] == ["first-shop.myshopify.com"]
        assert len(query["id_token"]) == 1
        assert "stale" not in html

    def test_is_never_cached_and_never_framed_itself(self, admin: FlaskClient) -> None:
        answer = admin.get("/store/first-shop/apps/encore")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-src http://127.0.0.1:4000;" in answer.headers["Content-Security-Policy"]

    def test_stands_at_the_root_for_the_first_shop(self, admin: FlaskClient) -> None:
        assert admin.get("/").headers["Location"] == "/store/first-shop/apps/encore"

    @pytest.mark.parametrize("store", ["third-shop", "first-shop.myshopify.com", "First-Shop", "-"])
    def test_is_not_there_for_a_store_that_the_sandbox_lacks(self, admin: FlaskClient, store: str) -> None:
        assert admin.get(f"/store/{store}/apps/encore").status_code == 404
        assert admin.get(f"/store/{store}/products").status_code == 404

    def test_other_pages_of_a_store_say_that_they_are_not_built(self, admin: FlaskClient) -> None:
        assert "Not part of the sandbox: products/7" in admin.get("/store/first-shop/products/7").text


class TestTheTokenEndpoint:
    def test_mints_a_token_for_the_admins_own_page(self, admin: FlaskClient) -> None:
        answer = admin.post("/sandbox/id-token", json={"shop": "second-shop.myshopify.com"}, headers=OWN)
        claims = jwt.decode(answer.json["id_token"], SECRET, algorithms=["HS256"], audience=OPTIONS.api_key)
        assert claims["dest"] == "https://second-shop.myshopify.com"
        assert claims["exp"] - claims["iat"] == 60
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("origin", [None, "http://127.0.0.1:4000", "http://localhost:4011", "null"])
    def test_refuses_every_other_origin(self, admin: FlaskClient, origin: str | None) -> None:
        headers = {"Origin": origin} if origin else {}
        answer = admin.post("/sandbox/id-token", json={"shop": "first-shop.myshopify.com"}, headers=headers)
        assert answer.status_code == 403
        assert "id_token" not in answer.text

    def test_knows_no_shop_but_the_sandboxs(self, admin: FlaskClient) -> None:
        answer = admin.post("/sandbox/id-token", json={"shop": "third-shop.myshopify.com"}, headers=OWN)
        assert answer.status_code == 404


class TestTheScripts:
    @pytest.mark.parametrize("name", ["app-bridge.js", "polaris.js"])
    def test_may_be_loaded_by_another_origin_and_follow_a_rebuild(self, admin: FlaskClient, name: str) -> None:
        answer = admin.get(f"/shims/{name}", buffered=True)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Cache-Control"] == "no-cache"
        again = admin.get(f"/shims/{name}", headers={"If-None-Match": answer.headers["ETag"]}, buffered=True)
        assert again.status_code == 304

    @pytest.mark.parametrize("path", ["/shims/elements.json", "/shims/admin-host.js", "/shims/..%2Flint.py"])
    def test_nothing_else_is_shared(self, admin: FlaskClient, path: str) -> None:
        assert admin.get(path).status_code == 404
