"""The benchmark of segments runs, small, and its hand-written SQL counts what Encore counts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.segments import by_hand, figures, run
from benchmarks.segments.shop import build_shop

if TYPE_CHECKING:
    from pathlib import Path


def test_every_part_measures_its_figures_on_a_small_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encore, _ = build_shop(tmp_path, 2_000, 200)
    encore.rooms.store.close()
    found: dict[str, float] = {}
    for part in run.PARTS:
        monkeypatch.setattr(sys, "argv", ["bench", str(tmp_path), part])
        (by_hand if part == "by_hand" else figures).main()
        found |= json.loads((tmp_path / f"{part}.json").read_text())
    capsys.readouterr()
    assert set(run.MUST) <= set(found)
    assert found["segments"] >= 45
    assert found["export, rows"] == 2_000
    assert found["by hand in DuckDB, usual, p50"] > 0


def test_a_wrong_yardstick_is_no_yardstick() -> None:
    with pytest.raises(SystemExit, match="counts 2 where Encore counts 1"):
        by_hand._measure("Slow SQL", lambda _sql: 2, {"usual": ["SELECT 2"]}, {"usual": [1]})
