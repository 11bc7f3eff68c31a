"""The two commands' promise: everything starts with one, ends with Ctrl-C, and survives kill -9."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.running_demo import RunningDemo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser  # it needs the built pages, as browser tests do


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path / "home", "tiny")
    yield running
    if running.process.poll() is None:
        running.kill()


def gone(running: RunningDemo) -> bool:
    """Whether every process of the demo ends within half a minute."""
    end = time.monotonic() + 30
    while running.children():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class TestTheDemo:
    def test_prints_one_line_with_its_address_and_ctrl_c_ends_all_of_it(self, demo: RunningDemo) -> None:
        demo.start()
        assert [line for line in demo.lines if line.startswith("Encore is ready")] == [f"Encore is ready: {demo.url}"]
        assert demo.api("/api/progress")["phase"] == "ready"
        assert len(demo.children()) >= 2
        assert demo.interrupt() == 0
        assert gone(demo)

    def test_started_again_imports_nothing_twice(self, demo: RunningDemo) -> None:
        demo.start()
        before = demo.api("/api/dashboard")
        demo.interrupt()
        assert gone(demo)
        demo.start()
        after = demo.api("/api/dashboard")
        assert after["health"]["last_import"] == before["health"]["last_import"]
        assert after["run_id"] == before["run_id"]
        demo.interrupt()

    def test_killed_with_everything_running_it_recovers(self, demo: RunningDemo) -> None:
        demo.start()
        counts = demo.api("/api/dashboard")
        assert len(demo.children()) >= 2
        demo.kill()
        assert gone(demo)
        demo.start()
        after = demo.api("/api/dashboard")
        assert after["customers"] == counts["customers"]
        assert demo.interrupt() == 0
        assert gone(demo)
