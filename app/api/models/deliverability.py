"""How sending stands, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.senders import DomainCheck

OpenTracking = Literal["off", "opted_in", "unless_opted_out"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SendingStop(_Answer):
    """The circuit breaker is open: nothing is sent until a person releases it."""

    at: datetime
    kind: Literal["complaints", "bounces"]
    sent: int = Field(description="Messages handed over in the window")
    hard_bounces: int
    complaints: int
    limit: float = Field(description="The share that must not be reached, 0..1")


class SendingLock(_Answer):
    """The store is not the one that sent last, or rests after a restore: nothing is planned or sent."""

    why: str
    until: datetime | None = Field(description="When it ends by itself; null: whoever runs Encore has to unlock it")


class SendingStatus(_Answer):
    """The rates of the last seven days, or since the last release, and the shop's choices."""

    stop: SendingStop | None
    lock: SendingLock | None
    since: datetime
    sent: int
    hard_bounces: int
    complaints: int
    bounce_rate: float | None = Field(description="Hard bounces per message handed over, 0..1; null: none was")
    complaint_rate: float | None
    level: Literal["too_few", "good", "warning", "stop"]
    open_tracking: OpenTracking = Field(description="Whose openings are observed; opted_in: who said yes at Shopify")
    hourly_limit: int | None = Field(description="Messages an hour; null: as many as the mail server takes")


class SendingPatch(BaseModel):
    """What to change; a field left out stays."""

    model_config = ConfigDict(extra="forbid")
    open_tracking: OpenTracking = "opted_in"
    hourly_limit: int | None = None


class DomainRecord(_Answer):
    """One check of a domain, and the record that makes it pass."""

    name: Literal["spf", "dkim", "dmarc"]
    label: str
    state: DomainCheck
    found: str | None
    problem: str | None
    record_type: Literal["TXT", "CNAME"]
    record_name: str
    record_value: str


class SenderHealth(_Answer):
    """The domain that a sender's mail is from: its records, how much it sends and may send today."""

    sender_id: str
    domain: str
    on_behalf: bool
    checked_at: datetime | None
    checks: list[DomainRecord]
    sent_today: int
    sent_30_days: int
    limit_today: int | None = Field(description="Null: no limit")
    next_limit: int | None = Field(
        description="Of the day after one that used three quarters of its own; null: no further step"
    )
    stage: Literal["no_dkim", "warming_up", "warm", "not_limited"]
    resumes_at: datetime | None = Field(description="Set while messages wait for tomorrow")


class SenderHealthList(_Answer):
    """All senders of the shop, the default first."""

    items: list[SenderHealth]


class Suppressed(_Answer):
    """An address that is not mailed any more, and why."""

    id: str
    email: str | None = Field(description="Null: nobody here has it any more")
    customers: list[int]
    reason: str
    at: datetime
    evidence: str | None
    can_be_reinstated: bool


class SuppressedList(_Answer):
    """The newest of them."""

    count: int
    items: list[Suppressed]


class SuppressedQuery(BaseModel):
    """Of one customer alone."""

    customer_no: int | None = None


class SuppressedPath(BaseModel):
    """Which address, by its id."""

    address_id: str = Field(pattern=r"^[0-9a-f]{64}$")


class HealthPath(BaseModel):
    """Which sender: `snd_<int>`."""

    sender_id: str
