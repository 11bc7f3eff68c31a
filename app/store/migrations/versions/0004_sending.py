"""what stood before, and who holds a key

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Consent events remember what stood before (of older ones it is not known); a message finds its keys."""
    column = sa.Column("previous", sa.String(24), nullable=True, comment="What it was before, if the source knew")
    op.add_column("consent_events", column)
    op.create_index("ix_cap_holder", "cap", ["shop_id", "holder"])


def downgrade() -> None:
    """Forget both."""
    op.drop_index("ix_cap_holder", "cap")
    op.drop_column("consent_events", "previous")
