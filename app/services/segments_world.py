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
from app.services.open_runs import MEMORY, keep_reach
from app.services.published import open_run, published
from app.services.reachable import codes, departed, from_codes, reach
from app.services.segments_history import stored_history
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
    """A run opened for evaluation: the world of the rules, everybody's reach, and the words for sentences.

    departed: customers who count no more: erased, merged away or gone, also since the run.
    """

    run: PublishedRun
    world: World
    reach: Reach
    departed: BitMap
    wording: Wording

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The run's data."""
        return self.world.connection


@contextmanager
def open_world(rooms: Rooms, ctx: ShopContext, as_of: datetime | None = None) -> Iterator[ShopWorld]:
    """Open the published run. References to segments mean their stored memberships.

    Who can be mailed is what it was when the run's segments were evaluated, less who has gone since: so a preview and
    the segments beside it count the same people. What mails somebody asks the store itself.

    as_of: evaluate rules as of this instant; default the run's.

    Raises Unavailable before the first refresh.
    """
    run = published(rooms, ctx)
    if run is None:
        raise Unavailable("Encore has not finished its first analysis of your shop; try again in a few minutes.")
    everybody, gone = _known(rooms, ctx, run)
    with open_run(rooms, ctx, run) as connection:
        world = _world(rooms, ctx, as_of or run.as_of, connection, everybody)
        if world.as_of == run.as_of:
            world.shared = rooms.runs.get(rooms.lake, ctx, run).leaves
        yield ShopWorld(run, world, everybody, gone, wording(rooms, ctx, connection))


@contextmanager
def new_world(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> Iterator[ShopWorld]:
    """Open a run that is being computed, with everybody's reach of this moment, which is kept beside the run's files.

    The views that rules read again and again are held in memory.
    """
    with rooms.store.reading(ctx) as session:
        packed, gone = codes(session, ctx), departed(session, ctx)
    keep_reach(run.dir, packed)
    everybody = from_codes(packed)
    connection = rooms.lake.connect(ctx, run.versions, run.dir)
    try:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        _hold_in_memory(connection)
        world = _world(rooms, ctx, run.as_of, connection, everybody)
        yield ShopWorld(run, world, everybody, gone, wording(rooms, ctx, connection))
    finally:
        connection.close()


def known_reach(rooms: Rooms, ctx: ShopContext) -> Reach:
    """Who can be mailed, as the segments on screen count it; before the first refresh as of now."""
    run = published(rooms, ctx)
    if run is not None:
        return _known(rooms, ctx, run)[0]
    with rooms.store.reading(ctx) as session:
        return reach(session, ctx)


def _known(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> tuple[Reach, BitMap]:
    kept = rooms.runs.get(rooms.lake, ctx, run).reach
    with rooms.store.reading(ctx) as session:
        gone = departed(session, ctx)
        return (reach(session, ctx) if kept is None else kept.without(gone)), gone


def _world(
    rooms: Rooms, ctx: ShopContext, as_of: datetime, connection: duckdb.DuckDBPyConnection, everybody: Reach
) -> World:
    return World(
        connection=connection,
        universe=everybody.universe,
        as_of=as_of,
        zone=ctx.zone,
        reachable=everybody.reachable,
        consent=lambda channel, state: (everybody.email if channel == "email" else everybody.sms)[state],
        segment=_stored(rooms, ctx),
        segment_flip=_stored_flip(rooms, ctx),
        history=stored_history(rooms, ctx, as_of, find),
        unit=10 ** exponent(ctx.currency),
    )


def _hold_in_memory(connection: duckdb.DuckDBPyConnection) -> None:
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
    return members_of_each(session, ctx, [segment])[segment.id]


def members_of_each(session: Session, ctx: ShopContext, segments: Sequence[Segment]) -> dict[int, BitMap]:
    """Segment number → its stored members; nobody before the first evaluation."""
    standing = [segment.membership_id for segment in segments if segment.membership_id is not None]
    query = select(Membership.id, Membership.members).where(
        Membership.shop_id == ctx.shop_id, Membership.id.in_(standing)
    )
    blobs = {row.id: row.members for row in session.execute(query)} if standing else {}
    return {
        segment.id: BitMap.deserialize(blobs[segment.membership_id]) if segment.membership_id in blobs else BitMap()
        for segment in segments
    }


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
