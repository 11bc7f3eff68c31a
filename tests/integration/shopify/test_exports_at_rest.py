"""Exports on disk hold personal data: none outlives its import, and none is read by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.services import erase, export_segment_files, runs
from app.shopify.importer import STEPS
from app.store.models.shops import Shop
from tests.standins import TINY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.standins import Connected


class DiskFull(Exception):
    pass


def full_disk(border: str) -> None:
    if border == "staged":
        raise DiskFull


def exports(encore: Connected) -> list[Path]:
    return [file for file in encore.rooms.settings.imports_dir.rglob("*") if file.is_file()]


class TestAnImportThatFails:
    def test_leaves_no_export_behind(self, encore: Connected) -> None:
        ctx = encore.install()
        with pytest.raises(DiskFull):
            encore.importer(full_disk).everything(ctx)
        assert exports(encore) == []


class TestAnImport:
    def test_never_takes_files_that_lie_in_its_way_for_its_own(self, encore: Connected) -> None:
        ctx = encore.install()
        stranger = encore.rooms.settings.imports_dir / "shop_1" / "run_1"
        stranger.mkdir(parents=True)
        for name in ("products", "customers", "orders"):
            (stranger / f"{name}.jsonl").write_text("")
        assert encore.importer().everything(ctx)["orders"] > 0
        assert exports(encore) == []

    def test_that_a_dead_process_began_is_resumed_in_the_folder_that_it_had(self, encore: Connected) -> None:
        ctx = encore.install()
        run = runs.begin(encore.rooms, ctx, "import", "bulk", STEPS)
        runs.note(encore.rooms, ctx, run.id, folder="0123456789abcdef", currency="USD", whole=True)
        seen: list[str] = []

        def look(border: str) -> None:
            if border == "staged":
                seen.extend(file.parent.name for file in exports(encore))

        encore.importer(look).everything(ctx)
        assert set(seen) == {f"run_{run.id}_0123456789abcdef"}


class TestAnErasedShop:
    @pytest.fixture
    def erased(self, encore: Connected) -> Connected:
        ctx = encore.install()
        encore.importer().everything(ctx)
        left = encore.rooms.settings.imports_dir / "shop_1" / "run_9"
        left.mkdir(parents=True)
        (left / "customers.jsonl").write_text("{}")
        export_segment_files.write(encore.rooms, ctx, 7, iter([b"email\r\n"]))
        encore.installer.uninstalled(ctx)
        erase.erase_shop(encore.rooms, ctx)
        return encore

    def test_leaves_neither_lake_nor_exports(self, erased: Connected) -> None:
        assert exports(erased) == []
        assert not (erased.rooms.settings.lake_dir / "shop_1").exists()
        assert not (erased.rooms.settings.kept_exports_dir / "shop_1").exists()

    def test_passes_its_number_to_nobody(self, erased: Connected) -> None:
        assert erased.install(TINY).shop_id == 2

    def test_whose_erasure_stopped_halfway_is_erased_by_the_next_try(
        self, encore: Connected, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        encore.installer.uninstalled(ctx)
        with monkeypatch.context() as broken:
            broken.setattr("app.services.erase.shutil.rmtree", _power_cut)
            with pytest.raises(DiskFull):
                erase.erase_shop(encore.rooms, ctx)
        with encore.rooms.store.operator_session(writing=False) as session:
            assert session.get(Shop, ctx.shop_id) is not None
        erase.erase_shop(encore.rooms, ctx)
        assert not encore.rooms.lake.shop_dir(ctx).exists()


def _power_cut(_folder: Path) -> None:
    raise DiskFull
