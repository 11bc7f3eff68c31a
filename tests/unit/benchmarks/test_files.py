"""The benchmark of downloads and uploads measures whole files, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from benchmarks import files

if TYPE_CHECKING:
    from pathlib import Path


class TestFiles:
    def test_every_customer_is_downloaded_and_every_row_uploaded(self, tmp_path: Path) -> None:
        rooms, ctx = files.make_shop(tmp_path, 50)
        with capture_logs():
            _, _, rows = files.export(rooms, ctx, "meta", hashed=True)
            _, uploaded = files.upload(rooms, ctx, 50)
        rooms.store.close()
        assert (rows, uploaded) == (50, 50)
