"""consent before

Revision ID: 0004
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Consent events remember what stood before; of older ones it is not known."""
    column = sa.Column("previous", sa.String(24), nullable=True, comment="What it was before, if the source knew")
    op.add_column("consent_events", column)


def downgrade() -> None:
    """Forget it."""
    op.drop_column("consent_events", "previous")
