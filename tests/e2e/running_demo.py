"""The demo as a person starts it: `make run`'s program in a process of its own, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from sandbox.options import SandboxOptions
from sandbox.shopify.tokens import mint_id_token

ROOT = Path(__file__).parents[2]
READY = "Encore is ready: "


class RunningDemo:
    """One start of the demo in a folder; the same folder again goes on with what is there.

    shop: "demo" (1.47 million lines, a minute or two) or "tiny" (39 customers, seconds).
    """

    def __init__(self, home: Path, shop: str) -> None:
        self.home, self.name = home, f"encore-{shop}"
        self.domain = f"{self.name}.myshopify.com"
        self.lines: list[str] = []
        self._arguments = [
            "--home",
            str(home),
            "--app-port",
            "0",
            "--base-port",
            "0",
            "--shop",
            f"{self.domain}={shop}",
        ]

    def start(self, seconds: float = 900) -> RunningDemo:
        """Start it and wait until it says that it is ready. AssertionError with its output if it ends before."""
        self.lines.clear()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.demo", *self._arguments],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        end = time.monotonic() + seconds
        while not self.url:
            assert self.process.poll() is None, "\n".join(self.lines)
            assert time.monotonic() < end, "not ready in time:\n" + "\n".join(self.lines)
            threading.Event().wait(0.1)
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
        self.process.stdout.close()

    @property
    def url(self) -> str:
        """Where Encore is, in the stand-in for Shopify's admin; empty before it is ready."""
        return next((line.removeprefix(READY) for line in self.lines if line.startswith(READY)), "")

    @property
    def ports(self) -> dict[str, int]:
        """Every stand-in's port by its name: shopify, admin, klaviyo, mailchimp, mailbox, smtp."""
        found: dict[str, Any] = json.loads((self.home / "sandbox" / "sandbox.json").read_text(encoding="utf-8"))
        return {name: int(port) for name, port in found["ports"].items()}

    def stand_in(self, name: str) -> str:
        """The address of one stand-in."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def app(self) -> str:
        """Encore's own address."""
        found = json.loads((self.home / "sandbox" / "sandbox.json").read_text(encoding="utf-8"))
        return str(found["app_url"])

    def api(self, path: str, **query: Any) -> Any:
        """What Encore's API answers the shop; an error fails the test with its text."""
        return self.ask("GET", path, params=query).json()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to Encore's API in the shop's name."""
        options_of_sandbox = SandboxOptions()
        token = mint_id_token(
            self.domain, 42, api_key=options_of_sandbox.api_key, api_secret=options_of_sandbox.api_secret
        )
        answer = httpx.request(
            method, f"{self.app}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60, **options
        )
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self._ended()

    def kill(self) -> None:
        """kill -9 of the demo's own process."""
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        status = self.process.wait(60)
        self._reader.join(10)
        return status

    def children(self) -> list[int]:
        """Processes of this demo that live, by the folder in their command line or environment."""
        mark = str(self.home).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in (os.getpid(), self.process.pid):
                try:
                    text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if mark in text:
                    found.append(int(entry.name))
        return found
