"""Who is who: customer numbers, sealed contacts and consent, from what a source staged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import func, insert, select, update

from app.domain.consent import SUBSCRIBED
from app.domain.mailboxes import provider_of
from app.lake.schemas import CUSTOMERS
from app.store.counters import allocate
from app.store.crypto import customer_subject
from app.store.models.customers import ConsentEvent, Customer, Suppression
from app.store.rowset import packed, statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

UNDO = "undo_link"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
PLACE_DIGITS = 2  # about 1 km: a finer place in the lake would amount to a street address
LOSERS = """WITH RECURSIVE merges(loser, survivor) AS (
    SELECT c.customer_no, c.merged_into FROM {rows} JOIN customers c ON c.shop_id = :shop AND c.merged_into = r.id
    UNION
    SELECT c.customer_no, m.survivor FROM merges m JOIN customers c ON c.shop_id = :shop AND c.merged_into = m.loser
)
SELECT loser, survivor FROM merges"""
CONTACT = ("email", "phone", "first_name", "last_name", "address1", "city", "province", "country", "zip")
SEALED_AS = {"province": "province_code", "country": "country_code"}


def upsert_customers(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, source: str) -> dict[int, int]:
    """Bring store rows of all staged customers and guests up to date, in one transaction.

    Numbers are given in the order of Shopify's ids, guests in the order of their first order, so a
    repeated import gives the same numbers. An older update never overwrites a newer one, and
    consent is granted only by a newer decision. A guest whose address now belongs to a registered
    customer is merged into that customer.

    Returns all merged customers of the shop: loser → last survivor.
    """
    with rooms.store.session(ctx) as session:
        _upsert_known(session, rooms, ctx, staged, source)
        _add_named_by_orders_only(session, rooms, ctx, staged)
        _merge_registered_guests(session, ctx)
        _add_guests(session, rooms, ctx, staged)
        return survivors(session, ctx)


def survivors(session: Session, ctx: ShopContext) -> dict[int, int]:
    """All merged customers of the shop: loser → the last survivor of the chain."""
    rows = session.execute(
        select(Customer.customer_no, Customer.merged_into).where(
            Customer.shop_id == ctx.shop_id, Customer.merged_into.is_not(None)
        )
    )
    into = {row.customer_no: int(row.merged_into) for row in rows if row.merged_into is not None}
    return {loser: last_survivor(into, loser) for loser in into}


def losers_of(session: Session, ctx: ShopContext, customers: Iterable[int]) -> dict[int, int]:
    """Who was merged into one of these customers, also by way of others: loser → that customer."""
    query = statement(session, LOSERS, id="integer")
    rows = packed(session, [{"id": number} for number in customers])
    found = session.execute(query, {"shop": ctx.shop_id, "rows": rows})
    return {loser: survivor for loser, survivor in found if loser != survivor}


def last_survivor(into: dict[int, int], customer_no: int) -> int:
    """Follow merges to their end. into: loser → survivor."""
    passed = {customer_no}
    while (following := into.get(customer_no)) is not None and following not in passed:
        passed.add(following)
        customer_no = following
    return customer_no


def placeholder(rooms: Rooms, ctx: ShopContext, customer_no: int, shopify_id: int, at: datetime) -> dict[str, Any]:
    """The row of a registered customer of whom nothing but the id is known; whatever the platform says is newer."""
    return {
        **_blank(rooms, ctx, customer_no, None, at),
        "shopify_id": shopify_id,
        "updated_at": LONG_AGO,
    }


def note_gone(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, *, whole: bool) -> None:
    """Mark registered customers whom a whole import no longer found at the shop, and take it back for those it did.

    Nobody says so otherwise when a webhook was lost; somebody whom the shop no longer knows can't be mailed.
    """
    here = {row[0] for row in staged.execute("SELECT shopify_id FROM stage_customers").fetchall()}
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        registered = session.execute(
            select(Customer.customer_no, Customer.shopify_id, Customer.gone_at).where(
                Customer.shop_id == ctx.shop_id,
                Customer.shopify_id.is_not(None),
                Customer.merged_into.is_(None),
                Customer.erased_at.is_(None),
            )
        ).all()
        back = [row.customer_no for row in registered if row.shopify_id in here and row.gone_at is not None]
        gone = [row.customer_no for row in registered if row.shopify_id not in here and row.gone_at is None]
        changes = [(number, None) for number in back] + [(number, now) for number in (gone if whole else ())]
        if changes:
            session.execute(
                update(Customer),
                [{"shop_id": ctx.shop_id, "customer_no": number, "gone_at": at} for number, at in changes],
            )


def register_numbers(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection) -> None:
    """Make the tables `numbers` (shopify_id → customer_no) and `guest_numbers` (address → customer_no).

    A merged customer has the last survivor's number.
    """
    with rooms.store.reading(ctx) as session:
        rows = session.execute(
            select(Customer.customer_no, Customer.shopify_id, Customer.email_hash).where(
                Customer.shop_id == ctx.shop_id
            )
        ).all()
        merged = survivors(session, ctx)
    ids = [(r.shopify_id, merged.get(r.customer_no, r.customer_no)) for r in rows if r.shopify_id is not None]
    by_hash = _numbers_by_hash([(r.customer_no, r.shopify_id, r.email_hash) for r in rows], merged)
    addresses = [a for a, _ in _guest_addresses(staged)]
    guests = [(a, by_hash[h]) for a in addresses if (h := rooms.vault.email_hash(a)) in by_hash]
    _table(staged, "numbers", ("shopify_id", pa.int64()), ids)
    _table(staged, "guest_numbers", ("address", pa.string()), guests)


def lake_customers(
    rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, only: set[int] | None
) -> pa.Table:
    """Lake rows of staged customers and of guests, one per customer; `only` limits guests to these numbers.

    only: None for a whole import. Otherwise guests' orders in the lake count beside the staged ones, and a
          merged customer's record says nothing of the survivor, whose own row stands already.

    What a guest's row says of place comes from the guest's latest order that says it.
    """
    with rooms.store.reading(ctx) as session:
        guests = session.execute(
            select(Customer.customer_no, Customer.created_at, Customer.updated_at).where(
                Customer.shop_id == ctx.shop_id,
                Customer.shopify_id.is_(None),
                Customer.merged_into.is_(None),
                Customer.erased_at.is_(None),
            )
        ).all()
        mine = select(Customer.shopify_id).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id.is_not(None))
        alive = session.scalars(mine.where(Customer.erased_at.is_(None))).all()
        merged = session.scalars(mine.where(Customer.merged_into.is_not(None))).all()
    listed = [tuple(g) for g in guests if only is None or g.customer_no in only]
    schema = pa.schema([CUSTOMERS.field(n) for n in ("customer_no", "created_at", "updated_at")])
    columns = list(zip(*listed, strict=True)) or [(), (), ()]
    staged.register(
        "guest_rows", pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    )
    staged.register("alive", pa.table({"shopify_id": pa.array(alive, pa.int64())}))
    staged.register("merged", pa.table({"shopify_id": pa.array(merged, pa.int64())}))
    staged.register(
        "earlier", _earlier_orders(rooms, ctx, staged, [g.customer_no for g in guests if g.customer_no in (only or ())])
    )
    rows = staged.sql(
        f"""
        SELECT n.customer_no, 0::SMALLINT AS bucket, CAST(c.shopify_id AS VARCHAR) AS customer_id, c.created_at,
               c.updated_at, c.city, c.province, c.country, c.language, c.tags, c.metafields, c.orders_count,
               c.amount_spent_minor, c.rfm_group, round(c.latitude, {PLACE_DIGITS}) AS latitude,
               round(c.longitude, {PLACE_DIGITS}) AS longitude
        FROM stage_customers c JOIN numbers n USING (shopify_id) SEMI JOIN alive USING (shopify_id)
        LEFT JOIN merged m USING (shopify_id)
        WHERE m.shopify_id IS NULL OR {only is None}
        QUALIFY row_number() OVER (
            PARTITION BY n.customer_no ORDER BY m.shopify_id IS NOT NULL, c.updated_at DESC, c.shopify_id) = 1
        UNION ALL
        SELECT g.customer_no, 0::SMALLINT, NULL, g.created_at, g.updated_at, o.city, o.province, o.country, NULL,
               []::VARCHAR[], MAP {{}}::MAP(VARCHAR, VARCHAR), coalesce(o.orders, 0), coalesce(o.spent, 0), NULL,
               NULL, NULL
        FROM guest_rows g LEFT JOIN (
            SELECT customer_no, count(*) AS orders, sum(total_minor - refunded_minor)::BIGINT AS spent,
                   arg_max(city, processed_at) AS city, arg_max(province, processed_at) AS province,
                   arg_max(country, processed_at) AS country
            FROM (
                SELECT n.customer_no, s.processed_at, s.city, s.province, s.country, s.total_minor, s.refunded_minor
                FROM stage_orders s JOIN guest_numbers n ON n.address = lower(trim(s.email))
                WHERE s.shopify_customer_id IS NULL
                UNION ALL BY NAME FROM earlier
            ) GROUP BY customer_no
        ) o USING (customer_no)
        ORDER BY 1"""
    ).to_arrow_table()
    for name in ("guest_rows", "alive", "merged", "earlier"):
        staged.unregister(name)
    return rows


def _earlier_orders(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, guests: list[int]) -> pa.Table:
    """The lake's orders of these guests, without those that are staged: of these the staged version is newer."""
    lake = rooms.lake.connect(ctx, rooms.lake.versions(ctx))
    again = [row[0] for row in staged.execute("SELECT order_id FROM stage_orders").fetchall()]
    found = lake.sql(
        """SELECT customer_no, processed_at, city, province, country, total_minor, refunded_minor FROM orders
           WHERE customer_no IN (SELECT unnest($guests::INTEGER[]))
             AND order_id NOT IN (SELECT unnest($again::BIGINT[]))""",
        params={"guests": guests, "again": again if guests else []},
    ).to_arrow_table()
    lake.close()
    return found


