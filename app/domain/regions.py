"""Groups of countries that the law treats alike; ISO 3166-1 alpha-2."""

from __future__ import annotations

EEA_UK = "EEA_UK"
"""The name of the group below, where a list of countries may hold a group."""

_MEMBER_STATES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_ALSO_UNION = "AX GF GP MF MQ RE YT"  # parts of Finland and France that have codes of their own
_EEA = "IS LI NO"

EEA_UK_COUNTRIES = frozenset(f"{_MEMBER_STATES} {_ALSO_UNION} {_EEA} GB".split())
"""Where the GDPR or its British twin applies to a resident: EU, EEA and the United Kingdom."""


def expanded(names: list[str]) -> frozenset[str]:
    """Country codes, upper case, with a group's name replaced by its countries."""
    codes = {name.upper() for name in names}
    return frozenset((codes - {EEA_UK}) | (EEA_UK_COUNTRIES if EEA_UK in codes else frozenset()))
