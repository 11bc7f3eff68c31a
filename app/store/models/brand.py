"""How a shop's messages look, and who gets its tests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class BrandRow(ShopRow, Base):
    """The shop's colours and logo. No row: the plain look that every shop begins with."""

    __tablename__ = "brands"
    accent: Mapped[str] = mapped_column(String(7), comment="#rrggbb")
    background: Mapped[str] = mapped_column(String(7), comment="#rrggbb")
    logo_url: Mapped[str] = mapped_column(String(2000))
    logo_alt: Mapped[str] = mapped_column(String(300))
    logo_width: Mapped[int] = mapped_column(comment="Pixels")
    updated_at: Mapped[datetime]


class TestList(ShopRow, Base):
    """Whom the shop last sent a test to, sealed: they are somebody's addresses."""

    __test__ = False
    __tablename__ = "test_lists"
    sealed: Mapped[bytes] = mapped_column(LargeBinary, comment="{addresses: [...]}")
    updated_at: Mapped[datetime]
