"""Whose data a call may touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class ShopContext:
    """One shop, as every service takes it: never a bare id.

    currency: ISO 4217 code; amounts are int64 minor units of it.
    timezone: IANA name; days and windows are the shop's, instants are UTC.
    """

    shop_id: int
    domain: str
    currency: str
    timezone: str

    @cached_property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.timezone)
