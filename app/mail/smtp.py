"""SMTP with connections that are kept, as many at once as the server's slowness asks for."""

from __future__ import annotations

import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.mail.delivery import AWAY, CONNECTION, GIVE_UP_AFTER, TOO_LATE, Delivery
from app.mail.smtp_connection import Connection, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.mail.delivery import Envelope

CONNECTIONS = 8  # what most servers allow one client without asking
WORTH_A_CONNECTION = 0.05  # seconds that one connection may be busy with a batch before another one helps


class SmtpTransport:
    """A pool of SMTP connections, used by any number of threads.

    url: smtp://[user:password@]host[:port][?starttls=1&connections=8] or smtps://...
    A server that answers at once gets one connection: more would only cost. One that is far away or
    slow gets as many as make a batch take a twentieth of a second, up to `connections`.
    """

    def __init__(self, url: str) -> None:
        self._server = Server.at(url, CONNECTIONS)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._seconds_each = 0.0  # of the last batch, on one connection

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Hand one message over; see Delivery for how it may end."""
        return self._share([envelope], still_allowed)[0]

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Hand messages over on as many connections as it takes; see Transport."""
        wanted = self._lines_for(len(envelopes))
        if wanted == 1:
            return self._share(envelopes, still_allowed)
        shares = [envelopes[place::wanted] for place in range(wanted)]
        answers = list(self._pool().map(lambda share: self._share(share, still_allowed), shares))
        return [answers[place % wanted][place // wanted] for place in range(len(envelopes))]

    def close(self) -> None:
        """Close all connections that nobody uses at the moment."""
        with self._lock:
            idle, self._idle = self._idle, []
            threads, self._threads = self._threads, None
        for connection in idle:
            connection.close()
        if threads is not None:
            threads.shutdown()

    def _lines_for(self, messages: int) -> int:
        enough = 1 + int(messages * self._seconds_each / WORTH_A_CONNECTION)
        return max(1, min(self._server.connections, messages, enough))

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._server.connections, thread_name_prefix="smtp")
            return self._threads

    def _share(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """One connection's part of a batch, one message after the other."""
        began = time.monotonic()
        deliveries: list[Delivery] = []
        line = _Line(self._server, self._take())
        failures = 0
        for place, envelope in enumerate(envelopes):
            if failures >= GIVE_UP_AFTER:
                deliveries.append(Delivery("not_accepted", AWAY))
                continue
            following = envelopes[place + 1] if place + 1 < len(envelopes) else None
            try:
                deliveries.append(line.deliver(envelope, still_allowed, following))
            except BaseException:
                line.hang_up()  # nobody knows what was said on it
                raise
            failures = failures + 1 if deliveries[-1].unreachable else 0
        self._give_back(line.connection)
        if envelopes:
            self._seconds_each = (time.monotonic() - began) / len(envelopes)
        return deliveries

    def _take(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None or connection.closed:
            return
        with self._lock:
            self._idle.append(connection)


class _Line:
    """A connection for one share; a dead one is replaced where that is safe."""

    def __init__(self, server: Server, connection: Connection | None) -> None:
        self._server = server
        self.connection = connection

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool], following: Envelope | None) -> Delivery:
        if not still_allowed():
            return Delivery("not_accepted", TOO_LATE)
        kept = self.connection is not None and not self.connection.closed
        try:
            delivery = self._open().deliver(envelope, still_allowed, following)
            # A server may have closed a connection that stood idle. Nothing of this message was said
            # yet, so trying once more on a fresh one is safe.
            if kept and delivery.unreachable and self._open_again():
                delivery = self._open().deliver(envelope, still_allowed, following)
        except (OSError, smtplib.SMTPException) as fault:
            self.hang_up()
            return Delivery("not_accepted", f"{CONNECTION}: {type(fault).__name__}")
        return delivery

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _open(self) -> Connection:
        if self.connection is None or self.connection.closed:
            self.connection = Connection(self._server)
        return self.connection

    def _open_again(self) -> bool:
        return self.connection is None or self.connection.closed
