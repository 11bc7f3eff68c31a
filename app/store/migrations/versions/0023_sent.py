"""messages that are being handed over and those that were sent, each by an index of their own

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SENDING = "state = 'sending'"
SENT = "state = 'sent'"


def upgrade() -> None:
    """One entry in the life of a message, where the index of all states wrote three."""
    op.create_index(
        "ix_outbox_sending",
        "outbox",
        ["shop_id", "stamped_at"],
        sqlite_where=sa.text(SENDING),
        postgresql_where=sa.text(SENDING),
    )
    op.create_index(
        "ix_outbox_sent",
        "outbox",
        ["shop_id", "campaign_id"],
        sqlite_where=sa.text(SENT),
        postgresql_where=sa.text(SENT),
    )
    op.drop_index("ix_outbox_state", "outbox")


def downgrade() -> None:
    """As before."""
    op.create_index("ix_outbox_state", "outbox", ["shop_id", "state"])
    op.drop_index("ix_outbox_sent", "outbox")
    op.drop_index("ix_outbox_sending", "outbox")
