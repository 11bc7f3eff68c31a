"""The contract between Encore and outside services that hold audiences.

An adapter speaks with one vendor and knows its limits; it opens nothing by itself and remembers
nothing. The caller owns the difference between a segment and what was sent, and remembers it.
Being on a list or carrying a tag is not consent to be mailed: no adapter gives or withdraws consent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Consent = Literal["none", "single", "confirmed"]
WithoutConsent = Literal["skip", "transactional"]
Result = Literal["done", "pending", "skipped", "failed"]

TARGET_GONE = "target_gone"


@dataclass(frozen=True)
class Member:
    """One person to put on a list or take off it.

    key:       the caller's number for the person; comes back in the outcome.
    email:     address as the vendor shall see it.
    consent:   to e-mail marketing, as the shop recorded it: none, single or confirmed opt-in.
    remote_id: the vendor's id of the person, where an earlier outcome told it.
    """

    key: int
    email: str
    first_name: str | None = None
    last_name: str | None = None
    consent: Consent = "none"
    remote_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one member; `code` is stable and short, `message` is for people and holds no address.

    pending: the vendor took it and works on it; `poll(job_id)` tells how it went.
    final:   of a failure: the vendor refuses this member. False = nothing shows that the member is at fault and
             not the request, so it is worth sending again.
    """

    key: int
    result: Result
    code: str = ""
    message: str = ""
    remote_id: str | None = None
    job_id: str | None = None
    final: bool = True

    @classmethod
    def done(cls, member: Member, remote_id: str | None = None) -> Outcome:
        """The vendor confirmed it."""
        return cls(member.key, "done", remote_id=remote_id or member.remote_id)

    @classmethod
    def pending(cls, member: Member, job_id: str) -> Outcome:
        """The vendor took it and works on it."""
        return cls(member.key, "pending", job_id=job_id)

    @classmethod
    def skipped(cls, member: Member, code: str, message: str) -> Outcome:
        """Left out on purpose."""
        return cls(member.key, "skipped", code, message)

    @classmethod
    def failed(cls, member: Member, code: str, message: str, *, final: bool = True) -> Outcome:
        """The vendor refused this one; sending it again unchanged does not help, if it is final."""
        return cls(member.key, "failed", code, without_addresses(message), final=final)


@dataclass(frozen=True)
class RowFailure:
    """One member that an asynchronous job refused."""

    email: str
    code: str
    message: str


@dataclass(frozen=True)
class JobState:
    """Where an asynchronous job stands; `failures` is complete once it is finished.

    lost: the vendor no longer knows the job or gave it up; its members have to be sent again.
    """

    finished: bool
    failures: tuple[RowFailure, ...] = ()
    lost: bool = False


@dataclass(frozen=True)
class Account:
    """Whose account a key opens."""

    id: str
    name: str


@dataclass(frozen=True)
class Container:
    """Where targets live at vendors that have such a thing (a Mailchimp audience)."""

    id: str
    name: str
    member_count: int | None = None


@dataclass(frozen=True)
class Target:
    """A list or a tag. `id` says everything that the adapter needs to find it again."""

    id: str
    name: str
    kind: Literal["list", "tag"]
    container_id: str | None = None
    container_name: str | None = None
    member_count: int | None = None


@dataclass(frozen=True)
class Discovery:
    """What exists in the account now."""

    targets: tuple[Target, ...]
    containers: tuple[Container, ...] = ()


@dataclass(frozen=True)
class TargetWish:
    """An existing target by id, or a new one by name (and container, where the vendor has containers)."""

    id: str | None = None
    name: str | None = None
    container_id: str | None = None


@dataclass(frozen=True)
class RemoteMember:
    """One person on a list as the vendor tells it."""

    email: str
    remote_id: str | None


@dataclass(frozen=True)
class Window:
    """At most `calls` calls in `seconds` seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and how many requests the vendor takes.

    windows: by operation of the adapter; an operation without one is not limited by number.
    """

    rows_per_add: int
    rows_per_remove: int
    bytes_per_request: int | None = None
    bytes_per_row: int | None = None
    windows: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """What kind of thing the vendor keeps, and how it answers.

    asynchronous: additions answer `pending`, and `poll` tells the rest.
    without_consent: the merchant chooses what happens to members without consent who are new there.
    """

    kind: Literal["list", "tag"]
    container_noun: str | None
    asynchronous: bool
    without_consent: bool


