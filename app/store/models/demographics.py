"""Which demographic estimates a shop asked for, and the public tables that they rest on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Estimate(ShopRow, Base):
    """An estimate that the merchant turned on. No row: off, which is where every shop begins."""

    __tablename__ = "estimates"
    name: Mapped[str] = mapped_column(String(16), primary_key=True, comment="gender | area_income")
    enabled_at: Mapped[datetime]


class ReferenceTable(Base):
    """What a public table that the operator loaded says of itself; one per name for the whole installation."""

    __tablename__ = "reference_tables"
    name: Mapped[str] = mapped_column(String(16), primary_key=True, comment="income")
    digest: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the rows: the same table is loaded once")
    source: Mapped[str] = mapped_column(String(255), comment="The file's name")
    vintage: Mapped[str | None] = mapped_column(String(32), comment="Years of the survey, if known: 2018-2022")
    rows: Mapped[int]
    detail: Mapped[dict[str, Any]] = mapped_column(comment="What classes need: {limits: [...], margins: share}")
    loaded_at: Mapped[datetime]


class AreaIncome(Base):
    """The median household income of one ZIP area, in dollars a year."""

    __tablename__ = "reference_income"
    zcta: Mapped[str] = mapped_column(String(5), primary_key=True, comment="Five digits")
    income: Mapped[int]
    margin: Mapped[int | None] = mapped_column(comment="90% margin of error; null: not published; 0: end of the scale")
