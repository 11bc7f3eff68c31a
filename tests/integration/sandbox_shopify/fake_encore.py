"""A stand-in for `encore serve`: as much of it as the demo looks at. Run as: python fake_encore.py serve

FAKE_ENCORE=dies makes it end with exit code 4 soon after it is healthy.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from sandbox.shopify.tokens import read_id_token

PHASES = ["importing", "refreshing", "ready"]


class Handler(BaseHTTPRequestHandler):
    asked = 0
    installed = False

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/healthz":
            if os.environ.get("FAKE_ENCORE") == "dies":
                sys.stdout.write("the disk is full\n")
                sys.stdout.flush()
                threading.Timer(0.2, os._exit, (4,)).start()
            self._answer({})
        elif address.path == "/api/progress":
            self._known(self.headers["Authorization"].removeprefix("Bearer "))
            step = {"name": "orders", "state": "done", "done": 5, "total": 5, "unit": "orders"}
            phase = PHASES[min(Handler.asked, 2)]
            Handler.asked += 1
            self._answer({"phase": phase, "steps": [step], "message": ""}, 200 if Handler.installed else 401)
        else:
            self._known(parse_qs(address.query)["id_token"][0])
            Handler.installed = True
            self._answer({})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _known(self, token: str) -> None:
        read_id_token(
            token, api_key=os.environ["ENCORE_SHOPIFY_API_KEY"], api_secret=os.environ["ENCORE_SHOPIFY_API_SECRET"]
        )

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["ENCORE_PORT"])), Handler).serve_forever()
