"""Which clock a customer lives by, as far as an address says it: only where a country or a province has one zone.

A country with several zones and no province, or a province that two zones share, says nothing: the shop's zone holds
then. Zones are compared by their clocks, not by their names: Germany has two names for one time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytz

PROBES = tuple(datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(days=7 * week) for week in range(104))
"""Instants at which two zones that are one for today's mail show the same time."""

PROVINCES: dict[str, dict[str, str]] = {
    "US": {
        "America/New_York": "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
        "America/Chicago": "AL AR IA IL LA MN MO MS OK WI",
        "America/Denver": "CO MT NM UT WY",
        "America/Phoenix": "AZ",
        "America/Los_Angeles": "CA WA",
        "Pacific/Honolulu": "HI",
        "America/Puerto_Rico": "PR VI",
        "Pacific/Guam": "GU MP",
        "Pacific/Pago_Pago": "AS",
    },
    "CA": {
        "America/Halifax": "NS PE",
        "America/Moncton": "NB",
        "America/Winnipeg": "MB",
        "America/Edmonton": "AB",
        "America/Whitehorse": "YT",
    },
    "AU": {
        "Australia/Sydney": "ACT VIC",
        "Australia/Brisbane": "QLD",
        "Australia/Adelaide": "SA",
        "Australia/Darwin": "NT",
        "Australia/Hobart": "TAS",
    },
    "BR": {
        "America/Sao_Paulo": "AL AP BA CE DF ES GO MA MG PB PI PR RJ RN RS SC SE SP TO",
        "America/Manaus": "RO RR",
        "America/Cuiaba": "MT",
        "America/Campo_Grande": "MS",
        "America/Rio_Branco": "AC",
    },
    "MX": {
        "America/Mexico_City": "AGS CAMP CHIS COL DF CDMX GRO GTO HGO JAL MEX MICH MOR NL OAX PUE QRO SLP TAB TLAX"
        " TAMPS VER YUC ZAC",
        "America/Cancun": "Q_ROO Q.ROO QROO",
        "America/Tijuana": "BC",
        "America/Hermosillo": "SON",
        "America/Mazatlan": "SIN BCS",
    },
    "ES": {"Atlantic/Canary": "GC TF"},
    "PT": {"Atlantic/Azores": "PT-20", "Europe/Lisbon": "PT-30"},
}  # fmt: skip
"""Provinces, by Shopify's codes, that lie within one zone as a whole, or all but for a few inhabitants' custom.

States that a line runs through (Texas, Florida, Ontario) are left out on purpose.
"""


@cache
def zone_of(country: str | None, province: str | None) -> ZoneInfo | None:
    """The zone of an address; None where country and province don't say one. ISO and Shopify's codes, any case."""
    code, part = (country or "").upper(), (province or "").upper()
    for name, parts in PROVINCES.get(code, {}).items():
        if part and part in parts.split():
            return ZoneInfo(name)
    return _of_country(code)


@cache
def _of_country(code: str) -> ZoneInfo | None:
    names = pytz.country_timezones.get(code, [])
    clocks = {_clock(name) for name in names}
    return ZoneInfo(names[0]) if len(clocks) == 1 else None


def _clock(name: str) -> tuple[timedelta | None, ...]:
    zone = ZoneInfo(name)
    return tuple(probe.astimezone(zone).utcoffset() for probe in PROBES)
