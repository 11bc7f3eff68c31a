"""The decisions that stand in a campaign, as columns: compared, changed and stored a sheet of 65,536 numbers at a time.

A tick of a big shop decides millions of times, and nearly always the same as a minute ago. Rows for each would take
minutes to write and to compare; columns take a second. What changes is put down as rows of `decisions`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from sqlalchemy import delete, select

from app.domain.campaigns import Reason
from app.services.instants import at, microseconds
from app.store.models.campaigns import DecisionHead, DecisionSheet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

PART = 65_536  # customer numbers a sheet; one customer's decisions are found by reading one sheet a campaign
SELECTED = "selected"
SAYINGS: tuple[str, ...] = (SELECTED, *Reason)
"""What a decision can say. In memory by place; in the store by name, so that the list may grow and be sorted."""
PLACE = {saying: place for place, saying in enumerate(SAYINGS)}
KINDS = ("repurchase", "cross_sell")
NONE = -1
COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")


def outcome_of(saying: str) -> str:
    """selected, held_out, lost or skipped."""
    return {SELECTED: SELECTED, Reason.HELD_OUT: "held_out", Reason.BETTER_CAMPAIGN: "lost"}.get(saying, "skipped")


def reason_of(saying: str) -> Reason | None:
    """The reason; None for who was selected."""
    return None if saying == SELECTED else Reason(saying)


@dataclass(frozen=True)
class Decisions:
    """Decisions of one campaign, one a customer, ascending by `customer_no`; all columns of one length.

    says: place in SAYINGS. product_no and kind (place in KINDS): NONE where no product came into question. probability
    and lift: not a number where not known. since: microseconds since 1970, when the decision began to stand.
    """

    customer_no: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    says: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    product_no: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    kind: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    probability: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    lift: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    since: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.customer_no)

    def take(self, which: Any) -> Decisions:
        """The decisions at these places, or where this is true."""
        return Decisions(**{one.name: getattr(self, one.name)[which] for one in fields(self)})

    def part(self, number: int) -> Decisions:
        """Those of one sheet."""
        low, high = np.searchsorted(self.customer_no, [number * PART, (number + 1) * PART])
        return self.take(slice(low, high))

    def parts(self) -> set[int]:
        """The numbers of the sheets that they fill."""
        return {int(number) for number in np.unique(self.customer_no // PART)}

    def counts(self) -> dict[str, int]:
        """How many say what."""
        found = np.bincount(self.says, minlength=len(SAYINGS))
        return {SAYINGS[place]: int(found[place]) for place in np.flatnonzero(found)}


@dataclass(frozen=True)
class Entry:
    """One standing decision, as pages show it."""

    campaign_id: int
    customer_no: int
    saying: str
    product_no: int | None
    kind: str | None
    probability: float | None
    lift: float | None
    since: datetime


def joined(several: Collection[Decisions]) -> Decisions:
    """Several, of customers that no two share, as one."""
    if not several:
        return Decisions()
    whole = Decisions(
        **{one.name: np.concatenate([getattr(each, one.name) for each in several]) for one in fields(Decisions)}
    )
    return whole.take(np.argsort(whole.customer_no, kind="stable"))


def merged(
    standing: Decisions, decided: Decisions, now: np.int64, kept: npt.NDArray[np.bool_] | None = None
) -> tuple[Decisions, Decisions]:
    """(what stands now, what stood and does no more), after a tick that `decided`.

    A decision that says the same about the same product still stands as it began. Who was not decided about is no
    longer in the segment. now: when, as `since`. kept: (len(decided),) whose message of this campaign is under way.
    """
    place = np.searchsorted(standing.customer_no, decided.customer_no)
    inside = np.minimum(place, max(len(standing) - 1, 0))
    known = np.zeros(len(decided), dtype=bool)
    if len(standing):
        known = standing.customer_no[inside] == decided.customer_no
    same = known.copy()
    met = standing.take(inside[known])
    same[known] = (met.says == decided.says[known]) & (met.product_no == decided.product_no[known])
    # A new message is a new decision, whatever stood; one that is under way is the decision that stands for it.
    same &= ~np.isin(decided.says, (PLACE[SELECTED], PLACE[Reason.HELD_OUT]))
    if kept is not None:
        under_way = np.zeros(len(decided), dtype=bool)
        under_way[known] = met.says == PLACE[SELECTED]
        same |= kept & under_way
    gone = np.ones(len(standing), dtype=bool)
    gone[inside[known]] = False
    left = standing.take(gone)
    out = PLACE[Reason.NOT_IN_SEGMENT]
    leaving = left.says != out
    ended = [standing.take(inside[known & ~same]), left.take(leaving)]
    stays = [standing.take(inside[same]), decided.take(~same), left.take(~leaving)]
    return joined([*stays, _outside(left.take(leaving), now)]), joined(ended)


def _outside(left: Decisions, now: np.int64) -> Decisions:
    count = len(left)
    return Decisions(
        left.customer_no,
        np.full(count, PLACE[Reason.NOT_IN_SEGMENT], np.uint8),
        np.full(count, NONE, np.int32),
        np.full(count, NONE, np.int8),
        np.full(count, np.nan, np.float32),
        np.full(count, np.nan, np.float32),
        np.full(count, now, np.int64),
    )


def read(
    session: Session, ctx: ShopContext, campaign_id: int, parts: Collection[int] | None = None
) -> Iterator[tuple[int, Decisions]]:
    """A campaign's sheets, or some of them: (part, its decisions), ascending."""
    query = select(DecisionSheet.part, DecisionSheet.columns).where(
        DecisionSheet.shop_id == ctx.shop_id, DecisionSheet.campaign_id == campaign_id
    )
    if parts is not None:
        query = query.where(DecisionSheet.part.in_(list(parts)))
    for part, columns in session.execute(query.order_by(DecisionSheet.part)):
        yield part, unpacked(columns)


