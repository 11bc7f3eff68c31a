"""The weekly cap: a condition of the write that stamps a message, not a check before it.

A message carries two keys, the customer and the hash of the address. Both are stamped together,
committed before the message may leave; if either is still within its window, neither changes. The
margin covers the time between the stamp and the moment the mail server accepts.

A batch is stamped by one statement. Which of its messages go is decided before it, so that two of one
batch that share a key do not both go; the condition of the write refuses whatever that decision overlooked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Integer, String, cast, column, func, select

from app.store.base import UtcDateTime
from app.store.models.customers import Customer
from app.store.models.sending import Cap
from app.store.rowset import chunks, is_sqlite, packed, reader, statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

WINDOW = timedelta(hours=168)
MARGIN = timedelta(hours=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = ""  # no message has this id

MAKE = """INSERT INTO cap (shop_id, key, last_at, holder)
SELECT :shop, r.key, :now, '' FROM {rows} WHERE true ON CONFLICT (shop_id, key) DO NOTHING"""
HOLD = """WITH held AS (SELECT 1 FROM cap WHERE shop_id = :shop AND key IN (SELECT r.key FROM {rows})
    ORDER BY key COLLATE "C" FOR UPDATE) SELECT count(*) FROM held"""
READ = "SELECT key, last_at, holder FROM cap WHERE shop_id = :shop AND key IN (SELECT r.key FROM {rows})"
# GREATEST, without the function that SQLite names otherwise: time never goes back.
TAKE = """INSERT INTO cap AS c (shop_id, key, last_at, holder)
SELECT :shop, r.key, :now, r.holder FROM {rows} WHERE true
ON CONFLICT (shop_id, key) DO UPDATE SET
    last_at = CASE WHEN excluded.last_at > c.last_at THEN excluded.last_at ELSE c.last_at END,
    holder = excluded.holder
WHERE c.last_at <= :edge OR c.holder = excluded.holder
RETURNING key, last_at"""
OCCUPY = """INSERT INTO cap AS c (shop_id, key, last_at, holder)
SELECT :shop, r.key, :now, '' FROM {rows} WHERE true ON CONFLICT (shop_id, key) DO UPDATE SET
    last_at = CASE WHEN excluded.last_at > c.last_at THEN excluded.last_at ELSE c.last_at END, holder = ''"""
HELD = "SELECT key FROM cap WHERE shop_id = :shop AND holder IN (SELECT r.holder FROM {rows})"
# Only what they hold themselves: before a message could stamp a key, it was free.
FREE = """UPDATE cap SET last_at = :now, holder = '' WHERE shop_id = :shop
    AND holder IN (SELECT r.holder FROM {rows})"""
UNSLOT = """UPDATE outbox SET slot_from = NULL, slot_until = NULL WHERE shop_id = :shop
    AND id IN (SELECT r.holder FROM {rows})"""

_KEY, _LAST_AT, _HOLDER = column("key", String), column("last_at", UtcDateTime()), column("holder", String)


def keys_of(customer_no: int, email_hash: str) -> tuple[str, str]:
    """Both keys of a message, in the order in which they are locked everywhere."""
    first, second = sorted((f"c:{customer_no}", f"e:{email_hash}"))
    return first, second


def lock(session: Session, ctx: ShopContext, keys: Iterable[str]) -> None:
    """Hold all these keys until the transaction ends, in sorted order so that no two workers deadlock.

    A key that was never stamped gets a row from long ago, so that there is something to hold: first all
    of those, then all locks. In slices of both, two workers could each wait for what the other one made.
    SQLite's write transactions exclude each other already.
    """
    if is_sqlite(session):
        return
    rows = [{"key": key} for key in sorted(set(keys))]
    for part in chunks(rows):
        given = {"shop": ctx.shop_id, "now": NEVER, "rows": packed(session, part)}
        session.execute(statement(session, MAKE, key="text"), given)
    for part in chunks(rows):
        session.execute(statement(session, HOLD, key="text"), {"shop": ctx.shop_id, "rows": packed(session, part)})


def _long(window: timedelta | None) -> timedelta:
    """A shop's own window if it is longer than a week; a shorter one has no effect."""
    return WINDOW if window is None else max(WINDOW, window)


def take(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    wanted: Mapping[str, tuple[str, ...]],
    window: timedelta | None = None,
) -> dict[str, datetime]:
    """Take the week of every key of each message, or of none of its keys; lock the keys first.

    wanted: message id → its keys. Of two messages that share a key the first one gets it.
    now:    the database's clock, read in this transaction after the locks.
    window: the shop's own, if it wants more than a week between two e-mails.
    Returns message id → the instant of its stamp, for those that got their week. A message that stamped
    a key may stamp it again (a retry of what was surely not accepted); its instant is never earlier than
    before, also if the clock was put back.
    """
    edge = now - _long(window) - MARGIN
    chosen = _choose(_standing(session, ctx, wanted), edge, wanted)
    while chosen:
        savepoint = session.connection().begin_nested()
        stamped = _write(session, ctx, now, edge, chosen)
        refused = [message for message, keys in chosen.items() if any(key not in stamped for key in keys)]
        if not refused:
            savepoint.commit()
            return {message: max(stamped[key] for key in keys) for message, keys in chosen.items()}
        savepoint.rollback()
        chosen = {message: keys for message, keys in chosen.items() if message not in refused}
    return {}


