"""what became of messages, sending stops, checked domains, choices about mail

Revision ID: 0014
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("mail_events", "sending_stops", "sending_hours", "sender_domains", "mail_settings")


def _of_a_shop(table: str, *columns: sa.Column[object], key: list[str]) -> None:
    op.create_table(
        table,
        sa.Column("shop_id", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f(f"fk_{table}_shop_id_shops"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", *key, name=op.f(f"pk_{table}")),
    )


def upgrade() -> None:
    """Reports of deliveries, opens, clicks, bounces and complaints; what follows from them for sending."""
    _of_a_shop(
        "mail_events",
        sa.Column("id", sa.String(64), nullable=False, comment="Keyed by the report; random of our own"),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("customer_no", sa.Integer(), nullable=False, comment="As of the message"),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False, comment="delivered | opened | clicked | bounced | complained"),
        sa.Column(
            "at", base.UtcDateTime(timezone=True), nullable=False, comment="When it happened, by whoever reports it"
        ),
        sa.Column("recorded_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("machine", sa.Boolean(), nullable=False, comment="Of opens and clicks: probably no person"),
        sa.Column("severity", sa.String(8), nullable=True, comment="Of bounces: hard | soft"),
        sa.Column("link_id", sa.Integer(), nullable=True, comment="Of clicks"),
        sa.Column("source", sa.String(8), nullable=False, comment="ses | report | pixel | link"),
        sa.Column("raw", base.JsonColumn, nullable=False, comment="What the classification was made from; no address"),
        key=["id"],
    )
    op.create_index("ix_mail_events_message", "mail_events", ["shop_id", "message_id"])
    op.create_index("ix_mail_events_kind", "mail_events", ["shop_id", "kind", "at"])
    _of_a_shop(
        "sending_stops",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False, comment="complaints | bounces"),
        sa.Column("evidence", base.JsonColumn, nullable=False, comment="Counts, rate, limit and window"),
        sa.Column("released_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(64), nullable=True, comment="Shopify's number of the member of staff"),
        key=["id"],
    )
    _of_a_shop(
        "sending_hours",
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("hour", base.UtcDateTime(timezone=True), nullable=False, comment="Its beginning, UTC"),
        sa.Column("handed_over", sa.Integer(), nullable=False),
        key=["domain", "hour"],
    )
    _of_a_shop(
        "sender_domains",
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("checked_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("checks", base.JsonColumn, nullable=False, comment="spf, dkim, dmarc: state, found, problem"),
        key=["domain"],
    )
    _of_a_shop(
        "mail_settings",
        sa.Column("open_tracking", sa.String(20), nullable=False, comment="off | opted_in | unless_opted_out"),
        sa.Column(
            "hourly_limit",
            sa.Integer(),
            nullable=True,
            comment="Messages an hour; null: as many as the server takes",
        ),
        key=[],
    )
    guard(op.get_bind(), TABLES)


def downgrade() -> None:
    """Forget them."""
    for table in reversed(TABLES):
        op.drop_table(table)
