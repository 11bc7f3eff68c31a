"""where a shop's online store is

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Not known until Shopify is asked again, at the next import."""
    op.add_column(
        "shops",
        sa.Column(
            "primary_domain", sa.String(length=255), nullable=True, comment="Host of the online store; null: not known"
        ),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_column("shops", "primary_domain")
