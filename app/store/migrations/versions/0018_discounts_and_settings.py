"""discounts that Encore manages, the shop's settings, what Shopify was told about campaigns

Revision ID: 0018
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = (
    "discount_plans",
    "discount_budgets",
    "discount_pools",
    "discount_codes",
    "discount_offers",
    "shop_settings",
    "settings_changes",
    "marketing_activities",
    "marketing_days",
)
MODES = "off | single | managed"


def upgrade() -> None:
    """New tables alone, each guarded."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("campaigns", "discount_mode", existing_type=sa.String(8), comment=MODES)
    _plans()
    _codes()
    _offers()
    _settings()
    _marketing()
    guard(op.get_bind(), TABLES)


def _plans() -> None:
    """What campaigns may give away, and how much of it is spoken for."""
    op.create_table(
        "discount_plans",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "levels", base.JsonColumn, nullable=False, comment="Minor units, rising; none of them above the ceiling"
        ),
        sa.Column("ceiling_minor", sa.BigInteger(), nullable=False),
        sa.Column("min_basket_minor", sa.BigInteger(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("budget_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "budget_period", sa.String(length=8), nullable=False, comment="campaign | month (of the shop's zone)"
        ),
        sa.Column(
            "none_percent",
            sa.Integer(),
            nullable=False,
            comment="Get no discount by chance, so that its effect can be measured",
        ),
        sa.Column(
            "margin_percent", sa.Integer(), nullable=False, comment="What the shop keeps of a price before a discount"
        ),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="Rises when the levels change: offers of one version compare",
        ),
        sa.Column(
            "policy", base.JsonColumn, nullable=True, comment="What offers of this version taught; null: nothing"
        ),
        sa.Column("problem", sa.Text(), nullable=True, comment="Why codes could not be made at the last try"),
        sa.Column("updated_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ceiling_minor >= 0", name=op.f("ck_discount_plans_ceiling")),
        sa.CheckConstraint("none_percent BETWEEN 0 AND 100", name=op.f("ck_discount_plans_none_percent")),
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f("fk_discount_plans_shop_id_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_discount_plans_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", name=op.f("pk_discount_plans")),
    )
    op.create_table(
        "discount_budgets",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False, comment="`all`, or a month as 2026-03"),
        sa.Column("reserved_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("reserved_minor >= 0", name=op.f("ck_discount_budgets_reserved")),
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f("fk_discount_budgets_shop_id_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_discount_budgets_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", "period", name=op.f("pk_discount_budgets")),
    )


def _codes() -> None:
    """Codes, made ahead of need."""
    op.create_table(
        "discount_pools",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_minor", sa.BigInteger(), nullable=False, comment="The merchant's, when the pool was made"),
        sa.Column("min_basket_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "give_until",
            base.UtcDateTime(timezone=True),
            nullable=False,
            comment="Codes are handed out before this instant",
        ),
        sa.Column("ends_at", base.UtcDateTime(timezone=True), nullable=False, comment="Codes work before this instant"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="planned | ready | closed"),
        sa.Column("shopify_gid", sa.String(length=80), nullable=True),
        sa.Column("created_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "amount_minor > 0 AND amount_minor <= ceiling_minor", name=op.f("ck_discount_pools_ceiling")
        ),
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f("fk_discount_pools_shop_id_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_discount_pools_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_discount_pools")),
        sa.UniqueConstraint(
            "shop_id",
            "campaign_id",
            "amount_minor",
            "min_basket_minor",
            "give_until",
            name=op.f("uq_discount_pools_shop_id_campaign_id_amount_minor_min_basket_minor_give_until"),
        ),
    )
    op.create_table(
        "discount_codes",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False, comment="planned | ready | issued | removed | broken"),
        sa.Column("message_id", sa.String(length=36), nullable=True, comment="Set once; a code is never given twice"),
        sa.Column("issued_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("redeemed_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_minor", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id", "pool_id"],
            ["discount_pools.shop_id", "discount_pools.id"],
            name=op.f("fk_discount_codes_shop_id_pool_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_discount_codes_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_discount_codes")),
        sa.UniqueConstraint("shop_id", "code", name=op.f("uq_discount_codes_shop_id_code")),
        sa.UniqueConstraint("shop_id", "message_id", name=op.f("uq_discount_codes_shop_id_message_id")),
    )
    op.create_index("ix_discount_codes_pool", "discount_codes", ["shop_id", "pool_id", "state"], unique=False)


