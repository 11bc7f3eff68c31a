"""Taking a segment's members out of Encore: by the page and by the command line, for people and for Meta."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import all_segments, whole
from tests.e2e.journey.main_job import encore as command_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

    Open = Callable[[str], FrameLocator]

pytestmark = pytest.mark.browser
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def segment(demo: RunningDemo, key: str) -> dict[str, Any]:
    (found,) = [row for row in all_segments(demo) if row["key"] == key]
    return found


def download(page: Page, app: FrameLocator, choice: str | None = None) -> tuple[str, bytes]:
    """Choose in the panel and take the file."""
    if choice:
        app.get_by_role("radio", name=re.compile(choice)).click()
    with page.expect_download() as started:
        app.get_by_role("button", name="Download", exact=True).last.click()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


class TestDownloadByThePage:
    def test_plain_holds_every_reachable_member_with_the_reason(
        self, page: Page, demo: RunningDemo, encore: Open
    ) -> None:
        row = segment(demo, "auto:vip")
        app = encore(f"/segments/{row['id']}")
        expect(app.get_by_role("heading", name="How these customers behave")).to_be_visible()
        page.locator("#actions").get_by_role("button", name="Download").click()
        name, content = download(page, app)
        rows = read(content)
        made = demo.api(f"/api/segments/{row['id']}/exports")["items"][0]
        assert made["format"] == "plain"
        assert made["filename"] == name
        assert made["members"] == row["size"]
        assert len(rows) == made["rows"] == made["members"] - sum(one["count"] for one in made["exclusions"])
        expect(app.get_by_text(f"{made['rows']:,} customers saved to {name}")).to_be_visible()
        for one in made["exclusions"]:
            expect(app.get_by_text(re.compile(rf"less .*{one['count']:,} \({one['label'].lower()}\)"))).to_be_visible()

    def test_meta_holds_one_row_per_member_and_no_formula(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        row = segment(demo, "auto:loyal")
        app = encore(f"/segments/{row['id']}")
        expect(app.get_by_role("heading", name="How these customers behave")).to_be_visible()
        page.locator("#actions").get_by_role("button", name="Download").click()
        _, content = download(page, app, "Meta customer list")
        rows = read(content)
        made = demo.api(f"/api/segments/{row['id']}/exports")["items"][0]
        assert made["format"] == "meta"
        assert len(rows) == made["rows"] == row["size"] - sum(one["count"] for one in made["exclusions"])
        assert {"email", "fn", "ln"} <= set(rows[0])
        assert len({one["email"] for one in rows}) == len(rows)
        assert not [cell for one in rows for cell in one.values() if cell.startswith(FORMULA)]


class TestDownloadByTheCommandLine:
    @pytest.mark.parametrize("file_format", ["plain", "meta", "google", "tiktok"])
    def test_rows_are_the_size_less_the_exclusions(self, demo: RunningDemo, tmp_path: Path, file_format: str) -> None:
        row = segment(demo, "auto:explorers")
        out = tmp_path / "explorers.csv"
        done = command_line(
            demo, "segments", demo.name, "--key", row["key"], "--out", str(out), "--format", file_format, "--json"
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        rows = read(out.read_bytes())
        assert answer["members"] == row["size"]
        assert len(rows) == answer["rows"] == row["size"] - sum(one["count"] for one in answer["exclusions"])
        if file_format != "plain":
            assert not [cell for one in rows for cell in one.values() if cell.startswith(FORMULA)]

    def test_an_unknown_key_leaves_no_file(self, demo: RunningDemo, tmp_path: Path) -> None:
        done = command_line(demo, "segments", demo.name, "--key", "auto:nobody", "--out", str(tmp_path / "none.csv"))
        assert done.returncode != 0
        assert list(tmp_path.iterdir()) == []

    def test_the_list_is_the_page_s(self, demo: RunningDemo) -> None:
        done = command_line(demo, "segments", demo.name, "--json")
        printed = {row["key"]: row["size"] for row in json.loads(done.stdout)["segments"] if row["key"]}
        assert printed == {row["key"]: row["size"] for row in all_segments(demo) if row["key"]}

    def test_a_rule_is_counted_as_the_builder_does(self, demo: RunningDemo, tmp_path: Path) -> None:
        rule = {"v": 1, "match": {"all": [{"attr": "orders.count", "op": "gte", "value": 100}, {"reachable": "email"}]}}
        (tmp_path / "rule.json").write_text(json.dumps(rule), encoding="utf-8")
        done = command_line(demo, "segments", demo.name, "--rule", str(tmp_path / "rule.json"), "--json")
        answer = json.loads(done.stdout)
        counted = demo.ask("POST", "/api/segments/preview", json={"rule": rule}).json()
        assert (answer["count"], answer["reachable"]) == (counted["count"], counted["reachable"])
        assert answer["count"] == answer["reachable"] > 0
        assert whole(answer["sentence"]) > 0
