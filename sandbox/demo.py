"""`make run`: Encore and its sandbox, from nothing to a shop that is imported and refreshed.

    python -m sandbox.demo [--home .encore] [--once]

Starts the stand-ins and `encore serve`, opens the app as the Shopify admin would, follows the import over
the app's own HTTP API, and prints one line with the address. Ctrl-C ends everything.
"""

import argparse
import base64
import fcntl
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import httpx

from sandbox.options import DEFAULT_BASE_PORT, SERVICES, SandboxOptions
from sandbox.processes import Child, Children, free_port
from sandbox.shopify.install import DEMO_USER_ID, signed_launch_query
from sandbox.shopify.tokens import mint_id_token

ROOT = Path(__file__).resolve().parents[1]
APP_PORT = 4000
START_SECONDS, IMPORT_SECONDS = 300.0, 3600.0
POLL_SECONDS = 0.25
NEEDED = ("shopify", "admin")
SECRETS = ("ENCORE_KEYS", "ENCORE_PEPPER")
SETTINGS_FILE = "local.env"  # `encore` reads .encore/local.env by itself


class Failed(Exception):
    """The demo cannot go on; the message tells the person why."""


class Stopped(Exception):
    """The person, or the system, asked for the end."""


@dataclass(frozen=True)
class Plan:
    """Where everything is: folders, ports, and the shop that is opened."""

    home: Path
    app_port: int
    options: SandboxOptions
    shop: str

    @property
    def sandbox_state(self) -> Path:
        """What the stand-ins remember."""
        return self.home / "sandbox"

    @property
    def app_url(self) -> str:
        """Encore's address."""
        return self.options.app_url

    @property
    def ready_url(self) -> str:
        """The address of Encore within the stand-in for Shopify's admin."""
        return f"{self.options.url('admin')}/store/{self.shop.split('.')[0]}/apps/encore"


def make_plan(home: Path, host: str, app_port: int, base_port: int, shops: dict[str, str]) -> Plan:
    """Choose ports, others than wanted where those are taken; a base port of 0 takes any that are free."""
    taken: set[int] = set()
    app = free_port(host, app_port, taken)
    wanted = range(base_port, base_port + len(SERVICES)) if base_port else [0] * len(SERVICES)
    ports = {name: free_port(host, port, taken) for name, port in zip(SERVICES, wanted, strict=True)}
    options = SandboxOptions(
        app_url=f"http://{host}:{app}",
        host=host,
        ports=ports,
        shops=shops,
        admin_origin=f"http://{host}:{ports['admin']}",
    )
    return Plan(home, app, options, next(iter(shops)))


def demo_secrets(path: Path) -> dict[str, str]:
    """The key ring and pepper of this folder: made once, kept, readable by the owner only."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = dict(line.split("=", 1) for line in lines if line.startswith(SECRETS) and "=" in line)
    if len(kept) < len(SECRETS):
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        kept = {"ENCORE_KEYS": f"1:{key}", "ENCORE_PEPPER": secrets.token_hex(32)} | kept
    return kept


def write_settings(path: Path, settings: dict[str, str]) -> None:
    """Keep the settings of this start where `encore` on the command line finds them too."""
    aside = path.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text("".join(f"{name}={value}\n" for name, value in settings.items() if name.startswith("ENCORE_")))
    aside.replace(path)  # whole or not at all: a lost key would make the store unreadable


def app_environment(plan: Plan, secret: dict[str, str]) -> dict[str, str]:
    """Encore's settings for the demo, over the environment of this process."""
    o = plan.options
    settings = {
        "ENV": "development", "DATA_DIR": str(plan.home / "data"), "HOST": o.host, "PORT": str(plan.app_port),
        "PUBLIC_URL": plan.app_url, "SHOPIFY_API_KEY": o.api_key, "SHOPIFY_API_SECRET": o.api_secret,
        "SHOPIFY_API_URL": o.url("shopify"), "ADMIN_ORIGIN": o.admin_origin,
        "APP_BRIDGE_URL": f"{o.url('admin')}/shims/app-bridge.js", "POLARIS_URL": f"{o.url('admin')}/shims/polaris.js",
        "KLAVIYO_URL": o.url("klaviyo"), "MAILCHIMP_URL": o.url("mailchimp"),
        "SMTP_URL": f"smtp://{o.host}:{o.ports['smtp']}", "CLOCK_FILE": str(plan.sandbox_state / "clock.json"),
        "DNS_SERVER": f"{o.host}:{o.ports['dns']}",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}
    return {**kept, **{f"ENCORE_{name}": value for name, value in settings.items()}, **secret}