def _upsert_known(
    session: Session, rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, source: str
) -> None:
    known = {
        row.shopify_id: row
        for row in session.scalars(
            select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id.is_not(None))
        )
    }
    rows = _dicts(staged, "SELECT * EXCLUDE (tags, metafields) FROM stage_customers ORDER BY shopify_id")
    new = [row for row in rows if row["shopify_id"] not in known]
    first = allocate(session, ctx.shop_id, "customers", len(new)) if new else 0
    inserts = [{**_values(rooms, ctx, row, first + i), "shopify_id": row["shopify_id"]} for i, row in enumerate(new)]
    events = [_event(ctx, v, v["email_consent"], source) for v in inserts]
    if inserts:
        session.execute(insert(Customer), inserts)
    taken_back = _taken_back(session, ctx)
    changes: list[dict[str, Any]] = []
    for row in rows:
        old = known.get(row["shopify_id"])
        if old is None or old.erased_at is not None or row["updated_at"] < old.updated_at:
            continue
        values = _values(rooms, ctx, row, old.customer_no)
        if not _decides(old, values, taken_back.get(old.customer_no)):
            for name in ("email_consent", "email_consent_at", "email_opt_in_level"):
                values[name] = getattr(old, name)
        else:
            if old.email_consent != values["email_consent"]:
                events.append(_event(ctx, values, values["email_consent"], source))
            if values["email_consent"] != SUBSCRIBED and old.email_hash == values["email_hash"]:
                # An undated withdrawal must not forget what a grant has to be newer than.
                values["email_consent_at"] = _later(old.email_consent_at, values["email_consent_at"])
        changes.append(values)
    if changes:
        session.execute(update(Customer), changes)
    if events:
        start = allocate(session, ctx.shop_id, "consent_events", len(events))
        session.execute(insert(ConsentEvent), [{**event, "id": start + i} for i, event in enumerate(events)])


