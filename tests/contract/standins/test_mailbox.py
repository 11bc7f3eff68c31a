"""The mailbox: SMTP in, web inbox out."""

from __future__ import annotations

import smtplib
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.clock import SandboxClock
from sandbox.mailbox import create_app, start_smtp
from sandbox.options import SandboxOptions, ports_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def campaign(to: str = "ann@shop.example", unsubscribe: str = "http://127.0.0.1:1/u/1") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Encore demo shop <hello@encore-demo.example>"
    message["To"] = to
    message["Subject"] = "Your café coffee: time for more?"
    message["Message-ID"] = "<m1@encore-demo.example>"
    message["List-Unsubscribe"] = f"<mailto:out@encore-demo.example>, <{unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("Buy again: http://127.0.0.1:4000/c/1?x=1.\n")
    message.add_alternative(
        '<html><head></head><body><p>Grüße</p><a href="http://127.0.0.1:4000/c/1?x=1&amp;y=2">Buy <b>again</b></a>'
        '<a href="http://127.0.0.1:4000/c/1?x=1&amp;y=2">here</a><a href="mailto:a@b.co">mail</a></body></html>',
        subtype="html",
    )
    return message


class Mailbox:
    """The web inbox (served) with the SMTP server beside it."""

    def __init__(self, web: Any, port: int) -> None:
        self.web = web
        self.port = port

    def send(self, message: EmailMessage, *to: str) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
            return client.send_message(message, to_addrs=list(to) or None)

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        return list(self.web.get(f"/sandbox/messages{query}")["messages"])

    def only(self) -> dict[str, Any]:
        (summary,) = self.messages()
        return dict(self.web.get(f"/sandbox/messages/{summary['id']}"))

    def page(self, path: str) -> str:
        return str(self.web.client.get(path).raise_for_status().text)


@pytest.fixture
def start(served: Any, fake_time: Any, tmp_path: Path) -> Iterator[Callable[[], Mailbox]]:
    servers, webs = [], []

    def begin() -> Mailbox:
        clock = SandboxClock(tmp_path, real_now=fake_time)
        options = SandboxOptions(ports={**ports_from(4010), "smtp": 0})
        servers.append(start_smtp(tmp_path, clock, options))
        webs.append(served(create_app(tmp_path, clock, options), fake_time))
        return Mailbox(webs[-1].__enter__(), servers[-1].address[1])

    yield begin
    for web in webs:
        web.__exit__(None, None, None)
    for server in servers:
        server.stop()


@pytest.fixture
def mailbox(start: Callable[[], Mailbox]) -> Mailbox:
    return start()


class TestWhatArrives:
    def test_is_kept_byte_for_byte(self, mailbox: Mailbox) -> None:
        raw = b"From: a@shop.example\r\nTo: b@shop.example\r\nSubject: x\r\n\r\n.dots\r\n..and more\r\n"
        with smtplib.SMTP("127.0.0.1", mailbox.port) as client:
            client.sendmail("a@shop.example", ["b@shop.example"], raw)
        kept = mailbox.web.client.get(f"/sandbox/messages/{mailbox.only()['id']}/raw").content
        assert kept == raw

    def test_is_told_with_headers_text_html_and_links(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign())
        found = mailbox.only()
        assert found["subject"] == "Your café coffee: time for more?"
        assert found["recipients"] == ["ann@shop.example"]
        assert "Grüße" in found["html"]
        assert found["text"].startswith("Buy again: http")
        assert found["links"] == [{"url": "http://127.0.0.1:4000/c/1?x=1&y=2", "text": "Buy again"}]
        assert ["List-Unsubscribe-Post", "List-Unsubscribe=One-Click"] in found["headers"]
        assert found["unsubscribe"] == {"url": "http://127.0.0.1:1/u/1", "one_click": True}

    def test_has_the_sandboxs_time(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign())
        assert mailbox.only()["received_at"] == "2026-11-23T12:00:00+00:00"

    def test_finds_links_in_a_message_of_text_alone(self, mailbox: Mailbox) -> None:
        message = EmailMessage()
        message["To"] = "ann@shop.example"
        message["From"] = "hello@encore-demo.example"
        message.set_content("Confirm here: http://127.0.0.1:4000/confirm/abc.\n")
        mailbox.send(message)
        assert [one["url"] for one in mailbox.only()["links"]] == ["http://127.0.0.1:4000/confirm/abc"]

    def test_is_found_by_recipient_newest_first(self, mailbox: Mailbox) -> None:
        for to in ("ann@shop.example", "bob@shop.example", "ANN@shop.example"):
            mailbox.send(campaign(to))
        assert [one["id"] for one in mailbox.messages("?to=ann@shop.example")] == [3, 1]
        assert [one["id"] for one in mailbox.messages("?after=1")] == [3, 2]

    def test_is_still_there_after_a_restart(self, start: Callable[[], Mailbox]) -> None:
        start().send(campaign())
        assert start().only()["subject"] == "Your café coffee: time for more?"

    def test_can_be_deleted(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign())
        mailbox.send(campaign("bob@shop.example"))
        mailbox.web.client.delete("/sandbox/messages/1").raise_for_status()
        assert [one["id"] for one in mailbox.messages()] == [2]
        mailbox.web.client.delete("/sandbox/messages").raise_for_status()
        assert mailbox.messages() == []


