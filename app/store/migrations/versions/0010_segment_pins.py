"""pinned members of segments

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.base import UtcDateTime
from app.store.migrations.tenancy import guard

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Who is in a segment, or out of it, by the merchant's own hand."""
    op.create_table(
        "segment_pins",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("segment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(3), nullable=False, comment="in | out"),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("note", sa.String(200), nullable=True, comment="The merchant's own words"),
        sa.CheckConstraint("kind IN ('in', 'out')", name=op.f("ck_segment_pins_kind")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name="fk_segment_pins_shop_id_shops", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["shop_id", "segment_id"],
            ["segments.shop_id", "segments.id"],
            name=op.f("fk_segment_pins_shop_id_segment_id_segments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shop_id", "segment_id", "customer_no", name="pk_segment_pins"),
    )
    op.create_index("ix_segment_pins_customer", "segment_pins", ["shop_id", "customer_no"])
    guard(op.get_bind(), ["segment_pins"])


def downgrade() -> None:
    """Forget the pins."""
    op.drop_table("segment_pins")
