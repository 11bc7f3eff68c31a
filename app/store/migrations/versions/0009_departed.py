"""customers who count no more are found at once

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DEPARTED = "merged_into IS NOT NULL OR erased_at IS NOT NULL OR gone_at IS NOT NULL"


def upgrade() -> None:
    """Few customers are erased, merged or gone; every page asks who, and must not read the others for it.

    When a membership can change by time alone is asked every minute, of all shops.
    """
    op.create_index(
        "ix_customers_departed",
        "customers",
        ["shop_id", "customer_no"],
        sqlite_where=sa.text(DEPARTED),
        postgresql_where=sa.text(DEPARTED),
    )
    op.create_index("ix_memberships_next_flip", "memberships", ["next_flip_at"])


def downgrade() -> None:
    """Take the indexes away."""
    op.drop_index("ix_memberships_next_flip", "memberships")
    op.drop_index("ix_customers_departed", "customers")