@dataclass
class Watch:
    """Prints each step with the seconds it took."""

    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        """A finished step."""
        now = time.monotonic()
        self.say(f"{text}  ({now - self.last:.1f} s)")
        self.last = now

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began


class Demo:
    """One run of the demo."""

    def __init__(self, plan: Plan, children: Children, say: Callable[[str], None]) -> None:
        self.plan, self.children, self.say = plan, children, say
        self.watch = Watch(say)
        self.client = httpx.Client(timeout=60, follow_redirects=False)

    def run(self, app_command: list[str]) -> None:
        """From nothing to ready. Failed says which part ended, with the last lines of its log."""
        self._start_sandbox()
        self._start_app(app_command)
        self._open()
        self._follow()

    def hold(self) -> None:
        """Stay until a child ends (Failed) or someone asks for the end (Stopped)."""
        while True:
            self._check()
            time.sleep(POLL_SECONDS)

    def _start_sandbox(self) -> None:
        o, state = self.plan.options, self.plan.sandbox_state
        record = state / "sandbox.json"
        record.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "sandbox.serve",
            "--state",
            str(state),
            "--app-url",
            o.app_url,
            "--host",
            o.host,
        ]
        command += [part for name, port in o.ports.items() for part in ("--port", f"{name}={port}")]
        command += [part for domain, kind in o.shops.items() for part in ("--shop", f"{domain}={kind}")]
        self.children.start("sandbox", command, {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})
        self._until(record.exists, START_SECONDS, "the sandbox did not start")
        started = json.loads(record.read_text())["started"]
        missing = [name for name in NEEDED if name not in started]
        if missing:
            raise Failed(f"the sandbox started without {' and '.join(missing)}:\n{self.children.running[0].tail()}")
        self.watch.step(f"Sandbox is up: {', '.join(started)}")

    def _start_app(self, command: list[str]) -> None:
        file = self.plan.home / SETTINGS_FILE
        environment = app_environment(self.plan, demo_secrets(file))
        write_settings(file, environment)
        self.children.start("encore", command, environment)

        def healthy() -> bool:
            try:
                return self.client.get(f"{self.plan.app_url}/healthz").is_success
            except httpx.HTTPError:
                return False

        self._until(healthy, START_SECONDS, "Encore did not start")
        self.watch.step("Encore is up")

    def _open(self) -> None:
        """Load the app's document as the admin's frame does: the first time, this installs it."""
        query = signed_launch_query(self.plan.shop, options=self.plan.options)
        answer = self.client.get(self.plan.app_url + "/", params=query)
        if not answer.is_success:
            raise Failed(f"Encore did not open: HTTP {answer.status_code}\n{self._logs()}")
        self.watch.step(f"Encore is installed in {self.plan.shop}")

    def _follow(self) -> None:
        shown: dict[str, str] = {}
        until = time.monotonic() + IMPORT_SECONDS
        phase = ""
        while time.monotonic() < until:
            self._check()
            progress = self._progress()
            if progress:
                self._show(progress, shown)
                if progress["phase"] not in ("waiting", phase):
                    phase = progress["phase"]
                if phase == "ready":
                    self.watch.step("Imported and refreshed")
                    return
                if phase == "failed":
                    raise Failed(f"the import failed: {progress.get('message', '')}\n{self._logs()}")
            time.sleep(POLL_SECONDS)
        raise Failed(f"the import did not end within {IMPORT_SECONDS / 60:.0f} minutes\n{self._logs()}")

    def _progress(self) -> dict[str, Any] | None:
        o = self.plan.options
        token = mint_id_token(self.plan.shop, DEMO_USER_ID, api_key=o.api_key, api_secret=o.api_secret)
        try:
            answer = self.client.get(f"{self.plan.app_url}/api/progress", headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError:
            return None  # busy; a process that died is noticed by its exit
        return answer.json() if answer.is_success else None

    def _show(self, progress: dict[str, Any], shown: dict[str, str]) -> None:
        """A line for each step when its state changes, and now and then while it counts."""
        for step in progress.get("steps", []):
            total = f" of {step['total']:,}" if step.get("total") else ""
            counted = f" {step['done']:,}{total} {step.get('unit') or ''}".rstrip() if step.get("done") else ""
            # a line per tenth of a step, so that a log stays readable
            tenth = 10 * (step.get("done") or 0) // step["total"] if step.get("total") else ""
            mark = f"{step['state']} {tenth}"
            if shown.get(step["name"]) != mark:
                shown[step["name"]] = mark
                self.say(f"  {self.watch.total:6.1f} s  {step['name']}: {step['state']}{counted}")

    def _until(self, done: Callable[[], bool], seconds: float, complaint: str) -> None:
        until = time.monotonic() + seconds
        while not done():
            self._check()
            if time.monotonic() > until:
                raise Failed(f"{complaint} within {seconds:.0f} s\n{self._logs()}")
            time.sleep(POLL_SECONDS)

    def _check(self) -> None:
        dead = self.children.dead()
        if dead:
            raise Failed(_obituary(dead))

    def _logs(self) -> str:
        return "\n".join(f"last lines of {child.log}:\n{child.tail()}" for child in self.children.running)


def _obituary(child: Child) -> str:
    code = child.process.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{child.name} {how}; last lines of {child.log}:\n{child.tail()}"


def _stop_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        # once: a second Ctrl-C must not cut the clean end short
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m sandbox.demo", description="Run Encore's demo.")
    p.add_argument("--home", type=Path, default=ROOT / ".encore", help="folder for the demo's data (default: .encore)")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--app-port", type=int, default=APP_PORT)
    p.add_argument("--base-port", type=int, default=DEFAULT_BASE_PORT, help="the first of the sandbox's seven ports")
    p.add_argument("--shop", action="append", default=[], metavar="DOMAIN=KIND", help="demo or tiny")
    p.add_argument("--once", action="store_true", help="end as soon as it is ready")
    p.add_argument("--app-command", default=str(Path(sys.executable).with_name("encore")), help=argparse.SUPPRESS)
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the demo until it is asked to end; returns the exit code."""
    arguments = parser().parse_args(argv)
    home: Path = arguments.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("a+")
    try:
        # held while we live and dropped by the kernel however we die: no stale pid file can lock anyone out
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        print(f"The demo is already running: {lock.read().strip() or 'it is starting'}", file=sys.stderr)
        return 3
    children = Children(home / "logs", home / "children.json")
    _stop_on_signals()
    code = 0
    try:
        if left := children.recover():
            print(f"Ended what an earlier run had left: {', '.join(left)}", flush=True)
        shops = dict(item.split("=", 1) for item in arguments.shop) or {"encore-demo.myshopify.com": "demo"}
        plan = make_plan(home, arguments.host, arguments.app_port, arguments.base_port, shops)
        _remember(lock, plan.ready_url)
        demo = Demo(plan, children, lambda text: print(text, flush=True))
        demo.run([arguments.app_command, "serve"])
        print(
            f"Everything is up after {demo.watch.total:.1f} s. Ctrl-C ends it; logs are in {children.logs}.", flush=True
        )
        print(f"Encore is ready: {plan.ready_url}", flush=True)
        if not arguments.once:
            demo.hold()
    except Stopped:
        print("Stopping.", flush=True)
    except Failed as failed:
        print(f"The demo ended: {failed}", file=sys.stderr, flush=True)
        code = 1
    finally:
        children.stop()
        _remember(lock, "")
        lock.close()
    return code


def _remember(lock: Any, text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()


if __name__ == "__main__":
    sys.exit(main())
