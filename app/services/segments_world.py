"""Opens what rules are evaluated against: a published run's data, and today's consent from the store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyroaring import BitMap
from sqlalchemy import select

from app.domain.money import exponent
from app.domain.rules.evaluate import World
from app.domain.rules.sentence import Wording
from app.errors import NotFound, Unavailable
from app.services.published import open_run, published
from app.services.reachable import reach
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.reachable import Reach
    from app.services.rooms import Rooms


MOST_ROWS_HELD = 5_000_000
DIGITS = 9  # fit an int32


@dataclass
class ShopWorld:
    """A run opened for evaluation: the world of the rules, everybody's reach, and the words for sentences."""

    run: PublishedRun
    world: World
    reach: Reach
    wording: Wording

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The run's data."""
        return self.world.connection


@contextmanager
def open_world(rooms: Rooms, ctx: ShopContext, run: PublishedRun | None = None) -> Iterator[ShopWorld]:
    """Open a run, or the published one. References to segments mean their stored memberships.

    Raises Unavailable before the first refresh.
    """
    chosen = run or published(rooms, ctx)
    if chosen is None:
        raise Unavailable("Encore has not finished its first analysis of your shop; try again in a few minutes.")
    with rooms.store.reading(ctx) as session:
        everybody = reach(session, ctx)
    with open_run(rooms, ctx, chosen) as connection:
        yield ShopWorld(
            chosen,
            World(
                connection=connection,
                universe=everybody.universe,
                as_of=chosen.as_of,
                zone=ctx.zone,
                reachable=everybody.reachable,
                consent=lambda channel, state: (everybody.email if channel == "email" else everybody.sms)[state],
                segment=_stored(rooms, ctx),
                segment_flip=_stored_flip(rooms, ctx),
                unit=10 ** exponent(ctx.currency),
            ),
            everybody,
            wording(rooms, ctx, connection),
        )


def hold_in_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Turn the views that a hundred rules read again and again into tables, unless they are too big.

    Pairs are sorted by product, so that a rule about one product reads little of them.
    """
    for name, order in (
        ("products", "product_no"),
        ("features", "1"),
        ("customer_values", "1"),
        ("demographics", "1"),
        ("pairs", "product_no"),
        ("type_pairs", "product_type"),
    ):
        rows = connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        if rows <= MOST_ROWS_HELD:
            connection.execute(f"ALTER VIEW {name} RENAME TO {name}_file")
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_file ORDER BY {order}")


def wording(rooms: Rooms, ctx: ShopContext, connection: duckdb.DuckDBPyConnection) -> Wording:
    """The shop's titles and names for sentences, each looked up once."""
    titles: dict[str, str | None] = {}

    def title(product_id: str) -> str | None:
        if product_id not in titles:
            rows = connection.execute(
                "SELECT title FROM products WHERE product_id = TRY_CAST(? AS BIGINT)", [product_id]
            ).fetchall()
            titles[product_id] = rows[0][0] if rows else None
        return titles[product_id]

    names: dict[str, str | None] = {}

    def name(reference: str) -> str | None:
        if reference not in names:
            with rooms.store.reading(ctx) as session:
                found = find(session, ctx, reference)
                names[reference] = found.name if found else None
        return names[reference]

    return Wording(ctx.currency, title, name)


def find(session: Session, ctx: ShopContext, reference: int | str) -> Segment | None:
    """The live segment that a number, `seg_7` or a key names, or None."""
    query = select(Segment).where(Segment.shop_id == ctx.shop_id, Segment.deleted_at.is_(None))
    number = reference if isinstance(reference, int) else _number(reference)
    query = query.where(Segment.id == number) if number is not None else query.where(Segment.key == reference)
    return session.scalars(query).one_or_none()


def locked(session: Session, ctx: ShopContext, segment_id: int | None = None) -> dict[int, Segment]:
    """All segments, or one, as they are now; nobody else changes them until the session's transaction ends.

    Always in the order of their numbers, so that two transactions never wait for each other.
    """
    query = select(Segment).where(Segment.shop_id == ctx.shop_id).order_by(Segment.id)
    if segment_id is not None:
        query = query.where(Segment.id == segment_id)
    query = query.with_for_update().execution_options(populate_existing=True)
    return {segment.id: segment for segment in session.scalars(query)}


def _number(reference: str) -> int | None:
    return small_number(reference.removeprefix("seg_")) if reference.startswith("seg_") else None


def small_number(text: str) -> int | None:
    """The number that a text of one to nine ASCII digits is, or None: “²” is a digit too, and int32 has an end."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def members_of(session: Session, ctx: ShopContext, segment: Segment) -> BitMap:
    """The stored members; nobody before the first evaluation."""
    if segment.membership_id is None:
        return BitMap()
    blob = session.scalar(
        select(Membership.members).where(Membership.shop_id == ctx.shop_id, Membership.id == segment.membership_id)
    )
    return BitMap() if blob is None else BitMap.deserialize(blob)


def _stored(rooms: Rooms, ctx: ShopContext) -> Callable[[str], BitMap]:
    def members(reference: str) -> BitMap:
        with rooms.store.reading(ctx) as session:
            found = find(session, ctx, reference)
            if found is None:
                raise NotFound(f"There is no segment {reference}.", field="rule")
            return members_of(session, ctx, found)

    return members


def _stored_flip(rooms: Rooms, ctx: ShopContext) -> Callable[[str], datetime | None]:
    def flip(reference: str) -> datetime | None:
        with rooms.store.reading(ctx) as session:
            found = find(session, ctx, reference)
            if found is None or found.membership_id is None:
                return None
            mine = (Membership.shop_id == ctx.shop_id) & (Membership.id == found.membership_id)
            return session.scalar(select(Membership.next_flip_at).where(mine))

    return flip
