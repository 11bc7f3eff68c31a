"""Amazon SES, against moto's stand-in, and the endings that it cannot play."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from moto.sesv2 import sesv2_backends

from app.mail.delivery import Envelope, always
from app.mail.ses import SesTransport
from app.mail.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RAW = b"From: %s\r\nTo: ann@example.com\r\nSubject: hello\r\nMessage-ID: <m1@x>\r\n\r\nhello\r\n"


def mail(sender: str = "shop@beans.example") -> Envelope:
    # The return address is ours, which SES knows nothing of.
    return Envelope("bounces+1-m1@encore.example", "ann@example.com", RAW % sender.encode(), "m1", reference="1-m1")


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        boto3.client("ses", region_name="eu-west-1").verify_email_identity(EmailAddress="shop@beans.example")
        yield sesv2_backends["123456789012"]["eu-west-1"]


class TestAgainstTheStandIn:
    def test_a_message_goes_out_as_it_is(self, ses: Any) -> None:
        transport = SesTransport.at("ses://eu-west-1?configuration_set=encore")
        assert transport.deliver(mail(), always).result == "accepted"
        (sent,) = ses.core_backend.sent_messages
        assert "Message-ID: <m1@x>" in str(sent.raw_data)

    def test_many_go_out_in_their_order_of_answers(self, ses: Any) -> None:
        transport = SesTransport.at("ses://eu-west-1")
        mails = [mail("stranger@other.example" if n == 3 else "shop@beans.example") for n in range(6)]
        results = [d.result for d in transport.deliver_many(mails, always)]
        assert results == ["accepted"] * 3 + ["refused"] + ["accepted"] * 2
        assert len(ses.core_backend.sent_messages) == 5

    def test_too_late_is_not_sent(self, ses: Any) -> None:
        transport = SesTransport.at("ses://eu-west-1")
        assert transport.deliver(mail(), lambda: False).result == "not_accepted"
        assert ses.core_backend.sent_messages == []

    def test_is_opened_from_the_settings_and_never_tries_twice(self, ses: Any, tmp_path: Path) -> None:
        transport = open_transport("ses://eu-west-1?connections=3", tmp_path)
        assert isinstance(transport, SesTransport)
        config = transport._client.meta.config
        assert config.retries["total_max_attempts"] == 1


class FakeClient:
    """Answers with one ending, and keeps what it was asked."""

    def __init__(self, ending: Exception | None = None) -> None:
        self.ending, self.asked = ending, list[dict[str, Any]]()

    def send_email(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.ending is not None:
            raise self.ending
        return {"MessageId": "x"}


def answered(code: str, status: int) -> ClientError:
    told = {"Error": {"Code": code, "Message": "ann@example.com"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "SendEmail")  # type: ignore[arg-type]


class TestEndings:
    @pytest.mark.parametrize(
        ("ending", "result", "unreachable"),
        [
            (answered("MessageRejected", 400), "refused", False),
            (answered("BadRequestException", 400), "refused", False),
            (answered("TooManyRequestsException", 429), "not_accepted", False),
            (answered("LimitExceededException", 400), "not_accepted", False),
            (answered("AccountSuspendedException", 400), "not_accepted", True),
            (answered("SendingPausedException", 400), "not_accepted", True),
            (answered("MailFromDomainNotVerifiedException", 400), "not_accepted", True),
            (answered("ExpiredTokenException", 403), "not_accepted", True),
            (answered("InternalFailure", 500), "unknown", False),
            (EndpointConnectionError(endpoint_url="x"), "not_accepted", True),
            (ConnectTimeoutError(endpoint_url="x"), "not_accepted", True),
            (ReadTimeoutError(endpoint_url="x"), "unknown", False),
        ],
    )
    def test_each_is_told_truthfully(self, ending: Exception, result: str, unreachable: bool) -> None:
        delivery = SesTransport(FakeClient(ending)).deliver(mail(), always)
        assert (delivery.result, delivery.unreachable) == (result, unreachable)
        assert "ann@" not in delivery.detail

    def test_if_ses_is_away_it_is_asked_once(self) -> None:
        client = FakeClient(EndpointConnectionError(endpoint_url="x"))
        deliveries = SesTransport(client).deliver_many([mail()] * 20, always)
        assert [d.result for d in deliveries] == ["not_accepted"] * 20
        assert len(client.asked) == 1

    def test_the_tag_and_the_configuration_set_are_for_the_events(self) -> None:
        client = FakeClient()
        SesTransport(client, "encore").deliver(mail(), always)
        (asked,) = client.asked
        assert asked["EmailTags"] == [{"Name": "encore-message", "Value": "1-m1"}]
        assert asked["ConfigurationSetName"] == "encore"

    @pytest.mark.parametrize("url", ["ses://", "smtp://x", "ses:///x"])
    def test_an_address_without_a_region_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="looks like"):
            SesTransport.at(url)
