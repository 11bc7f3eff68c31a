"""Decisions of a giant shop: one tick over every customer and twenty active campaigns.

    python -m benchmarks.mail.decisions [--customers 1000000] [--folder .encore/bench-decisions] [--keep]

Three ticks: the first, which decides everybody for the first time and fills the outbox; one after that, which looks at
everybody again; and one in which nothing has happened. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.rules.evaluate import bitmap
from app.services import campaigns, plan_sends
from app.services.automatic_segments_products import FLOOR
from app.services.open_runs import keep_reach
from app.services.published import open_run, published
from app.services.reachable import codes
from app.store.counters import allocate
from app.store.models.campaigns import PlanTick
from app.store.models.segments import Membership, Segment
from app.store.models.senders import Sender
from app.store.models.shops import Run
from benchmarks.figures import Figure
from benchmarks.segments.shop import build_shop, open_shop

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

CUSTOMERS = 1_000_000
CAMPAIGNS = 20
AGAIN, NEW, OF_TYPE, CUSTOM = 8, 7, 2, 2  # campaigns by audience; the twentieth is automatic
KILOBYTES = 1e6  # in a GB, as ru_maxrss counts
PARTS = ("first", "again", "idle")


def measure(
    customers: int = CUSTOMERS, folder: Path = Path(".encore/bench-decisions"), *, keep: bool = False
) -> list[Figure]:
    """Seconds and peak memory of a tick. The shop is built below the folder, which is gone afterwards if not kept."""
    made = folder / str(customers)
    if not (made / "built").exists():
        shutil.rmtree(made, ignore_errors=True)
        _apart(made, "build", str(customers))
        (made / "built").touch()
    found = {part: json.loads(_apart(made, part)) for part in PARTS}
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    what = f"decisions, {customers:,} customers, {CAMPAIGNS} campaigns"
    seconds = max(found[part]["seconds"] for part in PARTS)
    gigabytes = max(found[part]["gigabytes"] for part in PARTS)
    for part in PARTS:
        print(f"{part:<6} {json.dumps(found[part])}", flush=True)
    return [
        Figure(f"{what}, s", seconds, 60.0, at_most=True),
        Figure(f"{what}, GB", gigabytes, 1.5, at_most=True),
        Figure(f"{what}, nothing new, s", found["idle"]["seconds"], 1.0, at_most=True),
    ]


def _apart(folder: Path, *part: str) -> str:
    """Run a part in a process of its own; a child's peak counts from its parent's. Returns its last line."""
    command = [sys.executable, "-m", "benchmarks.mail.decisions", "--part", str(folder), *part]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    return done.stdout.strip().splitlines()[-1]


def _build(folder: Path, customers: int) -> None:
    encore, ctx = build_shop(folder, customers)
    rooms = encore.rooms
    run = published(rooms, ctx)
    if run is None:
        raise RuntimeError("the shop was built without a run")
    with rooms.store.reading(ctx) as session:
        keep_reach(run.dir, codes(session, ctx))
    with open_run(rooms, ctx, run) as connection:
        numbers = [row[0] for row in connection.execute(
            "SELECT product_no FROM order_lines GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 15").fetchall()]  # fmt: skip
        types = [row[0] for row in connection.execute(
            "SELECT DISTINCT product_type FROM products ORDER BY 1 LIMIT 2").fetchall()]  # fmt: skip
        asked = [
            *(("buy_again", f"product_no = {number}", number) for number in numbers[:AGAIN]),
            *(("buy_new", f"product_no = {number}", number) for number in range(NEW)),  # drawn among the first 300
            *(("buy_again", f"product_no IN (SELECT product_no FROM products WHERE product_type = '{name}')", name)
              for name in types),
        ]  # fmt: skip
        audiences = [(*one, _members(connection, one[0], one[1])) for one in asked]
    everybody = BitMap(range(customers))
    half = bitmap(np.arange(0, customers, 2))
    _sender(rooms, ctx, run.as_of)
    for verb, _, about, members in audiences:
        _campaign(rooms, ctx, verb, about, members, run.as_of)
    for members in (everybody, half):
        _campaign(rooms, ctx, "custom", None, members, run.as_of)
    _campaign(rooms, ctx, "automatic", None, None, run.as_of)
    encore.rooms.store.close()


def _members(connection: object, verb: str, where: str) -> BitMap:
    kind = "repurchase" if verb == "buy_again" else "cross_sell"
    query = f"SELECT DISTINCT customer_no FROM pairs WHERE kind = '{kind}' AND probability >= {FLOOR[verb]} AND {where}"
    return bitmap(connection.execute(query).fetchnumpy()["customer_no"])  # type: ignore[attr-defined]


def _sender(rooms: Rooms, ctx: ShopContext, at: datetime) -> None:
    with rooms.store.session(ctx) as session:
        session.add(
            Sender(
                shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "senders"), display_name="Bench",
                from_address="a@bench.example", reply_to=None, company="Bench Ltd", postal_address="1 High Street",
                is_default=True, verified_address="a@bench.example", verified_at=at, link_no=1, link_sent_at=None,
                created_at=at, updated_at=at, deleted_at=None,
            )
        )  # fmt: skip


def _campaign(
    rooms: Rooms, ctx: ShopContext, verb: str, about: int | str | None, members: BitMap | None, at: datetime
) -> None:
    segment = None if members is None else _segment(rooms, ctx, verb, about, members, at)
    made = campaigns.create(rooms, ctx, segment_id=segment)
    changes = {"name": f"{verb} {about} {made}", "audience": {"type": "automatic"}} if segment is None else {
        "name": f"{verb} {about} {made}"}  # fmt: skip
    campaigns.change(rooms, ctx, made, changes)
    with rooms.store.session(ctx) as session:
        row = campaigns.find(session, ctx, made)
        row.state, row.activated_at = "active", at


def _segment(rooms: Rooms, ctx: ShopContext, verb: str, about: int | str | None, members: BitMap, at: datetime) -> str:
    category = {"buy_again": "repurchase", "buy_new": "cross_sell"}.get(verb, "custom")
    with rooms.store.session(ctx) as session:
        number = allocate(session, ctx.shop_id, "segments")
        membership = allocate(session, ctx.shop_id, "memberships")
        is_type = isinstance(about, str)
        session.add(
            Segment(
                shop_id=ctx.shop_id, id=number,
                key=f"{verb}:{'type:' if is_type else ''}{number if about is None else about}",
                name=f"{verb} {about}", description="", category=category, source="automatic", state="ready",
                definition="", product_no=about if isinstance(about, int) else None,
                rule_text=json.dumps({"v": 1, "match": {"product_type": about}}) if is_type else None,
                created_at=at, updated_at=at,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            Membership(
                shop_id=ctx.shop_id, id=membership, segment_id=number, run_id=None, evaluated_at=at, size=len(members),
                members=members.serialize(), leaves=[], duration_ms=1, statistics={},
            )
        )  # fmt: skip
        session.get_one(Segment, {"shop_id": ctx.shop_id, "id": number}).membership_id = membership
    return f"seg_{number}"


def _tick(folder: Path, part: str) -> dict[str, float]:
    encore, ctx = open_shop(folder)
    with encore.rooms.store.reading(ctx) as session:
        last = plan_sends.last_tick(session, ctx)
        began = session.scalars(select(Run.as_of).where(Run.shop_id == ctx.shop_id)).first()
        before = session.get(PlanTick, {"shop_id": ctx.shop_id, "tick": last}) if last else None
    later = {"first": timedelta(hours=1), "again": 2 * plan_sends.AGAIN_AFTER, "idle": timedelta(minutes=1)}[part]
    tick = (before.tick if before is not None else began) + later  # type: ignore[operator]
    started, cpu = time.perf_counter(), time.process_time()
    planned = plan_sends.plan(encore.rooms, ctx, tick)
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES, 2),
        "candidates": planned.candidates,
        "queued": planned.queued,
        "held_out": planned.held_out,
    }


def main() -> int:
    """Print the figures; 1 if one misses its must at the full size."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--customers", type=int, default=CUSTOMERS)
    asked.add_argument("--folder", type=Path, default=Path(".encore/bench-decisions"))
    asked.add_argument("--keep", action="store_true", help="keep the shop for the next run")
    asked.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.part:
        folder, part, *rest = given.part
        if part == "build":
            _build(Path(folder), int(rest[0]))
            print("built")
        else:
            print(json.dumps(_tick(Path(folder), part)))
        return 0
    figures = measure(given.customers, given.folder, keep=given.keep)
    for figure in figures:
        print(f"{figure.what:<60} {figure.value:>8,.2f} {figure.must:>6g}{'' if figure.holds else '  MISSED'}")
    return int(given.customers >= CUSTOMERS and not all(figure.holds for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
