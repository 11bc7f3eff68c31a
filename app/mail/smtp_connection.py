"""One SMTP connection that pipelines: a message's end and the next one's envelope go out together.

RFC 2920: MAIL, RCPT and DATA may be sent as one group, and a group may follow a message's final dot.
So a message costs one round trip instead of four. A server that doesn't offer it is asked verb by verb.
Answers are paired with questions by counting alone, so anything that doesn't fit, be it one line too
many, ends the connection: the next message must never read what was said to another one.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from app.mail.delivery import CONNECTION, RECIPIENT, TOO_LATE, Delivery, Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.mail.delivery import Envelope

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0  # three answers stay below the deadline between stamp and final dot
OK = 250
START_MAIL_INPUT = 354
CLOSING = 421
DONE, TRANSIENT, PERMANENT = range(200, 300), range(400, 500), range(500, 600)  # RFC 5321 4.2.1
REPLY_LINE = re.compile(rb"([2-5][0-9]{2})([ -].*)?\r?\n", re.DOTALL)
ENHANCED = re.compile(rb"[ -](5\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")  # RFC 2034: how a refusal's words begin
LONGEST_LINE = 4096  # RFC 5321 allows 512; a server that never ends its line is no mail server
CARRIED = re.compile(r"[!-;=?-~]+")  # printable ASCII without space and angle brackets
DOT = b".\r\n"


class OutOfStep(Exception):
    """What was heard fits no question, or broke off: this connection says nothing reliable any more."""


@dataclass(frozen=True)
class Server:
    """Where to connect, from smtp://[user:password@]host[:port][?starttls=1&connections=8] or smtps://..."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str
    password: str
    connections: int

    @classmethod
    def at(cls, url: str, default_connections: int) -> Server:
        """Raises ValueError for what is no such address."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("an SMTP URL looks like smtp://host:25 or smtps://host:465")
        asked = parse_qs(parts.query)
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 25),
            tls=tls,
            starttls=asked.get("starttls") == ["1"],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            connections=max(1, int(asked.get("connections", [str(default_connections)])[0])),
        )


class Connection:
    """An open, greeted and logged-in connection. Raises OSError or smtplib.SMTPException when it can't be had."""

    def __init__(self, server: Server) -> None:
        # The library greets, encrypts and logs in; from then on the socket is ours.
        self._library = _open(server)
        if self._library.sock is None:  # pragma: no cover - the library connected a moment ago
            raise OSError("no connection")
        self._socket = self._library.sock
        self._socket.settimeout(ANSWER_SECONDS)
        # The dot is a small write after a large one: without this the system would hold it back.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pipelining = self._library.has_extn("pipelining")
        self._heard = b""
        self._dirty = False  # a refused recipient leaves a transaction open
        self._opened: tuple[Envelope, _Opening] | None = None

    def deliver(
        self, envelope: Envelope, still_allowed: Callable[[], bool], following: Envelope | None = None
    ) -> Delivery:
        """Hand a message over; `following`, if given, is the one that the next call will bring.

        An ending that leaves the line unusable closes it. If that ending is `unreachable`, the server never
        heard of this message: another connection may be tried at once.
        """
        if not _carried(envelope):
            return Delivery("refused", "envelope: address")
        try:
            opening = self._open_envelope(envelope)
        except (OSError, OutOfStep) as fault:
            self.close()
            return Delivery("not_accepted", f"envelope: {type(fault).__name__}")
        if opening.code != START_MAIL_INPUT:
            return self._not_opened(opening)
        return self._send_body(envelope.data, still_allowed, following if _carried(following) else None)

    def close(self) -> None:
        """Close it at once. The server throws away what has no final dot."""
        self._library.close()
        self._opened = None

    @property
    def closed(self) -> bool:
        """Whether it can't be used any more."""
        return self._library.sock is None

    def _open_envelope(self, envelope: Envelope) -> _Opening:
        if self._opened is not None and self._opened[0] is envelope:
            opening = self._opened[1]
            self._opened = None
            return opening
        if self._heard:
            raise OutOfStep("words that nobody asked for")
        lines = self._group(envelope)
        if self._pipelining:
            try:
                self._socket.sendall(b"".join(lines))
            except OSError as fault:
                return self._gone(fault)
            return self._read_opening(len(lines))
        return self._read_opening(len(lines), lines)

    def _group(self, envelope: Envelope) -> list[bytes]:
        lines = [b"MAIL FROM:<%s>\r\n" % envelope.mail_from.encode(), b"RCPT TO:<%s>\r\n" % envelope.rcpt_to.encode()]
        lines.append(b"DATA\r\n")
        if self._dirty:
            lines.insert(0, b"RSET\r\n")
        self._dirty = False
        return lines

    def _read_opening(self, answers: int, lines: list[bytes] | None = None) -> _Opening:
        """Read the answers to a group; `lines` are still to be said one by one where nothing was pipelined."""
        verbs = ["MAIL", "RCPT", "DATA"] if answers == 3 else ["RSET", "MAIL", "RCPT", "DATA"]  # noqa: PLR2004
        first_bad: _Opening | None = None
        for place, verb in enumerate(verbs):
            try:
                if lines is not None:
                    self._socket.sendall(lines[place])
                code, status = self._reply()
            except (OSError, OutOfStep) as fault:
                if place == 0:
                    return self._gone(fault)
                raise
            good = code == START_MAIL_INPUT if verb == "DATA" else code in DONE
            if good and first_bad is None:
                continue
            if first_bad is None:
                first_bad = _Opening(verb, code, status=status)
                if lines is not None or code == CLOSING:
                    break
            elif verb == "DATA" and code == START_MAIL_INPUT:
                return self._end_empty_message(first_bad)
        if self._heard:
            raise OutOfStep("more answers than questions")
        return first_bad or _Opening("DATA", START_MAIL_INPUT)

    def _end_empty_message(self, bad: _Opening) -> _Opening:
        # RFC 2920, 3.1: a server may ask for the message though it took no recipient; a lone dot ends that.
        # If it did not take the sender either, nobody knows whom it would mail: hang up.
        if bad.verb == "RCPT":
            self._socket.sendall(DOT)
            self._reply()
        if bad.verb != "RCPT" or self._heard:
            self.close()
        return bad

    def _gone(self, fault: Exception) -> _Opening:
        self.close()
        return _Opening("MAIL", 0, type(fault).__name__)

    def _not_opened(self, opening: _Opening) -> Delivery:
        lost = opening.code not in TRANSIENT and opening.code not in PERMANENT
        if opening.code == CLOSING or lost:
            self.close()
        self._dirty = True
        if opening.verb in {"RSET", "MAIL"}:
            # It refuses us as a sender, before it heard of a recipient: a matter of its settings, not of
            # this message, and it must not use up the messages of a whole campaign.
            return Delivery("not_accepted", f"{CONNECTION}: {opening.fault or opening.code}")
        about = RECIPIENT if opening.verb == "RCPT" else "envelope"
        detail = f"{about}: {opening.code} {opening.status}".rstrip()
        return Delivery("refused" if opening.code in PERMANENT else "not_accepted", detail)

    def _send_body(self, data: bytes, still_allowed: Callable[[], bool], following: Envelope | None) -> Delivery:
        try:
            self._socket.sendall(_dot_stuffed(data))
        except OSError as fault:
            self.close()
            return Delivery("not_accepted", f"body: {type(fault).__name__}")
        if not still_allowed():
            self.close()  # without the dot the server throws the message away
            return Delivery("not_accepted", TOO_LATE)
        lines = self._group(following) if following is not None and self._pipelining else []
        try:
            self._socket.sendall(b"".join([DOT, *lines]))
            code, _ = self._reply()
        except (OSError, OutOfStep) as fault:
            self.close()
            return Delivery("unknown", f"after the dot: {type(fault).__name__}")
        if code not in DONE and code not in TRANSIENT and code not in PERMANENT:
            # A line that is no answer, or 354 again: the message may have been taken. Whatever comes next on
            # this connection might be the rest of that answer, read as one to another message.
            self.close()
            return Delivery("unknown", f"after the dot: {code}")
        if code == CLOSING:
            self.close()
        elif lines and following is not None:
            self._read_ahead(following, len(lines))
        if code in DONE:
            return Delivery("accepted", str(code))
        return Delivery("refused" if code in PERMANENT else "not_accepted", f"body: {code}")

    def _read_ahead(self, following: Envelope, answers: int) -> None:
        """The answers to the envelope that went out with the dot; a failure is the next call's to find."""
        try:
            self._opened = (following, self._read_opening(answers))
        except (OSError, OutOfStep):
            self.close()

    def _reply(self) -> tuple[int, str]:
        """(code, a refusal's enhanced status) of the next answer. Raises OutOfStep for none, or half a one."""
        while True:
            line = self._line()
            found = REPLY_LINE.fullmatch(line)
            if found is None:
                raise OutOfStep("no answer")
            words = found.group(2) or b""
            if not words.startswith(b"-"):
                status = ENHANCED.match(words) if line.startswith(b"5") else None
                return int(found.group(1)), status.group(1).decode() if status else ""

    def _line(self) -> bytes:
        while (end := self._heard.find(b"\n")) < 0:
            if len(self._heard) > LONGEST_LINE:
                raise OutOfStep("an endless line")
            more = self._socket.recv(LONGEST_LINE)
            if not more:
                raise OutOfStep("closed in the middle")
            self._heard += more
        line, self._heard = self._heard[: end + 1], self._heard[end + 1 :]
        return line


