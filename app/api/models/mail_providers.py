"""How mail fares with each mailbox provider, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class MailProvider(_Answer):
    """Messages to one provider's mailboxes, each counted once."""

    provider: Literal["gmail", "outlook", "yahoo", "icloud", "other", "unknown"] = Field(
        description="By the address's domain; unknown: erased since, or not imported since providers are kept"
    )
    sent: int
    bounced: int = Field(description="In any way, for the time being too")
    for_good: int = Field(description="Of the bounced: never arrive")
    complained: int
    opened: int = Field(description="By people, as far as openings may be observed")


class MailProviders(_Answer):
    """All messages that left since then: `sent`, counted by itself, is the sum of the items."""

    since: datetime
    sent: int
    items: list[MailProvider]
