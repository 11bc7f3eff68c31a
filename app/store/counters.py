"""Numbers per shop and kind: `seg_1`, `cmp_1`, customer numbers. Dense, never reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models.shops import Counter

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def allocate(session: Session, shop_id: int, name: str, count: int = 1) -> int:
    """Take `count` numbers of `name` in this shop; returns the first, the rest follow it.

    The numbers are taken by the caller's transaction: a rollback gives them back, and another
    writer waits until it ends. So a number that anybody has seen committed is never given again.
    """
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    session.execute(insert(Counter).values(shop_id=shop_id, name=name, next=1).on_conflict_do_nothing())
    mine = (Counter.shop_id == shop_id) & (Counter.name == name)
    session.execute(update(Counter).where(mine).values(next=Counter.next + count))
    return session.execute(select(Counter.next).where(mine)).scalar_one() - count
