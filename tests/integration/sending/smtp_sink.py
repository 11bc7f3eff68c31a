"""An SMTP server that misbehaves on demand; its log is the only witness that the tests ask."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Behaviour = Literal[
    "accept",
    "rcpt_450",
    "rcpt_550",
    "data_451",
    "data_554",
    "drop_before_dot",
    "take_and_drop",
    "drop_at_dot",
    "take_then_252",
    "take_then_354",
    "take_then_words",
    "twice",
    "take_then_25",
    "take_then_2",
    "drop_after_45",
    "stall",
    "take_and_stall",
]
# What is heard after the final dot; without a line end the connection closes in the middle of the answer.
LAST_WORDS: dict[str, bytes] = {
    "data_451": b"451 later\r\n",
    "data_554": b"554 no\r\n",
    "drop_at_dot": b"",
    "drop_after_45": b"45",
    "take_and_drop": b"",
    "take_then_252": b"252 taken\r\n",
    "take_then_354": b"354 go on\r\n",
    "take_then_words": b"hello there\r\n",
    "twice": b"250 taken\r\n250 taken\r\n",
    "take_then_25": b"25",
    "take_then_2": b"2",
}
STALL = 3.0


@dataclass(frozen=True)
class Accepted:
    at: float
    recipient: str
    message_id: str
    data: bytes


@dataclass
class SmtpSink:
    """Serves on a free loopback port while used as a context manager.

    behave:  asked once per message with the recipient. `take…` accepts, whatever is answered then;
             rcpt_550 refuses the recipient, in `words` if there are any;
             take_and_drop closes without an answer; drop_at_dot closes at the dot without having accepted;
             stall keeps the client waiting for STALL seconds before that.
    silence: seconds after which a client that says nothing is dropped, as real servers do after minutes.
    """

    behave: Callable[[str], Behaviour] = lambda _: "accept"
    accepted: list[Accepted] = field(default_factory=list)
    connections: int = 0
    heard: int = 0  # messages that clients began to say
    refuse_senders: bool = False
    words: str = ""  # of a refused recipient
    pipelining: bool = False
    slow_seconds: float = 0.0  # before every answer to MAIL
    refuse_data: bool = False  # without a recipient it refuses DATA too, as most servers do
    silence: float | None = None

    def __enter__(self) -> Self:
        sink = self

        class Dialogue(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                sink.connections += 1
                self.connection.settimeout(sink.silence)
                try:
                    sink.talk(self)
                except OSError:
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Dialogue)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    def talk(self, peer: socketserver.StreamRequestHandler) -> None:  # noqa: C901, PLR0912 - a dialogue, verb by verb
        def say(line: str) -> None:
            peer.wfile.write(line.encode() + b"\r\n")

        say("220 sink")
        recipient, behaviour = "", "accept"
        while line := peer.rfile.readline():
            verb = line[:4].upper()
            if verb == b"MAIL" and self.refuse_senders:
                say("530 authentication required")
            elif verb == b"EHLO" and self.pipelining:
                say("250-sink")
                say("250 PIPELINING")
            elif verb in {b"EHLO", b"HELO", b"MAIL", b"RSET", b"NOOP"}:
                time.sleep(self.slow_seconds if verb == b"MAIL" else 0)
                say("250 ok")
            elif verb == b"RCPT":
                recipient = re.search(rb"<(.*?)>", line).group(1).decode()  # type: ignore[union-attr]
                behaviour = self.behave(recipient)
                refusals = {"rcpt_450": "450 later", "rcpt_550": self.words or "550 no"}
                say(refusals.get(behaviour, "250 ok"))
            elif verb == b"DATA":
                self.heard += 1
                if behaviour == "drop_before_dot":
                    return
                if self.refuse_data and behaviour.startswith("rcpt_"):
                    say("503 no recipient")
                    continue
                say("354 go")
                data = self._body(peer)
                if data is None:
                    return
                if behaviour == "accept" or behaviour.startswith("take"):
                    self._take(recipient, data)
                if behaviour.endswith("stall"):
                    time.sleep(STALL)
                    return
                answer = LAST_WORDS.get(behaviour, b"250 taken\r\n")
                peer.wfile.write(answer)
                if not answer.endswith(b"\n"):
                    return
            elif verb == b"QUIT":
                say("221 bye")
                return

    def _take(self, recipient: str, data: bytes) -> None:
        found = re.search(rb"(?im)^Message-ID:\s*<([^@>]+)", data)
        self.accepted.append(Accepted(time.monotonic(), recipient, found.group(1).decode() if found else "", data))

    @staticmethod
    def _body(peer: socketserver.StreamRequestHandler) -> bytes | None:
        lines: list[bytes] = []
        while line := peer.rfile.readline():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        return None
