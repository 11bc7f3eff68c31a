"""The built pages over answers that a test chooses: what a page shows while waiting, empty, failing, full.

The full answers are embedded_ui/tests/samples/full.json, which the OpenAPI document's schemas hold for
(test_samples.py), so a page that passes here reads what the app really sends.

ENCORE_SLOW_ANSWERS=0.6 lets each request arrive up to so many seconds late: a test that looked too early fails then.
"""

from __future__ import annotations

import copy
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, send_from_directory

REPOSITORY = Path(__file__).resolve().parents[3]
BUILT = REPOSITORY / "embedded_ui" / "dist"
SHIMS = REPOSITORY / "sandbox" / "shims" / "dist"
SAMPLES = REPOSITORY / "embedded_ui" / "tests" / "samples" / "full.json"
LONGEST_WAIT = 60.0
ON_ITS_WAY = 10.0
SLOWEST = float(os.environ.get("ENCORE_SLOW_ANSWERS", "0"))
WHOLE_LIST = "200"

SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Encore</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0; background: #f1f1f1; }}</style>
<script src="/shims/polaris.js"></script>{styles}</head>
<body><div id="root"></div><script type="module" src="/assets/ui/{entry}"></script></body></html>"""


class FakeApi:
    """Answers by "METHOD /path". A test changes them before or after the page has loaded."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = json.loads(SAMPLES.read_text())
        self.failures: dict[str, tuple[int, dict[str, Any]]] = {}
        self.requests: list[tuple[str, dict[str, list[str]], Any]] = []
        self._held: dict[str, threading.Event] = {}
        self._news = threading.Condition()

    def sample(self, key: str) -> Any:
        """A copy of an answer, to change and put back."""
        return copy.deepcopy(self.answers[key])

    def fail(self, key: str, status: int = 503, message: str = "The store is busy.", field: str | None = None) -> None:
        """Refuse from now on, in the app's error shape."""
        self.failures[key] = (status, {"error": {"code": "refused", "message": message, "field": field}})

    def recover(self, key: str) -> None:
        """Answer again."""
        del self.failures[key]

    def hold(self, key: str) -> None:
        """Leave the question open until `release`."""
        self._held[key] = threading.Event()

    def release(self) -> None:
        """Answer whatever was held."""
        for event in self._held.values():
            event.set()

    def asked(self, key: str, last: Any = None) -> list[tuple[dict[str, list[str]], Any]]:
        """Query and JSON body of every request of that kind, in order.

        A page shows what it did before its request is here, so this waits for the first one, with `last` until the
        newest has that body, or is one that `last` says yes to; after ten seconds it returns what there is, for the
        test to name the difference.
        """

        def arrived() -> bool:
            so_far = self.asked_so_far(key)
            if not so_far or last is None:
                return bool(so_far)
            return bool(last(so_far[-1][1]) if callable(last) else so_far[-1][1] == last)

        with self._news:
            self._news.wait_for(arrived, ON_ITS_WAY)
        return self.asked_so_far(key)

    def asked_so_far(self, key: str) -> list[tuple[dict[str, list[str]], Any]]:
        """The same without waiting, for what must not have been asked."""
        return [(query, body) for made, query, body in self.requests if made == key]

    def answer(self) -> Response | tuple[Response, int]:
        """What to say to the current request."""
        key = f"{request.method} {request.path}"
        body = request.get_json(silent=True) if request.is_json else None
        time.sleep(random.uniform(0, SLOWEST))
        with self._news:
            self.requests.append((key, request.args.to_dict(flat=False), body))
            self._news.notify_all()
        held = self._held.get(key)
        if held is not None:
            held.wait(LONGEST_WAIT)
        if key in self.failures:
            status, error = self.failures[key]
            return Response(json.dumps(error), status, mimetype="application/json")
        if key not in self.answers:
            missing = {"error": {"code": "not_found", "message": f"No sample for {key}", "field": None}}
            return Response(json.dumps(missing), 404, mimetype="application/json")
        if request.method == "PATCH" and isinstance(body, dict):
            self._keep(key, body)
        answer = self.answers[key]
        if request.args.get("limit") == WHOLE_LIST:  # then the sample is the only page
            answer = answer | {"next": None}
        return Response(json.dumps(answer), mimetype="application/json")

    def _keep(self, key: str, patch: dict[str, Any]) -> None:
        """What was saved is what is read back: an answer that had forgotten it would undo the edit on the page."""
        for known in (key, key.replace("PATCH", "GET")):
            if known in self.answers:
                self.answers[known] = _patched(self.answers[known], patch)


def _patched(answer: Any, patch: dict[str, Any]) -> Any:
    """`answer` with the fields of `patch` that it has, at any depth."""
    kept = {name: value for name, value in patch.items() if name in answer}
    return answer | {
        name: _patched(answer[name], value) if isinstance(value, dict) and isinstance(answer[name], dict) else value
        for name, value in kept.items()
    }


def create_app(api: FakeApi) -> Flask:
    """The shell document for every page, the built assets, the shims, and the answers under /api."""
    manifest = json.loads((BUILT / ".vite" / "manifest.json").read_text())
    entry = manifest["src/main.tsx"]
    styles = "".join(f'<link rel="stylesheet" href="/assets/ui/{name}">' for name in entry.get("css", []))
    app = Flask("pages")

    @app.route("/api/<path:_path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def answer(_path: str) -> Response | tuple[Response, int]:
        return api.answer()

    @app.get("/assets/ui/<path:name>")
    def assets(name: str) -> Response:
        return send_from_directory(BUILT, name)

    @app.get("/shims/<path:name>")
    def shims(name: str) -> Response:
        return send_from_directory(SHIMS, name)

    @app.get("/favicon.ico")
    def icon() -> tuple[str, int]:
        return "", 204

    @app.get("/", defaults={"_path": ""})
    @app.get("/<path:_path>")
    def shell(_path: str) -> str:
        return SHELL.format(entry=entry["file"], styles=styles)

    return app
