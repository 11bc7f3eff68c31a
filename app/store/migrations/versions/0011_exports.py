"""downloads for more platforms, prepared in the background, and on a schedule

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FORMAT = "plain | meta | google | tiktok | pinterest"
STAFF = "Shopify's number of the member of staff"


def _choices() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "with_value",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="Meta only: predicted sales of the next 12 months",
        ),
        sa.Column("countries_mode", sa.String(8), nullable=False, server_default="all", comment="all | only | without"),
        sa.Column("countries", base.JsonColumn, nullable=False, server_default="[]", comment="ISO codes and EEA_UK"),
    ]


def _of_exports() -> list[sa.Column[object]]:
    return [
        *_choices(),
        sa.Column("state", sa.String(12), nullable=False, server_default="ready", comment="preparing | ready | failed"),
        sa.Column("problem", sa.String(500), nullable=True),
        sa.Column(
            "looked_at",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="Members so far, while it is prepared",
        ),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True, comment="Of the file, in hex"),
        sa.Column("made_by", sa.String(64), nullable=True, comment=STAFF),
        sa.Column("schedule_id", sa.Integer(), nullable=True, comment="Made by this schedule"),
        sa.Column("delivered_to", sa.String(500), nullable=True, comment="Where a schedule put it"),
    ]


def upgrade() -> None:
    """A download says how far it is and who asked for it; schedules make it again."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("segment_exports", "format", existing_type=sa.String(16), comment=FORMAT)
    for column in _of_exports():
        op.add_column("segment_exports", column)
    op.create_table(
        "export_schedules",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("segment_id", sa.Integer(), nullable=False),
        sa.Column("format", sa.String(16), nullable=False, comment=FORMAT),
        sa.Column("hashed", sa.Boolean(), nullable=False),
        sa.Column("include_unsubscribed", sa.Boolean(), nullable=False),
        *_choices(),
        sa.Column("every", sa.String(8), nullable=False, comment="day | week"),
        sa.Column("weekday", sa.Integer(), nullable=True, comment="Of a week: 0 = Monday"),
        sa.Column("hour", sa.Integer(), nullable=False, comment="0..23, the shop's time zone"),
        sa.Column("destination", sa.String(8), nullable=False, comment="link | file"),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True, comment="Why it stopped"),
        sa.Column("next_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("last_export_id", sa.Integer(), nullable=True),
        sa.Column("problem", sa.String(500), nullable=True, comment="Of the last run, if it failed"),
        sa.Column("created_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=True, comment=STAFF),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_export_schedules_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["shop_id", "segment_id"],
            ["segments.shop_id", "segments.id"],
            name=op.f("fk_export_schedules_shop_id_segments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_export_schedules")),
    )
    op.create_index("ix_export_schedules_due", "export_schedules", ["shop_id", "state", "next_at"])
    guard(op.get_bind(), ["export_schedules"])


def downgrade() -> None:
    """Forget the schedules, and how far downloads were."""
    op.drop_table("export_schedules")
    for column in reversed(_of_exports()):
        op.drop_column("segment_exports", column.name)
