"""Numbers per shop and kind: `seg_1`, `cmp_1`, customer numbers. Dense, never reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models.shops import InstallationCounter, Shop

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TAKE = text(
    "INSERT INTO counters AS c (shop_id, name, next) VALUES (:shop, :name, :first)"
    " ON CONFLICT (shop_id, name) DO UPDATE SET next = c.next + :count RETURNING next"
)


def allocate(session: Session, shop_id: int, name: str, count: int = 1) -> int:
    """Take `count` numbers of `name` in this shop; returns the first, the rest follow it.

    The numbers are taken by the caller's transaction: a rollback gives them back, and another
    writer waits until it ends. So a number that anybody has seen committed is never given again.
    """
    given = {"shop": shop_id, "name": name, "first": 1 + count, "count": count}
    return int(session.execute(TAKE, given).scalar_one()) - count


def new_shop_id(session: Session) -> int:
    """Take the number of a new shop: above every shop's that is or ever was here, erased ones included.

    Folders, sealed texts and vendors know a shop by this number, so a second owner would inherit.
    """
    _make_shop_counter(session)
    mine = InstallationCounter.name == "shops"
    session.execute(update(InstallationCounter).where(mine).values(next=InstallationCounter.next + 1))
    given = session.execute(select(InstallationCounter.next).where(mine)).scalar_one() - 1
    # A shop that was put in beside the counter is counted too.
    number = max(given, (session.scalar(select(func.max(Shop.id))) or 0) + 1)
    session.execute(update(InstallationCounter).where(mine).values(next=number + 1))
    return number


def keep_shop_id(session: Session, shop_id: int) -> None:
    """See to it that the number of a shop that goes is never given again."""
    _make_shop_counter(session)
    mine = (InstallationCounter.name == "shops") & (InstallationCounter.next <= shop_id)
    session.execute(update(InstallationCounter).where(mine).values(next=shop_id + 1))


def _make_shop_counter(session: Session) -> None:
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    session.execute(insert(InstallationCounter).values(name="shops", next=1).on_conflict_do_nothing())
