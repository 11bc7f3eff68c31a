"""what campaigns added, and whom they held out

Revision ID: 0017
Revises: 0012
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NEW = ("campaign_measurements", "holdout_changes")
COLUMNS: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("outbox", sa.Column("holdout_probability", sa.Double(), comment="Of the campaign's coin, in force when it fell")),
    ("outbox", sa.Column("shop_holdout_probability", sa.Double(), comment="Of the shop's coin")),
    ("outbox", sa.Column("held_by", sa.String(8), comment="campaign | shop: the coin that held it out")),
    ("recommendations", sa.Column("product_type", sa.Text())),
    (
        "recommendations",
        sa.Column("lift", sa.Double(), comment="The share of expected orders that a mail is taken to add"),
    ),
    (
        "recommendations",
        sa.Column(
            "lift_campaigns", sa.Integer(), nullable=False, server_default="0",
            comment="Measured campaigns behind `lift`; 0: the stated prior",
        ),
    ),
)  # fmt: skip


def upgrade() -> None:
    """The chances of both holdout coins beside each message; figures by day; changes of percentages."""
    for table, column in COLUMNS:
        op.add_column(table, column)
    op.create_table(
        "campaign_measurements",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False, comment="0: the whole shop"),
        sa.Column("day", sa.Date(), nullable=False, comment="Of the shop's zone"),
        sa.Column("as_of", base.UtcDateTime(timezone=True), nullable=False, comment="History is complete up to here"),
        sa.Column("measured_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("figures", base.JsonColumn, nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_campaign_measurements_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", "day", name=op.f("pk_campaign_measurements")),
    )
    op.create_table(
        "holdout_changes",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False, comment="0: the whole shop"),
        sa.Column("at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_holdout_changes_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", "at", name=op.f("pk_holdout_changes")),
    )
    guard(op.get_bind(), NEW)


def downgrade() -> None:
    """Forget them."""
    for table in NEW:
        op.drop_table(table)
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
