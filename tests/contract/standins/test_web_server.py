"""The web server under every stand-in ends while answers are on their way, without an error or a socket left."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flask import Flask
from waitress.trigger import trigger

from sandbox.web import WebServer


def app() -> Flask:
    made = Flask(__name__)
    made.get("/")(lambda: "answered")
    return made


class TestStop:
    def test_a_wake_up_that_comes_first_takes_nothing_from_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Finished answers wake the loop too, and may do so just before the stop's own wake-up."""
        wake = trigger._physical_pull

        def woken_before(self: trigger) -> None:
            wake(self)
            time.sleep(0.05)
            wake(self)

        monkeypatch.setattr(trigger, "_physical_pull", woken_before)
        server = WebServer(app(), "127.0.0.1", 0).start()
        assert httpx.get(f"http://127.0.0.1:{server.port}/").text == "answered"
        server.stop()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            pass

    def test_a_request_at_hand_is_answered_whole(self) -> None:
        reached, free = threading.Event(), threading.Event()
        slow = Flask(__name__)

        @slow.get("/")
        def _answer() -> str:
            reached.set()
            assert free.wait(10)
            return "answered" * 1000

        server = WebServer(slow, "127.0.0.1", 0).start()
        with ThreadPoolExecutor(2) as pool:
            asked = pool.submit(lambda: httpx.get(f"http://127.0.0.1:{server.port}/").text)
            assert reached.wait(10)
            stopped = pool.submit(server.stop)
            free.set()
            assert asked.result(10) == "answered" * 1000
            stopped.result(10)

    def test_its_port_can_be_taken_again_at_once(self) -> None:
        first = WebServer(app(), "127.0.0.1", 0).start()
        first.stop()
        second = WebServer(app(), "127.0.0.1", first.port).start()
        assert httpx.get(f"http://127.0.0.1:{first.port}/").text == "answered"
        second.stop()
