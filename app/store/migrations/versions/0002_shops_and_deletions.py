"""never reused shop numbers, described shops, refused tokens, owners of runs, deletions

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ADDED = (
    (
        "shops",
        "described_at",
        base.UtcDateTime(timezone=True),
        "When Shopify last said name, currency and time zone; null: they are placeholders",
    ),
    (
        "shop_tokens",
        "refused_at",
        base.UtcDateTime(timezone=True),
        "Shopify no longer takes it; the next visit exchanges",
    ),
    (
        "customers",
        "gone_at",
        base.UtcDateTime(timezone=True),
        "A whole import no longer found the customer at the shop",
    ),
    ("runs", "owner", sa.String(length=64), "Process that works on it; a dead one's is taken over"),
)
INSTALLED_AT = "The newest install or token exchange"


def upgrade() -> None:
    for table, column, kind, comment in ADDED:
        op.add_column(table, sa.Column(column, kind, nullable=True, comment=comment))
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("shops", "installed_at", existing_type=base.UtcDateTime(timezone=True), comment=INSTALLED_AT)
    counters = op.create_table(
        "installation_counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation_counters")),
    )
    highest = op.get_bind().execute(sa.text("SELECT coalesce(max(id), 0) FROM shops")).scalar_one()
    op.bulk_insert(counters, [{"name": "shops", "next": highest + 1}])
    op.create_table(
        "deletions",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="product | order | customer"),
        sa.Column(
            "record_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Shopify's id; of a customer, our number",
        ),
        sa.Column("at", base.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_deletions_shop_id_shops"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "kind", "record_id", name=op.f("pk_deletions")),
    )
    guard(op.get_bind(), ["deletions"])


def downgrade() -> None:
    op.drop_table("deletions")
    op.drop_table("installation_counters")
    for table, column, *_ in ADDED:
        op.drop_column(table, column)
