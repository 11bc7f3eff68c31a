"""Campaign mail as the sandbox's mailbox receives it: over real SMTP, with a one-click unsubscribe that works."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from app.api import public
from app.api.common import ROOMS
from app.mail.transport import SmtpTransport
from app.services import plan_sends, send_due
from app.store.models.customers import Customer
from sandbox.clock import SandboxClock
from sandbox.mailbox.messages import read_message
from sandbox.mailbox.smtp import start_smtp
from sandbox.mailbox.store import MailStore
from sandbox.options import SandboxOptions, ports_from
from tests.integration.sending.world import COFFEE, LONG_AGO, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[tuple[MailStore, str]]:
    """(what arrives, the server's address)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = tmp_path / "sandbox"
    state.mkdir()
    options = SandboxOptions(ports={**ports_from(4010), "smtp": port})
    server = start_smtp(state, SandboxClock(state), options)
    store = MailStore(state)
    yield store, f"smtp://127.0.0.1:{port}"
    store.db.close()
    server.stop()


class TestInTheMailbox:
    def test_arrives_whole_and_its_one_click_header_unsubscribes(
        self, world: World, mailbox: tuple[MailStore, str]
    ) -> None:
        inbox, url = mailbox
        for number, name in ((1, "Zoë 🌱"), (2, None)):
            world.customer(number, name=name)
            world.bought(number, COFFEE, LONG_AGO)
            world.pair(number, COFFEE, "repurchase", 0.3)
        world.sender()
        coffee = world.segment("buy_again:101", "repurchase", [1, 2], COFFEE)
        world.publish()
        world.campaign(coffee, name="A")
        transport = SmtpTransport(url)
        world.rooms = replace(world.rooms, transport=transport)
        plan_sends.plan(world.rooms, world.ctx)
        assert send_due.send(world.rooms, world.ctx).sent == 2
        transport.close()
        assert inbox.count() == 2
        arrived = [read_message(inbox.content(number)) for number in (1, 2)]
        texts = sorted((message.text or "").splitlines()[0] for message in arrived)
        assert texts == ["Hi Zoë 🌱,", "Hi there,"]
        assert all("1 High Street" in (m.text or "") and "1 High Street" in (m.html or "") for m in arrived)
        assert all(m.one_click and m.unsubscribe_url in (m.html or "") for m in arrived if m.unsubscribe_url)

        app = Flask("test")
        app.extensions[ROOMS] = world.rooms
        for blueprint in public.blueprints():
            app.register_blueprint(blueprint)
        for message in arrived:
            path = (message.unsubscribe_url or "").removeprefix("https://encore.example")
            assert app.test_client().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        with world.store.reading(world.ctx) as session:
            assert {c.email_consent for c in session.query(Customer)} == {"UNSUBSCRIBED"}
