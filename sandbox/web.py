"""A web server in a thread that can be stopped from another one."""

import threading
import time
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

SECONDS_TO_FLUSH = 5  # how long a stop waits for whoever is slow to read an answer


class WebServer:
    """Serves a Flask app on one address until stopped. `port` 0 takes a free one; `port` then says which."""

    def __init__(self, app: Flask, host: str, port: int, threads: int = 4) -> None:
        """OSError if the port is taken."""
        self._sockets: dict[int, Any] = {}
        self._server = create_server(app, map=self._sockets, host=host, port=port, threads=threads)
        self.port = int(self._server.effective_port)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"web-{self.port}", daemon=True)

    def start(self) -> "WebServer":
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Finish the requests at hand, then close every socket."""
        self._server.task_dispatcher.shutdown()
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join()
        # Only now: closed by the loop, the pipe could go between the flag and the pull above; closed beside it,
        # sockets would go from under a running select.
        wasyncore.close_all(self._sockets, ignore_all=True)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1, map=self._sockets, count=1)
        ends = time.monotonic() + SECONDS_TO_FLUSH
        while time.monotonic() < ends and any(each.writable() for each in list(self._sockets.values())):
            wasyncore.loop(timeout=0.1, map=self._sockets, count=1)
