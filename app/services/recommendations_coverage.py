"""Which members of a product's segment active campaigns mail about it already, and how many orders go with them."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from pyroaring import BitMap
from sqlalchemy import select

from app.services.campaigns_audience import audience_of
from app.services.published import open_run
from app.services.reachable import reachable
from app.services.segments_statistics import chances
from app.store.models.campaigns import Campaign

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.campaigns_audience import Audience
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.segments import Membership, Segment

WHAT = {"repurchase": "buy_again", "cross_sell": "buy_new"}


class Covered(NamedTuple):
    """Reachable members whom a campaign mails about the product, and the sum of their probabilities to buy it."""

    members: int
    buyers: float


class Coverage:
    """The active campaigns' audiences. Opens the run only if a campaign covers a part of a segment.

    An automatic campaign covers everybody; one on a segment without a product, its members, for whatever suits them
    best; one about a product or a type, its members for that product, or for products of that type.
    """

    def __init__(self, session: Session, rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> None:
        self._session, self._rooms, self._ctx, self._run = session, rooms, ctx, run
        active = active_campaigns(session, ctx)
        self._everybody = any(row.audience_type == "automatic" for row in active)
        found = (audience_of(session, ctx, row.segment_id) for row in active if row.audience_type == "segment")
        self._audiences: list[Audience] = [audience for audience in found if audience is not None]
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self._open.close()

    def of(self, segment: Segment, membership: Membership, kind: str, product_type: str | None) -> Covered:
        """What of a segment about one product, or a type, is covered."""
        figures = membership.statistics
        whole = Covered(figures["reachable"], figures["reachable_buyers"])
        if self._everybody or any(one.segment_id == segment.id for one in self._audiences):
            return whole
        about = [one for one in self._audiences if self._is_about(one, kind, segment.product_no, product_type)]
        taken = BitMap.union(*(one.members for one in about)) if about else BitMap()
        if taken:
            taken &= BitMap.deserialize(membership.members)
            taken &= self._reachable
        if not taken:
            return Covered(0, 0.0)
        wanted = product_type if product_type is not None else segment.product_no or 0
        return Covered(len(taken), float(chances(self._connection, WHAT[kind], wanted).of(taken).sum()))

    def _is_about(self, audience: Audience, kind: str, product_no: int | None, product_type: str | None) -> bool:
        if audience.kind is None:
            return True
        if audience.kind != kind:
            return False
        if product_type is not None:
            return product_type in {audience.product_type, self._type_of(audience.product_no)}
        if audience.product_no is not None:
            return audience.product_no == product_no
        return audience.product_type is not None and audience.product_type == self._type_of(product_no)

    def _type_of(self, product_no: int | None) -> str | None:
        return self._types.get(product_no) if product_no is not None else None

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._open.enter_context(open_run(self._rooms, self._ctx, self._run))

    @cached_property
    def _types(self) -> dict[int, str]:
        rows = self._connection.execute("SELECT product_no, product_type FROM products WHERE product_type <> ''")
        return dict(rows.fetchall())

    @cached_property
    def _reachable(self) -> BitMap:
        return reachable(self._session, self._ctx)


def active_campaigns(session: Session, ctx: ShopContext) -> list[Campaign]:
    """The campaigns that mail by themselves now."""
    return list(session.scalars(select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")))