def free(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    wanted: Mapping[str, tuple[str, ...]],
    window: timedelta | None = None,
) -> set[str]:
    """The messages that `take` would give their week now, if the keys are locked."""
    return set(_choose(_standing(session, ctx, wanted), now - _long(window) - MARGIN, wanted))


def stamp(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    keys: tuple[str, ...],
    holder: str,
    window: timedelta | None = None,
) -> bool:
    """Take the week of every key for one message, or of none; says whether it was taken."""
    return bool(take(session, ctx, now, {holder: keys}, window))


def occupy(session: Session, ctx: ShopContext, at: datetime, keys: Iterable[str]) -> None:
    """Take the week of these keys from `at` on, for mails that the store does not know of: nobody may stamp again."""
    for part in chunks([{"key": key} for key in sorted(set(keys))]):
        given = {"shop": ctx.shop_id, "now": at, "rows": packed(session, part)}
        session.execute(statement(session, OCCUPY, key="text"), given)


def _choose(
    standing: Mapping[str, tuple[datetime, str]], edge: datetime, wanted: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The messages whose keys are all free, none of them given away twice."""
    chosen: dict[str, tuple[str, ...]] = {}
    given: set[str] = set()
    for message, keys in wanted.items():
        found = [standing.get(key, (NEVER, NOBODY)) for key in keys]
        if given.isdisjoint(keys) and all(last_at <= edge or holder == message for last_at, holder in found):
            chosen[message] = keys
            given.update(keys)
    return chosen


def _standing(
    session: Session, ctx: ShopContext, wanted: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[datetime, str]]:
    found: dict[str, tuple[datetime, str]] = {}
    query = reader(session, READ, (_KEY, _LAST_AT, _HOLDER), key="text")
    for part in chunks(sorted({key for keys in wanted.values() for key in keys})):
        given = {"shop": ctx.shop_id, "rows": packed(session, [{"key": key} for key in part])}
        found.update({key: (last_at, holder) for key, last_at, holder in session.execute(query, given).all()})
    return found


def _write(
    session: Session, ctx: ShopContext, now: datetime, edge: datetime, chosen: Mapping[str, tuple[str, ...]]
) -> dict[str, datetime]:
    """Key → its instant, for every key that the condition let pass."""
    pairs = sorted((key, message) for message, keys in chosen.items() for key in keys)
    rows = [{"key": key, "holder": message} for key, message in pairs]
    query = reader(session, TAKE, (_KEY, _LAST_AT), key="text", holder="text")
    found: dict[str, datetime] = {}
    for part in chunks(rows):
        given = {"shop": ctx.shop_id, "now": now, "edge": edge, "rows": packed(session, part)}
        found |= dict(session.execute(query, given).all())
    return found


def merge(session: Session, ctx: ShopContext, loser: int, survivor: int) -> None:
    """Two customers turned out to be one: the survivor's week begins at the later of both stamps.

    If both stand within one week, neither message may stamp again: the other one went to the same person.
    The loser's row stays, in case that the merge is found to be wrong. So do the slots of the messages of
    both: they guard each number by itself, and both may have been mailed in one week before.
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
    found: list[str] = []
    for part in chunks([{"holder": holder} for holder in holders]):
        given = {"shop": ctx.shop_id, "rows": packed(session, part)}
        found += session.execute(statement(session, HELD, holder="text"), given).scalars()
    return found


def release(session: Session, ctx: ShopContext, holders: Iterable[str]) -> None:
    """Give back the weeks of messages that surely never left, and their slots. Lock their keys first."""
    for part in chunks([{"holder": holder} for holder in holders]):
        rows = packed(session, part)
        session.execute(statement(session, FREE, holder="text"), {"shop": ctx.shop_id, "now": NEVER, "rows": rows})
        session.execute(statement(session, UNSLOT, holder="text"), {"shop": ctx.shop_id, "rows": rows})


def busy_customers(
    session: Session, ctx: ShopContext, now: datetime, window: timedelta | None = None
) -> npt.NDArray[np.int64]:
    """(n,) the customers whose week is taken now, by their own key or their address's; some perhaps twice.

    For deciding early; the stamp decides for good. Numbers, because a million keys take seconds to become texts.
    """
    taken = (Cap.shop_id == ctx.shop_id, Cap.last_at > now - _long(window) - MARGIN)
    own = select(cast(func.substr(Cap.key, 3), Integer)).where(*taken, Cap.key.startswith("c:"))
    # Not a join: SQLite would look through all keys for every customer.
    hashes = select(func.substr(Cap.key, 3)).where(*taken, Cap.key.startswith("e:"))
    address = select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, Customer.email_hash.in_(hashes))
    found = [np.fromiter(session.scalars(query), dtype=np.int64) for query in (own, address)]
    return np.concatenate(found)
