"""Child processes that are never left behind: own process groups, logs to files, an end that ends all.

A child also gets SIGTERM from the kernel when this process dies without a word (kill -9); what survives
even that is named in a record and ended by the next start.
"""

import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.05
PORTS = range(20_000, 32_000)  # below what Linux takes by itself (net.ipv4.ip_local_port_range)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port(host: str, wanted: int, taken: set[int]) -> int:
    """`wanted` if it is free and not in `taken`, else another free port; adds it to `taken`.

    Never one that the kernel gives to outgoing connections: between this look and the server's start, any
    program's next connection could be given it.
    """
    others = random.sample(PORTS, 50)
    for port in [wanted, *others] if wanted else others:
        with socket.socket() as probe:
            # as the servers do: a port that lingers in TIME_WAIT after a restart counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, port))
                number = int(probe.getsockname()[1])
                if number not in taken:
                    taken.add(number)
                    return number
    raise OSError(f"no free port on {host}")


def start_time(pid: int) -> str | None:
    """When a process began, as the kernel counts it; None if it is gone. Tells a reused pid from its old owner."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[-1].split()[19]
    return None


@dataclass
class Child:
    """A started program."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@dataclass
class Children:
    """The programs of one demo; `record` remembers them for the next start."""

    logs: Path
    record: Path
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        """Start a program in a process group of its own, its output going to <logs>/<name>.log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment,
                start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads run yet
            )  # fmt: skip
        child = Child(name, process, log)
        self.running.append(child)
        self._write()
        return child

    def dead(self) -> Child | None:
        """A child that has ended by itself, or None."""
        return next((child for child in self.running if child.process.poll() is not None), None)

    def stop(self) -> None:
        """End all, last started first: SIGTERM to the program, and SIGKILL to its whole group after a grace.

        The program alone is asked, because it ends its own workers in its own order.
        """
        for child in reversed(self.running):
            if child.process.poll() is None:
                child.process.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for child in self.running:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - time.monotonic()))
            _signal_group(child.process.pid, signal.SIGKILL)  # also whatever it left behind in its group
            child.process.wait()
        self.running.clear()
        self.record.unlink(missing_ok=True)

    def recover(self) -> list[str]:
        """End what an earlier demo, killed without a word, may have left; returns the names."""
        with suppress(OSError, ValueError):
            left = json.loads(self.record.read_text())["children"]
            alive = [c for c in left if c["began"] is not None and start_time(c["pid"]) == c["began"]]
            for child in alive:
                with suppress(ProcessLookupError):
                    os.kill(child["pid"], signal.SIGTERM)
            until = time.monotonic() + GRACE_SECONDS
            while any(start_time(c["pid"]) == c["began"] for c in alive) and time.monotonic() < until:
                time.sleep(POLL_SECONDS)
            for child in alive:
                _signal_group(child["pid"], signal.SIGKILL)
            return [c["name"] for c in alive]
        return []

    def _write(self) -> None:
        children = [{"name": c.name, "pid": c.process.pid, "began": start_time(c.process.pid)} for c in self.running]
        self.record.write_text(json.dumps({"pid": os.getpid(), "children": children}))


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
