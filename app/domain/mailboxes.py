"""Who keeps a mailbox, as far as its address says: what delivers well differs by provider."""

from __future__ import annotations

import re
from typing import Literal

Provider = Literal["gmail", "outlook", "yahoo", "icloud", "other"]

OF_DOMAIN: dict[str, Provider] = {
    "gmail.com": "gmail", "googlemail.com": "gmail",
    "msn.com": "outlook", "windowslive.com": "outlook",
    "ymail.com": "yahoo", "rocketmail.com": "yahoo", "aim.com": "yahoo",
    "icloud.com": "icloud", "me.com": "icloud", "mac.com": "icloud",
}  # fmt: skip
# One company runs Yahoo and AOL.
OF_FAMILY: dict[str, Provider] = {
    "outlook": "outlook", "hotmail": "outlook", "live": "outlook", "yahoo": "yahoo", "aol": "yahoo",
}  # fmt: skip
COUNTRY = re.compile(r"[a-z]{2}|com|net")
SECOND_LEVEL = frozenset(["ac", "co", "com", "ne", "net", "org"])


def family_of(domain: str) -> str | None:
    """The name that a domain has in almost every country: `yahoo` of yahoo.fr, yahoo.co.jp; None of any other form."""
    family, _, country = domain.partition(".")
    second, _, top = country.rpartition(".")
    return family if COUNTRY.fullmatch(top) is not None and second in {"", *SECOND_LEVEL} else None


def provider_of(address: str) -> Provider:
    """The provider of an address. A company's own domain is `other`, also where one of these keeps its mail."""
    domain = address.strip().rpartition("@")[2].lower()
    return OF_DOMAIN.get(domain) or OF_FAMILY.get(family_of(domain) or "", "other")
