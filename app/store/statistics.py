"""What PostgreSQL's planner knows of tables that grow at once.

It learns of new rows when it gets around to it, a minute later at best. Until then it takes "of this shop" for a
narrow condition, and so reads all of a shop's messages to find fifty by their ids: the first large send of a shop
would cost the square of its length. SQLite takes the index that matches most columns, whatever it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from app.store.rowset import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

# As autovacuum counts, but for a share that a table rather reaches by growing than by being worked on.
GREW = text(
    "SELECT relname FROM pg_stat_user_tables WHERE relid = ANY(SELECT CAST(CAST(name AS text) AS regclass)"
    " FROM unnest(CAST(:tables AS text[])) AS given(name)) AND n_mod_since_analyze > 1000 + n_live_tup * 0.5"
)


def learn(session: Session, tables: Sequence[str]) -> list[str]:
    """Have the planner look at those of `tables` that changed much since it last did; returns their names.

    In a transaction of its own. A table that is being looked at already is passed over, and so is one that the
    role doesn't own: https://www.postgresql.org/docs/current/sql-analyze.html
    """
    if is_sqlite(session):
        return []
    grown = sorted(session.execute(GREW, {"tables": list(tables)}).scalars())
    for name in grown:
        session.execute(text(f"ANALYZE (SKIP_LOCKED) {name}"))
    return grown
