"""What the tests of background work share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.jobs.worker_build import rooms_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.services.rooms import Rooms
    from app.store.session import Store


@pytest.fixture
def rooms(store: Store, store_url: str) -> Iterator[Rooms]:
    """The rooms as a worker builds them, over the test's own store."""
    found = rooms_on(store_url)
    yield found
    found.store.close()