@dataclass(frozen=True)
class _Opening:
    """How far an envelope came: the first verb that was not taken, or DATA with 354.

    fault: no answer at all. status: a refusal's enhanced code (RFC 3463), where the server gave one.
    """

    verb: str
    code: int
    fault: str = ""
    status: str = ""


def _open(server: Server) -> smtplib.SMTP:
    if server.tls:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=CONNECT_SECONDS, context=_tls_context()
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=CONNECT_SECONDS)
    try:
        connection.ehlo_or_helo_if_needed()
        if server.starttls:
            connection.starttls(context=_tls_context())
            connection.ehlo()
        if server.user:
            connection.login(server.user, server.password)
    except (OSError, smtplib.SMTPException):
        connection.close()
        raise
    return connection


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads all the system's certificates: once is enough


def _carried(envelope: Envelope | None) -> bool:
    """Whether SMTP can carry the addresses, without the extension that few servers have (RFC 6531)."""
    return envelope is not None and all(CARRIED.fullmatch(a) for a in (envelope.mail_from, envelope.rcpt_to))


def _dot_stuffed(data: bytes) -> bytes:
    """RFC 5321 4.5.2: a line that begins with a dot gets another; the last line ends with CRLF."""
    if isinstance(data, Lines):
        return data
    if not data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n"):
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if data.startswith(b"."):
        data = b"." + data
    data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"
