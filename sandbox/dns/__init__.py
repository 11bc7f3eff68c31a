"""The sandbox's name server: what senders' domains say of themselves, right or wrong on demand."""

from sandbox.dns.server import start_dns
from sandbox.dns.zone import Zone

__all__ = ["Zone", "start_dns"]
