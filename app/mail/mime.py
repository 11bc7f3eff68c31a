"""From a rendered message to the bytes that a mail server takes.

Written by hand, because the library's composer takes fifteen times as long as everything else about a
message together. It stays the measure: a test composes thousands of messages both ways and compares them
part by part.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pybase64

from app.domain.addresses import mail_address
from app.mail.delivery import Lines
from app.mail.transport import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

UNSUBSCRIBE_URL = re.compile(r"https?://[A-Za-z0-9._~:/?=&%+\-\[\]]{1,900}")
# Whatever a parser may take for the end of a line, and everything else that has no place in a header.
NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
PLAIN_ADDRESS = re.compile(rf"{ATOM}(?:\.{ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
LINE_END = np.frombuffer(b"\r\n", np.uint8)
BASE64_LINE = 76  # RFC 2045, section 6.8
WORD_BYTES = 45  # as base64 and with its frame, an encoded word stays within 75 (RFC 2047, section 2)
PLAIN_LINE = 60  # an ASCII header as short as this needs no folding, whatever stands before it
MAX_ADDRESS = 320
BOUNDARY = b"=_encore_part"  # `=_` never comes up in base64 lines, and everything else here is base64
HEAD = re.compile(rb"(?:[^.\r\n][^\r\n]*+\r\n)++")  # whole lines, none of which begins with a dot
_PART = b"--" + BOUNDARY + b'\r\nContent-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
TO_TEXT = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="' + BOUNDARY + b'"\r\n\r\n' + _PART % b"plain"
)
TO_HTML = b"\r\n" + _PART % b"html"
THE_END = b"\r\n--" + BOUNDARY + b"--\r\n"


@dataclass(frozen=True)
class Mail:
    """Everything that a message's bytes are made of.

    from_address must be a verified sender's, or the installation's own.
    message_id: left side of the Message-ID; message_domain: its right side.
    unsubscribe_url: adds the one-click headers of RFC 8058; None only for mail that is no campaign's.
    """

    from_name: str
    from_address: str
    to_address: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    message_id: str
    message_domain: str
    date: datetime
    unsubscribe_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def pack(mail: Mail, *, bounces_to: str = "", reference: str = "") -> Envelope:
    """The message in its envelope. Raises ValueError as `build` does.

    bounces_to: empty: the From address. reference: as Envelope has it.
    """
    mail_from = bounces_to or mail_address(mail.from_address)
    return Envelope(mail_from, mail_address(mail.to_address), build(mail), mail.message_id, reference)


def build(mail: Mail) -> Lines:
    """The message in CRLF lines, 7-bit clean, no line over 78 but for the unsubscribe link's.

    Raises ValueError on a line break or another control character in a header, and on an address that is none.
    """
    head = b"".join(
        (
            _one_click(mail.unsubscribe_url),
            _origin(mail.from_name, mail.from_address, mail.reply_to),
            b"To: ",
            _address(mail.to_address),
            b"\r\n",
            _header("Subject", mail.subject),
            b"Date: ",
            _date(mail.date.replace(microsecond=0)),
            b"\r\n",
            _message_id(mail.message_id, mail.message_domain),
            *(_header(name, value) for name, value in mail.headers.items()),
        )
    )
    if not HEAD.fullmatch(head):  # pragma: no cover - each part of it was looked at
        raise ValueError("a header is not made of whole lines")
    # What follows is fixed words and base64, whose alphabet has neither a dot nor a line break of its own.
    return Lines(b"".join((head, TO_TEXT, _base64(mail.text), TO_HTML, _base64(mail.html), THE_END)))


def _base64(text: str) -> bytes:
    """A text part's lines, each ended. Line breaks become CRLF, as RFC 2045 wants text before it is encoded."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    # Half a surrogate pair is no character; it can only come from broken JSON and is shown as "?".
    whole = pybase64.b64encode(text.replace("\n", "\r\n").encode("utf-8", "replace"))
    count = len(whole) // BASE64_LINE
    # A table of bytes, two columns wider than the lines: three times as fast as cutting and joining them.
    lines = np.empty((count, BASE64_LINE + 2), np.uint8)
    lines[:, :BASE64_LINE] = np.frombuffer(whole, np.uint8, count * BASE64_LINE).reshape(count, BASE64_LINE)
    lines[:, BASE64_LINE:] = LINE_END
    rest = whole[count * BASE64_LINE :]
    return lines.tobytes() + (rest + b"\r\n" if rest else b"")


def _one_click(url: str | None) -> bytes:
    # Never folded nor encoded: no mailbox provider would read it as a link. RFC 5322 allows lines of 998.
    if url is None:
        return b""
    if not UNSUBSCRIBE_URL.fullmatch(url):
        raise ValueError("the unsubscribe link is no plain web address")
    return f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()


@lru_cache(maxsize=16)  # many messages of one second
def _date(second: datetime) -> bytes:
    return format_datetime(second).encode("ascii")


@lru_cache(maxsize=64)
def _origin(name: str, address: str, reply_to: str | None) -> bytes:
    """From and Reply-To: the same for all messages of a sender."""
    _refuse_control(name)
    reply = b"Reply-To: " + _address(reply_to) + b"\r\n" if reply_to else b""
    return b"From: " + (_phrase(name) + b"\r\n <" if name else b"<") + _address(address) + b">\r\n" + reply


def _phrase(name: str) -> bytes:
    if _is_plain(name):
        return b'"' + name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    return b"\r\n ".join(_encoded_words(name))


def _header(name: str, value: str) -> bytes:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError("this is no name of a header")
    _refuse_control(value)
    inside = value.encode("ascii") if _is_plain(value) else b"\r\n ".join(_encoded_words(value))
    return name.encode("ascii") + b": " + inside + b"\r\n"


def _is_plain(value: str) -> bool:
    """Whether a value reads the same written as it is: short ASCII without what a parser would take for more."""
    return len(value) <= PLAIN_LINE and value.isascii() and "=?" not in value and value == value.strip()


def _encoded_words(value: str) -> Iterator[bytes]:
    """The value as words of RFC 2047, none of which cuts a character."""
    chunk = b""
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > WORD_BYTES:
            yield b"=?utf-8?b?" + b2a_base64(chunk, newline=False) + b"?="
            chunk = b""
        chunk += encoded
    yield b"=?utf-8?b?" + b2a_base64(chunk, newline=False) + b"?="


def _refuse_control(value: str) -> None:
    if NOT_IN_HEADERS.search(value):
        raise ValueError("a header holds no line break and no other control character")


def _address(text: str) -> bytes:
    _refuse_control(text)
    address = mail_address(text)
    if len(address) > MAX_ADDRESS:
        raise ValueError("the address is too long")
    if not PLAIN_ADDRESS.fullmatch(address):
        try:
            address = Address(addr_spec=address).addr_spec  # quoted local parts, and what is no address
        except (MessageError, IndexError) as fault:
            raise ValueError("this is no address") from fault
    return address.encode("ascii")


def _message_id(left: str, right: str) -> bytes:
    if not MESSAGE_ID.fullmatch(left) or not MESSAGE_ID.fullmatch(right):
        raise ValueError("a Message-ID is made of letters, digits and dots")
    return f"Message-ID: <{left}@{right}>\r\n".encode()
