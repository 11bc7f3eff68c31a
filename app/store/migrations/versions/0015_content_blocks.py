"""content as blocks, a shop's brand, tags of links

Revision ID: 0015
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.base import JsonColumn, UtcDateTime
from app.store.migrations.tenancy import guard

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Versions of before have no blocks; they are read as the blocks that say the same."""
    op.add_column(
        "campaign_contents",
        sa.Column("blocks", JsonColumn, nullable=True, comment="Null: made before there were blocks"),
    )
    op.add_column(
        "campaigns",
        sa.Column("utm", JsonColumn, nullable=True, comment="Tags of links; null: the usual ones; {}: none"),
    )
    op.add_column(
        "links",
        sa.Column("kind", sa.String(8), nullable=True, comment="product | cart | url; null: product, of before"),
    )
    op.create_table(
        "brands",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("accent", sa.String(7), nullable=False, comment="#rrggbb"),
        sa.Column("background", sa.String(7), nullable=False, comment="#rrggbb"),
        sa.Column("logo_url", sa.String(2000), nullable=False),
        sa.Column("logo_alt", sa.String(300), nullable=False),
        sa.Column("logo_width", sa.Integer(), nullable=False, comment="Pixels"),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name="fk_brands_shop_id_shops", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", name="pk_brands"),
    )
    op.create_table(
        "test_lists",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="{addresses: [...]}"),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name="fk_test_lists_shop_id_shops", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", name="pk_test_lists"),
    )
    guard(op.get_bind(), ["brands", "test_lists"])


def downgrade() -> None:
    """Forget them; content that was made of blocks is lost."""
    op.drop_table("test_lists")
    op.drop_table("brands")
    op.drop_column("links", "kind")
    op.drop_column("campaigns", "utm")
    op.drop_column("campaign_contents", "blocks")
