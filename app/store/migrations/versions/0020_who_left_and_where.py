"""which message somebody left by, and which provider keeps a customer's mailbox

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MESSAGE = "Whose link it was, or who called it spam"
PROVIDER = "Of the address's domain; null: not known yet"


def upgrade() -> None:
    """Two columns that nothing is known of for what is there already; imports fill the second."""
    op.add_column("consent_events", sa.Column("message_id", sa.String(36), nullable=True, comment=MESSAGE))
    op.add_column("customers", sa.Column("mail_provider", sa.String(8), nullable=True, comment=PROVIDER))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("customers", "mail_provider")
    op.drop_column("consent_events", "message_id")
