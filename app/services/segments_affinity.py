"""What a segment's members buy, against what all customers buy: share of buyers of each product, last 365 days.

Who bought what is one file per run, made when first asked for and read by every segment's answer; an answer is kept
in this process while the segment's membership and the run stay the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from app.domain.rules.tree import Duration
from app.domain.rules.windows import start_of_last
from app.errors import Unavailable
from app.services.kept import Kept
from app.services.published import open_run, published
from app.services.segments import found
from app.services.segments_statistics import numbers, products
from app.services.segments_world import members_of

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from pyroaring import BitMap

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

FILE = "bought_365d.parquet"
YEAR = Duration(365, "d")
MOST_SHOWN = 20
LEAST_BUYERS = 5  # of the members; fewer say more about them than about the segment
BOUGHT = """
COPY (SELECT DISTINCT product_no, customer_no FROM order_lines
      WHERE counts AND customer_no IS NOT NULL AND product_no IS NOT NULL
        AND ordered_at >= $start AND ordered_at < $as_of
      ORDER BY product_no)
TO {target} (FORMAT PARQUET)"""

_answers: Kept[dict[str, Any]] = Kept(256)


def affinity(rooms: Rooms, ctx: ShopContext, segment_id: int) -> dict[str, Any]:
    """The products that set the members apart most: shape of the API's `Affinity`. Raises NotFound, Unavailable.

    Sorted by how many more of the members bought than of all customers, in percentage points: an index alone would
    put products of a handful of buyers first.
    """
    run = published(rooms, ctx)
    if run is None:
        raise Unavailable("Encore has not finished its first analysis of your shop; try again in a few minutes.")
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        membership_id, members = segment.membership_id, members_of(session, ctx, segment)
    return _answers.get((str(run.dir), ctx.shop_id, membership_id), lambda: _compared(rooms, ctx, run, members))


def prepare(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, run: PublishedRun) -> Path:
    """The run's file of who bought what, made if it is not there: product_no, customer_no, each pair once."""
    path = run.dir / FILE
    if not path.exists():
        part = path.with_name(f"{FILE}.{id(connection)}.part")  # two requests may make it at once; both are right
        target = "'" + str(part).replace("'", "''") + "'"
        start = start_of_last(YEAR, run.as_of, ctx.zone)
        connection.execute(BOUGHT.format(target=target), {"start": start, "as_of": run.as_of})
        part.replace(path)
    return path


def _compared(rooms: Rooms, ctx: ShopContext, run: PublishedRun, members: BitMap) -> dict[str, Any]:
    with open_run(rooms, ctx, run) as connection:
        bought = pq.read_table(prepare(connection, ctx, run))
        customers = int(connection.execute("SELECT count(*) FROM customers").fetchall()[0][0])
        product = bought.column("product_no").to_numpy()
        inside = _mask(members, bought.column("customer_no").to_numpy())
        of_all = np.bincount(product)
        of_members = np.bincount(product[inside], minlength=len(of_all))
        chosen = _most_apart(of_members, of_all, len(members), customers)
        known = products(connection, [int(no) for no in chosen])
    rows = [
        {
            **known[int(no)],
            "members": int(of_members[no]),
            "member_share": of_members[no] / len(members),
            "customers": int(of_all[no]),
            "customer_share": of_all[no] / customers,
            "index": of_members[no] / len(members) / (of_all[no] / customers),
        }
        for no in chosen
        if int(no) in known
    ]
    return {
        "items": rows,
        "members": len(members),
        "customers": customers,
        "days": YEAR.n,
        "least_buyers": LEAST_BUYERS,
        "as_of": run.as_of,
        "timezone": ctx.timezone,
    }


def _mask(members: BitMap, customers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which of `customers` are members; a look-up in an array, because there are millions of rows."""
    top = int(max(customers.max(initial=0), members.max() if members else 0)) + 1
    inside = np.zeros(top, dtype=bool)
    inside[numbers(members)] = True
    found_inside: np.ndarray[Any, Any] = inside[customers]
    return found_inside


def _most_apart(
    of_members: np.ndarray[Any, Any], of_all: np.ndarray[Any, Any], members: int, customers: int
) -> list[int]:
    """Product numbers by the difference of shares, widest first; equal ones by number."""
    enough = np.flatnonzero(of_members >= LEAST_BUYERS)
    if not members or not customers or not len(enough):
        return []
    difference = of_members[enough] / members - of_all[enough] / customers
    order = np.lexsort((enough, -difference))
    return [int(no) for no in enough[order][:MOST_SHOWN]]
