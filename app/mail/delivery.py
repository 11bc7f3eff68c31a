"""What is handed to a mail server, and the words for how that ended.

RFC 1047: once the final dot is sent, a sender that hears nothing cannot know whether the server
took the message. So every transport tells apart what happened before the dot (surely not accepted)
and after it (unknown until an answer is read that says yes or no; half an answer says neither).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

GIVE_UP_AFTER = 3  # connection failures in a row: the server is away, the rest waits
TOO_LATE = "too late"
AWAY = "the mail server is away"
RECIPIENT = "recipient"  # how details begin of what was said to the recipient's address alone
CONNECTION = "connection"  # how details begin that are about the server's being there, not about a message


class Lines(bytes):
    """Lines that each end with CRLF and none of which begins with a dot: after DATA they go as they are.

    Whoever makes one has seen to that, and so spares each message of a campaign three walks through all its bytes.
    """


@dataclass(frozen=True)
class Envelope:
    """One message for one recipient. data: the message in CRLF lines, headers first; `Lines` are taken at their word.

    mail_from: where bounces go, the header's From or an address of ours that names the message.
    reference: comes back in a provider's reports of what became of it; no personal data.
    """

    mail_from: str
    rcpt_to: str
    data: bytes
    message_id: str
    reference: str = ""


@dataclass(frozen=True)
class Delivery:
    """How a hand-over ended.

    accepted:     the server answered 2xx to the final dot
    refused:      5xx, or an address that SMTP can't carry: it will never take this message
    not_accepted: 4xx, no connection, or not allowed any more: surely not taken, may be tried again
    unknown:      after the final dot nothing was heard, or no answer that means yes or no: may have been taken
    detail:       the server's code and where in the dialogue; never its words, which repeat addresses. To a
                  recipient with the enhanced code, if there is one: `recipient: 550 5.1.1`
    """

    result: Literal["accepted", "refused", "not_accepted", "unknown"]
    detail: str = ""

    @property
    def unreachable(self) -> bool:
        """Whether it says nothing of the message, only that the server could not be talked to."""
        return self.detail.startswith(CONNECTION) or self.detail == AWAY


class Transport(Protocol):
    """Where messages go."""

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Hand one message over; `still_allowed` is asked right before the point of no return."""
        ...

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Hand messages over, several at once where that helps; the answers are in their order.

        still_allowed: asked for every message right before its point of no return, from any thread.
        After GIVE_UP_AFTER failures to reach the server in a row the rest is not tried.
        """
        ...


def always() -> bool:
    """For messages under no cap: confirmations and tests."""
    return True


def in_turn(deliver: Callable[[Envelope], Delivery], envelopes: Iterable[Envelope]) -> Iterator[Delivery]:
    """Deliver one after the other, until the server seems to be away."""
    failures = 0
    for envelope in envelopes:
        if failures >= GIVE_UP_AFTER:
            yield Delivery("not_accepted", AWAY)
            continue
        delivery = deliver(envelope)
        failures = failures + 1 if delivery.unreachable else 0
        yield delivery
