"""What a benchmark measured beside what it must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table. at_most: smaller is better."""

    what: str
    value: float
    must: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure is what it must be, to the digits shown."""
        value, must = round(self.value, 4), round(self.must, 4)
        return value <= must if self.at_most else value >= must
