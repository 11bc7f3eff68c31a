"""What messages in line wait for, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class WaitingGroup(_Answer):
    """Messages that wait for the same."""

    why: Literal[
        "locked", "stopped", "not_active", "no_dkim", "warm_up", "hourly", "code", "retry", "hours", "earlier_limit",
        "next", "sending",
    ] = Field(description="hours: the customer's own; earlier_limit: one that was lifted since")  # fmt: skip
    count: int
    until: datetime | None = Field(description="When the first of them may go; null: at once, or not known")
    limit: int | None = Field(description="The limit of the day or hour that is used up")
    too_late: int = Field(description="Of them: will have waited too long by then, and are decided anew")


class WaitingMessages(_Answer):
    """A campaign's messages that have not left: `count`, counted by itself, is the sum of all groups."""

    count: int
    groups: list[WaitingGroup]
    good_for_hours: int = Field(description="A message that waits longer than this past its time is decided anew")
    as_of: datetime
