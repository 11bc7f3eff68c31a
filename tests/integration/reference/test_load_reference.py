"""`encore load-reference`: a table for the whole installation, whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from structlog.testing import capture_logs

from app.cli import main
from app.errors import Invalid
from app.services.reference_income import incomes, load_income, loaded_income
from app.services.rooms import Rooms
from app.store.models.demographics import AreaIncome, Estimate
from tests.conftest import SHARED, add_shop
from tests.fakes import FakeClock, FakeJobs

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.store.session import Store

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


@pytest.fixture
def rooms(store: Store) -> Rooms:
    nothing = cast("Any", None)
    return Rooms(nothing, FakeClock(NOW), store, nothing, nothing, FakeJobs(), nothing, nothing, nothing)


def written(folder: Path, incomes: range = range(20_000, 80_000, 500), name: str = "ACSDT5Y2022.B19013.csv") -> Path:
    """A table of one area per income, from ZIP 10000 on."""
    rows = [f"{10_000 + k},{income},{income // 10}" for k, income in enumerate(incomes)]
    path = folder / name
    path.write_text("\n".join(["zcta,median_household_income,margin", *rows]))
    return path


def stored(rooms: Rooms) -> int:
    with rooms.store.operator_session(writing=False) as session:
        return session.scalar(select(func.count()).select_from(AreaIncome)) or 0


class TestLoadingATable:
    def test_the_whole_installation_has_it_with_source_years_and_date(self, rooms: Rooms, tmp_path: Path) -> None:
        loaded = load_income(rooms, written(tmp_path))
        assert loaded.new
        with rooms.store.operator_session(writing=False) as session:
            table, by_area = loaded_income(session), incomes(session)
        assert table is not None
        assert (table.source, table.vintage, table.rows) == ("ACSDT5Y2022.B19013.csv", "2018-2022", 120)
        assert table.loaded_at == NOW
        assert table.detail == {"limits": [32_000, 44_000, 56_000, 68_000], "margins": 1.0}
        assert by_area["10000"] == (20_000, 2_000)

    def test_the_same_table_again_changes_nothing(self, rooms: Rooms, tmp_path: Path) -> None:
        load_income(rooms, written(tmp_path))
        cast("FakeClock", rooms.clock).advance(timedelta(days=1))
        again = load_income(rooms, written(tmp_path, name="the_same.csv"))
        assert not again.new
        assert again.table.loaded_at == NOW

    def test_another_one_takes_its_place_whole(self, rooms: Rooms, tmp_path: Path) -> None:
        load_income(rooms, written(tmp_path))
        assert load_income(rooms, written(tmp_path, range(20_000, 70_000, 500))).new
        assert stored(rooms) == 100

    def test_a_fault_in_the_last_row_leaves_the_old_one_whole(self, rooms: Rooms, tmp_path: Path) -> None:
        load_income(rooms, written(tmp_path))
        broken = tmp_path / "broken.csv"
        broken.write_text(written(tmp_path, range(30_000, 90_000, 500)).read_text() + "\n99999,much,1\n")
        with pytest.raises(Invalid, match=r"Row 122, column median_household_income: is “much”.*Nothing was loaded"):
            load_income(rooms, broken)
        with rooms.store.operator_session(writing=False) as session:
            assert incomes(session)["10000"] == (20_000, 2_000)

    @pytest.mark.parametrize("few", [range(20_000, 30_000, 500), range(20_000, 20_000, 1)])
    def test_too_few_areas_make_no_fifths(self, rooms: Rooms, tmp_path: Path, few: range) -> None:
        with pytest.raises(Invalid, match="at least 100"):
            load_income(rooms, written(tmp_path, few))
        assert stored(rooms) == 0

    def test_shops_that_estimate_by_it_are_classified_anew_others_not(
        self, rooms: Rooms, ctx: ShopContext, tmp_path: Path
    ) -> None:
        add_shop(rooms.store, 2, "second.myshopify.com")
        with rooms.store.session(ctx) as session:
            session.add(Estimate(shop_id=ctx.shop_id, name="area_income", enabled_at=NOW))
        load_income(rooms, written(tmp_path))
        load_income(rooms, written(tmp_path))
        asked = cast("FakeJobs", rooms.jobs).asked
        assert [(shop, job) for shop, job, _ in asked] == [(1, "refresh")]

    @pytest.mark.skipif(not (SHARED / "data" / "zip_income_us").exists(), reason="the public table stands elsewhere")
    def test_the_public_table_of_2022(self, rooms: Rooms) -> None:
        loaded = load_income(rooms, SHARED / "data" / "zip_income_us" / "zip_income_us.parquet", "2018-2022")
        assert loaded.table.rows == 30_621
        assert loaded.table.detail == {"limits": [50_417, 61_250, 72_917, 91_398], "margins": 0.0}


class TestTheCommand:
    def run(self, rooms: Rooms, *arguments: str) -> Any:
        with capture_logs():
            return CliRunner().invoke(main, ["load-reference", *arguments])

    @pytest.fixture(autouse=True)
    def _wired(self, rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.cli._encore", lambda: SimpleNamespace(rooms=rooms))

    def test_it_says_what_was_loaded(self, rooms: Rooms, tmp_path: Path) -> None:
        answer = self.run(rooms, "income", str(written(tmp_path)))
        assert answer.exit_code == 0, answer.output
        assert answer.output == (
            "income: 120 ZIP areas, loaded\n"
            "  source ACSDT5Y2022.B19013.csv, survey years 2018-2022, loaded 2026-11-20\n"
            "  limits of the fifths: $32,000, $44,000, $56,000, $68,000\n"
        )
        again = self.run(rooms, "income", str(written(tmp_path)), "--vintage", "2018-2022")
        assert again.output.startswith("income: 120 ZIP areas, already loaded, nothing changed\n")

    def test_a_bad_file_is_one_line_and_exit_1(self, rooms: Rooms, tmp_path: Path) -> None:
        path = tmp_path / "bad.csv"
        path.write_text("zcta,median_household_income\n601,17526\n")
        answer = self.run(rooms, "income", str(path))
        assert answer.exit_code == 1
        assert answer.output.startswith("encore: Row 2, column zcta: is “601”")
        assert answer.output.count("\n") == 1

    def test_only_known_tables_and_files_that_exist(self, rooms: Rooms, tmp_path: Path) -> None:
        assert self.run(rooms, "names", str(written(tmp_path))).exit_code == 2
        assert self.run(rooms, "income", str(tmp_path / "none.csv")).exit_code == 2
