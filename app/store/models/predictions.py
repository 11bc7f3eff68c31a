"""Model cards: what the predictions of each run were worth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class ModelCard(ShopRow, Base):
    """The card of one run that predicted anew. Files of runs are tidied away; what they were worth stays."""

    __tablename__ = "model_cards"
    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    as_of: Mapped[datetime]
    created_at: Mapped[datetime]
    grade: Mapped[str] = mapped_column(String(16), comment="good | fair | weak | too_little_data")
    headline: Mapped[dict[str, Any]] = mapped_column(comment="kind: its few figures that pages list over time")
    card: Mapped[dict[str, Any]] = mapped_column(comment="All of it; {} once many newer ones are kept")
