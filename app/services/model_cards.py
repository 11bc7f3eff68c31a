"""Model cards: what the predictions of each run were worth, kept longer than the files of the run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, select, update

from app.store.models.predictions import ModelCard
from ml.verdict import KINDS, calibration_ratio, judged

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

WHOLE_CARDS = 10
KEPT = timedelta(days=400)
BASELINE_FIGURES = ("average_precision", "lift_top5")


def complete(rooms: Rooms, ctx: ShopContext, run: PublishedRun, card: dict[str, Any]) -> dict[str, Any]:
    """The card of `ml` with the run it belongs to, its drift against the newest kept one, findings and grades.

    Plain JSON: what is not finite is null.
    """
    with rooms.store.reading(ctx) as session:
        before = newest(session, ctx, before_run=run.run_id)
    plain: dict[str, Any] = orjson.loads(orjson.dumps(card, option=orjson.OPT_SERIALIZE_NUMPY))
    plain |= {"run_id": run.run_id, "made_at": run.as_of.isoformat()}
    return judged(plain, before.card if before is not None else None)


def newest(session: Session, ctx: ShopContext, before_run: int | None = None) -> ModelCard | None:
    """The newest kept card, or the newest of an earlier run."""
    query = select(ModelCard).where(ModelCard.shop_id == ctx.shop_id)
    if before_run is not None:
        query = query.where(ModelCard.run_id < before_run)
    found = session.scalars(query.order_by(ModelCard.run_id.desc()).limit(1)).first()
    return found if found is not None and found.card else None


def keep(session: Session, rooms: Rooms, ctx: ShopContext, run: PublishedRun, card: dict[str, Any] | None) -> bool:
    """Keep the card if this run made it, in the transaction that publishes the run; says whether it did.

    Of all but the newest ten only the figures stay that are shown over time, and those for 400 days.
    """
    if card is None or card.get("run_id") != run.run_id:
        return False
    mine = ModelCard.shop_id == ctx.shop_id
    session.merge(
        ModelCard(
            shop_id=ctx.shop_id,
            run_id=run.run_id,
            as_of=run.as_of,
            created_at=rooms.clock.now(),
            grade=card["grades"]["overall"],
            headline={kind: _headline(card, kind) for kind in KINDS},
            card=card,
        )
    )
    session.flush()
    whole = session.scalars(
        select(ModelCard.run_id).where(mine).order_by(ModelCard.run_id.desc()).limit(WHOLE_CARDS)
    ).all()
    session.execute(update(ModelCard).where(mine, ModelCard.run_id < min(whole)).values(card={}))
    session.execute(delete(ModelCard).where(mine, ModelCard.created_at < rooms.clock.now() - KEPT))
    return True


def _headline(card: dict[str, Any], kind: str) -> dict[str, Any]:
    part = card[kind]
    served = part["metrics"].get(part.get("served"), {})
    rules = [row for name, row in part["metrics"].items() if name != part.get("served")]
    best = max((row["average_precision"] or 0.0 for row in rules), default=None)
    return {
        "grade": card["grades"][kind],
        "basis": part["basis"],
        **{name: served.get(name) for name in BASELINE_FIGURES},
        "best_other_average_precision": best,
        "calibration_error": part["calibration"]["error"] if part["calibration"] else None,
        "calibration_ratio": calibration_ratio(part),
        "buyers": part["latest_positives"],
    }
