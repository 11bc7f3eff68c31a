"""hard bounces that a mail server tells while a message is handed over

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SOURCES = "ses | report | smtp (refused at hand-over) | pixel | link"
BEFORE = "ses | report | pixel | link"


def upgrade() -> None:
    """A source more; only its comment changes."""
    _comment(SOURCES)


def downgrade() -> None:
    """What was kept from that source stays."""
    _comment(BEFORE)


def _comment(text: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("mail_events", "source", existing_type=sa.String(8), existing_nullable=False, comment=text)