def _values(rooms: Rooms, ctx: ShopContext, row: dict[str, Any], customer_no: int) -> dict[str, Any]:
    contact = {SEALED_AS.get(name, name): row[name] for name in CONTACT}
    return {
        "shop_id": ctx.shop_id,
        "customer_no": customer_no,
        "email_hash": rooms.vault.email_hash(row["email"]) if row["email"] else None,
        "mail_provider": provider_of(row["email"]) if row["email"] else None,
        "contact": rooms.vault.seal(ctx.shop_id, customer_subject(customer_no), contact),
        "email_valid": bool(row["email"]) and bool(row["email_valid"]),
        "email_consent": row["email_consent"],
        "email_consent_at": row["email_consent_at"],
        "email_opt_in_level": row["email_opt_in_level"],
        "sms_consent": row["sms_consent"],
        "open_tracking": row["open_tracking"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _event(ctx: ShopContext, values: dict[str, Any], state: str, source: str) -> dict[str, Any]:
    at = values["email_consent_at"] or values["updated_at"]
    return {
        "shop_id": ctx.shop_id, "customer_no": values["customer_no"], "channel": "email", "state": state, "at": at,
        "source": source,
    }  # fmt: skip


def _decides(old: Customer, new: dict[str, Any], undone_at: datetime | None) -> bool:
    """Whether what the source says of e-mail consent replaces what is known here.

    Consent was given for one address, so another address brings its own state. Taking consent away needs
    no date: sources send withdrawals without one, and a newer record is enough. Only granting it needs a
    decision that is dated no earlier than the one known here.

    undone_at: when the customer took an unsubscribe back here; a withdrawal dated before that is the one
               that was taken back.
    """
    if old.email_hash != new["email_hash"]:
        return True
    at: datetime | None = new["email_consent_at"]
    if new["email_consent"] != SUBSCRIBED and new["updated_at"] > old.updated_at:
        return at is None or undone_at is None or at > undone_at
    return old.email_consent_at is None or (at is not None and at >= old.email_consent_at)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _taken_back(session: Session, ctx: ShopContext) -> dict[int, datetime]:
    """Customers whose last word on e-mail, given here, was to take an unsubscribe back; and when."""
    newest = (
        select(ConsentEvent.customer_no, func.max(ConsentEvent.id).label("id"))
        .where(ConsentEvent.shop_id == ctx.shop_id, ConsentEvent.channel == "email")
        .group_by(ConsentEvent.customer_no)
        .subquery()
    )
    undone = (
        select(ConsentEvent.customer_no, ConsentEvent.at)
        .join(newest, newest.c.id == ConsentEvent.id)
        .where(ConsentEvent.shop_id == ctx.shop_id, ConsentEvent.source == UNDO)
    )
    return {row.customer_no: row.at for row in session.execute(undone)}


def _blank(rooms: Rooms, ctx: ShopContext, customer_no: int, email: str | None, at: datetime) -> dict[str, Any]:
    """A customer of whom no more than perhaps an address is known, and who consented to nothing."""
    row = dict.fromkeys((*CONTACT, "email_consent_at", "email_opt_in_level", "open_tracking"))
    row |= {"email": email, "email_valid": email is not None, "email_consent": "NOT_SUBSCRIBED"}
    row |= {"sms_consent": "NOT_SUBSCRIBED", "created_at": at, "updated_at": at}
    return _values(rooms, ctx, row, customer_no)


def _add_named_by_orders_only(
    session: Session, rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection
) -> None:
    """Give numbers to customers whom orders name and the customer export did not hold (deleted, or just new)."""
    named = staged.execute("""
        SELECT shopify_customer_id, min(created_at) FROM stage_orders
        WHERE shopify_customer_id IS NOT NULL GROUP BY 1 ORDER BY 1""").fetchall()
    known = set(
        session.scalars(
            select(Customer.shopify_id).where(Customer.shop_id == ctx.shop_id, Customer.shopify_id.is_not(None))
        )
    )
    missing = [(shopify_id, at) for shopify_id, at in named if shopify_id not in known]
    if missing:
        first = allocate(session, ctx.shop_id, "customers", len(missing))
        rows = [placeholder(rooms, ctx, first + i, shopify_id, at) for i, (shopify_id, at) in enumerate(missing)]
        session.execute(insert(Customer), rows)


def _merge_registered_guests(session: Session, ctx: ShopContext) -> None:
    guests = session.scalars(
        select(Customer).where(
            Customer.shop_id == ctx.shop_id, Customer.shopify_id.is_(None), Customer.merged_into.is_(None)
        )
    ).all()
    if not guests:
        return
    registered = select(Customer.email_hash, Customer.customer_no).where(
        Customer.shop_id == ctx.shop_id,
        Customer.shopify_id.is_not(None),
        Customer.email_hash.is_not(None),
        Customer.merged_into.is_(None),
    )
    holders = {
        row.email_hash: row.customer_no for row in session.execute(registered.order_by(Customer.customer_no.desc()))
    }
    for guest in guests:
        if guest.email_hash in holders:
            guest.merged_into = holders[guest.email_hash]
    session.flush()


def _add_guests(session: Session, rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection) -> None:
    addresses = _guest_addresses(staged)
    hashes = {rooms.vault.email_hash(address): (address, at) for address, at in addresses}
    known = set(
        session.scalars(
            select(Customer.email_hash).where(Customer.shop_id == ctx.shop_id, Customer.email_hash.is_not(None))
        )
    )
    # An order that still names an erased person's address must not bring the address back.
    erased = select(Suppression.email_hash).where(Suppression.shop_id == ctx.shop_id, Suppression.reason == "erased")
    known |= set(session.scalars(erased))
    new = [(address, at) for digest, (address, at) in hashes.items() if digest not in known]
    if new:
        first = allocate(session, ctx.shop_id, "customers", len(new))
        session.execute(
            insert(Customer),
            [{**_blank(rooms, ctx, first + i, address, at), "shopify_id": None} for i, (address, at) in enumerate(new)],
        )


def _guest_addresses(staged: duckdb.DuckDBPyConnection) -> list[tuple[str, datetime]]:
    """Addresses of orders without a customer, with their first order's time, earliest first."""
    rows = staged.execute("""
        SELECT lower(trim(email)) AS address, min(processed_at) AS first_at, min(order_id) AS first_order
        FROM stage_orders WHERE shopify_customer_id IS NULL AND email IS NOT NULL
        GROUP BY 1 ORDER BY 2, 3""").fetchall()
    return [(str(address), at) for address, at, _ in rows]


def _numbers_by_hash(rows: list[tuple[int, int | None, str | None]], merged: dict[int, int]) -> dict[str, int]:
    """Address hash → customer number: the registered customer before the guest, the older before the newer.

    Whoever holds the address now comes before a merged customer who held it once.
    """
    found: dict[str, int] = {}
    for number, _, digest in sorted(rows, key=lambda r: (r[0] in merged, r[1] is None, r[0])):
        if digest is not None:
            found.setdefault(digest, merged.get(number, number))
    return found


def _dicts(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _table(
    connection: duckdb.DuckDBPyConnection, name: str, key: tuple[str, pa.DataType], rows: list[tuple[Any, int]]
) -> None:
    columns = list(zip(*rows, strict=True)) or [(), ()]
    table = pa.table({key[0]: pa.array(columns[0], key[1]), "customer_no": pa.array(columns[1], pa.int32())})
    connection.register("incoming", table)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")
    connection.unregister("incoming")
