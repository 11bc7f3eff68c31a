"""A mailbox that reports come to: an IMAP folder, or a Maildir on this machine."""

from __future__ import annotations

import imaplib
import mailbox
import ssl
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20.0
AT_ONCE = 500  # mails a visit; the rest waits for the next one
READ_BYTES = 1 << 20


class Mailbox(Protocol):
    """Mails that nobody has handled yet."""

    def waiting(self) -> Iterator[tuple[str, bytes]]:
        """(key, mail) of each; it stays until `done`. Raises OSError or imaplib's errors when it can't be read."""
        ...

    def done(self, key: str) -> None:
        """Mark one as handled: it is never seen again."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Maildir:
    """A folder that a mail server on this machine delivers into; handled mails move from `new` to `cur`."""

    def __init__(self, path: str) -> None:
        self._box = mailbox.Maildir(path, create=False)

    def waiting(self) -> Iterator[tuple[str, bytes]]:
        """See Mailbox."""
        count = 0
        for key in self._box.keys():  # noqa: SIM118 - a Maildir is no dict
            if count < AT_ONCE and self._box.get_message(key).get_subdir() == "new":
                count += 1
                yield key, self._box.get_bytes(key)

    def done(self, key: str) -> None:
        """See Mailbox."""
        mail = self._box.get_message(key)
        mail.set_subdir("cur")
        mail.add_flag("S")
        self._box[key] = mail

    def close(self) -> None:
        """See Mailbox."""
        self._box.close()


class Imap:
    """A folder of an IMAP server; handled mails are marked as seen.

    url: imaps://user:password@host[:port][/folder]
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "imaps" or not parts.hostname or not parts.username:
            raise ValueError("a mailbox looks like imaps://user:password@host/INBOX or maildir:/path")
        self._server = imaplib.IMAP4_SSL(
            parts.hostname, parts.port or 993, ssl_context=ssl.create_default_context(), timeout=SECONDS
        )
        self._server.login(unquote(parts.username), unquote(parts.password or ""))
        self._server.select(unquote(parts.path.strip("/")) or "INBOX")

    def waiting(self) -> Iterator[tuple[str, bytes]]:
        """See Mailbox."""
        _, found = self._server.uid("SEARCH", "UNSEEN")
        for uid in (found[0] or b"").split()[:AT_ONCE]:
            _, answer = self._server.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{READ_BYTES}>)")
            if answer and isinstance(answer[0], tuple):
                yield uid.decode(), bytes(answer[0][1])

    def done(self, key: str) -> None:
        """See Mailbox."""
        self._server.uid("STORE", key, "+FLAGS", r"(\Seen)")

    def close(self) -> None:
        """See Mailbox."""
        self._server.logout()


def open_mailbox(url: str) -> Mailbox:
    """By its address. Raises ValueError, OSError or imaplib's errors."""
    return Maildir(url.removeprefix("maildir:")) if url.startswith("maildir:") else Imap(url)
