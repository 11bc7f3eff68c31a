"""The name server itself: questions over UDP on loopback, answered from the zone."""

import socketserver
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dnslib import CNAME, QTYPE, RCODE, RR, TXT, DNSRecord
from dnslib.dns import DNSError

from sandbox.clock import SandboxClock
from sandbox.dns.zone import Zone
from sandbox.options import SandboxOptions

TTL = 1
LONGEST_STRING = 255  # of a TXT record, which may have several


class NameServer:
    """A running server, in its own thread."""

    def __init__(self, server: socketserver.UDPServer, zone: Zone) -> None:
        self._server, self.zone = server, zone
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="dns", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port, as the setting ENCORE_DNS_SERVER wants it."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def start_dns(state_dir: Path, _clock: SandboxClock, options: SandboxOptions) -> NameServer:
    """Listen on options.host and options.ports["dns"]; port 0 takes a free one. Raises OSError if it is taken."""
    state_dir.mkdir(parents=True, exist_ok=True)
    zone = Zone(state_dir, own_domain(options.app_url))

    class Question(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, line = self.request
            answer = reply(zone, data)
            if answer is not None:
                line.sendto(answer, self.client_address)

    return NameServer(socketserver.ThreadingUDPServer((options.host, options.ports["dns"]), Question), zone)


def own_domain(app_url: str) -> str:
    """The mail domain of an installation at this address: Encore makes one up where the host is a number."""
    host = urlsplit(app_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host if "." in host else "encore.localhost"
    return "encore.localhost"


def reply(zone: Zone, data: bytes) -> bytes | None:
    """The answer to a packet; None where none is sent."""
    try:
        asked = DNSRecord.parse(data)
    except DNSError:
        return None
    name, kind = str(asked.q.qname), QTYPE[asked.q.qtype]
    fault = zone.fault(name)
    if fault == "silent":
        return None
    answer = asked.reply()
    if fault is not None:
        answer.header.rcode = RCODE.SERVFAIL if fault == "servfail" else RCODE.NXDOMAIN
        return bytes(answer.pack())
    owner = name
    for found, value in zone.answer(name, kind):
        answer.add_answer(RR(owner, getattr(QTYPE, found), ttl=TTL, rdata=_data(found, value)))
        owner = value if found == "CNAME" else owner
    return bytes(answer.pack())


def _data(kind: str, value: str) -> Any:
    if kind == "CNAME":
        return CNAME(value)
    raw = value.encode()
    return TXT([raw[start : start + LONGEST_STRING] for start in range(0, max(len(raw), 1), LONGEST_STRING)])
