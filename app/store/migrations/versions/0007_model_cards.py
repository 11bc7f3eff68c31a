"""model cards

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.base import JsonColumn, UtcDateTime
from app.store.migrations.tenancy import guard

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One card per run that predicted anew."""
    op.create_table(
        "model_cards",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False, comment="good | fair | weak | too_little_data"),
        sa.Column("headline", JsonColumn, nullable=False, comment="kind: its few figures that pages list over time"),
        sa.Column("card", JsonColumn, nullable=False, comment="All of it; {} once many newer ones are kept"),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name="fk_model_cards_shop_id_shops", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "run_id", name="pk_model_cards"),
    )
    guard(op.get_bind(), ["model_cards"])


def downgrade() -> None:
    """Forget the cards."""
    op.drop_table("model_cards")
