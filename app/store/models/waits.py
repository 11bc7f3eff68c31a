"""Waits that the app chose for "let the app optimise", and the policy that they are drawn from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class WaitChoice(ShopRow, Base):
    """How long a customer waits after a message before the campaign may mail them again, and how that was drawn.

    Kept as it was drawn: what became of it is read from the history, never written here.
    """

    __tablename__ = "wait_choices"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "message_id"], ["outbox.shop_id", "outbox.id"], ondelete="CASCADE"),
        Index("ix_wait_choices_campaign", "shop_id", "campaign_id", "customer_no"),
    )
    message_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    campaign_id: Mapped[int]
    customer_no: Mapped[int]
    chosen_at: Mapped[datetime]
    days: Mapped[int]
    propensities: Mapped[dict[str, Any]] = mapped_column(comment="Days → probability of that wait")
    orders: Mapped[int] = mapped_column(comment="Feature: orders so far, at least 1")
    gap_ratio: Mapped[float | None] = mapped_column(comment="Feature: days since the last order over the expected gap")
    basis: Mapped[str] = mapped_column(String(16), comment="start | shop | segments")


class WaitPolicy(ShopRow, Base):
    """What the shop's choices have taught so far; learned anew from each refresh."""

    __tablename__ = "wait_policies"
    run_id: Mapped[int] = mapped_column(comment="The refresh whose history it learned from")
    learned_at: Mapped[datetime]
    basis: Mapped[str] = mapped_column(String(16), comment="start | shop | segments")
    days: Mapped[list[Any]] = mapped_column(comment="The waits in play")
    chances: Mapped[list[Any]] = mapped_column(comment="Per segment: the probability of each wait")
    choices: Mapped[int] = mapped_column(comment="Finished choices that it learned from")
    verdict: Mapped[dict[str, Any] | None] = mapped_column(
        comment="Waits per segment against the best wait for all: gain per customer-week with its interval"
    )