@dataclass(frozen=True)
class Permission:
    """One permission that the key needs, and what it is used for."""

    name: str
    why: str


@dataclass(frozen=True)
class Description:
    """A vendor as the merchant meets it; all sentences are shown as they are."""

    name: str
    title: str
    enables: str
    consent: str
    key_help: str
    permissions: tuple[Permission, ...]
    capabilities: Capabilities
    limits: Limits


class ConnectorError(Exception):
    """Something went wrong at the vendor; the class says what comes next.

    code:    stable and short.
    message: one or two sentences for the merchant, without any address.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = without_addresses(message)


class Throttled(ConnectorError):
    """The vendor asks to slow down; try again after `retry_after` seconds (None: it did not say)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__("throttled", message)
        self.retry_after = retry_after


class Transient(ConnectorError):
    """The vendor or the way to it is out of order; the same call may succeed later.

    timed_out: no answer came; the vendor may be working on the call still.
    """

    def __init__(self, message: str, *, code: str = "vendor_unavailable", timed_out: bool = False) -> None:
        super().__init__(code, message)
        self.timed_out = timed_out


class NotAuthorised(ConnectorError):
    """The key no longer opens the account or lacks a permission; the merchant has to reconnect."""

    def __init__(self, message: str) -> None:
        super().__init__("not_authorised", message)


class Misconfigured(ConnectorError):
    """It can't work until the merchant changes something: pause and explain."""


class RowRejected(ConnectorError):
    """The vendor refuses what was sent; sending it again unchanged does not help.

    rows: indices of the rows at fault in the request, where the vendor told them.
    """

    def __init__(self, code: str, message: str, rows: Sequence[int] = ()) -> None:
        super().__init__(code, message)
        self.rows = tuple(rows)


class AudienceDestination(Protocol):
    """An open account at one vendor. Every method may raise any ConnectorError but RowRejected.

    All writes may be repeated without harm; `ensure_target` with a new name is the exception, and its
    caller asks `discover` first.
    """

    def describe(self) -> Description:
        """The vendor; needs no call."""
        ...

    def check(self) -> Account:
        """Ask the vendor whose account this is. Raises NotAuthorised with what to do."""
        ...

    def discover(self) -> Discovery:
        """The targets that exist now."""
        ...

    def target(self, target_id: str) -> Target:
        """One target with its member count. Raises Misconfigured(TARGET_GONE)."""
        ...

    def ensure_target(self, wish: TargetWish) -> Target:
        """The existing target, or a new one. Never finds by name alone."""
        ...

    def fingerprint(self, member: Member) -> tuple[str, ...]:
        """What of a member the vendor would get: while it stays the same there is nothing to send."""
        ...

    def add_members(
        self, target_id: str, members: Iterable[Member], *, without_consent: WithoutConsent = "skip"
    ) -> Iterator[list[Outcome]]:
        """Put members on the target, making them known to the vendor where they are not.

        Yields the outcomes of one request as soon as the vendor acknowledged it, and makes the next
        request only when asked for more: what was yielded stands, the caller saves it and may stop.
        Raises Misconfigured when the vendor refuses requests whoever is in them.
        """
        ...

    def remove_members(self, target_id: str, members: Iterable[Member]) -> Iterator[list[Outcome]]:
        """Take members off the target and change nothing else about them. Yields as `add_members` does."""
        ...

    def poll(self, job_id: str) -> JobState:
        """Where an asynchronous job stands."""
        ...

    def read_back(self, target_id: str) -> Iterator[list[RemoteMember]]:
        """Who is on the target, page by page."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Connectors(Protocol):
    """The vendors that this installation can speak with."""

    def descriptions(self) -> Sequence[Description]:
        """Every vendor, in the order to show them."""
        ...

    def open(self, vendor: str, credentials: Mapping[str, str]) -> AudienceDestination:
        """An open account. Raises Misconfigured for an unknown vendor or credentials of a wrong form."""
        ...


_ADDRESS = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")
LONGEST_MESSAGE = 300


def without_addresses(message: str) -> str:
    """A vendor's message fit for logs and screens: addresses taken out, on one line, cut to length."""
    return " ".join(_ADDRESS.sub("[address]", message).split())[:LONGEST_MESSAGE]
