"""Downloads that are made again every day or week."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import Conflict, Invalid, NotFound
from app.services import export_schedules, export_segment, segments
from app.services.export_segment_files import folder
from app.store.models.customers import Customer
from tests.standins import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.segments.conftest import SmallShop


@pytest.fixture
def segment(shop: SmallShop) -> int:
    rule = {"v": 1, "match": {"did": "ordered", "count": {"op": "gte", "n": 0}}}
    return segments.create(shop.rooms, shop.ctx, "Everybody", rule)


@pytest.fixture
def exports(shop: SmallShop, tmp_path: Path) -> Path:
    """The installation has a folder for scheduled files."""
    shop.rooms = dataclasses.replace(shop.rooms, settings=settings_for(tmp_path, export_dir=tmp_path / "out"))
    return tmp_path / "out"


def schedule(shop: SmallShop, segment: int, **changes: Any) -> dict[str, Any]:
    given = {"every": "day", "weekday": None, "hour": 6, "destination": "link", **changes}
    return export_schedules.create(shop.rooms, shop.ctx, segment, export_segment.options("meta"), **given)


def pass_and_run(shop: SmallShop, **by: int) -> list[str]:
    """Let time pass and run what is due then, as the scheduler and the job do."""
    shop.clock.advance(timedelta(**by))
    due = export_schedules.due(shop.rooms, shop.ctx)
    for key in due:
        export_schedules.run(shop.rooms, shop.ctx, key)
    return due


def only(shop: SmallShop, segment: int) -> dict[str, Any]:
    (found,) = export_schedules.of_segment(shop.rooms, shop.ctx, segment)
    return found


class TestASchedule:
    def test_makes_a_download_at_its_hour_of_the_shops_clock(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment)
        assert made["next_at"] == datetime(2026, 11, 21, 11, tzinfo=UTC)  # six in New York
        assert pass_and_run(shop, hours=19) == []
        assert pass_and_run(shop, hours=1) == [f"sch_{made['id']}"]
        (export,) = export_segment.log(shop.rooms, shop.ctx, segment)
        assert (export["schedule_id"], export["state"], export["rows"]) == (made["id"], "ready", 55)
        after = only(shop, segment)
        assert after["next_at"] == datetime(2026, 11, 22, 11, tzinfo=UTC)
        assert (after["last_export_id"], after["problem"]) == (export["id"], None)

    def test_asked_twice_makes_one(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment)
        pass_and_run(shop, days=1)
        export_schedules.run(shop.rooms, shop.ctx, f"sch_{made['id']}")
        assert len(export_segment.log(shop.rooms, shop.ctx, segment)) == 1

    def test_that_missed_days_makes_one_file_not_several(self, shop: SmallShop, segment: int) -> None:
        schedule(shop, segment)
        pass_and_run(shop, days=5)
        assert pass_and_run(shop, minutes=5) == []
        assert len(export_segment.log(shop.rooms, shop.ctx, segment)) == 1

    def test_uses_the_consent_of_its_moment(self, shop: SmallShop, segment: int) -> None:
        schedule(shop, segment)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 31)).email_consent = "UNSUBSCRIBED"
        pass_and_run(shop, days=1)
        assert export_segment.log(shop.rooms, shop.ctx, segment)[0]["rows"] == 54

    def test_of_a_week_comes_on_its_day(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment, every="week", weekday=0)
        assert made["next_at"] == datetime(2026, 11, 23, 11, tzinfo=UTC)
        with pytest.raises(Invalid, match="day of the week"):
            schedule(shop, segment, every="week")

    def test_paused_makes_nothing_and_goes_on_with_its_next_time(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment)
        export_schedules.pause(shop.rooms, shop.ctx, segment, made["id"])
        assert pass_and_run(shop, days=3) == []
        resumed = export_schedules.resume(shop.rooms, shop.ctx, segment, made["id"])
        assert (resumed["state"], resumed["next_at"]) == ("active", datetime(2026, 11, 24, 11, tzinfo=UTC))

    def test_deleted_is_gone_and_its_downloads_stay_in_the_log(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment)
        pass_and_run(shop, days=1)
        export_schedules.delete(shop.rooms, shop.ctx, segment, made["id"])
        assert pass_and_run(shop, days=1) == []
        assert len(export_segment.log(shop.rooms, shop.ctx, segment)) == 1
        with pytest.raises(NotFound):
            export_schedules.pause(shop.rooms, shop.ctx, segment, made["id"])

    def test_is_a_use_of_its_segment(self, shop: SmallShop, segment: int) -> None:
        schedule(shop, segment)
        with pytest.raises(Conflict, match="Meta file, every day"):
            segments.delete(shop.rooms, shop.ctx, segment)

    def test_whose_segment_is_gone_stops_and_says_so(self, shop: SmallShop, segment: int) -> None:
        made = schedule(shop, segment)
        export_schedules.pause(shop.rooms, shop.ctx, segment, made["id"])
        with shop.rooms.store.session(shop.ctx) as session:
            found = segments.found(session, shop.ctx, segment)
            found.deleted_at = shop.clock.now()
        with shop.rooms.store.session(shop.ctx) as session:
            row = session.get_one(export_schedules.ExportSchedule, (shop.ctx.shop_id, made["id"]))
            row.state = "active"
        pass_and_run(shop, days=1)
        with shop.rooms.store.reading(shop.ctx) as session:
            row = session.get_one(export_schedules.ExportSchedule, (shop.ctx.shop_id, made["id"]))
        assert (row.state, row.reason) == ("stopped", "Its segment was deleted.")
        assert pass_and_run(shop, days=1) == []


class TestAFailure:
    def test_is_kept_and_the_next_time_tries_again(
        self, shop: SmallShop, segment: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schedule(shop, segment)
        with monkeypatch.context() as broken:
            broken.setattr(export_segment, "members_of", lambda *_: [])
            pass_and_run(shop, days=1)
        assert "no members" in only(shop, segment)["problem"]
        pass_and_run(shop, days=1)
        assert only(shop, segment)["problem"] is None

    def test_by_a_killed_process_is_ended_by_the_job_that_comes_again(
        self, shop: SmallShop, segment: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = schedule(shop, segment)

        class Killed(BaseException):
            pass

        def killed(*_: Any) -> None:
            raise Killed

        with monkeypatch.context() as dying:
            dying.setattr(export_segment, "prepare", killed)
            with pytest.raises(Killed):
                pass_and_run(shop, days=1)
        assert export_segment.log(shop.rooms, shop.ctx, segment)[0]["state"] == "preparing"
        export_schedules.run(shop.rooms, shop.ctx, f"sch_{made['id']}")
        (export,) = export_segment.log(shop.rooms, shop.ctx, segment)
        assert export["state"] == "ready"
        assert only(shop, segment)["last_export_id"] == export["id"]


class TestAFolder:
    def test_gets_the_file_in_the_clear_and_nothing_else_keeps_it(
        self, shop: SmallShop, exports: Path, segment: int
    ) -> None:
        schedule(shop, segment, destination="file")
        pass_and_run(shop, days=1)
        (export,) = export_segment.log(shop.rooms, shop.ctx, segment)
        file = exports / "first-myshopify-com" / export["filename"]
        assert export["delivered_to"] == str(file)
        assert len(file.read_bytes().splitlines()) == 56
        assert [path.name for path in file.parent.iterdir()] == [export["filename"]]
        assert list(folder(shop.rooms, shop.ctx).iterdir()) == []
        assert not export["can_be_fetched"]

    def test_that_is_not_configured_is_refused(self, shop: SmallShop, segment: int) -> None:
        with pytest.raises(Invalid, match="ENCORE_EXPORT_DIR"):
            schedule(shop, segment, destination="file")

    def test_that_cannot_be_written_is_a_problem_in_words(self, shop: SmallShop, exports: Path, segment: int) -> None:
        exports.write_text("a file where the folder should be", encoding="utf-8")
        schedule(shop, segment, destination="file")
        pass_and_run(shop, days=1)
        assert "could not be written" in only(shop, segment)["problem"]
