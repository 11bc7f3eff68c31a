"""`python -m sandbox.demo` with the real sandbox and a stand-in for Encore itself."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.processes import start_time
from tests.conftest import REPOSITORY

from .conftest import TINY, until

if TYPE_CHECKING:
    from collections.abc import Iterator

READY = re.compile(r"^Encore is ready: (http://127\.0\.0\.1:(\d+)/store/encore-tiny/apps/encore)$", re.MULTILINE)
PATIENCE = 90


@pytest.fixture
def encore(tmp_path: Path) -> Path:
    """A command that behaves like `encore serve`."""
    command = tmp_path / "encore"
    script = Path(__file__).with_name("fake_encore.py")
    command.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} {script} "$@"\n')
    command.chmod(0o755)
    return command


@contextmanager
def demo(encore: Path, *more: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a person starts it, at random ports, with the tiny shop."""
    command = [
        sys.executable,
        "-m",
        "sandbox.demo",
        "--home",
        str(encore.parent / "home"),
        "--app-command",
        str(encore),
    ]
    command += ["--shop", f"{TINY}=tiny", *more]
    if "--base-port" not in more:
        command += ["--app-port", "0", "--base-port", "0"]
    pipe = subprocess.PIPE
    everything = os.environ | environment
    with subprocess.Popen(command, cwd=REPOSITORY, env=everything, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def children(home: Path) -> list[tuple[int, str]]:
    """Process id and start time of the demo's children."""
    return [(c["pid"], c["began"]) for c in json.loads((home / "children.json").read_text())["children"]]


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(text):
            return
    raise AssertionError(f"{text!r} was never said: {process.stderr.read() if process.stderr else ''}")


def kept_secrets(home: Path) -> list[str]:
    lines = (home / "local.env").read_text().splitlines()
    return [line for line in lines if line.startswith(("ENCORE_KEYS", "ENCORE_PEPPER"))]


class TestDemo:
    def test_says_once_that_it_is_ready_and_leaves_taken_ports_alone(self, encore: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            with demo(encore, "--once", "--app-port", port, "--base-port", port) as process:
                out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        [(_, admin)] = READY.findall(out)
        assert admin != port
        assert "orders: done 5 of 5 orders" in out
        assert not (encore.parent / "home/children.json").exists()

    def test_names_the_part_that_died_and_shows_its_last_words(self, encore: Path) -> None:
        with demo(encore, FAKE_ENCORE="dies") as process:
            wait_for(process, "Sandbox is up")
            started = children(encore.parent / "home")
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "encore ended with exit code 4" in err
        assert "the disk is full" in err
        assert [start_time(pid) for pid, _ in started] == [None]

    def test_recovers_from_kill_9_keeps_its_keys_and_ends_cleanly(self, encore: Path) -> None:
        home = encore.parent / "home"
        with demo(encore) as first:
            wait_for(first, "Encore is ready")
            secret = kept_secrets(home)
            orphans = children(home)
            with demo(encore) as second:
                _, err = second.communicate(timeout=PATIENCE)
            assert (second.returncode, "already running: http://127.0.0.1" in err) == (3, True)
            first.kill()
            first.wait()
        with demo(encore) as third:
            wait_for(third, "Encore is ready")
            until(lambda: all(start_time(pid) != began for pid, began in orphans), "the orphans' end")
            assert kept_secrets(home) == secret
            assert oct((home / "local.env").stat().st_mode)[-3:] == "600"
            running = children(home)
            third.send_signal(signal.SIGINT)
            third.communicate(timeout=PATIENCE)
        assert third.returncode == 0
        assert all(start_time(pid) != began for pid, began in running)
