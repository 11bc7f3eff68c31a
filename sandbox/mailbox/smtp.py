"""The SMTP side of the mailbox: takes every message, or refuses as scripted."""

import asyncio
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller

from sandbox.clock import SandboxClock
from sandbox.mailbox.store import DROPS, MailStore
from sandbox.options import SandboxOptions

REPLIES = {
    "421": "421 4.3.2 Service shutting down",
    "450": "450 4.2.1 Mailbox busy",
    "451": "451 4.3.0 Local error, try again later",
    "452": "452 4.2.2 Mailbox full",
    "550": "550 5.1.1 No such mailbox",
    "552": "552 5.2.2 Mailbox full",
    "554": "554 5.7.1 Refused as spam",
}
START_SECONDS = 60  # to answer the first connection; aiosmtpd's five are few on a busy machine
_STORED = "250 2.0.0 Stored as {}"


class _Handler:
    """What aiosmtpd asks at RCPT and after DATA."""

    def __init__(self, store: MailStore, clock: SandboxClock) -> None:
        self._store = store
        self._clock = clock

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        fault = self._store.take_fault("rcpt", [address], self._clock.now())
        if fault is not None:
            return _reply(fault)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        now = self._clock.now()
        fault = self._store.take_fault("data", envelope.rcpt_tos, now)
        if fault is not None and fault not in DROPS:
            return _reply(fault)
        number = None
        if fault != "drop":
            number = self._store.add(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content, now)
        if fault is not None:
            # Closing cancels this task, so nothing after it is sent: the client never learns the outcome.
            server.transport.abort()
            await asyncio.sleep(60)
        return _STORED.format(number)


class _Controller(Controller):
    """Knows the port that it was given when it asked for any."""

    def _trigger_server(self) -> None:
        self.port = cast("asyncio.Server", self.server).sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class MailServer:
    """A running SMTP server, in its own thread."""

    def __init__(self, controller: Controller, store: MailStore) -> None:
        self._controller = controller
        self._store = store

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return str(self._controller.hostname), int(self._controller.port)

    def stop(self) -> None:
        """Stop listening and let go of the store."""
        self._controller.stop(no_assert=True)
        self._store.db.close()


def start_smtp(state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> MailServer:
    """Listen on options.host and options.ports["smtp"]; returns once connections are answered.

    Port 0 takes a free one, and the server's address says which. Raises OSError if the port is taken.
    """
    store = MailStore(state_dir)
    controller = _Controller(
        _Handler(store, clock),
        hostname=options.host,
        port=options.ports["smtp"],
        server_hostname="mailbox.encore-sandbox.example",
        enable_SMTPUTF8=True,
        ready_timeout=START_SECONDS,
    )
    controller.start()
    return MailServer(controller, store)


def _reply(code: str) -> str:
    return REPLIES.get(code, f"{code} Scripted by the sandbox")
