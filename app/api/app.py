"""The Flask application: blueprints, errors, security headers, the OpenAPI document."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog
from flask import Response, request
from flask_openapi3 import Info, OpenAPI
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app import __version__
from app.api.common import ROOMS, ErrorAnswer
from app.errors import EncoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint
    from flask.typing import ResponseReturnValue
    from pydantic import ValidationError

    from app.services.rooms import Rooms

log = structlog.get_logger()

NOUNS = (
    "shop",
    "segments",
    "segment_figures",
    "segments_language",
    "exports",
    "receipts",
    "explain",
    "customers",
    "connections",
    "campaigns",
    "discounts",
    "campaign_reports",
    "waiting_messages",
    "before_you_send",
    "marketing",
    "senders",
    "deliverability",
    "mail_providers",
    "recommendations",
    "predictions",
    "settings",
    "brand",
    "sending_proof",
    "shop_settings",
)
MAX_REQUEST_BYTES = 64 << 20


def create_app(
    rooms: Rooms,
    authenticate: Callable[[], ResponseReturnValue | None],
    blueprints: list[Blueprint],
) -> OpenAPI:
    """The application.

    authenticate: runs before every request; it knows the shop or answers 401.
    blueprints:   further routes that wiring brings: what Shopify calls, the built UI.
    """
    app = OpenAPI(
        "encore",
        info=Info(title="Encore", version=__version__),
        doc_ui=False,
        static_folder=None,
        validation_error_callback=_invalid_request,
        responses={"default": ErrorAnswer},
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined] # Flask types the provider by its base class
    app.extensions[ROOMS] = rooms
    app.before_request(authenticate)
    app.after_request(_secure)
    app.register_error_handler(EncoreError, _encore_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    for noun in NOUNS:
        app.register_api(import_module(f"app.api.{noun}").bp)
    public = [
        *import_module("app.api.public").blueprints(),
        import_module("app.api.tracking").blueprint(),
        import_module("app.api.mail_reports").blueprint(),
    ]
    for blueprint in [*public, *blueprints]:
        app.register_blueprint(blueprint)
    app.add_url_rule("/healthz", "healthz", _healthz)
    return app


def _healthz() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


def _answer(code: str, message: str, status: int, field: str | None = None) -> ResponseReturnValue:
    return {"error": {"code": code, "message": message, "field": field}}, status


def _encore_error(fault: EncoreError) -> ResponseReturnValue:
    return _answer(fault.code, fault.message, fault.status, fault.field)


def _invalid_request(fault: ValidationError) -> Response:
    first: dict[str, Any] = dict(fault.errors(include_url=False, include_input=False)[0])
    field = ".".join(str(part) for part in first["loc"]) or None
    body = {"error": {"code": "invalid", "message": f"{field}: {first['msg']}", "field": field}}
    from flask import jsonify, make_response  # noqa: PLC0415 - the callback must give a Response

    return make_response(jsonify(body), 422)


def _http_error(fault: HTTPException) -> ResponseReturnValue:
    status = fault.code or 500
    if isinstance(fault, RequestEntityTooLarge):
        most = (request.max_content_length or MAX_REQUEST_BYTES) >> 20
        return _answer("too_large", f"What was sent is larger than {most} MB. Nothing was changed; send less.", status)
    return _answer("http_error", fault.description or "The request can't be answered.", status)


def _unexpected(fault: Exception) -> ResponseReturnValue:
    log.error("request_failed", path=request.path, kind=type(fault).__name__, exc_info=fault)
    return _answer("internal", "Something went wrong in Encore. Nothing was changed; please try again.", 500)


def _secure(answer: Response) -> Response:
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
    return answer
