"""What Shopify calls: the app's document, the token patch page, the webhooks; and who a request is from.

Reference: https://shopify.dev/docs/apps/build/authentication-authorization/set-embedded-app-authorization
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request

from app.errors import EncoreError, NotAuthorised
from app.shopify.session_tokens import is_shop_domain, verify
from app.shopify.webhooks import MAX_BODY_BYTES, is_signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from app.settings import Settings
    from app.shopify.install import Installer
    from app.shopify.session_tokens import Visitor
    from app.shopify.webhooks import Inbox

log = structlog.get_logger()

PATCH_PATH = "/session-token"
RETRY_HEADER = "X-Shopify-Retry-Invalid-Session-Request"
BEARER = "Bearer "


class ShopifyWeb:
    """The routes, given what they work with.

    assets: the script and style addresses of the built UI.
    """

    def __init__(
        self, settings: Settings, installer: Installer, inbox: Inbox, assets: Callable[[], dict[str, list[str]]]
    ) -> None:
        self._settings, self._installer, self._inbox, self._assets = settings, installer, inbox, assets

    def authenticate(self) -> ResponseReturnValue | None:
        """Before every API request: the shop comes from the signed token, from nowhere else."""
        if not request.path.startswith("/api/"):
            return None
        header = request.headers.get("Authorization", "")
        try:
            visitor = self._visitor(header.removeprefix(BEARER) if header.startswith(BEARER) else "")
            g.shop = self._installer.known(visitor)
        except NotAuthorised as fault:
            body = {"error": {"code": fault.code, "message": fault.message, "field": None}}
            return body, fault.status, {RETRY_HEADER: "1"}
        g.user = visitor.user
        return None

    def blueprint(self) -> Blueprint:
        """All routes of this module."""
        bp = Blueprint("shopify", __name__, template_folder="templates")
        bp.add_url_rule(PATCH_PATH, "patch", self._patch)
        bp.add_url_rule("/webhooks/<group>", "webhook", self._webhook, methods=["POST"])
        bp.add_url_rule("/", "document", self._document)
        for page in ("segments", "customers", "campaigns", "predictions", "senders", "connections", "settings"):
            bp.add_url_rule(f"/{page}", f"document_{page}", self._document)
            bp.add_url_rule(f"/{page}/<path:rest>", f"document_{page}_rest", self._document)
        return bp

    def _visitor(self, token: str) -> Visitor:
        return verify(token, self._settings.shopify_api_key, self._settings.shopify_api_secret.get_secret_value())

    def _document(self, rest: str = "") -> ResponseReturnValue:  # noqa: ARG002 - the UI reads the path itself
        shop = request.args.get("shop", "")
        if not is_shop_domain(shop):
            return render_template("elsewhere.html", admin=self._settings.admin_origin), 400
        try:
            visitor = self._visitor(request.args.get("id_token", ""))
        except NotAuthorised:
            return redirect(self._patch_address())
        if visitor.shop != shop:
            return redirect(self._patch_address())
        try:
            self._installer.ensure(visitor)
        except EncoreError as fault:
            page = render_template("not_ready.html", settings=self._settings, message=fault.message)
            return self._framed(page, shop, fault.status)
        page = render_template("document.html", settings=self._settings, assets=self._assets())
        return self._framed(page, shop, 200)

    def _patch(self) -> ResponseReturnValue:
        """The page on which App Bridge fetches a fresh token and goes to `shopify-reload`."""
        shop = request.args.get("shop", "")
        if not is_shop_domain(shop) or not request.args.get("shopify-reload", "").startswith("/"):
            return render_template("elsewhere.html", admin=self._settings.admin_origin), 400
        return self._framed(render_template("patch.html", settings=self._settings), shop, 200)

    def _patch_address(self) -> str:
        kept = [(k, v) for k, v in parse_qsl(request.query_string.decode()) if k != "id_token"]
        again = f"{request.path}?{urlencode(kept)}"
        return f"{PATCH_PATH}?{urlencode(kept)}&shopify-reload={quote(again, safe='')}"

    def _framed(self, page: str, shop: str, status: int) -> Response:
        answer = Response(page, status, content_type="text/html; charset=utf-8")
        origin = self._settings.admin_origin
        answer.headers["Content-Security-Policy"] = f"frame-ancestors https://{shop} {origin};"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _webhook(self, group: str) -> ResponseReturnValue:
        if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
            return "", 413
        body = request.get_data(cache=False)
        secret = self._settings.shopify_api_secret.get_secret_value()
        if not is_signed(secret, body, request.headers.get("X-Shopify-Hmac-Sha256")):
            return "", 401
        try:
            fresh = self._inbox.store(dict(request.headers), body)
        except ValueError:
            return "", 400
        log.info("webhook_received", group=group, topic=request.headers.get("X-Shopify-Topic"), fresh=fresh)
        return "", 200
