"""Whom a campaign considers: its segment, the segment's members, the products that it may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from pyroaring import BitMap
from sqlalchemy import select

from app.domain.web_links import leads_to
from app.errors import NotFound
from app.services.automatic_segments_products import type_of
from app.services.published import latest_history
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

KIND_OF_CATEGORY: dict[str, Literal["repurchase", "cross_sell"]] = {
    "repurchase": "repurchase",
    "cross_sell": "cross_sell",
}


@dataclass(frozen=True)
class Audience:
    """A segment as campaigns see it.

    product_type: of a segment about any product of a type; its members get their best product of the type. kind:
    null for custom segments, whose members get their best product of all.
    """

    segment_id: int
    name: str
    kind: Literal["repurchase", "cross_sell"] | None
    product_no: int | None
    product_type: str | None
    members: BitMap
    evaluated_at: datetime | None


@dataclass(frozen=True)
class Product:
    """A product as messages show it. on_sale: active and not a gift card; in_stock: not known to be out."""

    product_no: int
    title: str
    url: str
    image_url: str | None
    on_sale: bool
    in_stock: bool


def number_of(public_id: str, prefix: str, noun: str) -> int:
    """The int of `seg_12`. Raises NotFound."""
    digits = public_id.removeprefix(prefix)
    if not digits.isdecimal() or len(digits) > 9:  # noqa: PLR2004 - fits an int32
        raise NotFound(f"There is no such {noun}.")
    return int(digits)


def audience_of(session: Session, ctx: ShopContext, segment_id: int | None) -> Audience | None:
    """The segment with its current members, or None if it is gone."""
    segment = None
    if segment_id is not None:
        segment = session.get(Segment, {"shop_id": ctx.shop_id, "id": segment_id})
    if segment is None or segment.deleted_at is not None or segment.state == "retired":
        return None
    membership = None
    if segment.membership_id is not None:
        membership = session.get(Membership, {"shop_id": ctx.shop_id, "id": segment.membership_id})
    product_type = type_of(segment.key, segment.rule_text)
    about_one = segment.product_no is not None or product_type is not None
    kind = KIND_OF_CATEGORY.get(segment.category) if about_one else None
    return Audience(
        segment_id=segment.id,
        name=segment.name,
        kind=kind,
        product_no=segment.product_no if kind else None,
        product_type=product_type if kind else None,
        members=BitMap.deserialize(membership.members) if membership else BitMap(),
        evaluated_at=membership.evaluated_at if membership else None,
    )


def sizes(session: Session, ctx: ShopContext, segment_ids: Collection[int]) -> dict[int, Audience]:
    """Several segments at once."""
    query = select(Segment.id).where(Segment.shop_id == ctx.shop_id, Segment.id.in_(segment_ids))
    found = (audience_of(session, ctx, number) for number in session.scalars(query))
    return {audience.segment_id: audience for audience in found if audience}


def newest_history(rooms: Rooms, ctx: ShopContext) -> tuple[int, duckdb.DuckDBPyConnection] | None:
    """(snapshot id, connection) of the newest import, which knows later orders than the last refresh.

    The caller closes the connection, which is its own; the history stays open. None before the first import.
    """
    with rooms.store.reading(ctx) as session:
        snapshot = latest_history(session, ctx)
    return (snapshot.id, rooms.runs.history(rooms.lake, ctx, snapshot.id, snapshot.tables)) if snapshot else None


def products(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, numbers: Collection[int]) -> dict[int, Product]:
    """Products by number, as the newest import knows them; unknown ones are missing."""
    rows = connection.execute(
        """SELECT product_no, title, url, handle, image_url, status = 'ACTIVE' AND NOT is_gift_card,
                  total_inventory IS NULL OR total_inventory > 0
           FROM products WHERE product_no IN (SELECT unnest($numbers::INTEGER[]))""",
        {"numbers": sorted(numbers)},
    ).fetchall()
    return {
        number: Product(number, title, _web_address(ctx, url, handle), image, bool(on_sale), bool(in_stock))
        for number, title, url, handle, image, on_sale, in_stock in rows
    }


def _web_address(ctx: ShopContext, url: str | None, handle: str | None) -> str:
    """A product's page in the shop: as the catalogue says, if that is one of the shop's own, else by its handle.

    Apps and files write to the catalogue too, and a message must not carry whatever stands there to customers.
    """
    if url and leads_to(url, ctx.web_domains):
        return url
    return f"https://{ctx.domain}/products/{quote(handle)}" if handle else f"https://{ctx.domain}/"
