"""Senders over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DomainCheck = Literal["not_checked", "passed", "missing", "wrong", "unreachable"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SenderPath(BaseModel):
    """Which sender: `snd_<int>`."""

    sender_id: str


class SenderCreate(BaseModel):
    """A new sender; every part but reply_to is required before it can be saved."""

    model_config = ConfigDict(extra="forbid")
    display_name: str = Field(max_length=200)
    from_address: str = Field(max_length=320)
    reply_to: str | None = Field(default=None, max_length=320)
    company: str = Field(max_length=200)
    postal_address: str = Field(max_length=1000, description="Lines separated by newlines")


class SenderPatch(BaseModel):
    """What to change; a field left out stays."""

    model_config = ConfigDict(extra="forbid")
    display_name: str | None = Field(default=None, max_length=200)
    from_address: str | None = Field(default=None, max_length=320)
    reply_to: str | None = Field(default=None, max_length=320)
    company: str | None = Field(default=None, max_length=200)
    postal_address: str | None = Field(default=None, max_length=1000)


class DomainChecks(_Answer):
    """What the name system said of the domain that mail is from, at the last look."""

    spf: DomainCheck
    dkim: DomainCheck
    dmarc: DomainCheck


class UsedBy(_Answer):
    """A campaign that sends from this address."""

    id: str
    name: str | None


class Sender(_Answer):
    """An address that campaigns send from, once its owner has confirmed it."""

    id: str
    display_name: str
    from_address: str
    reply_to: str | None
    company: str
    postal_address: str
    is_default: bool
    state: Literal["unverified", "pending", "verified", "expired"] = Field(
        description="pending: a confirmation mail is out; expired: its link is older than 72 h"
    )
    verified_at: datetime | None
    verification_sent_at: datetime | None
    verification_expires_at: datetime | None
    on_behalf: bool = Field(description="A free-mail domain: sent from Encore's address, replies go to the sender")
    header_from: str = Field(description="The From header that recipients see")
    domain_checks: DomainChecks
    used_by: list[UsedBy]


class SenderList(_Answer):
    """All senders of the shop, the default first."""

    items: list[Sender]
    next: str | None = None
