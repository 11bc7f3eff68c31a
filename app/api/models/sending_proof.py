"""What the API says of sending. Instants: UTC."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class SendingProof(BaseModel):
    """The weekly cap, recomputed from the ledger of every hand-over."""

    model_config = ConfigDict(from_attributes=True)
    as_of: datetime
    holds: bool = Field(description="The chain is whole and no two e-mails to one person lie within 168 hours")
    chain_whole: bool
    mails: int = Field(description="Hand-overs that led, or may have led, to an e-mail")
    entries: int = Field(description="Hand-overs and holdouts, also those that came to nothing")
    shortest_gap_seconds: float | None = Field(description="Between two e-mails to one person; null: nobody got two")
    shortest_gap: str | None = Field(description="The same in words", examples=["7 d 1 h 3 min"])
    findings: list[str] = Field(description="What does not hold, the first of them")
    finding_count: int
    locked: str | None = Field(description="Why nothing is sent, for example after a restore; null if sending goes on")
