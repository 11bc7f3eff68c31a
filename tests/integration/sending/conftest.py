"""The world of the sending tests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.sending.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.context import ShopContext


@pytest.fixture
def world(store_url: str, ctx: ShopContext, tmp_path: Path) -> Iterator[World]:
    built = World(store_url, ctx, tmp_path)
    yield built
    built.close()
