"""What providers and mail servers report is read for what it is, whatever else comes to the mailbox."""

from __future__ import annotations

import json
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail import bounce_reports, ses_events

MESSAGE = "0b5ad0a2-6a3f-4e52-9d6a-3f0f5b1c9a10"


def report(
    action: str = "failed", status: str = "5.1.1", *, to: str = "bounces@mail.example", kind: str = "delivery-status",
    original: str = f"Message-ID: <{MESSAGE}@encore.example>\n", feedback: str = "abuse",
) -> bytes:  # fmt: skip
    fields = f"Feedback-Type: {feedback}\nUser-Agent: Provider/1.0\nVersion: 1\n"
    if kind == "delivery-status":
        group = f"Final-Recipient: rfc822; ann@example.com\nAction: {action}\nStatus: {status}\n"
        fields = f"Reporting-MTA: dns; relay.example\n\n{group}"
    parts = {
        "text/plain": "I'm sorry to have to inform you that ann@example.com is not here.\n",
        f"message/{kind}": fields,
        "text/rfc822-headers": f"Subject: hello\n{original}",
    }
    body = "".join(f"--x\nContent-Type: {name}\n\n{text}\n" for name, text in parts.items())
    head = f"To: {to}\nFrom: MAILER-DAEMON@relay.example\nMIME-Version: 1.0\n"
    return f'{head}Content-Type: multipart/report; report-type={kind}; boundary="x"\n\n{body}--x--\n'.encode()


class TestBounceReports:
    @pytest.mark.parametrize(
        ("status", "severity"),
        [
            ("5.1.1", "hard"), ("5.1.10", "hard"), ("5.2.1", "hard"), ("5.0.0", "hard"), ("5.2.2", "soft"),
            ("5.7.1", "soft"), ("5.4.4", "soft"), ("4.2.2", "soft"), ("4.4.7", "soft"), ("", "soft"),
        ],
    )  # fmt: skip
    def test_only_a_mailbox_that_is_gone_bounces_hard(self, status: str, severity: str) -> None:
        found = bounce_reports.read(report(status=status))
        assert found is not None
        assert (found.kind, found.message_id, found.severity) == ("bounced", MESSAGE, severity)

    def test_the_return_address_names_shop_and_message(self) -> None:
        found = bounce_reports.read(report(to=f"bounces+7-{MESSAGE}@mail.example", original=""))
        assert found is not None
        assert (found.reference, found.message_id) == (f"7-{MESSAGE}", "")

    def test_a_delay_is_no_bounce(self) -> None:
        assert bounce_reports.read(report(action="delayed", status="4.4.1")) is None

    def test_a_delivery_is_told(self) -> None:
        found = bounce_reports.read(report(action="delivered", status="2.1.5"))
        assert found is not None
        assert found.kind == "delivered"

    def test_a_complaint_of_a_feedback_loop_is_one(self) -> None:
        found = bounce_reports.read(report(kind="feedback-report"))
        assert found is not None
        assert (found.kind, found.message_id) == ("complained", MESSAGE)

    def test_not_spam_is_no_complaint(self) -> None:
        assert bounce_reports.read(report(kind="feedback-report", feedback="not-spam")) is None

    def test_other_mail_says_nothing(self) -> None:
        mail = EmailMessage()
        mail["To"] = f"bounces+7-{MESSAGE}@mail.example"
        mail.set_content("I am on holiday. Status: 5.1.1 Action: failed")
        assert bounce_reports.read(mail.as_bytes()) is None

    def test_a_report_of_somebody_else_s_message_says_nothing(self) -> None:
        assert bounce_reports.read(report(original="Message-ID: <other@shop.example>\n")) is None

    def test_nothing_of_an_address_is_kept(self) -> None:
        assert "ann@" not in repr(bounce_reports.read(report()))

    @settings(deadline=None)
    @given(st.binary(max_size=300), st.integers(0, 900))
    def test_no_mail_breaks_it(self, junk: bytes, place: int) -> None:
        whole = report()
        bounce_reports.read(junk)
        bounce_reports.read(whole[:place] + junk + whole[place + len(junk) :])


def event(name: str, about: dict[str, Any], *, old: bool = False, **mail: Any) -> str:
    told = {"notificationType" if old else "eventType": name, name.lower(): about, "mail": mail}
    return json.dumps(told)


class TestSesEvents:
    def test_a_permanent_bounce_is_hard_and_keeps_codes_only(self) -> None:
        recipient = {"emailAddress": "ann@example.com", "diagnosticCode": "smtp; 550 5.1.1 <ann@example.com> unknown"}
        about = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient],
                 "timestamp": "2026-03-02T12:00:00.000Z"}  # fmt: skip
        found = ses_events.read(event("Bounce", about, tags={"encore-message": [f"1-{MESSAGE}"]}))
        assert found is not None
        assert (found.kind, found.severity, found.reference) == ("bounced", "hard", f"1-{MESSAGE}")
        assert found.raw == {"event": "bounce", "type": "Permanent", "sub_type": "General", "status": "5.1.1"}

    @pytest.mark.parametrize("kind", ["Transient", "Undetermined", None])
    def test_any_other_bounce_is_soft(self, kind: str | None) -> None:
        found = ses_events.read(event("Bounce", {"bounceType": kind}))
        assert found is not None
        assert found.severity == "soft"

    def test_our_message_id_is_found_in_the_older_shape(self) -> None:
        headers = [{"name": "Message-ID", "value": f"<{MESSAGE}@encore.example>"}]
        found = ses_events.read(event("Complaint", {"complaintFeedbackType": "abuse"}, old=True, headers=headers))
        assert found is not None
        assert (found.kind, found.message_id, found.raw["type"]) == ("complained", MESSAGE, "abuse")

    @pytest.mark.parametrize("name", ["Send", "Open", "Click", "Reject", "Rendering Failure", "Other"])
    def test_events_that_are_not_kept_say_nothing(self, name: str) -> None:
        assert ses_events.read(event(name, {})) is None

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.text(max_size=5) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["eventType", "bounce", "mail", "tags", "headers", "bouncedRecipients", "encore-message"]
                    ),
                    inner | st.just("Bounce"),
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    def test_no_shape_breaks_it(self, told: Any) -> None:
        ses_events.read(json.dumps(told))
