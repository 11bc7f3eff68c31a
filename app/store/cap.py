"""The weekly cap: a condition of the write that stamps a message, not a check before it.

A message carries two keys, the customer and the hash of the address. Both are stamped inside one
savepoint, committed before the message may leave; if either is still within its window, neither
changes. The margin covers the time between the stamp and the moment the mail server accepts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models.sending import Cap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

WINDOW = timedelta(hours=168)
MARGIN = timedelta(hours=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = ""  # no message has this id
KEYS_PER_STATEMENT = 400  # two bound values each, below SQLite's historic limit of 999


def keys_of(customer_no: int, email_hash: str) -> tuple[str, str]:
    """Both keys of a message, in the order in which they are locked everywhere."""
    first, second = sorted((f"c:{customer_no}", f"e:{email_hash}"))
    return first, second


def lock(session: Session, ctx: ShopContext, keys: Iterable[str]) -> None:
    """Hold all these keys until the transaction ends, in sorted order so that no two workers deadlock.

    A key that was never stamped gets a row from long ago, so that there is something to hold.
    SQLite's write transactions exclude each other already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    rows = [{"shop_id": ctx.shop_id, "key": key, "last_at": NEVER, "holder": NOBODY} for key in sorted(set(keys))]
    for start in range(0, len(rows), KEYS_PER_STATEMENT):
        insert = postgresql_insert(Cap).values(rows[start : start + KEYS_PER_STATEMENT])
        session.execute(insert.on_conflict_do_update(index_elements=["shop_id", "key"], set_={"holder": Cap.holder}))


def stamp(session: Session, ctx: ShopContext, now: datetime, keys: tuple[str, ...], holder: str) -> bool:
    """Take the week of every key for the message `holder`, or of none; says whether it was taken.

    now: the database's clock, read in this transaction. Reading it before a wait for a lock only
    makes it earlier than the commit, which the hand-over deadline, counted from before the
    transaction, allows for.
    A message that stamped a key may stamp it again (a retry of what was surely not accepted).
    """
    savepoint = session.begin_nested()
    for key in sorted(keys):
        if not _stamp_one(session, ctx, now, key, holder):
            savepoint.rollback()
            return False
    savepoint.commit()
    return True


def _stamp_one(session: Session, ctx: ShopContext, now: datetime, key: str, holder: str) -> bool:
    insert: Any = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    free = or_(Cap.last_at <= now - WINDOW - MARGIN, Cap.holder == holder)
    # GREATEST, without the function that SQLite names otherwise: time never goes back.
    values = {"shop_id": ctx.shop_id, "key": key, "last_at": now, "holder": holder}
    statement = insert(Cap).values(values)
    later = statement.excluded.last_at > Cap.last_at
    statement = statement.on_conflict_do_update(
        index_elements=["shop_id", "key"],
        set_={"last_at": case((later, statement.excluded.last_at), else_=Cap.last_at), "holder": holder},
        where=free,
    ).returning(Cap.key)
    return session.execute(statement).first() is not None


def merge(session: Session, ctx: ShopContext, loser: int, survivor: int) -> None:
    """Two customers turned out to be one: the survivor's week begins at the later of both stamps.

    If both stand within one week, neither message may stamp again: the other one went to the same person.
    The loser's row stays, in case that the merge is found to be wrong.
    """
    lock(session, ctx, [f"c:{loser}", f"c:{survivor}"])
    old, new = _row(session, ctx, f"c:{loser}"), _row(session, ctx, f"c:{survivor}")
    if old is None or old.last_at == NEVER:
        return
    if new is None:
        session.add(Cap(shop_id=ctx.shop_id, key=f"c:{survivor}", last_at=old.last_at, holder=old.holder))
    else:
        both = old.holder != new.holder and abs(old.last_at - new.last_at) < WINDOW + MARGIN
        later = max(old, new, key=lambda row: row.last_at)
        new.last_at, new.holder = later.last_at, NOBODY if both else later.holder
    session.flush()


def _row(session: Session, ctx: ShopContext, key: str) -> Cap | None:
    return session.get(Cap, {"shop_id": ctx.shop_id, "key": key}, with_for_update=True, populate_existing=True)


def held_by(session: Session, ctx: ShopContext, holders: Iterable[str]) -> list[str]:
    """The keys that these messages stamped last."""
    query = select(Cap.key).where(Cap.shop_id == ctx.shop_id, Cap.holder.in_(list(holders)))
    return list(session.scalars(query))


def release(session: Session, ctx: ShopContext, holders: Iterable[str]) -> None:
    """Give back the weeks of messages that surely never left. Lock their keys first.

    Only what they hold themselves: before a message could stamp a key, it was free.
    """
    free = update(Cap).where(Cap.shop_id == ctx.shop_id, Cap.holder.in_(list(holders)))
    session.execute(free.values(last_at=NEVER, holder=NOBODY).execution_options(synchronize_session=False))


def busy(session: Session, ctx: ShopContext, now: datetime) -> set[str]:
    """The keys whose week is taken now. For deciding early; the stamp decides for good."""
    query = select(Cap.key).where(Cap.shop_id == ctx.shop_id, Cap.last_at > now - WINDOW - MARGIN)
    return set(session.scalars(query))
