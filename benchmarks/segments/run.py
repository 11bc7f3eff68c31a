"""Segments of a giant shop against what they must take, and against SQL written by hand on the same data.

    python -m benchmarks.segments.run [--customers 1000000] [--smaller 100000] [--folder .encore/bench] [--keep]

The smaller shop is only there for how each figure grows. Exit code 1 if a figure misses its must.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure

PARTS = ("refresh", "incremental", "preview", "pages", "export", "by_hand")
FULL = 1_000_000
MUST = {
    "preview, usual, p50": 50.0,
    "preview, popular product, p50": 150.0,
    "preview, six conditions, nested, p50": 300.0,
    "full refresh, s": 60.0,
    "full refresh, GB": 1.5,
    "incremental refresh, s": 20.0,
    "segments list, p95": 300.0,
    "segment page, p95": 300.0,
    "member page, p95": 300.0,
    "export in Meta's format, s": 30.0,
}


def measured(folder: Path, customers: int) -> dict[str, float]:
    """All parts of one shop, each in a process of its own; the shop is built if the folder has none."""
    if not (folder / "built").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _apart("benchmarks.segments.shop", str(folder), str(customers))
        (folder / "built").touch()
    found: dict[str, float] = {}
    for part in PARTS:
        module = "benchmarks.segments.by_hand" if part == "by_hand" else "benchmarks.segments.figures"
        _apart(module, str(folder), part)
        found |= json.loads((folder / f"{part}.json").read_text())
    return found


def _apart(module: str, *arguments: str) -> None:
    """Run a module in a process of its own. The shop is built in one too: a child's peak counts from its parent's."""
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ourselves


def main() -> int:
    """Print the table; 1 if a figure misses its must."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--customers", type=int, default=FULL)
    asked.add_argument("--smaller", type=int, default=FULL // 10, help="0: measure no growth")
    asked.add_argument("--folder", type=Path, default=Path(".encore/bench"))
    asked.add_argument("--keep", action="store_true", help="keep the shops for the next run")
    given = asked.parse_args()
    found = measured(given.folder / str(given.customers), given.customers)
    less = measured(given.folder / str(given.smaller), given.smaller) if given.smaller else {}
    factor = given.customers / given.smaller if given.smaller else 0
    print(f"{given.customers:,} customers; growth from {given.smaller:,} (x{factor:g})\n")
    print(f"{'figure':<52} {'measured':>10} {'must':>8} {'growth':>8}")
    missed = 0
    for name, value in found.items():
        must = MUST.get(name)
        held = must is None or Figure(name, value, must, at_most=True).holds
        missed += not held
        growth = f"x{value / less[name]:.1f}" if less.get(name) else ""
        limit = "" if must is None else f"{must:g}"
        print(f"{name:<52} {value:>10,.2f} {limit:>8} {growth:>8}{'' if held else '  MISSED'}", flush=True)
    if not given.keep:
        shutil.rmtree(given.folder, ignore_errors=True)
    return int(missed > 0 and given.customers >= FULL)


if __name__ == "__main__":
    sys.exit(main())
