"""Whether a domain's records let mail go out in its name: SPF, DKIM, DMARC, and what to set where they don't.

Reference: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

State = Literal["not_checked", "passed", "missing", "wrong", "unreachable"]
NAMES = ("spf", "dkim", "dmarc")
POLICY = re.compile(r"(?:^|;)\s*p\s*=\s*(none|quarantine|reject)\s*(?:;|$)", re.IGNORECASE)
KEY = re.compile(r"(?:^|;)\s*p\s*=\s*([A-Za-z0-9+/=\s]*)(?:;|$)")
SHOWN = 500  # of what was found: a record that is longer says it in its beginning


@dataclass(frozen=True)
class Wanted:
    """What a domain's records should say. key: the DKIM key that our own domain publishes, if it could be read."""

    domain: str
    include: str
    selector: str
    target: str
    key: str | None


@dataclass(frozen=True)
class DnsRecord:
    """A record for the merchant to copy."""

    kind: Literal["TXT", "CNAME"]
    name: str
    value: str


@dataclass(frozen=True)
class Check:
    """What one look said. found: the record in question, if there is one."""

    state: State
    found: str | None = None
    problem: str | None = None


UNREACHABLE = Check("unreachable", None, "The name servers of the domain did not answer. Nothing is known; try again.")


def spf(texts: Sequence[str], wanted: Wanted) -> Check:
    """Of the domain's own TXT records."""
    found = [text for text in texts if re.match(r"v=spf1(?:\s|$)", text, re.IGNORECASE)]
    if not found:
        return Check("missing", None, "The domain has no SPF record.")
    if len(found) > 1:
        return Check("wrong", " | ".join(found)[:SHOWN], "There are several SPF records; mail servers then use none.")
    terms = {term.lower().lstrip("+") for term in found[0].split()}
    if f"include:{wanted.include}".lower() in terms or wanted.domain == wanted.include:
        return Check("passed", found[0][:SHOWN])
    return Check("wrong", found[0][:SHOWN], f"The SPF record does not include {wanted.include}.")


def dkim(texts: Sequence[str], wanted: Wanted) -> Check:
    """Of the TXT records at the selector, aliases followed."""
    found = [text for text in texts if KEY.search(text)]
    if not found:
        return Check("missing", None, "There is no DKIM key at this name.")
    key = key_of(found)
    if not key:
        return Check("wrong", found[0][:SHOWN], "The DKIM key there is revoked.")
    if wanted.key and key != wanted.key:
        return Check("wrong", found[0][:SHOWN], "The DKIM key there is not the one that messages are signed with.")
    return Check("passed", found[0][:SHOWN])


def dmarc(texts: Sequence[str]) -> Check:
    """Of the TXT records at _dmarc."""
    found = [text for text in texts if re.match(r"v=DMARC1\s*(?:;|$)", text, re.IGNORECASE)]
    if not found:
        return Check("missing", None, "The domain has no DMARC record.")
    if len(found) > 1:
        return Check("wrong", " | ".join(found)[:SHOWN], "There are several DMARC records; mail servers then use none.")
    if not POLICY.search(found[0]):
        return Check("wrong", found[0][:SHOWN], "The DMARC record names no policy.")
    return Check("passed", found[0][:SHOWN])


def key_of(texts: Sequence[str]) -> str | None:
    """The public key in a DKIM record; empty: revoked; None: no record."""
    for text in texts:
        found = KEY.search(text)
        if found:
            return re.sub(r"\s", "", found.group(1))
    return None


def dmarc_names(domain: str) -> list[str]:
    """Where a domain's policy may stand: at itself, or at a domain above it with at least two labels."""
    labels = domain.split(".")
    return [f"_dmarc.{'.'.join(labels[start:])}" for start in range(max(1, len(labels) - 1))]


def records(wanted: Wanted, checks: Mapping[str, Any]) -> dict[str, DnsRecord]:
    """What to set for each of the three; an SPF record that exists is kept and added to."""
    found = str((checks.get("spf") or {}).get("found") or "")
    include = f"include:{wanted.include}"
    if found.lower().startswith("v=spf1") and " | " not in found:
        value = found if include.lower() in found.lower() else f"v=spf1 {include}{found[6:]}"
    else:
        value = f"v=spf1 {include} ~all"
    return {
        "spf": DnsRecord("TXT", wanted.domain, value),
        "dkim": DnsRecord("CNAME", f"{wanted.selector}._domainkey.{wanted.domain}", wanted.target),
        "dmarc": DnsRecord("TXT", f"_dmarc.{wanted.domain}", "v=DMARC1; p=none"),
    }
