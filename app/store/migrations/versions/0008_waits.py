"""waits that the app chooses

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FREQUENCY = "once | every | optimise"


def upgrade() -> None:
    """A campaign may leave its frequency to the app: what was drawn, and from which policy."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("campaigns", "frequency", existing_type=sa.String(8), comment=FREQUENCY)
    op.create_table(
        "wait_choices",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("customer_no", sa.Integer(), nullable=False),
        sa.Column("chosen_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("propensities", base.JsonColumn, nullable=False, comment="Days → probability of that wait"),
        sa.Column("orders", sa.Integer(), nullable=False, comment="Feature: orders so far, at least 1"),
        sa.Column(
            "gap_ratio", sa.Double(), nullable=True, comment="Feature: days since the last order over the expected gap"
        ),
        sa.Column("basis", sa.String(16), nullable=False, comment="start | shop | segments"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_wait_choices_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["shop_id", "message_id"],
            ["outbox.shop_id", "outbox.id"],
            name=op.f("fk_wait_choices_shop_id_message_id_outbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shop_id", "message_id", name=op.f("pk_wait_choices")),
    )
    op.create_index("ix_wait_choices_campaign", "wait_choices", ["shop_id", "campaign_id", "customer_no"])
    op.create_table(
        "wait_policies",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The refresh whose history it learned from"),
        sa.Column("learned_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("basis", sa.String(16), nullable=False, comment="start | shop | segments"),
        sa.Column("days", base.JsonColumn, nullable=False, comment="The waits in play"),
        sa.Column("chances", base.JsonColumn, nullable=False, comment="Per segment: the probability of each wait"),
        sa.Column("choices", sa.Integer(), nullable=False, comment="Finished choices that it learned from"),
        sa.Column(
            "verdict",
            base.JsonColumn,
            nullable=True,
            comment="Waits per segment against the best wait for all: gain per customer-week with its interval",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_wait_policies_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_wait_policies")),
    )
    guard(op.get_bind(), ["wait_choices", "wait_policies"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("wait_policies")
    op.drop_table("wait_choices")