def write(session: Session, ctx: ShopContext, campaign_id: int, part: int, decisions: Decisions) -> None:
    """Put a sheet in the place of the one before."""
    mine = (DecisionSheet.shop_id == ctx.shop_id, DecisionSheet.campaign_id == campaign_id, DecisionSheet.part == part)
    session.execute(delete(DecisionSheet).where(*mine))
    if len(decisions):
        session.add(DecisionSheet(shop_id=ctx.shop_id, campaign_id=campaign_id, part=part, columns=packed(decisions)))
        session.flush()


def heads(session: Session, ctx: ShopContext, campaign_ids: Collection[int]) -> dict[int, DecisionHead]:
    """What stands in these campaigns, counted; campaigns that no tick has decided are missing."""
    query = select(DecisionHead).where(DecisionHead.shop_id == ctx.shop_id, DecisionHead.campaign_id.in_(campaign_ids))
    return {row.campaign_id: row for row in session.scalars(query)}


def of_customers(
    session: Session, ctx: ShopContext, customers: Collection[int], campaign_id: int | None = None
) -> list[Entry]:
    """What stands for a few customers, in all campaigns or in one."""
    query = select(DecisionSheet.campaign_id, DecisionSheet.columns).where(
        DecisionSheet.shop_id == ctx.shop_id, DecisionSheet.part.in_({number // PART for number in customers})
    )
    if campaign_id is not None:
        query = query.where(DecisionSheet.campaign_id == campaign_id)
    found: list[Entry] = []
    for campaign, columns in session.execute(query.order_by(DecisionSheet.campaign_id)):
        sheet = unpacked(columns)
        found += entries(campaign, sheet.take(np.isin(sheet.customer_no, list(customers))))
    return found


def entries(campaign_id: int, decisions: Decisions) -> list[Entry]:
    """Columns as single decisions; for a page of them."""
    rows = zip(*(getattr(decisions, one.name).tolist() for one in fields(decisions)), strict=True)
    return [
        Entry(
            campaign_id=campaign_id,
            customer_no=customer,
            saying=SAYINGS[says],
            product_no=None if product == NONE else product,
            kind=None if kind == NONE else KINDS[kind],
            probability=_digits(probability),
            lift=_digits(lift),
            since=at(since),
        )
        for customer, says, product, kind, probability, lift, since in rows
    ]


def _digits(value: float) -> float | None:
    """A number that was kept in single precision, to the digits that are its own."""
    return None if value != value else float(f"{value:.7g}")  # noqa: PLR0124 - not a number is not itself


def packed(decisions: Decisions) -> bytes:
    """A sheet as the store keeps it."""
    columns: dict[str, Any] = {one.name: getattr(decisions, one.name) for one in fields(decisions)}
    columns["says"] = pa.DictionaryArray.from_arrays(pa.array(decisions.says), pa.array(SAYINGS))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=COMPRESSED) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def unpacked(columns: bytes) -> Decisions:
    """The inverse of `packed`, whatever the list of sayings was when it was written."""
    table = pa.ipc.open_stream(columns).read_all().combine_chunks()
    if not len(table):
        return Decisions()
    found = {one.name: np.asarray(table.column(one.name)) for one in fields(Decisions) if one.name != "says"}
    says = table.column("says").chunk(0)
    now = np.array([PLACE[saying] for saying in says.dictionary.to_pylist()], np.uint8)
    return Decisions(**found, says=now[np.asarray(says.indices)])


def instant(at: datetime) -> np.int64:
    """An instant as `since` holds it."""
    return np.int64(microseconds(at))


def total(counts: dict[str, int]) -> Counter[str]:
    """Counts of sayings by outcome."""
    found: Counter[str] = Counter()
    for saying, count in counts.items():
        found[outcome_of(saying)] += count
    return found
