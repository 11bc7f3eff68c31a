"""Pages that mailed links open. No session, no cookie, no script; a GET never changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request

from app.api.common import rooms
from app.errors import EncoreError
from app.services import senders, unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_CLICK = {"List-Unsubscribe": "One-Click"}  # RFC 8058, section 3.1
CLOSED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
PAGE_POLICY = f"{CLOSED}; form-action 'self'"
MAIL_POLICY = f"{CLOSED}; img-src https: data:"


def blueprints() -> list[Blueprint]:
    """The public pages."""
    bp = Blueprint("public", __name__, template_folder="templates")
    routes: list[tuple[str, str, Callable[[str], Response], str]] = [
        ("/u/<token>", "unsubscribe", _unsubscribe_page, "GET"),
        ("/u/<token>", "unsubscribe_now", _unsubscribe, "POST"),
        ("/u/<token>/undo", "unsubscribe_undo", _undo, "POST"),
        ("/u/<token>/topics", "topics", _choose_topics, "POST"),
        ("/senders/confirm/<token>", "confirm", _confirm_page, "GET"),
        ("/senders/confirm/<token>", "confirm_now", _confirm, "POST"),
        ("/v/<token>", "web_view", _web_view, "GET"),
    ]
    for rule, name, view, method in routes:
        bp.add_url_rule(rule, name, view, methods=[method])
    bp.register_error_handler(EncoreError, _not_shown)
    return [bp]


def _unsubscribe_page(token: str) -> Response:
    """Say what the button does, and show it."""
    return _page("unsubscribe.html", found=unsubscribe.look(rooms(), token), token=token)


def _unsubscribe(token: str) -> Response:
    """Unsubscribe: the button, or a mailbox provider's one-click request."""
    one_click = all(request.form.get(name) == value for name, value in ONE_CLICK.items())
    found = unsubscribe.unsubscribe(rooms(), token, "one_click" if one_click else "unsubscribe_link")
    return _page("unsubscribed.html", found=found, token=found.undo_token)


def _undo(token: str) -> Response:
    """Take the unsubscribe back."""
    return _page("undone.html", found=unsubscribe.undo(rooms(), token))


def _choose_topics(token: str) -> Response:
    """Keep the choice of topics. A form whose boxes are all empty sends none of them: nothing is wanted."""
    before, found = unsubscribe.choose_topics(rooms(), token, set(request.form.getlist("topic")))
    return _page("topics_saved.html", found=found, before=before, token=token)


def _confirm_page(token: str) -> Response:
    """Show whose address would be confirmed, and the button."""
    found = senders.look_at_link(rooms(), token)
    return _page("confirm_sender.html", 200 if found.state == "open" else 410, found=found, token=token)


def _confirm(token: str) -> Response:
    """Confirm the address."""
    found = senders.confirm(rooms(), token)
    return _page("confirm_sender.html", 200 if found.state == "confirmed" else 410, found=found, token=token)


def _web_view(token: str) -> Response:
    """Show a message as a page."""
    return _closed(Response(unsubscribe.web_view(rooms(), token), mimetype="text/html"), MAIL_POLICY)


def _not_shown(fault: EncoreError) -> Response:
    return _page("not_shown.html", fault.status, message=fault.message)


def _page(template: str, status: int = 200, **values: object) -> Response:
    return _closed(Response(render_template(f"public/{template}", **values), status, mimetype="text/html"), PAGE_POLICY)


def _closed(answer: Response, policy: str) -> Response:
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
