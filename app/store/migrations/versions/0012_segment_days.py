"""a segment's days, and what the list sorts by

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from app.store import base
from app.store.migrations.tenancy import guard

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FIGURES = {
    "sqlite": {
        "reachable": "json_extract(m.statistics, '$.reachable')",
        "net_share": "json_extract(m.statistics, '$.net_share')",
        "expected_buyers": "json_extract(m.statistics, '$.expected.buyers')",
    },
    "postgresql": {
        "reachable": "CAST(m.statistics ->> 'reachable' AS integer)",
        "net_share": "CAST(m.statistics ->> 'net_share' AS double precision)",
        "expected_buyers": "CAST(m.statistics -> 'expected' ->> 'buyers' AS double precision)",
    },
}
COLUMNS: tuple[tuple[str, Any, str | None], ...] = (
    ("size", sa.Integer(), "0"),
    ("reachable", sa.Integer(), "0"),
    ("net_share", sa.Double(), "0"),
    ("expected_buyers", sa.Double(), None),
    ("evaluated_at", base.UtcDateTime(timezone=True), None),
)


def upgrade() -> None:
    """One row per segment and store day instead of all evaluations; what the list sorts by as columns."""
    op.create_table(
        "segment_days",
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("segment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="Of the shop's zone"),
        sa.Column("size", sa.Integer(), nullable=False, comment="At the day's last evaluation"),
        sa.Column("entered_count", sa.Integer(), nullable=False, comment="In at its end and not at its start"),
        sa.Column("left_count", sa.Integer(), nullable=False, comment="In at its start and not at its end"),
        sa.Column("entered", sa.LargeBinary(), nullable=True, comment="Bitmap; of the newest day alone"),
        sa.Column("left", sa.LargeBinary(), nullable=True, comment="Bitmap; of the newest day alone"),
        sa.ForeignKeyConstraint(
            ["shop_id", "segment_id"],
            ["segments.shop_id", "segments.id"],
            name=op.f("fk_segment_days_shop_id_segment_id_segments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name=op.f("fk_segment_days_shop_id_shops"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shop_id", "segment_id", "day", name=op.f("pk_segment_days")),
    )
    for name, kind, default in COLUMNS:
        op.add_column("segments", sa.Column(name, kind, nullable=default is None, server_default=default))
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT set_config('app.shop_id', 'all', true)"))
    figures = {"size": "m.size", "evaluated_at": "m.evaluated_at", **FIGURES[connection.dialect.name]}
    taken = ", ".join(
        f"{name} = {f'coalesce({figures[name]}, 0)' if default else figures[name]}" for name, _, default in COLUMNS
    )
    connection.execute(
        sa.text(
            f"UPDATE segments SET {taken} FROM memberships m"
            " WHERE m.shop_id = segments.shop_id AND m.id = segments.membership_id"
        )
    )
    _days(connection)
    guard(connection, ["segment_days"])


def _days(connection: sa.Connection) -> None:
    """Fill the days from the evaluations. Who came and went within one day counts in both: only counts are read."""
    tables = sa.MetaData()
    changes = sa.Table(
        "membership_changes", tables,
        *(sa.Column(name, sa.Integer()) for name in ("shop_id", "id", "segment_id", "size", "entered_count",
                                                     "left_count")),
        sa.Column("at", base.UtcDateTime(timezone=True)),
    )  # fmt: skip
    shops = sa.Table("shops", tables, sa.Column("id", sa.Integer()), sa.Column("timezone", sa.String()))
    zones = {row.id: ZoneInfo(row.timezone) for row in connection.execute(sa.select(shops))}
    found: dict[tuple[int, int, Any], dict[str, Any]] = {}
    known: set[tuple[int, int]] = set()
    for row in connection.execute(sa.select(changes).order_by(changes.c.shop_id, changes.c.id)):
        day = row.at.astimezone(zones[row.shop_id]).date()
        one = found.setdefault(
            (row.shop_id, row.segment_id, day),
            {"shop_id": row.shop_id, "segment_id": row.segment_id, "day": day, "entered_count": 0, "left_count": 0},
        )
        one["size"] = row.size
        if (row.shop_id, row.segment_id) in known:  # at the first evaluation nobody entered: everybody was there
            one["entered_count"] += row.entered_count
            one["left_count"] += row.left_count
        known.add((row.shop_id, row.segment_id))
    if found:
        days = sa.Table(
            "segment_days", tables, sa.Column("day", sa.Date()),
            *(sa.Column(name, sa.Integer()) for name in ("shop_id", "segment_id", "size", "entered_count",
                                                         "left_count")),
        )  # fmt: skip
        connection.execute(sa.insert(days), list(found.values()))


def downgrade() -> None:
    """Forget them."""
    for name, _, _ in reversed(COLUMNS):
        op.drop_column("segments", name)
    op.drop_table("segment_days")
