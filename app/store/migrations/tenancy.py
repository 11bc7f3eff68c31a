"""PostgreSQL's own guard between shops: row-level security on every table of a shop.

The session factory names the shop (or "all", for install, schedule and command line) in a setting of the
transaction. A statement that forgot its shop then finds nothing instead of everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable

SCOPE = "current_setting('app.shop_id', true)"
VISIBLE = f"CASE WHEN {SCOPE} = 'all' THEN true ELSE shop_id = NULLIF({SCOPE}, '')::bigint END"


def guard(connection: sa.Connection, tables: Iterable[str]) -> None:
    """Switch the guard on for these tables, also for their owner; nothing to do on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        connection.execute(sa.text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
        connection.execute(sa.text(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"))
        connection.execute(sa.text(f"CREATE POLICY own_shop ON {table} USING ({VISIBLE}) WITH CHECK ({VISIBLE})"))
