"""Only genuine, fresh notifications of our own topics are opened."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.mail.sns import SIGNED, NotGenuine, Verifier

TOPIC = "arn:aws:sns:eu-west-1:123456789012:encore"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


class Amazon:
    """Signs as SNS does, with a certificate of the test's own, and counts who fetches it."""

    def __init__(self, begins: timedelta = timedelta(days=-1), ends: timedelta = timedelta(days=1)) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        today = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(1).not_valid_before(today + begins)
        made = builder.not_valid_after(today + ends).sign(self._key, hashes.SHA256())
        self.pem = made.public_bytes(serialization.Encoding.PEM)
        self.fetched: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.pem

    def says(self, *, version: str = "2", sign_as: str | None = None, **changes: str) -> dict[str, Any]:
        told = {
            "Type": "Notification", "MessageId": "n-1", "TopicArn": TOPIC, "Message": "{}", "SignatureVersion": version,
            "Timestamp": NOW.isoformat().replace("+00:00", "Z"), "SigningCertURL": CERTIFICATE, **changes,
        }  # fmt: skip
        fields = SIGNED[sign_as or told["Type"]]
        text = "".join(f"{name}\n{told[name]}\n" for name in fields if name in told)
        kind = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303 - what version 1 is
        told["Signature"] = base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), kind)).decode()
        return told


@pytest.fixture(scope="module")
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def verifier(amazon: Amazon) -> Verifier:
    amazon.fetched.clear()
    return Verifier({TOPIC}, amazon.fetch)


def body(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


class TestVerifier:
    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES"}])
    def test_opens_what_amazon_signed(
        self, amazon: Amazon, verifier: Verifier, version: str, subject: dict[str, str]
    ) -> None:
        found = verifier.open(body(amazon.says(version=version, Message="hello", **subject)), NOW)
        assert (found.kind, found.message, found.message_id) == ("Notification", "hello", "n-1")

    def test_fetches_a_certificate_once(self, amazon: Amazon, verifier: Verifier) -> None:
        for number in range(3):
            verifier.open(body(amazon.says(MessageId=str(number))), NOW)
        assert amazon.fetched == [CERTIFICATE]

    @pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Subject"])
    def test_refuses_what_was_changed(self, amazon: Amazon, verifier: Verifier, field: str) -> None:
        told = amazon.says(Subject="x")
        told[field] = (NOW - timedelta(minutes=1)).isoformat() if field == "Timestamp" else "other"
        with pytest.raises(NotGenuine, match="signature"):
            verifier.open(body(told), NOW)

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a.pem",
            "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0a.pem",
            "https://evil@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0a.pem",
            "https://sns.eu-west-1.amazonaws.com:port/SimpleNotificationService-0a.pem",
            "https://sns-eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem",
            "https://sns.eu-west-1.amazonaws.com/other.pem",
            "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0a.pem",
            "",
        ],
    )
    def test_fetches_certificates_from_nowhere_else(self, amazon: Amazon, verifier: Verifier, url: str) -> None:
        with pytest.raises(NotGenuine, match="elsewhere"):
            verifier.open(body(amazon.says(SigningCertURL=url)), NOW)
        assert amazon.fetched == []

    def test_refuses_another_topic_before_it_fetches_anything(self, amazon: Amazon, verifier: Verifier) -> None:
        with pytest.raises(NotGenuine, match="topic"):
            verifier.open(body(amazon.says(TopicArn=TOPIC + "2")), NOW)
        assert amazon.fetched == []

    @pytest.mark.parametrize("age", [timedelta(hours=1, seconds=1), timedelta(minutes=-6)])
    def test_refuses_what_is_old_or_from_the_future(self, amazon: Amazon, verifier: Verifier, age: timedelta) -> None:
        with pytest.raises(NotGenuine, match="old"):
            verifier.open(body(amazon.says(Timestamp=(NOW - age).isoformat())), NOW)

    def test_takes_what_is_an_hour_old(self, amazon: Amazon, verifier: Verifier) -> None:
        verifier.open(body(amazon.says(Timestamp=(NOW - timedelta(hours=1)).isoformat())), NOW)

    def test_refuses_another_key_s_signature(self, amazon: Amazon, verifier: Verifier) -> None:
        with pytest.raises(NotGenuine, match="signature"):
            verifier.open(body(Amazon().says()), NOW)

    def test_an_unsubscribe_confirmation_is_not_taken(self, amazon: Amazon, verifier: Verifier) -> None:
        told = amazon.says(Type="UnsubscribeConfirmation", sign_as="Notification")
        with pytest.raises(NotGenuine, match="kind"):
            verifier.open(body(told), NOW)

    @pytest.mark.parametrize(
        "junk",
        [
            b"", b"[]", b"null", b"{", b'{"Type": 1}', b"[" * 100_000, b'{"Type": "Notification"}', b"\xff\xfe",
            b'{"Type":"Notification","TopicArn":"' + TOPIC.encode() + b'","Timestamp":"2026-03-02T12:00:00"}',
        ],
    )  # fmt: skip
    def test_junk_is_refused(self, verifier: Verifier, junk: bytes) -> None:
        with pytest.raises(NotGenuine):
            verifier.open(junk, NOW)


class TestSubscriptions:
    def test_one_of_ours_is_confirmed_at_amazon(self, amazon: Amazon, verifier: Verifier) -> None:
        url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
        found = verifier.open(body(amazon.says(Type="SubscriptionConfirmation", SubscribeURL=url, Token="t")), NOW)
        verifier.confirm(found)
        assert amazon.fetched == [CERTIFICATE, url]

    def test_one_that_leads_elsewhere_is_refused(self, amazon: Amazon, verifier: Verifier) -> None:
        told = amazon.says(Type="SubscriptionConfirmation", SubscribeURL="https://evil.example/", Token="t")
        with pytest.raises(NotGenuine, match="elsewhere"):
            verifier.open(body(told), NOW)
