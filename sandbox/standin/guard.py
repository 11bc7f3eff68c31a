"""The WSGI layer around a stand-in: logs each call, counts open ones, acts out scripted faults.

It sits outside Flask because most faults are about the connection, not about the answer.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from sandbox.standin.faults import AFTERWARDS, Fault, FaultScript

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sandbox.clock import SandboxClock
    from sandbox.standin.log import Call, Log

CALL_KEY = "encore.call"  # where the Flask side finds its Call in the WSGI environment
HTML_ERROR = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

ErrorAnswer = Callable[[int, Fault | None], Response]


class Guard:
    """Wraps the WSGI application of one stand-in; paths under /sandbox pass untouched.

    error:    makes the vendor's own error answer for a status
    max_open: calls that may run at once; one more is answered with `error(429, None)`
    """

    def __init__(
        self,
        inner: WSGIApplication,
        *,
        log: Log,
        faults: FaultScript,
        clock: SandboxClock,
        error: ErrorAnswer,
        max_open: int | None = None,
    ) -> None:
        self._inner = inner
        self._log = log
        self._faults = faults
        self._clock = clock
        self._error = error
        self._max_open = max_open
        self._open = 0
        self._lock = threading.Lock()
        self._released = threading.Event()

    def release(self) -> None:
        """Let go of every call that has come and hangs, or is about to."""
        self._released.set()
        self._released = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if path == "/" or path.startswith("/sandbox"):
            return self._inner(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        # First of all: whoever sees this call in the log may count on it being open, and let it go.
        released = self._released
        with self._counted() as running:
            call = environ[CALL_KEY] = self._opened(environ, path, body)
            if self._max_open is not None and running > self._max_open:
                limit = f"{running} calls at once, {self._max_open} are allowed"
                self._log.refuse(call, "connections", limit)
                return self._answer(call, self._error(429, None), environ, start_response)
            fault = self._faults.take(call.method, path)
            if fault is None:
                return self._answer(call, self._carried_out(environ), environ, start_response)
            call.fault = fault.kind
            return self._act_out(fault, released, call, environ, start_response)

    def _opened(self, environ: WSGIEnvironment, path: str, body: bytes) -> Call:
        query = environ.get("QUERY_STRING", "")
        headers = [(k[5:].replace("_", "-").title(), v) for k, v in environ.items() if k.startswith("HTTP_")]
        if environ.get("CONTENT_TYPE"):
            headers.append(("Content-Type", environ["CONTENT_TYPE"]))
        return self._log.open(
            at=self._clock.now(),
            method=environ["REQUEST_METHOD"],
            path=path,
            query_string=query,
            query=parse_qs(query, keep_blank_values=True).items(),
            headers=headers,
            body=body,
        )

    @contextlib.contextmanager
    def _counted(self) -> Iterator[int]:
        with self._lock:
            self._open += 1
            running = self._open
        try:
            yield running
        finally:
            with self._lock:
                self._open -= 1

    def _carried_out(self, environ: WSGIEnvironment) -> Response:
        chunks, status, headers = run_wsgi_app(self._inner, environ, buffered=True)
        return Response(b"".join(chunks), status=status, headers=headers)

    def _act_out(
        self,
        fault: Fault,
        released: threading.Event,
        call: Call,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        if fault.kind in AFTERWARDS:
            response = self._carried_out(environ)
            call.status = response.status_code
            if fault.kind == "truncated":
                return _half(response, environ, start_response)
            return _dropped(environ, start_response)
        if fault.kind in ("hang", "reset"):
            if fault.kind == "hang":
                released.wait(fault.seconds)
            return _dropped(environ, start_response)
        if fault.kind == "empty_body":
            response = Response(b"", fault.status or 200)
        elif fault.kind == "html":
            response = Response(HTML_ERROR, fault.status or 502, content_type="text/html")
        else:
            response = self._error(fault.error_status or 500, fault)
        return self._answer(call, response, environ, start_response)

    @staticmethod
    def _answer(
        call: Call, response: Response, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        call.status = response.status_code
        call.answered = True
        return response(environ, start_response)


def _half(response: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Announce the whole body, send half of it, and close."""
    body = response.get_data()
    headers = [(k, v) for k, v in response.headers if k.lower() not in ("content-length", "connection")]
    start_response(response.status, [*headers, ("Content-Length", str(len(body)))])

    def parts() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        _close(environ)

    return parts()


def _dropped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """End the connection without an answer."""
    _close(environ)
    # The server still wants an answer from us; the connection that it goes to is gone.
    start_response("500 Connection dropped", [("Content-Length", "0")])
    return [b""]


def _close(environ: WSGIEnvironment) -> None:
    """Shut the client's socket down; the server closes it when it notices.

    Waitress hands out a bound method of its channel, werkzeug's development server the socket.
    Closing the file descriptor here instead would race with waitress's select loop.
    """
    channel: Any = getattr(environ.get("waitress.client_disconnected"), "__self__", None)
    connection = getattr(channel, "socket", None) or environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
