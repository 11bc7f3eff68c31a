"""Amazon SES, by its API version 2: the message as it is, one request each.

Reference: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
SendEmail has no idempotency key, so the library's own retries are off: a request that was written and
not answered may have been taken, and is `unknown` as it would be after SMTP's final dot.
SES puts its own Message-ID into the message; what finds ours again is the tag.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)

from app.mail.delivery import CONNECTION, TOO_LATE, Delivery, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.mail.delivery import Envelope

CONNECTIONS = 10
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
TAG = "encore-message"  # comes back with every event of the message
REFUSED = frozenset({"MessageRejected", "BadRequestException", "ValidationException", "InvalidParameterValue"})
SLOW_DOWN = frozenset({"TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException"})
NEVER_WRITTEN = (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError, ProxyConnectionError, SSLError)
CLIENT_FAULTS = range(400, 500)


class SesTransport:
    """Hands messages to SES in one region.

    client:            boto3's `sesv2` client, made by `at`
    configuration_set: the SES set whose events go to our webhook; empty: none
    """

    def __init__(self, client: Any, configuration_set: str = "", connections: int = CONNECTIONS) -> None:
        self._client = client
        self._configuration_set = configuration_set
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="ses")

    @classmethod
    def at(cls, url: str) -> SesTransport:
        """From ses://region[?configuration_set=name&connections=10]; credentials as boto3 finds them."""
        parts = urlsplit(url)
        if parts.scheme != "ses" or not parts.hostname:
            raise ValueError("an SES address looks like ses://eu-west-1?configuration_set=encore")
        asked = parse_qs(parts.query)
        connections = max(1, int(asked.get("connections", [str(CONNECTIONS)])[0]))
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": 1},
            max_pool_connections=connections,
        )
        client = boto3.client("sesv2", region_name=parts.hostname, config=config)
        return cls(client, asked.get("configuration_set", [""])[0], connections)

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Hand one message over; see Delivery for how it may end."""
        # No FromEmailAddress: SES takes the message's own From, and reports bounces as events, not by mail.
        request: dict[str, Any] = {
            "Destination": {"ToAddresses": [envelope.rcpt_to]},
            "Content": {"Raw": {"Data": envelope.data}},
        }
        if envelope.reference:
            request["EmailTags"] = [{"Name": TAG, "Value": envelope.reference}]
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        if not still_allowed():
            return Delivery("not_accepted", TOO_LATE)
        try:
            self._client.send_email(**request)
        except ClientError as fault:
            return _said_no(fault)
        except NEVER_WRITTEN as fault:
            return Delivery("not_accepted", f"{CONNECTION}: {type(fault).__name__}")
        except BotoCoreError as fault:
            return Delivery("unknown", f"after the request: {type(fault).__name__}")
        return Delivery("accepted", "SES")

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Hand messages over, several requests at once."""
        # The first one alone: if SES is away or refuses us, the others need not find out by themselves.
        first = list(in_turn(lambda envelope: self.deliver(envelope, still_allowed), envelopes[:1]))
        if not first or first[0].unreachable:
            return first + [Delivery("not_accepted", first[0].detail) for _ in envelopes[1:]]
        rest = self._threads.map(lambda envelope: self.deliver(envelope, still_allowed), envelopes[1:])
        return [*first, *rest]


def _said_no(fault: ClientError) -> Delivery:
    """An answer of SES that is no yes. A 5xx came after the message was read: nobody knows."""
    code = str(fault.response.get("Error", {}).get("Code", ""))[:60]
    status = int(fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in REFUSED:
        return Delivery("refused", f"SES: {code}")
    if code in SLOW_DOWN:
        return Delivery("not_accepted", f"SES: {code}")
    if status in CLIENT_FAULTS:
        return Delivery("not_accepted", f"{CONNECTION}: {code}")  # about the account or our rights, not the message
    return Delivery("unknown", f"after the request: {code or status}")
