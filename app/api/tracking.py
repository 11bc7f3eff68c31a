"""The mailed links and pictures that tell of clicks and openings. A GET is written down and changes nothing."""

from __future__ import annotations

import base64

from flask import Blueprint, Response, redirect, request

from app.api.common import rooms
from app.errors import EncoreError
from app.services import tracking

# The smallest transparent GIF.
PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def blueprint() -> Blueprint:
    """Both routes; HEAD comes with GET, and is how scanners look."""
    bp = Blueprint("tracking", __name__)
    bp.add_url_rule("/c/<token>", "click", _click, methods=["GET"])
    bp.add_url_rule("/o/<token>", "opened", _opened, methods=["GET"])
    bp.register_error_handler(EncoreError, _not_found)
    return bp


def _visit() -> tracking.Visit:
    return tracking.Visit(request.method, request.headers.get("User-Agent", ""))


def _click(token: str) -> Response:
    """Lead to where the link was fixed to lead."""
    answer = redirect(tracking.click(rooms(), token, _visit()), 302)
    return _quiet(Response(answer.get_data(), answer.status_code, answer.headers))


def _opened(token: str) -> Response:
    """The picture; whoever asks for it sees the same."""
    tracking.opened(rooms(), token, _visit())
    return _quiet(Response(PICTURE, mimetype="image/gif"))


def _not_found(fault: EncoreError) -> Response:
    return _quiet(Response(fault.message, fault.status, mimetype="text/plain"))


def _quiet(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
