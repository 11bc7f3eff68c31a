"""Which vendors there are. A new connector is one line here, beside its module, test and manual line."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Protocol

from connectors import klaviyo, mailchimp
from connectors.base import Misconfigured
from connectors.transport import Limiter, Pace, Policy, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.base import AudienceDestination, Description


class Opener(Protocol):
    """How an adapter is made."""

    def __call__(self, credentials: Mapping[str, str], base_url: str, transport: Transport) -> AudienceDestination:
        """An adapter for one account."""
        ...


CONNECTORS: dict[str, tuple[Description, Opener]] = {
    "klaviyo": (klaviyo.DESCRIPTION, klaviyo.Klaviyo),
    "mailchimp": (mailchimp.DESCRIPTION, mailchimp.Mailchimp),
}


class VendorConnectors:
    """`Connectors` over the vendors of this package.

    base_urls: vendor → address to use in place of the vendor's own; empty = the vendor's.
    One limiter per account lives as long as this object, whoever opens the account.
    """

    def __init__(
        self, base_urls: Mapping[str, str] | None = None, policy: Policy | None = None, pace: Pace | None = None
    ) -> None:
        self._base_urls = dict(base_urls or {})
        self._policy = policy or Policy()
        self._pace = pace or Pace()
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._lock = threading.Lock()

    def descriptions(self) -> Sequence[Description]:
        """Every vendor, in the order to show them."""
        return [description for description, _ in CONNECTORS.values()]

    def open(self, vendor: str, credentials: Mapping[str, str]) -> AudienceDestination:
        """An open account. Raises Misconfigured."""
        if vendor not in CONNECTORS:
            raise Misconfigured("unknown_vendor", "There is no connector for this service.")
        key = credentials.get("api_key", "").strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise Misconfigured("malformed_key", "This does not look like an API key: paste it without spaces.")
        description, opener = CONNECTORS[vendor]
        transport = Transport(self._limiter(description, key), self._policy, self._pace)
        return opener({**credentials, "api_key": key}, self._base_urls.get(vendor, ""), transport)

    def _limiter(self, description: Description, key: str) -> Limiter:
        account = (description.name, hashlib.sha256(key.encode()).hexdigest())
        with self._lock:
            if account not in self._limiters:
                self._limiters[account] = Limiter(description.limits.windows, self._pace)
            return self._limiters[account]


def open_connectors(base_urls: Mapping[str, str]) -> VendorConnectors:
    """The connectors of an installation; an empty address means the vendor's own."""
    return VendorConnectors(base_urls)
