"""The state `sending` of sync members: asked for, and not answered yet

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BEFORE = "pending | present | absent | skipped | failed"
AFTER = "sending | pending | present | absent | skipped | failed"


def upgrade() -> None:
    """Say so in the column's comment; SQLite keeps none."""
    _comment(BEFORE, AFTER)


def downgrade() -> None:
    """As it was. Rows that are on their way have to be answered first: older code does not know them."""
    _comment(AFTER, BEFORE)


def _comment(old: str, new: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(
            "sync_members", "state", comment=new, existing_comment=old, existing_type=sa.String(16),
            existing_nullable=False,
        )  # fmt: skip
