"""The web inbox: a list, a message with its HTML, text, headers and links, and JSON for tests."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from flask import Flask, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from sandbox.clock import SandboxClock
from sandbox.mailbox.messages import ONE_CLICK, Message, read_message
from sandbox.mailbox.store import MailStore
from sandbox.options import SandboxOptions
from sandbox.standin.base import TEMPLATES, json_answer

PAGE = 100  # messages on a page of the inbox
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The message's own page may neither run scripts nor reach this inbox; its links open outside of it.
_MESSAGE_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; script-src 'none'"
_UNSUBSCRIBE_SECONDS = 10


def create_app(state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> Flask:
    """The inbox as a Flask app on the messages in `state_dir`; `start_smtp` fills it."""
    del clock  # times are those at which messages arrived
    store = MailStore(state_dir)
    app = Flask("sandbox.mailbox", template_folder=str(TEMPLATES), static_folder=None)
    app.extensions["mailbox"] = store.db
    _pages(app, store, options)
    _json(app, store, options)
    _control(app, store)
    return app


def _pages(app: Flask, store: MailStore, options: SandboxOptions) -> None:
    @app.get("/")
    def inbox() -> str:
        """Messages, newest first; ?q= searches addresses and subjects, ?before=n shows older ones."""
        wanted = request.args.get("q", "")
        found = store.find(text=wanted, before=request.args.get("before", 0, int), limit=PAGE + 1)
        return render_template(
            "inbox.html",
            service="Mailbox",
            home="/",
            messages=found[:PAGE],
            older=found[PAGE - 1]["n"] if len(found) > PAGE else None,
            wanted=wanted,
            total=store.count(),
            faults=store.faults(),
        )

    @app.get("/sandbox")
    def sandbox() -> ResponseReturnValue:
        """Where the other stand-ins have their page."""
        return redirect("/")

    @app.get("/messages/<int:number>")
    def message(number: int) -> str:
        """One message; ?part= html (default), text, headers or raw."""
        row = store.one(number) or abort(404)
        content = store.content(number)
        return render_template(
            "message.html",
            service="Mailbox",
            home="/",
            row=row,
            message=read_message(content),
            part=request.args.get("part"),
            raw=content.decode("utf-8", "replace"),
        )

    @app.get("/messages/<int:number>/html")
    def html(number: int) -> ResponseReturnValue:
        """The HTML part alone, for the frame."""
        store.one(number) or abort(404)
        found = read_message(store.content(number)).html or abort(404)
        headers = {"Content-Security-Policy": _MESSAGE_POLICY}
        return Response(_with_base(found), content_type="text/html; charset=utf-8", headers=headers)

    @app.post("/messages/<int:number>/unsubscribe")
    def unsubscribe(number: int) -> ResponseReturnValue:
        """The button beside the sender's name that mail providers show."""
        _unsubscribe(store, number, options)
        return redirect(f"/messages/{number}", 303)

    @app.post("/delete")
    def delete() -> ResponseReturnValue:
        """Empty the mailbox."""
        store.delete()
        return redirect("/", 303)


