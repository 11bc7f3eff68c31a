"""Starts the stand-ins, each on its own port, in one process.

    python -m sandbox.serve --state DIR [--app-url URL] [--base-port 4010] [--shop DOMAIN=KIND ...]

Writes <state>/sandbox.json once every port answers; removes it on a clean end (SIGTERM or SIGINT).
"""

import argparse
import importlib
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask

from sandbox.clock import SandboxClock
from sandbox.options import DEFAULT_BASE_PORT, SERVICES, SandboxOptions, ports_from
from sandbox.web import WebServer

WEB = ("shopify", "admin", "klaviyo", "mailchimp", "mailbox")
THREADS = {"shopify": 12, "mailchimp": 16}


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@dataclass
class Running:
    """A started stand-in: its name, its app and how to stop it."""

    name: str
    app: Flask | None
    stop: Any


def start_web(name: str, state: Path, clock: SandboxClock, options: SandboxOptions) -> Running:
    """Start one stand-in in a thread. ModuleNotFoundError or AttributeError if it is not built."""
    app: Flask = importlib.import_module(f"sandbox.{name}").create_app(state, clock, options)
    server = WebServer(app, options.host, options.ports[name], THREADS.get(name, 4)).start()
    return Running(name, app, server.stop)


def start_smtp(state: Path, clock: SandboxClock, options: SandboxOptions) -> Running:
    """Start the mailbox's SMTP server. AttributeError if the mailbox has none."""
    server = importlib.import_module("sandbox.mailbox").start_smtp(state, clock, options)
    return Running("smtp", None, getattr(server, "stop", lambda: None))


def start_dns(state: Path, clock: SandboxClock, options: SandboxOptions) -> Running:
    """Start the name server."""
    return Running("dns", None, importlib.import_module("sandbox.dns").start_dns(state, clock, options).stop)


def start_all(
    state: Path, clock: SandboxClock, options: SandboxOptions, only: list[str] | None = None
) -> list[Running]:
    """Start every stand-in that exists (or those named); says clearly which one is missing."""
    running = []
    for name in only or [*WEB, *OTHERS]:
        try:
            start = OTHERS.get(name)
            started = start(state, clock, options) if start else start_web(name, state, clock, options)
        except (ModuleNotFoundError, AttributeError, FileNotFoundError) as error:
            if "sandbox" not in str(error):  # a fault of ours, not a stand-in that is missing
                raise
            _say(f"{name:10} not started: {error}")
            continue
        running.append(started)
        _say(f"{name:10} {options.host}:{options.ports[name]}")
    return running


OTHERS = {"smtp": start_smtp, "dns": start_dns}


def stop_all(running: list[Running]) -> None:
    """Stop serving, then the stand-ins' own threads."""
    for item in reversed(running):
        item.stop()
        for extension in (item.app.extensions if item.app else {}).values():
            if callable(getattr(extension, "close", None)):
                extension.close()


def options_from(arguments: argparse.Namespace) -> SandboxOptions:
    """The options that the command line asks for."""
    ports = ports_from(arguments.base_port)
    for setting in arguments.port:
        name, _, number = setting.partition("=")
        if name not in SERVICES or not number.isdigit():
            raise SystemExit(f"--port wants NAME=NUMBER with a NAME of {', '.join(SERVICES)}")
        ports[name] = int(number)
    shops = dict(item.split("=", 1) for item in arguments.shop) or {"encore-demo.myshopify.com": "demo"}
    origin = f"http://{arguments.host}:{ports['admin']}"
    return SandboxOptions(app_url=arguments.app_url, host=arguments.host, ports=ports, shops=shops, admin_origin=origin)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m sandbox.serve", description="Start Encore's local stand-ins.")
    p.add_argument("--state", type=Path, required=True, help="folder for everything the stand-ins remember")
    p.add_argument("--app-url", default="http://127.0.0.1:4000", help="where Encore listens")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--base-port", type=int, default=DEFAULT_BASE_PORT, help="the first of seven ports")
    p.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="one port, instead")
    p.add_argument("--shop", action="append", default=[], metavar="DOMAIN=KIND", help="a shop to serve: demo or tiny")
    p.add_argument("--only", action="append", metavar="NAME", help="start just this stand-in (repeatable)")
    return p


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    arguments = parser().parse_args(argv)
    options = options_from(arguments)
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    state: Path = arguments.state
    state.mkdir(parents=True, exist_ok=True)
    running = start_all(state, SandboxClock(state), options, arguments.only)
    if not running:
        _say("nothing to serve")
        return 1
    record = state / "sandbox.json"
    content = {"pid": os.getpid(), "host": options.host, "ports": options.ports, "app_url": options.app_url,
               "started": [item.name for item in running]}  # fmt: skip
    aside = record.with_suffix(".new")
    aside.write_text(json.dumps(content))
    aside.replace(record)  # whoever waits for it never reads half of it
    stopped.wait()
    stop_all(running)
    record.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
