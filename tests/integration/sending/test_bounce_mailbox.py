"""The mailbox of bounces over IMAP: each report is read once, kept, and acts; whatever breaks, nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app.mail import mailbox
from app.services import mail_events, mail_reports
from app.store.models.mail_events import MailEvent
from tests.integration.sending.imap_server import ImapServer, Mail
from tests.integration.sending.test_mail_events import hash_of, sent, state_of, suppressed
from tests.unit.mail.test_reports import report
from tests.unit.mail.test_sns_tls import BETWEEN, ROOT, certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.sending.world import World


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImapServer]:
    """A server whose certificate is trusted."""
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    own = certificate("localhost", BETWEEN)
    (tmp_path / "chain.pem").write_bytes(own.pem + BETWEEN.pem + own.key_pem)
    with ImapServer(tmp_path / "chain.pem") as listening:
        yield listening
    assert (listening.faults, listening.open_connections) == ([], 0)


def visit(world: World, server: ImapServer, *, host: str = "localhost", password: str = "") -> dict[str, int]:
    """Read the mailbox as the scheduler does; how many mails ended how."""
    folder = "" if server.folder == "INBOX" else f"/{quote(server.folder)}"
    secret = quote(password or server.password, safe="")
    url = f"imaps://{quote(server.user)}:{secret}@{host}:{server.port}{folder}"
    settings = world.rooms.settings.model_copy(update={"bounce_mailbox": SecretStr(url)})
    return dict(mail_reports.read_mailbox(replace(world.rooms, settings=settings)))  # type: ignore[arg-type]


def bounce(message: str, **changes: str) -> Mail:
    """A report of a message, as the relay sends it to the message's return address."""
    return Mail(report(to=f"bounces+1-{message}@mail.example", **changes))  # type: ignore[arg-type]


def kept(world: World) -> list[tuple[str, str | None, str]]:
    with world.store.reading(world.ctx) as session:
        rows = session.scalars(select(MailEvent).order_by(MailEvent.message_id))
        return [(row.kind, row.severity, row.source) for row in rows]


class TestAVisit:
    def test_keeps_a_report_once_and_suppresses_its_address(self, world: World, server: ImapServer) -> None:
        world.customer(1)
        message = sent(world, 1, state="unknown")
        server.mails = {7: bounce(message)}
        assert visit(world, server) == {"kept": 1}
        assert (suppressed(world), kept(world)) == (
            {hash_of(world, 1): "hard_bounce"}, [("bounced", "hard", "report")],
        )  # fmt: skip
        assert state_of(world, message) == "sent"
        assert server.unseen() == []
        assert visit(world, server) == {}
        server.mails[8] = bounce(message)
        assert visit(world, server) == {"known": 1}
        assert len(kept(world)) == 1

    def test_is_done_with_every_other_mail_too(self, world: World, server: ImapServer) -> None:
        world.customer(1)
        message = sent(world, 1)
        server.mails = {
            1: Mail(b"Subject: hello\r\n\r\nI am on holiday."),
            2: bounce(str(uuid4())),
            3: bounce(message, action="delayed", status="4.4.1"),
            5: bounce(message, status="5.2.2"),
            9: Mail(b"\xff\xfe" * 20),
        }
        assert visit(world, server) == {"ignored": 3, "foreign": 1, "kept": 1}
        assert (server.unseen(), suppressed(world)) == ([], {})
        assert kept(world) == [("bounced", "soft", "report")]

    def test_passes_over_what_a_person_has_read(self, world: World, server: ImapServer) -> None:
        world.customer(1)
        server.mails = {1: bounce(sent(world, 1))}
        server.mails[1].flags.add("\\Seen")
        assert (visit(world, server), suppressed(world)) == ({}, {})


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestOddMailboxes:
    def test_a_long_mail_is_read_as_far_as_reports_reach(
        self, world: World, server: ImapServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mailbox, "READ_BYTES", 4096)
        world.customer(1)
        server.mails = {1: Mail(bounce(sent(world, 1)).data + b"the whole message that came back\r\n" * 10_000)}
        assert visit(world, server) == {"kept": 1}

    def test_many_mails_take_several_visits(
        self, world: World, server: ImapServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mailbox, "AT_ONCE", 2)
        world.customer(1)
        server.mails = {uid: bounce(sent(world, 1), status="5.2.2") for uid in (3, 30, 300)}
        assert [visit(world, server) for _ in range(3)] == [{"kept": 2}, {"kept": 1}, {}]

    def test_a_folder_may_have_any_name(self, world: World, server: ImapServer) -> None:
        world.customer(1)
        server.folder, server.mails = 'Bounces "of" the shop/2026 \\ all', {1: bounce(sent(world, 1))}
        assert visit(world, server) == {"kept": 1}

    def test_a_server_may_tell_of_other_things_in_between(self, world: World, server: ImapServer) -> None:
        world.customer(1)
        server.chatty, server.mails = True, {1: bounce(sent(world, 1))}
        assert visit(world, server) == {"kept": 1}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestWhatBreaks:
    @pytest.mark.parametrize("verb", ["CAPABILITY", "LOGIN", "SELECT", "SEARCH", "FETCH", "STORE", "LOGOUT"])
    def test_a_connection_that_ends_early_loses_nothing_and_repeats_nothing(
        self, world: World, server: ImapServer, verb: str
    ) -> None:
        for number in (1, 2):
            world.customer(number)
            server.mails[number] = bounce(sent(world, number))
        server.hangs_up_at = verb
        visit(world, server)
        assert server.hangs_up_at == ""
        visit(world, server)
        assert server.unseen() == []
        assert len(kept(world)) == len(suppressed(world)) == 2

    @pytest.mark.parametrize("verb", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
    @pytest.mark.parametrize("answer", ["NO 1 is out of order", "BAD no"])
    def test_a_server_that_says_no_is_asked_again_at_the_next_visit(
        self, world: World, server: ImapServer, verb: str, answer: str
    ) -> None:
        world.customer(1)
        server.mails[1] = bounce(sent(world, 1))
        server.says = {verb: answer}
        visit(world, server)
        assert server.unseen() == [1]
        server.says = {}
        visit(world, server)
        assert (server.unseen(), len(kept(world)), len(suppressed(world))) == ([], 1, 1)

    def test_a_mail_that_can_not_be_kept_stays(
        self, world: World, server: ImapServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> bool:
            raise RuntimeError("the store is away")

        world.customer(1)
        server.mails[1] = bounce(sent(world, 1))
        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(mail_events, "record", broken)
            visit(world, server)
        assert server.unseen() == [1]
        assert visit(world, server) == {"kept": 1}

    def test_a_wrong_password_reads_nothing_and_is_not_told(
        self, world: World, server: ImapServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.mails[1] = bounce(sent(world, 1))
        assert visit(world, server, password="wrong-word") == {}
        assert server.unseen() == [1]
        told = capsys.readouterr().out
        assert "bounce_mailbox_away" in told
        assert "wrong-word" not in told

    def test_a_server_under_another_name_never_hears_the_password(self, world: World, server: ImapServer) -> None:
        assert visit(world, server, host="127.0.0.1") == {}
        assert server.heard == []

    def test_a_server_that_nobody_vouches_for_never_hears_the_password(
        self, world: World, server: ImapServer, tmp_path: Path
    ) -> None:
        (tmp_path / "root.pem").write_bytes(certificate("Other", ca=True).pem)
        assert visit(world, server) == {}
        assert server.heard == []
