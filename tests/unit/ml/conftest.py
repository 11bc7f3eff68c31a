"""Makes the invented shops importable, and lets every test of prediction compute on one thread."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As `predict` does it: threads that spin on a busy machine cost more than they bring."""
    with threadpool_limits(limits=1):
        yield
