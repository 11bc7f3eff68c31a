"""Merchants' own segments: create, change, duplicate, delete and undo, versions. Rules are checked before saving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
from sqlalchemy import select

from app.domain.rules import names
from app.domain.rules.canonical import rule_hash
from app.domain.rules.names import PAIR_KIND
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.sentence import Wording, sentence
from app.domain.rules.tree import Did, Life, Member, Predict, Recent, every_leaf
from app.errors import Conflict, Invalid, NotFound
from app.services import segments_dependents
from app.services.evaluate_segments import Outcome
from app.services.published import open_run, published
from app.services.reevaluate_segments import evaluate_one
from app.services.segments_memberships import Writer, stored_references
from app.services.segments_world import find, locked, members_of, small_number, wording
from app.store.counters import allocate
from app.store.models.segments import MembershipChange, Segment, SegmentVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.domain.rules.tree import Rule
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

RESTORABLE_FOR = timedelta(days=30)
MAX_REFERENCE_DEPTH = 5
EVENT_KEYS = {Did: "did", Recent: "latest", Life: "event"}


@dataclass(frozen=True)
class Deleted:
    """A deleted segment and until when it can be brought back."""

    id: str
    restorable_until: datetime


def number(segment_id: str) -> int:
    """The number in `seg_7`. Raises NotFound for anything else."""
    found_number = small_number(segment_id.removeprefix("seg_")) if segment_id.startswith("seg_") else None
    if found_number is None:
        raise NotFound("There is no such segment.")
    return found_number


def read_rule(raw: object) -> Rule:
    """Parse a rule; raises Invalid with the place as its field."""
    try:
        return parse(raw)
    except RuleError as fault:
        raise Invalid(str(fault), field=f"rule.{fault.path}" if fault.path else "rule") from fault


def create(rooms: Rooms, ctx: ShopContext, name: str, rule: dict[str, Any], description: str = "") -> int:
    """Save a rule segment and evaluate it; returns its number. Raises Invalid, Conflict."""
    parsed = read_rule(rule)
    definition = _checked(rooms, ctx, parsed, None)
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        segment = new_segment(session, ctx, name, "rule", now)
        segment.description = description
        _put_rule(session, segment, rule, parsed, definition, now)
        made = segment.id
    evaluate_one(rooms, ctx, made)
    return made


def new_segment(session: Session, ctx: ShopContext, name: str, source: str, now: datetime) -> Segment:
    """A merchant's segment without content, its name checked. Raises Conflict, Invalid."""
    title = _free_name(session, ctx, name, None)
    segment = Segment(
        shop_id=ctx.shop_id,
        id=allocate(session, ctx.shop_id, "segments"),
        name=title,
        name_key=title.casefold(),
        description="",
        category="custom",
        source=source,
        state="pending",
        definition="",
        version=0,
        created_at=now,
        updated_at=now,
    )
    session.add(segment)
    return segment


def change(
    rooms: Rooms,
    ctx: ShopContext,
    segment_id: int,
    *,
    name: str | None = None,
    rule: dict[str, Any] | None = None,
    description: str | None = None,
) -> None:
    """Change what is given; a changed rule is a new version and evaluated at once.

    Raises NotFound, Invalid, or Conflict for automatic segments and taken names.
    """
    parsed = None if rule is None else read_rule(rule)
    definition = "" if parsed is None else _checked(rooms, ctx, parsed, segment_id)
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        segment = _own(session, ctx, segment_id)
        if rule is not None and segment.source == "upload":
            raise Conflict("An uploaded list has no rule; upload a file to change it.")
        if name is not None:
            segment.name = _free_name(session, ctx, name, segment_id)
            segment.name_key = segment.name.casefold()
        if description is not None:
            segment.description = description
        if rule is not None and parsed is not None:
            _put_rule(session, segment, rule, parsed, definition, now)
        segment.updated_at = now
    if rule is not None:
        evaluate_one(rooms, ctx, segment_id)


def duplicate(rooms: Rooms, ctx: ShopContext, segment_id: int, name: str | None = None) -> int:
    """Copy any segment into the merchant's own; returns the copy's number. An uploaded list is copied as a list."""
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        source = found(session, ctx, segment_id)
        if source.rule_text is None and source.source != "upload":
            raise Conflict("This segment is off and has nothing to copy.")
        title = name or _unused(session, ctx, f"Copy of {source.name}")
        copy = new_segment(session, ctx, title, "rule" if source.rule_text else "upload", now)
        copy.description = source.description
        copied = copy.id
        if source.rule_text:
            rule = orjson.loads(source.rule_text)
            _put_rule(session, copy, rule, parse(rule), source.definition, now)
        else:
            copy.version, copy.definition = 1, source.definition
            _copy_list(rooms, ctx, session, source, copy)
    evaluate_one(rooms, ctx, copied)
    return copied


