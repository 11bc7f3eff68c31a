"""A mail server that takes everything and keeps nothing, in a process of its own: what sending is measured against.

python -m benchmarks.mail.sink [seconds]    prints its port, serves until its standard input ends

seconds: how far away it is: what it has to say, it says that much later.
"""

from __future__ import annotations

import socketserver
import sys
import threading
import time

END = b"\r\n.\r\n"
ANSWERS = {b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n", b"RSET": b"250 ok\r\n", b"DATA": b"354 go\r\n"}
GREETING = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Dialogue(socketserver.BaseRequestHandler):
    """One connection. Answers a group of commands with one write, as servers that pipeline do."""

    away = 0.0

    def handle(self) -> None:
        """Talk until the client leaves."""
        self.request.sendall(b"220 sink\r\n")
        heard = bytearray()
        in_body = False
        while more := self.request.recv(1 << 16):
            heard += more
            answers: list[bytes] = []
            while True:
                if in_body:
                    end = heard.find(END)
                    if end < 0:
                        break
                    del heard[: end + len(END)]
                    answers.append(b"250 taken\r\n")
                    in_body = False
                    continue
                end = heard.find(b"\r\n")
                if end < 0:
                    break
                verb = bytes(heard[:4]).upper()
                del heard[: end + 2]
                answers.append(GREETING if verb == b"EHLO" else ANSWERS.get(verb, b"221 bye\r\n"))
                in_body = verb == b"DATA"
            if answers:
                time.sleep(self.away)
                self.request.sendall(b"".join(answers))


class Server(socketserver.ThreadingTCPServer):
    """On a free loopback port."""

    daemon_threads = True


def main() -> None:
    """Serve until standard input ends."""
    Dialogue.away = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    with Server(("127.0.0.1", 0), Dialogue) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
