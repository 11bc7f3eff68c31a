"""What the tests of the main job use: waiting, reading lists, and the shop's history for SQL by hand."""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playwright.sync_api import expect
from pyroaring import BitMap

from app.lake.lake import Lake
from sandbox.demo import SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import duckdb
    from playwright.sync_api import FrameLocator, Locator, Page

    from app.domain.context import ShopContext
    from tests.e2e.running_demo import RunningDemo

PAGE = 200
ROOT = Path(__file__).parents[3]
Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = 90) -> Found:
    """What `look` finds, looking twice a second; an AssertionError names what never came."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        threading.Event().wait(0.5)


def heading(page: Page, text: str) -> None:
    """The admin's title bar names the page that is open."""
    expect(page.locator("#title").get_by_text(text, exact=True)).to_be_visible()


def shown(app: FrameLocator | Locator, label: str, value: int | str) -> None:
    """The figure of this label shows this value; the number 1234 stands as 1,234."""
    box = app.locator(f'.encore-figure:has(> .encore-figure-label:text-is("{label}"))').first
    expect(box).to_contain_text(f"{value:,}" if isinstance(value, int) else value)


def fresh() -> str:
    """A word that no earlier test of this demo used, for names that must be unique."""
    return secrets.token_hex(3)


def whole(text: str) -> int:
    """The first number of a text: "1,234 members" is 1234."""
    found = re.search(r"\d[\d,]*", text)
    assert found, f"no number in {text!r}"
    return int(found[0].replace(",", ""))


@dataclass
class Shop:
    """The published run with everything that tests compare: read once, from one run."""

    run_id: int
    as_of: datetime
    context: ShopContext
    segments: list[dict[str, Any]]
    rules: dict[str, dict[str, Any]]
    members: dict[str, frozenset[int]]
    connection: duckdb.DuckDBPyConnection

    def customers(self, sql: str) -> frozenset[int]:
        """The customer numbers that a query finds."""
        return frozenset(row[0] for row in self.connection.execute(sql).fetchall())


def all_segments(demo: RunningDemo) -> list[dict[str, Any]]:
    """Every segment in the list, over all its pages."""
    return list(pages(demo, "/api/segments"))


def pages(demo: RunningDemo, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """The items of a list that comes in pages."""
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = demo.api(path, limit=PAGE, **query, **more)
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def stored(demo: RunningDemo, sql: str, *values: int) -> list[tuple[Any, ...]]:
    """Rows of the running app's store, read beside it."""
    store = sqlite3.connect(f"file:{demo.home}/data/encore.sqlite3?mode=ro", uri=True)
    try:
        return store.execute(sql, values).fetchall()
    finally:
        store.close()


def members_of_run(demo: RunningDemo, context: ShopContext, run_id: int) -> dict[str, frozenset[int]]:
    """Who was in each automatic segment at that run, by its key. All of the API's pages would take a minute."""
    rows = stored(
        demo,
        """SELECT s.key, m.members FROM memberships m JOIN segments s ON s.shop_id = m.shop_id AND s.id = m.segment_id
           WHERE m.shop_id = ? AND m.run_id = ? AND s.key IS NOT NULL""",
        context.shop_id,
        run_id,
    )
    return {key: frozenset(BitMap.deserialize(blob)) for key, blob in rows}


def is_of_a_type(key: str) -> bool:
    """Whether an automatic segment is about any product of a type."""
    return ":type:" in key or ":type#" in key


def history(demo: RunningDemo, context: ShopContext, run_id: int) -> duckdb.DuckDBPyConnection:
    """The lake as that run read it, opened beside the running app, without the app's features."""
    ((tables,),) = stored(
        demo, "SELECT tables FROM snapshots WHERE shop_id = ? AND run_id = ?", context.shop_id, run_id
    )
    lake = Lake(demo.home / "data" / "lake")
    connection = lake.connect(context, json.loads(tables), lake.run_dir(context, run_id))
    connection.execute("DROP VIEW features")  # what it says is what these tests work out by themselves
    return connection


def encore(demo: RunningDemo, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Encore's command line on this demo, with the settings that the demo keeps for it."""
    lines = (demo.home / SETTINGS_FILE).read_text(encoding="utf-8").splitlines()
    own = dict(line.split("=", 1) for line in lines if "=" in line)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}
    command = [str(ROOT / ".venv/bin/encore"), *arguments]
    return subprocess.run(
        command, env=kept | own, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


def addresses(demo: RunningDemo, key: str, count: int) -> list[str]:
    """The e-mail addresses of the first reachable members of an automatic segment."""
    (row,) = [row for row in all_segments(demo) if row["key"] == key]
    found = [one["email"] for one in pages(demo, f"/api/segments/{row['id']}/members", reachable="true")]
    assert len(found) >= count
    return found[:count]