def delete(rooms: Rooms, ctx: ShopContext, segment_id: int) -> Deleted:
    """Delete; nothing is lost for 30 days. Raises Conflict naming what uses it, NotFound."""
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        segment = _own(session, ctx, segment_id)
        users = segments_dependents.dependents(session, ctx, segment)
        if users:
            named = ", ".join(f"{user.kind} “{user.name}”" for user in users)
            raise Conflict(f"It is used by {named}. Take it out there first.")
        segment.deleted_at, segment.name_key = now, None
    return Deleted(f"seg_{segment_id}", now + RESTORABLE_FOR)


def restore(rooms: Rooms, ctx: ShopContext, segment_id: int) -> None:
    """Bring a deleted segment back, under a free name.

    Raises NotFound, or Conflict naming a segment that its rule uses and that is deleted, or a circle.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        segment = locked(session, ctx, segment_id).get(segment_id)
        if segment is None or (segment.deleted_at and segment.deleted_at + RESTORABLE_FOR < now):
            raise NotFound("There is no such segment to bring back.")
        if segment.deleted_at is None:
            return
        _check_restorable(session, ctx, segment)
        segment.name = _unused(session, ctx, segment.name)
        segment.deleted_at, segment.name_key, segment.updated_at = None, segment.name.casefold(), now
    evaluate_one(rooms, ctx, segment_id)


def _check_restorable(session: Session, ctx: ShopContext, segment: Segment) -> None:
    missing = [name for name in sorted(stored_references(segment)) if find(session, ctx, name) is None]
    if missing:
        number_of_it = small_number(missing[0].removeprefix("seg_"))
        gone = session.get(Segment, (ctx.shop_id, number_of_it)) if number_of_it is not None else None
        named = f"“{gone.name}”" if gone else missing[0]
        raise Conflict(f"“{segment.name}” uses {named}, which is deleted: bring that back first. Nothing was changed.")
    if segment.rule_text:
        try:
            _check_references(session, ctx, read_rule(orjson.loads(segment.rule_text)), segment.id)
        except Invalid as fault:
            raise Conflict(f"“{segment.name}” can't be brought back: {fault.message}") from fault


def evaluate_now(rooms: Rooms, ctx: ShopContext, segment_id: int) -> None:
    """Evaluate on the newest published data. Raises NotFound."""
    evaluate_one(rooms, ctx, segment_id)


def versions(rooms: Rooms, ctx: ShopContext, segment_id: int) -> list[dict[str, Any]]:
    """The saved rules, newest first: shape of the API's `Version`."""
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        query = select(SegmentVersion).where(
            SegmentVersion.shop_id == ctx.shop_id, SegmentVersion.segment_id == segment_id
        )
        return [
            {
                "version": row.version,
                "name": row.name,
                "rule": orjson.loads(row.rule_text) if row.rule_text else None,
                "definition": row.definition,
                "saved_at": row.saved_at,
            }
            for row in session.scalars(query.order_by(SegmentVersion.version.desc()))
        ]


def restore_version(rooms: Rooms, ctx: ShopContext, segment_id: int, version: int) -> None:
    """Save an old rule again as the newest version. Raises NotFound, Invalid."""
    with rooms.store.reading(ctx) as session:
        row = session.get(SegmentVersion, (ctx.shop_id, segment_id, version))
        if row is None or row.rule_text is None:
            raise NotFound("There is no such version.")
        rule = orjson.loads(row.rule_text)
    change(rooms, ctx, segment_id, rule=rule)


def found(session: Session, ctx: ShopContext, reference: int | str) -> Segment:
    """The live segment. Raises NotFound."""
    segment = find(session, ctx, reference)
    if segment is None:
        raise NotFound("There is no such segment.")
    return segment


def check_references(rooms: Rooms, ctx: ShopContext, rule: Rule, editing: int | None) -> None:
    """Refuse unknown segments, circles and chains that are too long; the message names the path. Raises Invalid."""
    with rooms.store.reading(ctx) as session:
        _check_references(session, ctx, rule, editing)


def _check_references(session: Session, ctx: ShopContext, rule: Rule, editing: int | None) -> None:
    above = segments_dependents.chain_above(session, ctx, editing) if editing is not None else 0
    for path, leaf in every_leaf(rule.match):
        if isinstance(leaf, Member):
            target = find(session, ctx, leaf.segment)
            if target is None:
                raise Invalid(f"{path}.in: there is no segment {leaf.segment}", field=f"rule.{path}.in")
            _walk(session, ctx, target, editing, [], MAX_REFERENCE_DEPTH - above)


def check_fed(rule: Rule, run: PublishedRun) -> None:
    """Refuse events that this shop's history does not hold yet: to count nobody for them would be a lie.

    Raises Invalid.
    """
    for path, leaf in every_leaf(rule.match):
        if not isinstance(leaf, Did | Recent | Life) or "events" in run.versions:
            continue
        if names.EVENTS[leaf.event].source == "events":
            place = f"{path}.{EVENT_KEYS[type(leaf)]}"
            raise Invalid(f"{place}: not available yet: no e-mail event is in the history", field=f"rule.{place}")