class TestFaults:
    def fault(self, mailbox: Mailbox, **fault: Any) -> None:
        mailbox.web.post("/sandbox/faults", fault)

    @pytest.mark.parametrize("code", [550, 451])
    def test_refuse_one_recipient_and_take_the_other(self, mailbox: Mailbox, code: int) -> None:
        self.fault(mailbox, recipient="bob@*", kind=str(code))
        refused = mailbox.send(campaign(), "ann@shop.example", "bob@shop.example")
        assert {email: answer[0] for email, answer in refused.items()} == {"bob@shop.example": code}
        assert mailbox.only()["recipients"] == ["ann@shop.example"]

    def test_refuse_after_the_data(self, mailbox: Mailbox) -> None:
        self.fault(mailbox, kind="554", stage="data")
        with pytest.raises(smtplib.SMTPDataError):
            mailbox.send(campaign())
        assert mailbox.messages() == []

    @pytest.mark.parametrize(("kind", "stored"), [("answer_lost", 1), ("drop", 0)])
    def test_close_the_connection_instead_of_answering_the_data(self, mailbox: Mailbox, kind: str, stored: int) -> None:
        self.fault(mailbox, kind=kind)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            mailbox.send(campaign())
        assert len(mailbox.messages()) == stored

    def test_end_after_their_count(self, mailbox: Mailbox) -> None:
        self.fault(mailbox, kind="451", count=2)
        for _ in range(2):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                mailbox.send(campaign())
        mailbox.send(campaign())
        assert len(mailbox.messages()) == 1
        assert [one["kind"] for one in mailbox.web.get("/sandbox/faults")["refusals"]] == ["451", "451"]

    @pytest.mark.parametrize("fault", [{"kind": "250"}, {"kind": "drop", "stage": "rcpt"}, {"kind": "x"}])
    def test_that_make_no_sense_are_refused(self, mailbox: Mailbox, fault: dict[str, str]) -> None:
        assert mailbox.web.client.post("/sandbox/faults", json=fault).status_code == 400


class TestTheInbox:
    def test_lists_and_searches(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign("ann@shop.example"))
        mailbox.send(campaign("bob@shop.example"))
        assert mailbox.page("/").index("bob@shop.example") < mailbox.page("/").index("ann@shop.example")
        found = mailbox.page("/?q=ann@")
        assert "ann@shop.example" in found
        assert "bob@shop.example" not in found

    def test_shows_older_messages_on_further_pages(self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sandbox.mailbox.app.PAGE", 2)
        for number in range(3):
            mailbox.send(campaign(f"person{number}@shop.example"))
        assert "person0@" not in mailbox.page("/")
        assert "/?q=&amp;before=2" in mailbox.page("/")
        assert "person0@" in mailbox.page("/?q=&before=2")
        assert "Older messages" not in mailbox.page("/?q=&before=2")

    def test_says_that_it_is_empty(self, mailbox: Mailbox) -> None:
        assert "No messages yet" in mailbox.page("/")

    def test_shows_html_in_a_frame_that_can_do_nothing(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign())
        assert '<iframe title="Message" src="/messages/1/html" sandbox="' in mailbox.page("/messages/1")
        answer = mailbox.web.client.get("/messages/1/html")
        assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
        assert '<head><base target="_blank"></head>' in answer.text

    @pytest.mark.parametrize(
        ("part", "text"),
        [
            ("text", "Buy again: http"),
            ("headers", "List-Unsubscribe-Post"),
            ("raw", "Content-Type: multipart/alternative"),
        ],
    )
    def test_shows_the_other_parts(self, mailbox: Mailbox, part: str, text: str) -> None:
        mailbox.send(campaign())
        assert text in mailbox.page(f"/messages/1?part={part}")

    def test_shows_links_to_click(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign())
        assert '<a href="http://127.0.0.1:4000/c/1?x=1&amp;y=2" target="_blank"' in mailbox.page("/messages/1")


class TestOneClickUnsubscribe:
    @pytest.fixture
    def sender(self) -> Iterator[tuple[str, list[tuple[str, bytes, str]]]]:
        got: list[tuple[str, bytes, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, body, self.headers["Content-Type"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/u/abc", got
            server.shutdown()

    def test_posts_what_a_mail_provider_posts(
        self, mailbox: Mailbox, sender: tuple[str, list[tuple[str, bytes, str]]]
    ) -> None:
        url, got = sender
        mailbox.send(campaign(unsubscribe=url))
        assert mailbox.web.client.post("/messages/1/unsubscribe").status_code == 303
        form = "application/x-www-form-urlencoded"
        assert got == [("/u/abc", b"List-Unsubscribe=One-Click", form)]
        assert "200 OK" in mailbox.page("/messages/1")
        assert ">unsubscribed<" in mailbox.page("/")

    def test_never_leaves_this_machine(self, mailbox: Mailbox) -> None:
        mailbox.send(campaign(unsubscribe="https://elsewhere.example/u"))
        assert "not on this machine" in mailbox.web.post("/sandbox/messages/1/unsubscribe", {})["outcome"]

    def test_is_offered_only_if_the_sender_promises_it(self, mailbox: Mailbox) -> None:
        message = campaign()
        del message["List-Unsubscribe-Post"]
        mailbox.send(message)
        assert "Unsubscribe (one click" not in mailbox.page("/messages/1")
