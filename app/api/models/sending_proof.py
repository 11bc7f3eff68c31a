"""What the API says of sending. Instants: UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

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


class CertificateEnd(BaseModel):
    """Where the chain ends."""

    seq: int
    hash: str


class CertificateEntry(BaseModel):
    """One hand-over or holdout, chained to the one before."""

    seq: int
    stamped_at: datetime
    customer_hash: str
    email_hash: str
    message_id: str
    kind: Literal["mail", "holdout"]
    prev_hash: str
    hash: str


class CertificateUnlocked(BaseModel):
    """That sending was unlocked after a restore: the store may lack hand-overs from before."""

    at: datetime
    how: str | None


class Certificate(BaseModel):
    """The whole ledger. Keyed hashes only."""

    format: str
    shop: str
    shop_id: int
    as_of: datetime
    window_seconds: int
    end: CertificateEnd
    unlocked: CertificateUnlocked | None
    taken_back: list[int] = Field(description="Entries whose hand-over was surely not accepted; they count as no mail")
    entries: list[CertificateEntry]