def _walk(
    session: Session, ctx: ShopContext, segment: Segment, editing: int | None, trail: list[str], most: int
) -> None:
    trail = [*trail, f"“{segment.name}”"]
    if segment.id == editing:
        raise Invalid(f"Segments would use each other in a circle: {' → '.join([trail[-1], *trail])}.", field="rule")
    if len(trail) > most:
        raise Invalid(f"Segments refer to each other more than {MAX_REFERENCE_DEPTH} deep.", field="rule")
    for reference in sorted(stored_references(segment)):
        target = find(session, ctx, reference)
        if target is not None:
            _walk(session, ctx, target, editing, trail, most)


def _checked(rooms: Rooms, ctx: ShopContext, rule: Rule, editing: int | None) -> str:
    """Check references and products; returns the sentence."""
    check_references(rooms, ctx, rule, editing)
    run = published(rooms, ctx)
    if run is None:
        with duckdb.connect() as bare:
            words = wording(rooms, ctx, bare)
            return sentence(rule, Wording(ctx.currency, lambda _id: None, words.segment))
    check_fed(rule, run)
    with open_run(rooms, ctx, run) as connection:
        words = wording(rooms, ctx, connection)
        for path, product in _products(rule):
            if words.product(product) is None:
                raise Invalid(f"{path}: there is no product {product}", field=f"rule.{path}")
        _check_types(rule, connection)
        return sentence(rule, words)


def _check_types(rule: Rule, connection: duckdb.DuckDBPyConnection) -> None:
    known = set(connection.execute("SELECT product_type, kind FROM type_base_rates").fetchall())
    for path, leaf in every_leaf(rule.match):
        if not isinstance(leaf, Predict) or leaf.product_type is None:
            continue
        if (leaf.product_type, PAIR_KIND[leaf.what]) not in known:
            raise Invalid(
                f"{path}.product_type: nothing is predicted for the type {leaf.product_type!r}; only for the most"
                " bought types, of which two products or more were sold",
                field=f"rule.{path}.product_type",
            )


def _products(rule: Rule) -> Iterator[tuple[str, str]]:
    for path, leaf in every_leaf(rule.match):
        if isinstance(leaf, Predict) and leaf.product:
            yield f"{path}.product", leaf.product


def _put_rule(
    session: Session, segment: Segment, rule: dict[str, Any], parsed: Rule, definition: str, now: datetime
) -> None:
    segment.rule_text = orjson.dumps(rule).decode()
    segment.rule_hash = rule_hash(parsed)
    segment.definition = definition
    segment.version += 1
    segment.updated_at = now
    session.add(
        SegmentVersion(
            shop_id=segment.shop_id,
            segment_id=segment.id,
            version=segment.version,
            name=segment.name,
            rule_text=segment.rule_text,
            definition=definition,
            saved_at=now,
        )
    )


def _copy_list(rooms: Rooms, ctx: ShopContext, session: Session, source: Segment, copy: Segment) -> None:
    members = members_of(session, ctx, source)
    session.flush()
    Writer(session, ctx, None, rooms.clock.now(), None).store(copy, Outcome(members, statistics={}))


def _own(session: Session, ctx: ShopContext, segment_id: int) -> Segment:
    segment = locked(session, ctx, found(session, ctx, segment_id).id)[segment_id]
    if segment.source == "automatic":
        raise Conflict("An automatic segment can't be changed; duplicate it and change the copy.")
    return segment


def _free_name(session: Session, ctx: ShopContext, name: str, mine: int | None) -> str:
    title = " ".join(name.split())
    if not title:
        raise Invalid("Give the segment a name.", field="name")
    query = select(Segment.id).where(
        Segment.shop_id == ctx.shop_id, Segment.name_key == title.casefold(), Segment.deleted_at.is_(None)
    )
    taken = session.scalars(query).first()
    if taken is not None and taken != mine:
        raise Conflict(f"There is already a segment called “{title}”.", field="name")
    return title


def _unused(session: Session, ctx: ShopContext, name: str) -> str:
    wanted, count = name[:280], 1
    taken = set(session.scalars(select(Segment.name_key).where(Segment.shop_id == ctx.shop_id)))
    while (wanted if count == 1 else f"{wanted} ({count})").casefold() in taken:
        count += 1
    return wanted if count == 1 else f"{wanted} ({count})"


def history(session: Session, ctx: ShopContext, segment_id: int, most: int) -> list[MembershipChange]:
    """The newest evaluations of a segment, oldest first."""
    query = (
        select(MembershipChange)
        .where(MembershipChange.shop_id == ctx.shop_id, MembershipChange.segment_id == segment_id)
        .order_by(MembershipChange.id.desc())
        .limit(most)
    )
    return list(reversed(list(session.scalars(query))))
