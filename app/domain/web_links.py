"""Addresses in messages: which may be mailed, their UTM tags, and the link to a filled cart."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_URL = 1500  # with tags it still fits a link's 2,000 characters
MAX_QUANTITY = 99
TAG = re.compile(r"[A-Za-z0-9._~-]{1,60}")
SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
PRIVATE_ENDINGS = (".local", ".localhost", ".internal", ".invalid", ".test", ".onion")


@dataclass(frozen=True)
class Utm:
    """What analytics read in an address. campaign: a slug of its own, never the campaign's internal name."""

    source: str
    medium: str
    campaign: str

    def problems(self, internal_name: str | None) -> list[tuple[str, str]]:
        """(field, sentence) for every tag that can't be mailed."""
        found = [
            (field, "Use letters, digits, dots, hyphens and underscores only, at most 60.")
            for field in ("source", "medium", "campaign")
            if not TAG.fullmatch(getattr(self, field))
        ]
        if internal_name and slug(internal_name) in {slug(self.source), slug(self.medium), slug(self.campaign)}:
            found.append(("campaign", "This repeats the campaign's internal name, which recipients must not see."))
        return found


def slug(text: str) -> str:
    """Lower case, everything but letters and digits as one hyphen: for comparing."""
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")


def problem(url: str) -> str | None:  # noqa: PLR0911 - one sentence per fault
    """Why an address may not be mailed, as a sentence; None if it may.

    Only https, only hosts that everybody can reach: an address that works on the merchant's desk alone,
    or that hides where it leads behind a user name, is refused.
    """
    if not url.strip():
        return "Enter a web address."
    if len(url) > MAX_URL:
        return f"The web address is longer than {MAX_URL} characters."
    if SPACES.search(url):
        return "The web address holds a space or a line break."
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "This is no web address."
    if parts.scheme != "https":
        return "The web address must start with https://."
    if parts.username is not None or port not in {None, 443} or _odd(host):
        return "The web address leads to a host that recipients can't be sent to."
    return None


def leads_to(url: str, hosts: Collection[str]) -> bool:
    """Whether an address that may be mailed leads to one of these hosts, which are in lower case."""
    return problem(url) is None and urlsplit(url).hostname in hosts


def _odd(host: str) -> bool:
    if "." not in host or host.endswith(PRIVATE_ENDINGS) or "%" in host:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdigit()  # 0x7f.1 and its like are numbers to a browser
    return True


@lru_cache(maxsize=4096)  # the same few addresses in every message
@lru_cache(maxsize=4096)  # thousands of messages name the same few products
def tagged(url: str, utm: Utm | None) -> str:
    """The address with its tags; one that has tags of its own keeps those."""
    if utm is None:
        return url
    parts = urlsplit(url)
    if "utm_" in parts.query:
        return url
    tags = urlencode({"utm_source": utm.source, "utm_medium": utm.medium, "utm_campaign": utm.campaign})
    return urlunsplit(parts._replace(query=f"{parts.query}&{tags}" if parts.query else tags))


def cart_permalink(base: str, variant_id: int, quantity: int, code: str | None) -> str:
    """The address that opens the shop with this variant in the cart, and the discount applied.

    base: `https://{shop}/cart`, with tags if any.
    Source: https://shopify.dev/docs/apps/build/checkout/create-cart-permalinks
    """
    parts = urlsplit(base)
    amount = min(max(quantity, 1), MAX_QUANTITY)
    discount = [f"discount={quote(code, safe='')}"] if code else []
    query = "&".join([*discount, *([parts.query] if parts.query else [])])
    return urlunsplit(parts._replace(path=f"/cart/{variant_id}:{amount}", query=query))
