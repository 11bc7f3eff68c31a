"""A mail server that takes everything and keeps nothing, in a process of its own: what sending is measured against.

python -m benchmarks.mail.sink [seconds]    prints its port, serves until its standard input ends

seconds: how far away it is, as a round trip: what it has to say, it says that much later. One thread serves all
connections, so that a hundred of them cost it little more than one.
"""

from __future__ import annotations

import asyncio
import sys

END = b"\r\n.\r\n"
ANSWERS = {b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n", b"RSET": b"250 ok\r\n", b"DATA": b"354 go\r\n"}
GREETING = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Dialogue(asyncio.Protocol):
    """One connection. Answers a group of commands with one write, as servers that pipeline do."""

    away = 0.0

    def __init__(self) -> None:
        self._heard = bytearray()
        self._in_body = False
        self._looked = 0  # where the end of the body has been looked for

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._say(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._heard += data
        answers = []
        while (answer := self._next_answer()) is not None:
            answers.append(answer)
        if answers:
            self._say(b"".join(answers))

    def _next_answer(self) -> bytes | None:
        mark = END if self._in_body else b"\r\n"
        end = self._heard.find(mark, self._looked)
        if end < 0:
            self._looked = max(0, len(self._heard) - len(mark) + 1)
            return None
        verb = bytes(self._heard[:4]).upper()
        del self._heard[: end + len(mark)]
        self._looked = 0
        if self._in_body:
            self._in_body = False
            return b"250 taken\r\n"
        self._in_body = verb == b"DATA"
        return GREETING if verb == b"EHLO" else ANSWERS.get(verb, b"221 bye\r\n")

    def _say(self, words: bytes) -> None:
        if self.away:
            asyncio.get_running_loop().call_later(self.away, self._transport.write, words)
        else:
            self._transport.write(words)


async def serve(away: float) -> None:
    """On a free loopback port, until standard input ends."""
    Dialogue.away = away
    server = await asyncio.get_running_loop().create_server(Dialogue, "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
