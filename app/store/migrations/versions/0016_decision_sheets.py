"""standing decisions as columns, a campaign's hours, weekdays and last day

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NEW: tuple[tuple[str, str, Any, str | None], ...] = (
    ("campaigns", "send_from_hour", sa.Integer(), "0..23 on the customer's clock; null: no limit"),
    ("campaigns", "send_until_hour", sa.Integer(), "1..24, later than send_from_hour"),
    ("campaigns", "send_weekdays", base.JsonColumn, "0 = Monday; null: every day"),
    ("campaigns", "ends_on", sa.Date(), "Last day, of the shop's calendar"),
    ("campaigns", "ended_at", base.UtcDateTime(timezone=True), None),
    ("plan_ticks", "inputs", sa.String(64), "Digest of what it was decided from"),
)
STATES = "draft | active | paused | ended | deleted"


def upgrade() -> None:
    """Make the sheets. What stood as rows becomes the past: the next tick decides everybody anew."""
    for table, name, kind, comment in NEW:
        op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment))
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("campaigns", "state", existing_type=sa.String(16), comment=STATES)
    op.create_table(
        "decision_heads",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_tick", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("counts", base.JsonColumn, nullable=False, comment="Reason, or `selected` → customers"),
        *_keys("decision_heads", "campaign_id"),
    )
    op.create_table(
        "decision_sheets",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False, comment="customer_no // 65536"),
        sa.Column("columns", sa.LargeBinary(), nullable=False, comment="Arrow, compressed"),
        *_keys("decision_sheets", "campaign_id", "part"),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT set_config('app.shop_id', 'all', true)"))
    connection.execute(sa.text("UPDATE decisions SET current = false WHERE current"))
    guard(connection, ["decision_heads", "decision_sheets"])


def _keys(table: str, *columns: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f(f"fk_{table}_shop_id_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f(f"fk_{table}_shop_id_shops"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", *columns, name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    """Forget what stands; the past stays."""
    op.drop_table("decision_sheets")
    op.drop_table("decision_heads")
    for table, name, *_ in reversed(NEW):
        op.drop_column(table, name)
