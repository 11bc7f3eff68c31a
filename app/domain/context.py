"""Whose data a call may touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class ShopContext:
    """One shop, as every service takes it: never a bare id.

    domain: x.myshopify.com, or a slug of a shop without one; primary_domain: where its online store is, if known.
    currency: ISO 4217 code; amounts are int64 minor units of it.
    timezone: IANA name; days and windows are the shop's, instants are UTC.
    """

    shop_id: int
    domain: str
    currency: str
    timezone: str
    primary_domain: str | None = None

    @property
    def web_domains(self) -> frozenset[str]:
        """The hosts of the shop's own pages, in lower case."""
        return frozenset(host.lower() for host in (self.domain, self.primary_domain) if host)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.timezone)