def _offers() -> None:
    """What each message was decided to offer."""
    op.create_table(
        "discount_offers",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("customer_no", sa.Integer(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, comment="Position in `amounts`; 0 is none"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amounts", base.JsonColumn, nullable=False, comment="Minor units of every level, none first"),
        sa.Column("propensities", base.JsonColumn, nullable=False, comment="The chance of every level"),
        sa.Column(
            "probability", sa.Double(), nullable=False, comment="Of buying without a discount, as predicted then"
        ),
        sa.Column("basket_minor", sa.BigInteger(), nullable=False),
        sa.Column("margin_minor", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False, comment="start | constant | customers"),
        sa.Column("period", sa.String(length=8), nullable=False, comment="Of the budget that holds the amount"),
        sa.Column("offered_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "ends_at", base.UtcDateTime(timezone=True), nullable=False, comment="When it can no longer have an effect"
        ),
        sa.Column(
            "released_at",
            base.UtcDateTime(timezone=True),
            nullable=True,
            comment="Surely unused: the budget has it back",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id", "message_id"],
            ["outbox.shop_id", "outbox.id"],
            name=op.f("fk_discount_offers_shop_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_discount_offers_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "message_id", name=op.f("pk_discount_offers")),
    )
    op.create_index(
        "ix_discount_offers_campaign", "discount_offers", ["shop_id", "campaign_id", "offered_at"], unique=False
    )


def _settings() -> None:
    """The shop's choices and who changed them."""
    op.create_table(
        "shop_settings",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column(
            "cap_days", sa.Integer(), nullable=False, comment="Days between two e-mails to one customer; never under 7"
        ),
        sa.Column("quiet_from", sa.Integer(), nullable=True, comment="Hour of the day, 0 to 23; null: no quiet hours"),
        sa.Column("quiet_until", sa.Integer(), nullable=True),
        sa.Column("holdout_percent", sa.Integer(), nullable=False, comment="Of new campaigns"),
        sa.Column(
            "consent_policy", sa.String(length=2000), nullable=False, comment="The merchant's own words; empty: none"
        ),
        sa.Column(
            "keep_diary_days", sa.Integer(), nullable=False, comment="Decisions that no longer stand are kept this long"
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="Two people at once: the later save is told"),
        sa.CheckConstraint("cap_days BETWEEN 7 AND 28", name=op.f("ck_shop_settings_cap_days")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_settings_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_shop_settings")),
    )
    op.create_table(
        "settings_changes",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", base.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "who", sa.String(length=64), nullable=False, comment="Shopify's number of the staff member, or `system`"
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("change", base.JsonColumn, nullable=False, comment="{before, after}"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_settings_changes_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_settings_changes")),
    )


def _marketing() -> None:
    """What Shopify was told of campaigns."""
    op.create_table(
        "marketing_activities",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shopify_gid", sa.String(length=80), nullable=True),
        sa.Column("told", base.JsonColumn, nullable=True, comment="Title and status as Shopify has them"),
        sa.Column("told_at", base.UtcDateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="Why the last try failed"),
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f("fk_marketing_activities_shop_id_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_marketing_activities_shop_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", name=op.f("pk_marketing_activities")),
    )
    op.create_table(
        "marketing_days",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="Of the shop's zone"),
        sa.Column("told", base.JsonColumn, nullable=False),
        sa.Column("told_at", base.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id", "campaign_id"],
            ["campaigns.shop_id", "campaigns.id"],
            name=op.f("fk_marketing_days_shop_id_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_marketing_days_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shop_id", "campaign_id", "day", name=op.f("pk_marketing_days")),
    )


def downgrade() -> None:
    """Forget them."""
    for table in reversed(TABLES):
        op.drop_table(table)
