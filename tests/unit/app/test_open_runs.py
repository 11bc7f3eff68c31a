"""Histories that stay open let go of everything when their process ends."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import gc, sys
from pathlib import Path
from app.domain.context import ShopContext
from app.lake.lake import Lake
from app.services.open_runs import OpenRuns

def ask(runs):
    with runs.history(Lake(Path(sys.argv[1])), ShopContext(1, "a", "USD", "UTC"), 1, {}) as connection:
        print(connection.execute("SELECT count(*) FROM orders").fetchall())

kept = OpenRuns()
ask(kept)
gc.callbacks.append(lambda *_: kept)  # held until after Python took everything else apart
"""


def test_a_process_ends_without_a_word(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    assert ended.stdout == "[(0,)]\n"
    assert ended.stderr == ""
