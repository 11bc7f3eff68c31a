"""A small IMAP server (RFC 3501) over TLS for one mailbox: what a reader of reports needs of it, and its faults."""

from __future__ import annotations

import re
import socketserver
import ssl
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FETCH = re.compile(r"\(?BODY(\.PEEK)?\[\]<(\d+)\.(\d+)>\)?")
STORE = re.compile(r"\+FLAGS(?:\.SILENT)? \(?(\\\w+)\)?")
# verb → (the state that it needs, the state that it leads to)
STATES = {
    "LOGIN": ("new", "in"),
    "SELECT": ("in", "open"),
    "SEARCH": ("open", ""),
    "FETCH": ("open", ""),
    "STORE": ("open", ""),
}


@dataclass
class Mail:
    """One mail in the mailbox."""

    data: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapServer:
    """Serves on a free loopback port while used as a context manager.

    chain:      a file with a certificate for `localhost`, what stands above it, and its key
    mails:      by UID
    says:       verb → the answer to it instead of doing it, as `NO it is broken`
    hangs_up_at: the verb (`FETCH`, `STORE`, ...) at which the connection closes, the next time only
    chatty:     tells of another reader's flags before each fetched mail, as servers may at any time
    """

    chain: Path
    user: str = "bounces@mail.example"
    password: str = 'se"cret \\ word'
    folder: str = "INBOX"
    mails: dict[int, Mail] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    hangs_up_at: str = ""
    chatty: bool = False
    heard: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    open_connections: int = 0

    def __enter__(self) -> Self:
        server, context = self, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)

        class Dialogue(socketserver.StreamRequestHandler):
            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self) -> None:
                server.open_connections += 1
                try:
                    server.talk(self)
                finally:
                    server.open_connections -= 1

            def finish(self) -> None:
                super().finish()
                self.request.close()  # the server closes the socket that TLS took over

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that hangs up, or trusts nobody, is what some tests want; all else is a fault here."""
                if not isinstance(sys.exception(), OSError):
                    server.faults.append(repr(sys.exception()))

        self._server = Server(("127.0.0.1", 0), Dialogue)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()  # waits until every dialogue has ended
        self._thread.join(5)

    def unseen(self) -> list[int]:
        """UIDs of the mails that nobody has handled."""
        return [uid for uid, mail in sorted(self.mails.items()) if "\\Seen" not in mail.flags]

    def talk(self, peer: socketserver.StreamRequestHandler) -> None:
        """One client's commands, in the states that the protocol allows them in."""

        def say(line: str) -> None:
            peer.wfile.write(line.encode() + b"\r\n")

        state = "new"
        say("* OK ready")
        while line := peer.rfile.readline().decode().rstrip("\r\n"):
            tag, verb, *rest = line.split(" ", 2)
            if verb == "UID":
                verb, *rest = rest[0].split(" ", 1)
            self.heard.append(verb)
            if verb == self.hangs_up_at:
                self.hangs_up_at = ""
                return
            needed, to = STATES.get(verb, ("", ""))
            if verb in self.says or needed not in {"", state}:
                say(f"{tag} {self.says.get(verb, 'BAD not now')}")
                continue
            answer = getattr(self, f"_{verb.lower()}")(peer, "".join(rest))
            state = to if to and answer == "OK" else state
            say(f"{tag} {answer} done")
            if verb == "LOGOUT":
                return

    def _capability(self, peer: socketserver.StreamRequestHandler, _: str) -> str:
        peer.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
        return "OK"

    def _login(self, _: socketserver.StreamRequestHandler, rest: str) -> str:
        return "OK" if _words(rest) == [self.user, self.password] else "NO who are you"

    def _select(self, peer: socketserver.StreamRequestHandler, rest: str) -> str:
        peer.wfile.write(f"* {len(self.mails)} EXISTS\r\n".encode())
        return "OK" if _words(rest) == [self.folder] else "NO there is no such folder"

    def _search(self, peer: socketserver.StreamRequestHandler, rest: str) -> str:
        assert rest == "UNSEEN"
        peer.wfile.write(" ".join(["* SEARCH", *(str(uid) for uid in self.unseen())]).encode() + b"\r\n")
        return "OK"

    def _fetch(self, peer: socketserver.StreamRequestHandler, rest: str) -> str:
        uid, _, wanted = rest.partition(" ")
        place = sorted(self.mails).index(int(uid)) + 1
        peek, start, length = FETCH.fullmatch(wanted).groups()  # type: ignore[union-attr]
        mail = self.mails[int(uid)]
        part = mail.data[int(start) : int(start) + int(length)]
        if not peek:
            mail.flags.add("\\Seen")
        if self.chatty:
            peer.wfile.write(b"* 1 FETCH (FLAGS (\\Flagged))\r\n")
        peer.wfile.write(f"* {place} FETCH (UID {uid} BODY[]<{start}> {{{len(part)}}}\r\n".encode() + part + b")\r\n")
        return "OK"

    def _store(self, _: socketserver.StreamRequestHandler, rest: str) -> str:
        uid, _, change = rest.partition(" ")
        self.mails[int(uid)].flags.add(STORE.fullmatch(change).group(1))  # type: ignore[union-attr]
        return "OK"

    def _logout(self, peer: socketserver.StreamRequestHandler, _: str) -> str:
        peer.wfile.write(b"* BYE\r\n")
        return "OK"


def _words(text: str) -> list[str]:
    """The arguments of a command: atoms, or strings in quotes."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', text)
    return [atom or re.sub(r"\\(.)", r"\1", quoted) for quoted, atom in found]