def _json(app: Flask, store: MailStore, options: SandboxOptions) -> None:
    @app.get("/sandbox/messages")
    def messages() -> ResponseReturnValue:
        """Newest first. ?to= one address, ?q= a part of an address or subject, ?after=n, ?before=n, ?limit=200."""
        rows = store.find(
            to=request.args.get("to"),
            text=request.args.get("q"),
            after=request.args.get("after", 0, int),
            before=request.args.get("before", 0, int),
            limit=request.args.get("limit", 200, int),
        )
        return json_answer({"messages": [_summary(row) for row in rows], "total": store.count()})

    @app.get("/sandbox/messages/<int:number>")
    def one(number: int) -> ResponseReturnValue:
        """One message with headers, text, HTML, links and the way to unsubscribe."""
        row = store.one(number) or abort(404)
        return json_answer({**_summary(row), **_detail(read_message(store.content(number)))})

    @app.get("/sandbox/messages/<int:number>/raw")
    def raw(number: int) -> ResponseReturnValue:
        """The bytes as they came."""
        store.one(number) or abort(404)
        return Response(store.content(number), content_type="message/rfc822")

    @app.post("/sandbox/messages/<int:number>/unsubscribe")
    def unsubscribe_json(number: int) -> ResponseReturnValue:
        """The same as the button; tells what the sender's server answered."""
        return json_answer({"outcome": _unsubscribe(store, number, options)})

    @app.delete("/sandbox/messages")
    def delete_all() -> ResponseReturnValue:
        """Empty the mailbox."""
        return json_answer({"deleted": store.delete()})

    @app.delete("/sandbox/messages/<int:number>")
    def delete_one(number: int) -> ResponseReturnValue:
        """Delete one message."""
        return json_answer({"deleted": store.delete(number)})


def _control(app: Flask, store: MailStore) -> None:
    @app.get("/sandbox/faults")
    def faults() -> ResponseReturnValue:
        """The faults still to come, and those acted out."""
        return json_answer({"faults": store.faults(), "refusals": store.refusals()})

    @app.post("/sandbox/faults")
    def add_faults() -> ResponseReturnValue:
        """Script faults: one object or a list. See MailStore.add_fault."""
        given: Any = request.get_json()
        try:
            for fault in given if isinstance(given, list) else [given]:
                store.add_fault(fault)
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer({"faults": store.faults()}, 201)

    @app.delete("/sandbox/faults")
    def clear_faults() -> ResponseReturnValue:
        """Forget the faults still to come."""
        store.clear_faults()
        return json_answer({"faults": []})

    @app.post("/sandbox/reset")
    def reset() -> ResponseReturnValue:
        """An empty mailbox without faults."""
        store.clear()
        return json_answer({"reset": True})


def _unsubscribe(store: MailStore, number: int, options: SandboxOptions) -> str:
    """Do what a mail provider does when its reader clicks "unsubscribe" (RFC 8058, section 3.2).

    Only addresses of this machine are called: a sandbox must not reach anyone else's server.
    """
    store.one(number) or abort(404)
    message = read_message(store.content(number))
    if not message.unsubscribe_url or not message.one_click:
        return "The message offers no one-click unsubscribe."
    host = urlsplit(message.unsubscribe_url).hostname
    if host not in (*_LOOPBACK, urlsplit(options.app_url).hostname):
        outcome = f"Not called: {host} is not on this machine."
    else:
        try:
            answer = httpx.post(
                message.unsubscribe_url,
                content=ONE_CLICK,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                timeout=_UNSUBSCRIBE_SECONDS,
            )
            outcome = f"{answer.status_code} {answer.reason_phrase}"
        except httpx.HTTPError as error:
            outcome = f"No answer: {error}"
    store.note_unsubscribe(number, outcome)
    return outcome


def _with_base(html: str) -> str:
    """The page with its links opening in new tabs; the tag goes into the head, to keep the doctype first."""
    base = '<base target="_blank">'
    marked, found = re.subn(r"<head(?:\s[^>]*)?>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE)
    return marked if found else base + html


def _summary(row: Any) -> dict[str, Any]:
    return {
        "id": row["n"],
        "received_at": row["received"],
        "mail_from": row["mail_from"],
        "recipients": (row["recipients"] or "").split(", "),
        "from": row["from_header"],
        "to": row["to_header"],
        "subject": row["subject"],
        "message_id": row["message_id"],
        "bytes": row["bytes"],
    }


def _detail(message: Message) -> dict[str, Any]:
    return {
        "headers": message.headers,
        "text": message.text,
        "html": message.html,
        "links": [{"url": link.url, "text": link.text} for link in message.links],
        "attachments": message.attachments,
        "unsubscribe": {"url": message.unsubscribe_url, "one_click": message.one_click},
    }
