"""Ten thousand random messages: composed by hand they are what the standard library would have composed.

`make mail-proof` runs all of them; a plain test run takes the first 500.
"""

from __future__ import annotations

import email
import os
import random
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import parseaddr
from typing import TYPE_CHECKING

import pytest

from app.mail.mime import build
from tests.unit.mail.oracle import compose
from tests.unit.mail.random_mails import INJECTIONS, NAMES, case, header_text

if TYPE_CHECKING:
    from tests.unit.mail.random_mails import Case

CASES = int(os.environ.get("ENCORE_MAIL_PROOF", "500"))
PARTS = 10
HEADERS = ("To", "Reply-To", "Date", "Message-ID", "X-Encore-Test", "MIME-Version")
WHOLE_NAME = re.compile("|".join(re.escape(name) for name in NAMES))


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def defects(message: EmailMessage) -> list[object]:
    """Of every part, and of every header once it is read."""
    found: list[object] = []
    for part in message.walk():
        assert isinstance(part, EmailMessage)
        found += part.defects
        found += [defect for _, value in part.items() for defect in value.defects]
    return found


def sender_name(raw: bytes) -> str:
    """The name in From. By the older decoder: the newer puts a space between two encoded words of a name, which
    RFC 2047 section 6.2 forbids.
    """
    value = email.message_from_bytes(raw, policy=compat32)["From"]
    shown = str(make_header(decode_header(value))).removesuffix("<hello@beans.example>").rstrip("\r\n ")
    return shown if "=?" in value else parseaddr(value)[0]


def check(one: Case) -> bool:
    """Hold a message against what it was made of and against the library's; returns whether the library, too, kept
    subject and name as they were.
    """
    raw, library = build(one.mail), compose(one.mail)
    ours, measure = parsed(raw), parsed(library)
    assert defects(ours) == []
    assert [part.get_content_type() for part in ours.walk()] == [part.get_content_type() for part in measure.walk()]
    for kind in ("plain", "html"):
        assert content(ours, kind) == content(measure, kind)
    for name in HEADERS:
        assert ours[name] == measure[name], name
    assert ours["From"].addresses[0].addr_spec == measure["From"].addresses[0].addr_spec
    assert ours["Subject"] == one.shown.subject
    assert sender_name(raw) == one.mail.from_name
    assert set(ours.keys()) - set(measure.keys()) == {"List-Unsubscribe", "List-Unsubscribe-Post"}
    assert ours["List-Unsubscribe"] == f"<{one.facts.unsubscribe_url}>"
    assert ours["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    check_lines(raw)
    for text in (ours["Subject"], content(ours, "plain"), content(ours, "html")):
        assert not WHOLE_NAME.search(text)
    for kind in ("plain", "html"):
        assert one.facts.unsubscribe_url in content(ours, kind)
        assert one.facts.view_url in content(ours, kind)
    if one.discount is None:
        assert "dashed" not in content(ours, "html")
    return bool(measure["Subject"] == one.shown.subject and sender_name(library) == one.mail.from_name)


def check_lines(raw: bytes) -> None:
    """Seven-bit lines that RFC 5322 allows, all ended by CRLF, none of which SMTP would take for the end."""
    lines = raw.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(line.startswith(b".") for line in lines)
    assert max(len(line) for line in lines) <= 998
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert raw.isascii()


class TestTenThousandMessages:
    @pytest.mark.parametrize("part", range(PARTS))
    def test_equal_the_standard_librarys_part_by_part(self, part: int) -> None:
        kept = []
        for number in range(part, CASES, PARTS):
            try:
                kept.append(check(case(number)))
            except Exception as fault:
                raise AssertionError(f"case {number}") from fault
        # The library of Python 3.11 drops or adds spaces where it folds long words that it encoded, and sends words
        # that look encoded as they are. Mostly it is right, or it would be no measure of ours.
        assert sum(kept) > 0.7 * len(kept)

    @pytest.mark.parametrize(
        "field", ["subject", "from_name", "from_address", "to_address", "reply_to", "message_id", "headers"]
    )
    def test_refuse_every_attempt_to_end_a_header(self, field: str) -> None:
        mail = case(1).mail
        chance = random.Random(7)
        for injection in INJECTIONS:
            for place in range(0, 12, 3):
                innocent = "ann@example.com" if field.endswith(("address", "to")) else header_text(chance, 30)
                value: object = innocent[:place] + injection + innocent[place:]
                with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract
                    build(replace(mail, **{field: {"X-Note": value} if field == "headers" else value}))  # type: ignore[arg-type]
