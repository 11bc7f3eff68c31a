"""Questions to the name system: the texts that a name carries."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import dns.exception
import dns.name
import dns.resolver

ANSWER_SECONDS = 3.0
WHOLE_SECONDS = 6.0
PORT = 53


class DnsAway(Exception):
    """No name server answered, or none could: nothing is known, neither yes nor no."""


class NameSystem(Protocol):
    """Whom domain checks ask."""

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, aliases followed; none if there are none. Raises DnsAway."""
        ...


class Dns:
    """Asks the system's name servers, or the one given as host:port (an IP address)."""

    def __init__(self, server: str = "") -> None:
        self._server = server

    def texts(self, name: str) -> list[str]:
        """See NameSystem."""
        try:
            answer = self._resolver.resolve(dns.name.from_text(name), "TXT", lifetime=WHOLE_SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, UnicodeError) as fault:
            raise DnsAway(type(fault).__name__) from fault
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]

    @cached_property
    def _resolver(self) -> dns.resolver.Resolver:
        # Made when it is first needed: a machine without name servers can do everything else.
        resolver = dns.resolver.Resolver(configure=not self._server)
        resolver.timeout = ANSWER_SECONDS
        if self._server:
            host, _, port = self._server.rpartition(":")
            resolver.nameservers = [host or self._server]
            resolver.port = int(port) if host else PORT
        return resolver
