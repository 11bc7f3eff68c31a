"""A web server in a thread that can be stopped from another one."""

import threading

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server


class WebServer:
    """Serves a Flask app on one address until stopped. `port` 0 takes a free one; `port` then says which."""

    def __init__(self, app: Flask, host: str, port: int, threads: int = 4) -> None:
        """OSError if the port is taken."""
        self._server = create_server(app, host=host, port=port, threads=threads)
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name=f"web-{self.port}", daemon=True)

    def start(self) -> "WebServer":
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Finish the requests at hand, then close every socket."""
        self._server.task_dispatcher.shutdown()
        # In the loop's own thread: closing from here would pull its sockets from under a running select.
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._server._map, ignore_all=True))  # noqa: SLF001
        self._thread.join(timeout=5)
