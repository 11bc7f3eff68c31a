"""Handing a message to a mail server, and saying truthfully how that ended.

RFC 1047: once the final dot is sent, a sender that hears nothing cannot know whether the server
took the message. So every transport tells apart what happened before the dot (surely not accepted)
and after it (unknown until an answer is read that says yes or no; half an answer says neither).
"""

from __future__ import annotations

import smtplib
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0  # three answers stay below the deadline between stamp and final dot
OK = 250
START_MAIL_INPUT = 354
CLOSING = 421
DONE, TRANSIENT, PERMANENT = range(200, 300), range(400, 500), range(500, 600)  # RFC 5321 4.2.1


@dataclass(frozen=True)
class Envelope:
    """One message for one recipient. data: the message in CRLF lines, headers first."""

    mail_from: str
    rcpt_to: str
    data: bytes
    message_id: str


@dataclass(frozen=True)
class Delivery:
    """How a hand-over ended.

    accepted:     the server answered 2xx to the final dot
    refused:      5xx, or an address that SMTP can't carry: it will never take this message
    not_accepted: 4xx, no connection, or not allowed any more: surely not taken, may be tried again
    unknown:      after the final dot nothing was heard, or no answer that means yes or no: may have been taken
    detail:       the server's code and where in the dialogue; never its words, which repeat addresses
    """

    result: Literal["accepted", "refused", "not_accepted", "unknown"]
    detail: str = ""


class Transport(Protocol):
    """Where messages go."""

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Hand one message over; `still_allowed` is asked once, right before the point of no return."""
        ...


def always() -> bool:
    """For messages under no cap: confirmations and tests."""
    return True


@dataclass
class MemoryTransport:
    """Keeps what it takes. `script`: deliveries to answer with, in order, before it accepts everything."""

    taken: list[Envelope] = field(default_factory=list)
    script: list[Delivery] = field(default_factory=list)

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Take the message, unless the script says otherwise."""
        if not still_allowed():
            return Delivery("not_accepted", "too late")
        delivery = self.script.pop(0) if self.script else Delivery("accepted", "250")
        if delivery.result == "accepted":
            self.taken.append(envelope)
        return delivery


@dataclass
class FileTransport:
    """Writes each message as an .eml file: for a look at mail without a server."""

    folder: Path

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Write the file under its message id; a file that exists is the same message."""
        if not still_allowed():
            return Delivery("not_accepted", "too late")
        self.folder.mkdir(parents=True, exist_ok=True)
        name = "".join(c for c in envelope.message_id if c.isalnum() or c in "-_.")
        (self.folder / f"{name}.eml").write_bytes(envelope.data)
        return Delivery("accepted", "written")


class SmtpTransport:
    """One SMTP connection, kept open between messages and used by one thread at a time.

    url: smtp://[user:password@]host[:port][?starttls=1] or smtps://...
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("an SMTP URL looks like smtp://host:25 or smtps://host:465")
        self._tls = parts.scheme == "smtps"
        self._starttls = parse_qs(parts.query).get("starttls") == ["1"]
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._connection: smtplib.SMTP | None = None
        self._lock = threading.Lock()

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Hand one message over; see Delivery for how it may end."""
        with self._lock:
            opened = self._open_envelope(envelope)
            if isinstance(opened, Delivery):
                return opened
            return self._send_body(opened, envelope.data, still_allowed)

    def close(self) -> None:
        """Say goodbye and close the connection."""
        with self._lock:
            self._drop()

    def _open_envelope(self, envelope: Envelope) -> smtplib.SMTP | Delivery:
        connection = self._open_sender(envelope.mail_from)
        if isinstance(connection, Delivery):
            return connection
        try:
            code, _ = connection.rcpt(envelope.rcpt_to)
            if code in DONE:
                code, _ = connection.docmd("DATA")
        except (OSError, smtplib.SMTPException) as fault:
            self._drop()
            return Delivery("not_accepted", f"envelope: {type(fault).__name__}")
        except ValueError as fault:
            self._drop()  # it would stay inside this transaction, and refuse the next one
            return Delivery("refused", f"envelope: {type(fault).__name__}")
        if code == START_MAIL_INPUT:
            return connection
        self._reset(code)
        return Delivery("refused" if code in PERMANENT else "not_accepted", f"envelope: {code}")

    def _open_sender(self, mail_from: str) -> smtplib.SMTP | Delivery:
        # A server may have closed a connection that stood idle. Nothing of this message was said
        # yet, so trying once more on a fresh one is safe.
        fresh = self._connection is None
        try:
            connection = self._connection or self._connect()
            code, _ = connection.mail(mail_from)
        except (OSError, smtplib.SMTPException) as fault:
            self._drop()
            gone = Delivery("not_accepted", f"connection: {type(fault).__name__}")
            return gone if fresh else self._open_sender(mail_from)
        except ValueError as fault:
            self._drop()
            return Delivery("refused", f"envelope: {type(fault).__name__}")
        if code == OK:
            return connection
        self._reset(code)
        if code == CLOSING and not fresh:
            return self._open_sender(mail_from)
        # It refuses us as a sender, before it heard of a recipient: a matter of its settings, not of
        # this message, and it must not use up the messages of a whole campaign.
        return Delivery("not_accepted", f"connection: {code}")

    def _send_body(self, connection: smtplib.SMTP, data: bytes, still_allowed: Callable[[], bool]) -> Delivery:
        try:
            connection.send(_dot_stuffed(data))
        except (OSError, smtplib.SMTPException) as fault:
            self._drop()
            return Delivery("not_accepted", f"body: {type(fault).__name__}")
        if not still_allowed():
            self._drop()  # without the dot the server throws the message away
            return Delivery("not_accepted", "too late")
        try:
            connection.send(b".\r\n")
            code, _ = connection.getreply()
        except (OSError, smtplib.SMTPException) as fault:
            self._drop()
            return Delivery("unknown", f"after the dot: {type(fault).__name__}")
        if code in DONE:
            return Delivery("accepted", str(code))
        if code in TRANSIENT or code in PERMANENT:
            if code == CLOSING:
                self._drop()
            return Delivery("refused" if code in PERMANENT else "not_accepted", f"body: {code}")
        # A cut `250` reads as 25, a line without a code as -1: the message may have been taken. Whatever
        # comes next on this connection might be the rest of that answer, read as one to another message.
        self._drop()
        return Delivery("unknown", f"after the dot: {code}")

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(self._host, self._port, timeout=CONNECT_SECONDS)
        try:
            connection.ehlo_or_helo_if_needed()
            if self._starttls:
                connection.starttls(context=context)
                connection.ehlo()
            if self._user:
                connection.login(self._user, self._password)
        except (OSError, smtplib.SMTPException):
            connection.close()
            raise
        if connection.sock is not None:
            connection.sock.settimeout(ANSWER_SECONDS)
        self._connection = connection
        return connection

    def _reset(self, code: int) -> None:
        try:
            lost = code not in TRANSIENT and code not in PERMANENT  # an answer that fits no question
            if code == CLOSING or lost or self._connection is None:
                self._drop()
            else:
                self._connection.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _dot_stuffed(data: bytes) -> bytes:
    """RFC 5321 4.5.2: a line that begins with a dot gets another; the last line ends with CRLF."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)


def open_transport(smtp_url: str, data_dir: Path) -> Transport:
    """SMTP if an address is set; else files below the data folder, so that nothing leaves by accident."""
    return SmtpTransport(smtp_url) if smtp_url else FileTransport(data_dir / "mail")
