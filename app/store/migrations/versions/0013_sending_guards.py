"""slots that never overlap, the epoch of sending, topics that customers declined

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base, slots
from app.store.migrations.tenancy import guard

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SLOTTED = "slot_from IS NOT NULL"
WEEK = {"sqlite": "strftime('%Y-%m-%d %H:%M:%S', {0}, '+169 hours') || substr({0}, 20)",
        "postgresql": "{0} + interval '169 hours'"}  # fmt: skip


def upgrade() -> None:
    """The store refuses a second stamp within a customer's week whatever the code does, and knows whose it is."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sa.text("SELECT set_config('app.shop_id', 'all', true)"))
    slot = "Its stamp; given up if it surely never left"
    op.add_column("outbox", sa.Column("slot_from", base.UtcDateTime(timezone=True), nullable=True, comment=slot))
    slot = "The store itself refuses slots that overlap"
    op.add_column("outbox", sa.Column("slot_until", base.UtcDateTime(timezone=True), nullable=True, comment=slot))
    connection.execute(
        sa.text(
            f"UPDATE outbox SET slot_from = stamped_at, slot_until = {WEEK[dialect].format('stamped_at')}"
            " WHERE stamped_at IS NOT NULL AND state NOT IN ('cancelled', 'capped')"
        )
    )
    op.create_index(
        "ix_outbox_slots", "outbox", ["shop_id", "customer_no", "slot_from"],
        sqlite_where=sa.text(SLOTTED), postgresql_where=sa.text(SLOTTED),
    )  # fmt: skip
    slots.guard(None, connection)
    op.create_table(
        "sending_epochs",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column(
            "not_before",
            base.UtcDateTime(timezone=True),
            nullable=True,
            comment="After a restore: nothing is stamped earlier",
        ),
        sa.Column("unlocked_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("unlocked_how", sa.String(16), nullable=True, comment="wait | relay_log | complete"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_sending_epochs_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_sending_epochs")),
    )
    op.create_table(
        "declined_topics",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("customer_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.String(16), nullable=False, comment="repurchase | cross_sell"),
        sa.Column(
            "email_hash",
            sa.String(64),
            nullable=True,
            comment="Of the address then",
        ),
        sa.Column("declined_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_declined_topics_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "customer_no", "topic", name=op.f("pk_declined_topics")),
    )
    op.create_index("ix_declined_topics_email_hash", "declined_topics", ["shop_id", "email_hash"])
    guard(connection, ["sending_epochs", "declined_topics"])


def downgrade() -> None:
    """Only the cap and the outbox guard the week again."""
    op.drop_table("declined_topics")
    op.drop_table("sending_epochs")
    if op.get_bind().dialect.name == "sqlite":
        for trigger in ("insert", "update"):
            op.execute(f"DROP TRIGGER {slots.NAME}_{trigger}")
    else:
        op.drop_constraint(slots.NAME, "outbox")
    op.drop_index("ix_outbox_slots", "outbox")
    op.drop_column("outbox", "slot_until")
    op.drop_column("outbox", "slot_from")
