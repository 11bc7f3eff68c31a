"""The world of the sending tests on SQLite, with a draft about coffee."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from app.services import simulate
from app.services.kept import Kept
from app.store.session import Store
from tests.conftest import add_shop
from tests.integration.sending.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shops of two tests look alike: what one was answered is none of the other's."""
    monkeypatch.setattr(simulate, "_kept", Kept(simulate.MOST_KEPT))


@pytest.fixture
def world(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'one.sqlite3')}"
    opened = Store(url)
    built = World(url, add_shop(opened, 1, "first.myshopify.com"), tmp_path)
    opened.close()
    yield built
    built.close()


@pytest.fixture
def draft(world: World) -> str:
    """Twenty customers due for coffee, and a draft about it."""
    return world.campaign(world.coffee_drinkers(20), name="Coffee", active=False, frequency="once", wait_days=0)
