"""The installation's table of area incomes: loaded whole by the operator, read by every shop's estimate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, insert, select

from app.errors import Invalid
from app.services.reference_income_read import digest_lines, read_income
from app.services.runs import SEGMENTS_ONLY
from app.services.shops import active_shops
from app.store.models.demographics import AreaIncome, Estimate, ReferenceTable
from ml.demographics import fifths

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from app.services.rooms import Rooms

log = structlog.get_logger()

NAME = "income"
LEAST_AREAS = 100  # fifths of fewer say more about single places than about income


@dataclass(frozen=True)
class Loaded:
    """What loading a file came to. new: the table differs from what was there."""

    table: ReferenceTable
    new: bool
    unpublished: int
    elsewhere: int


def load_income(rooms: Rooms, path: Path, vintage: str | None = None) -> Loaded:
    """Make a file the installation's table; the same table again changes nothing.

    vintage: the survey's years, where the file's name does not say them.

    One transaction takes the old rows out and puts the new ones in, so that no estimate ever sees half a table.
    Shops that estimate area income are classified anew. Raises Invalid naming row and column.
    """
    file = read_income(path)
    if len(file.areas) < LEAST_AREAS:
        raise Invalid(
            f"{path.name} has an income for {len(file.areas)} ZIP areas; at least {LEAST_AREAS} are needed to make "
            "five classes. Nothing was loaded."
        )
    try:
        limits = fifths([area.income for area in file.areas])
    except ValueError as fault:
        raise Invalid(f"{path.name}: {fault}. Nothing was loaded.") from fault
    digest = hashlib.sha256(b"".join(digest_lines(file.areas))).hexdigest()
    with_margin = sum(bool(area.margin) for area in file.areas)  # 0 stands at the ends of the scale, whatever the file
    table = ReferenceTable(
        name=NAME,
        digest=digest,
        source=path.name[:255],
        vintage=vintage or file.vintage,
        rows=len(file.areas),
        detail={"limits": [int(limit) for limit in limits], "margins": with_margin / len(file.areas)},
        loaded_at=rooms.clock.now(),
    )
    with rooms.store.operator_session() as session:
        before = session.get(ReferenceTable, NAME, with_for_update=True)
        if before is not None and before.digest == digest and (vintage is None or before.vintage == vintage):
            return Loaded(before, False, file.unpublished, file.elsewhere)
        table = session.merge(table)
        session.execute(delete(AreaIncome))
        rows = [{"zcta": area.zcta, "income": area.income, "margin": area.margin} for area in file.areas]
        session.execute(insert(AreaIncome), rows)
        waiting = set(session.scalars(select(Estimate.shop_id).where(Estimate.name == "area_income")))
    for ctx in active_shops(rooms):
        if ctx.shop_id in waiting:
            rooms.jobs.enqueue(ctx, "refresh", f"{SEGMENTS_ONLY}{digest[:12]}")
    log.info("reference_loaded", name=NAME, areas=len(file.areas), vintage=table.vintage)
    return Loaded(table, True, file.unpublished, file.elsewhere)


def loaded_income(session: Session) -> ReferenceTable | None:
    """What the loaded table says of itself, or None before one is."""
    return session.get(ReferenceTable, NAME)


def incomes(session: Session) -> dict[str, tuple[int, int | None]]:
    """ZIP area → (median household income, 90% margin of error), all of the table."""
    rows = session.execute(select(AreaIncome.zcta, AreaIncome.income, AreaIncome.margin))
    return {row.zcta: (row.income, row.margin) for row in rows}
