"""The back-test: what predictions frozen at past weeks came to, kept beside the lake and outliving every run.

In the folder `backtest` of a shop, per moment (named by its UTC day):

- `<day>.parquet`, one row per kind and product that could be predicted then: kind (repurchase | cross_sell),
  product_no, eligible (customers scored), expected (sum of their probabilities), actual (buyers among them within the
  horizon), threshold (of the product's segment then), and of the customers at or over it members, members_expected,
  members_bought.
- `<day>.members.parquet`, one row per customer and product of these at or over the threshold, as
  `ml.backtest.Outcome.members` says: whom a campaign would have considered.
- `<day>.json`, the figures of the moment as `ml.backtest.Outcome.result` says, with sample_share (the share of
  customers that all counts are of) and the fingerprint of the history that it rests on. Written last: a moment
  is there when this file is.

`plan.json` names the moments that belong to the newest run. A moment whose history did not change is not computed
again, so a stopped back-test goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd
import structlog
from sqlalchemy import select

from app.domain.rules.names import PAIR_KIND
from app.services.automatic_segments_products import FLOOR, TIMES_BASE_RATE
from app.services.published import published
from app.services.refresh_shop import HORIZON_DAYS, SEED, purchases
from app.store.models.shops import Job
from ml.backtest import Bar, backtest, drawn, fingerprints, schedule

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

JOB = "backtest"
BAR = Bar({PAIR_KIND[what]: floor for what, floor in FLOOR.items()}, float(TIMES_BASE_RATE))


@dataclass(frozen=True)
class Backtest:
    """What there is of the newest back-test.

    moments: figures of those that are done, oldest first. planned: how many there will be. first_at: when the first
    result is possible; None before any back-test was planned. working: a job waits or runs. failed: the last one did.
    """

    moments: list[dict[str, Any]]
    planned: int
    first_at: datetime | None
    as_of: datetime | None
    working: bool
    failed: bool


def run(rooms: Rooms, ctx: ShopContext) -> int:
    """Bring the back-test to the published run; returns how many moments had to be computed. Safe to repeat."""
    current = published(rooms, ctx)
    if current is None:
        return 0
    lines, products = purchases(rooms, ctx, current)
    if lines.empty:
        return 0
    lines, share = drawn(lines)
    until = pd.Timestamp(min(current.as_of, current.watermark))
    planned = schedule(lines["ordered_at"].min(), until, ctx.zone, HORIZON_DAYS)
    names = dict(zip(planned.moments, fingerprints(lines, planned.moments, HORIZON_DAYS), strict=True))
    folder = _folder(rooms, ctx)
    folder.mkdir(exist_ok=True)
    _write(
        folder / "plan.json",
        {
            "as_of": current.as_of.isoformat(),
            "first_at": planned.first_at.isoformat(),
            "moments": [{"day": _day(moment), "fingerprint": name} for moment, name in names.items()],
        },
    )
    open_moments = [moment for moment, name in names.items() if not _is_there(folder, moment, name)]
    for outcome in backtest(lines, products, open_moments, ctx.zone, HORIZON_DAYS, SEED, BAR):
        moment = pd.Timestamp(outcome.result["at"])
        part = folder / f"{_day(moment)}.part"
        outcome.products.to_parquet(part, index=False, compression="zstd")
        part.replace(part.with_suffix(".parquet"))
        outcome.members.to_parquet(part, index=False, compression="zstd")
        part.replace(part.with_suffix(".members.parquet"))
        found = outcome.result | {"sample_share": share, "fingerprint": names[moment]}
        _write(folder / f"{_day(moment)}.json", found)
    _forget_others(folder, {_day(moment) for moment in names})
    log.info("backtest_done", shop_id=ctx.shop_id, moments=len(names), computed=len(open_moments))
    return len(open_moments)


def latest(rooms: Rooms, ctx: ShopContext) -> Backtest:
    """The newest back-test as far as it is done."""
    folder = _folder(rooms, ctx)
    plan = _read(folder / "plan.json")
    with rooms.store.reading(ctx) as session:
        newest = select(Job.state).where(Job.shop_id == ctx.shop_id, Job.job == JOB).order_by(Job.id.desc()).limit(1)
        state = session.scalars(newest).first()
    if plan is None:
        return Backtest([], 0, None, None, state in {"queued", "running"}, state == "failed")
    found = [_read(folder / f"{one['day']}.json") for one in plan["moments"]]
    wanted = [one["fingerprint"] for one in plan["moments"]]
    done = [one for one, name in zip(found, wanted, strict=True) if one is not None and one["fingerprint"] == name]
    return Backtest(
        moments=done,
        planned=len(wanted),
        first_at=datetime.fromisoformat(plan["first_at"]),
        as_of=datetime.fromisoformat(plan["as_of"]),
        working=state in {"queued", "running"},
        failed=state == "failed",
    )


def by_product(rooms: Rooms, ctx: ShopContext) -> pd.DataFrame:
    """Every finished moment's rows as this module's head says, with `at` (UTC) and sample_share."""
    return _rows(_folder(rooms, ctx), latest(rooms, ctx).moments, "parquet")


def members(rooms: Rooms, ctx: ShopContext, moments: list[dict[str, Any]]) -> pd.DataFrame:
    """Whom segments of products would have held at these moments of `latest`, with `at` (UTC) and sample_share."""
    return _rows(_folder(rooms, ctx), moments, "members.parquet")


def _rows(folder: Path, moments: list[dict[str, Any]], suffix: str) -> pd.DataFrame:
    frames = [
        pd.read_parquet(folder / f"{pd.Timestamp(one['at']):%Y-%m-%d}.{suffix}").assign(
            at=pd.Timestamp(one["at"]), sample_share=one["sample_share"]
        )
        for one in moments
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _folder(rooms: Rooms, ctx: ShopContext) -> Path:
    return rooms.lake.shop_dir(ctx) / "backtest"


def _day(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d}"


def _is_there(folder: Path, moment: pd.Timestamp, name: str) -> bool:
    found = _read(folder / f"{_day(moment)}.json")
    return found is not None and found["fingerprint"] == name


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    found: dict[str, Any] = orjson.loads(file.read_bytes())
    return found


def _write(file: Path, content: dict[str, Any]) -> None:
    part = file.with_suffix(".json.part")
    part.write_bytes(orjson.dumps(content))
    part.replace(file)


def _forget_others(folder: Path, days: set[str]) -> None:
    """Remove moments that no longer belong: of another time zone, or from before history was shortened."""
    for file in folder.iterdir():
        if file.name != "plan.json" and file.name.split(".", maxsplit=1)[0] not in days:
            file.unlink()
