"""promises of product segments and their receipts

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = base.UtcDateTime(timezone=True)
COLUMNS: tuple[tuple[str, Any, bool, str | None], ...] = (
    ("key", sa.String(100), False, "The segment's: buy_again:<product>, buy_new:<product>"),
    ("kind", sa.String(16), False, "repurchase | cross_sell"),
    ("product_no", sa.Integer(), False, None),
    ("title", sa.String(300), False, "The product's, as it was then"),
    ("run_id", sa.Integer(), False, "The refresh that published it, or the look back that made it"),
    ("back_dated", sa.Boolean(), False, "Made later, from what was known at `as_of` alone"),
    ("as_of", INSTANT, False, "Purchases from here on count"),
    ("due_at", INSTANT, False, "Purchases before here count"),
    ("made_at", INSTANT, False, None),
    ("size", sa.Integer(), False, None),
    ("members", sa.LargeBinary(), True, "Frozen bitmap; null once the receipt is there"),
    ("expected", sa.Double(), False, "Sum of the members' chances"),
    ("variance", sa.Double(), False, "Sum of chance times its complement"),
    ("spread", sa.Double(), False, "Shared error in log-odds that the interval allows for"),
    ("low", sa.Integer(), False, None),
    ("high", sa.Integer(), False, None),
    ("threshold", sa.Double(), False, "Lowest chance of a member"),
    ("base_rate", sa.Double(), True, "Share of all who could that bought in the month before"),
    ("basis", sa.String(16), False, "model | baseline | prior"),
    ("settled_at", INSTANT, True, "When the receipt was written"),
    ("watermark", INSTANT, True, "The receipt's history was complete up to here"),
    ("buyers", sa.Integer(), True, "Members who bought the product in time"),
    ("mailed", sa.Integer(), True, "Members who got a campaign's e-mail in that time"),
    ("mailed_buyers", sa.Integer(), True, "Buyers who got one before they bought"),
    ("gone", sa.Integer(), True, "Members erased, or merged into another member, before"),
)


def upgrade() -> None:
    op.create_table(
        "promises",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, kind, nullable=nullable, comment=comment) for name, kind, nullable, comment in COLUMNS),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_promises_shop_id_shops"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_promises")),
        sa.UniqueConstraint("shop_id", "key", "as_of", name=op.f("uq_promises_shop_id_key_as_of")),
    )
    op.create_index("ix_promises_due", "promises", ["shop_id", "settled_at", "due_at"])
    guard(op.get_bind(), ["promises"])
    _comment("import | refresh", "import | refresh | look_back")


def downgrade() -> None:
    _comment("import | refresh | look_back", "import | refresh")
    op.drop_table("promises")


def _comment(old: str, new: str) -> None:
    """Say in the column's comment which runs there are; SQLite keeps none."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(
            "runs", "kind", comment=new, existing_comment=old, existing_type=sa.String(16), existing_nullable=False
        )
