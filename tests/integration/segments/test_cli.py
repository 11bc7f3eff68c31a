from __future__ import annotations

import csv
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from structlog.testing import capture_logs

from app.cli_segments import segments
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.segments.conftest import SmallShop


def run(shop: SmallShop, *arguments: str) -> Any:
    with capture_logs():  # the real command logs to stderr; its stdout is the answer alone
        return CliRunner().invoke(segments, ["first", *arguments], obj=lambda: SimpleNamespace(rooms=shop.rooms))


class TestSegmentsCommand:
    def test_it_lists_every_segment_as_json(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        answer = json.loads(run(shop, "--json").stdout)
        by_key = {row["key"]: row for row in answer["segments"]}
        assert by_key["auto:active"]["size"] > 0
        assert by_key["auto:gender"]["state"] == "off"
        assert answer["currency"] == "USD"
        assert answer["evaluated_at"] == "2026-11-20T15:30:00+00:00"

    def test_it_writes_a_segment_as_a_file(self, shop: SmallShop, tmp_path: Path) -> None:
        refresh_segments(shop)
        out = tmp_path / "active.csv"
        answer = json.loads(run(shop, "--key", "auto:active", "--out", str(out), "--format", "meta", "--json").stdout)
        with out.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == answer["rows"]
        assert answer["members"] == answer["rows"] + sum(row["count"] for row in answer["exclusions"])
        assert list(rows[0]) == ["email", "phone", "fn", "ln", "ct", "st", "zip", "country"]

    def test_it_counts_a_rule(self, shop: SmallShop, tmp_path: Path) -> None:
        rule = tmp_path / "rule.json"
        rule.write_text(json.dumps({"v": 1, "match": {"did": "ordered"}}))
        answer = json.loads(run(shop, "--rule", str(rule), "--json").stdout)
        assert (answer["count"], answer["reachable"]) == (50, 45)
        assert run(shop, "--rule", str(rule)).stdout == "50 customers, 45 reachable. Customers who ordered.\n"

    def test_key_and_out_belong_together(self, shop: SmallShop) -> None:
        assert run(shop, "--key", "auto:active").exit_code == 2
