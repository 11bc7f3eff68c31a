"""Instants as whole microseconds since 1970, as columns hold them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).min // 2  # far enough from the end that a few years may be taken off it


def microseconds(at: datetime) -> int:
    """An aware instant as a number, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instants(several: Sequence[datetime | None]) -> npt.NDArray[np.int64]:
    """(n,) aware instants as numbers; NEVER for None."""
    return np.array([NEVER if at is None else microseconds(at) for at in several], dtype=np.int64)


def at(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return EPOCH + timedelta(microseconds=int(number))
