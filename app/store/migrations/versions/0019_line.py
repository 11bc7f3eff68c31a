"""the outbox's line in order, merged customers by their survivor

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

QUEUED = "state = 'queued'"
MERGED = "merged_into IS NOT NULL"


def upgrade() -> None:
    """Indexes alone."""
    op.create_index(
        "ix_outbox_line",
        "outbox",
        ["shop_id", "not_before", "planned_at", "id"],
        sqlite_where=sa.text(QUEUED),
        postgresql_where=sa.text(QUEUED),
    )
    op.create_index("ix_outbox_state", "outbox", ["shop_id", "state"])
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index(
        "ix_customers_merged",
        "customers",
        ["shop_id", "merged_into"],
        sqlite_where=sa.text(MERGED),
        postgresql_where=sa.text(MERGED),
    )


def downgrade() -> None:
    """As before."""
    op.drop_index("ix_customers_merged", "customers")
    op.create_index("ix_outbox_due", "outbox", ["shop_id", "state", "not_before"])
    op.drop_index("ix_outbox_state", "outbox")
    op.drop_index("ix_outbox_line", "outbox")
