"""Numbers as the pages show them.

A browser rounds halves up, Python's `round` and its formats to even: half of all test data would differ by one.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def whole(number: float | Decimal) -> str:
    """1234.5 → 1,235."""
    return f"{Decimal(str(number)).quantize(Decimal(1), ROUND_HALF_UP):,}"


def whole_dollars(minor: int) -> str:
    """250 cents → $3."""
    return f"${whole(Decimal(minor) / 100)}"
