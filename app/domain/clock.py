"""Time as an argument: what the rooms need of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Clock(Protocol):
    """Tells the time; the one instance comes from wiring."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...
