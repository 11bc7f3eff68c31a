"""A mailbox that reports come to: an IMAP folder, or a Maildir on this machine."""

from __future__ import annotations

import imaplib
import mailbox
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
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
        try:
            self._server.login(unquote(parts.username), unquote(parts.password or ""))
            self._said_yes(self._server.select(_quoted(unquote(parts.path.removeprefix("/")) or "INBOX")))
        except BaseException:
            self.close()
            raise

    def waiting(self) -> Iterator[tuple[str, bytes]]:
        """See Mailbox."""
        found = self._said_yes(self._server.uid("SEARCH", "UNSEEN"))
        for uid in (found[0] or b"").split()[:AT_ONCE]:
            _, answer = self._server.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{READ_BYTES}>)")
            # Flags that another reader changed may be told in between; a mail is the one with a body.
            mail = next((part[1] for part in answer if isinstance(part, tuple)), None)
            if mail is not None:
                yield uid.decode(), bytes(mail)

    def done(self, key: str) -> None:
        """See Mailbox."""
        self._said_yes(self._server.uid("STORE", key, "+FLAGS", r"(\Seen)"))

    def close(self) -> None:
        """See Mailbox. Of a connection that broke nothing is left to say goodbye to."""
        with suppress(OSError, imaplib.IMAP4.error):
            self._server.logout()
        with suppress(OSError):
            self._server.shutdown()

    @staticmethod
    def _said_yes(answer: tuple[str, list[Any]]) -> list[Any]:
        status, told = answer
        if status != "OK":  # the library raises for BAD alone, and the words of a NO look like what was asked for
            raise imaplib.IMAP4.error("the server said no")
        return told


def _quoted(folder: str) -> str:
    """A folder's name as IMAP takes it; the library passes on what it is given."""
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def open_mailbox(url: str) -> Mailbox:
    """By its address. Raises ValueError, OSError or imaplib's errors."""
    return Maildir(url.removeprefix("maildir:")) if url.startswith("maildir:") else Imap(url)
