"""demographic estimates that a shop asked for, and the public tables that they rest on

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "estimates",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False, comment="gender | area_income"),
        sa.Column("enabled_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_estimates_shop_id_shops"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "name", name=op.f("pk_estimates")),
    )
    guard(op.get_bind(), ["estimates"])
    op.create_table(
        "reference_tables",
        sa.Column("name", sa.String(length=16), nullable=False, comment="income"),
        sa.Column(
            "digest", sa.String(length=64), nullable=False, comment="SHA-256 of the rows: the same table is loaded once"
        ),
        sa.Column("source", sa.String(length=255), nullable=False, comment="The file's name"),
        sa.Column("vintage", sa.String(length=32), nullable=True, comment="Years of the survey, if known: 2018-2022"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column(
            "detail", base.JsonColumn, nullable=False, comment="What classes need: {limits: [...], margins: share}"
        ),
        sa.Column("loaded_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reference_tables")),
    )
    op.create_table(
        "reference_income",
        sa.Column("zcta", sa.String(length=5), nullable=False, comment="Five digits"),
        sa.Column("income", sa.Integer(), nullable=False),
        sa.Column(
            "margin",
            sa.Integer(),
            nullable=True,
            comment="90% margin of error; null: not published; 0: end of the scale",
        ),
        sa.PrimaryKeyConstraint("zcta", name=op.f("pk_reference_income")),
    )


def downgrade() -> None:
    op.drop_table("reference_income")
    op.drop_table("reference_tables")
    op.drop_table("estimates")
