"""The model card and the back-test as pages and the API show them: kept figures with names and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.services import backtests, model_cards, prediction_input
from app.services.predictions_words import NOTABLE, basis_reason, finding, headline, scorer_name
from app.services.published import open_run, published
from app.store.models.predictions import ModelCard
from ml.verdict import KINDS, SOME_CHANGE, STRONG_CHANGE

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

EARLIER = 30
SIZES = ("customers", "products", "orders", "purchases")
BOUND = 1.645  # standard deviations that hold nine of ten sums of independent chances


def card(rooms: Rooms, ctx: ShopContext) -> dict[str, Any] | None:
    """The newest model card, or None before the first."""
    with rooms.store.reading(ctx) as session:
        newest = model_cards.newest(session, ctx)
        rows = session.execute(
            select(ModelCard.run_id, ModelCard.as_of, ModelCard.grade, ModelCard.headline)
            .where(ModelCard.shop_id == ctx.shop_id)
            .order_by(ModelCard.run_id.desc())
            .limit(EARLIER)
        ).all()
    if newest is None:
        return None
    found, titles = newest.card, _titles(rooms, ctx)
    return {
        "run_id": newest.run_id,
        "as_of": newest.as_of,
        "horizon_days": found["horizon_days"],
        "grade": newest.grade,
        "headline": headline(found),
        "windows": found["windows"],
        "sizes": {name: found["sizes"][name] for name in SIZES},
        "left_out": [
            {"reason": reason, "lines": lines, "text": prediction_input.WORDS[reason]}
            for reason, lines in sorted(found.get("left_out", {}).items(), key=lambda item: (-item[1], item[0]))
        ],
        "kinds": [_kind(kind, found, titles) for kind in KINDS],
        "customers": _customers(found["customers"]),
        "findings": [
            {
                "code": one["code"],
                "kind": one["kind"],
                "severity": "note" if one["code"] in NOTABLE else "warning",
                "text": finding(one, titles),
            }
            for one in found["findings"]
        ],
        "earlier": [
            {
                "run_id": row.run_id,
                "as_of": row.as_of,
                "grade": row.grade,
                "kinds": [{"kind": kind, **row.headline[kind]} for kind in KINDS],
            }
            for row in rows
        ],
    }


def _titles(rooms: Rooms, ctx: ShopContext) -> dict[int, str]:
    run = published(rooms, ctx)
    if run is None:
        return {}
    with open_run(rooms, ctx, run) as connection:
        return dict(connection.execute("SELECT product_no, title FROM products").fetchall())


def _kind(kind: str, found: dict[str, Any], titles: dict[int, str]) -> dict[str, Any]:
    part = found[kind]
    scorers = [
        {"key": name, "name": scorer_name(kind, name), "served": name == part.get("served"), **row}
        for name, row in part["metrics"].items()
    ]
    products = [
        {**row, "title": titles.get(row["product_no"], "A product that is gone")} for row in part.get("products", [])
    ]
    change = found["drift"][kind] | {"since": found["drift"]["since"]} if found.get("drift") else None
    return {
        "kind": kind,
        "grade": found["grades"][kind],
        "basis": part["basis"],
        "basis_reason": basis_reason(kind, part),
        "base_rate": part["base_rate"],
        "pairs": part["latest_pairs"],
        "buyers": part["latest_positives"],
        "training_pairs": part.get("training_pairs", 0),
        "scorers": sorted(scorers, key=lambda one: -(one["average_precision"] or 0.0)),
        "calibration": part["calibration"],
        "products": sorted(products, key=lambda one: (-one["positives"], one["product_no"])),
        "drift": None if change is None else change | {"level": _level(change["stability_index"])},
    }


def _level(index: float | None) -> str | None:
    if index is None:
        return None
    return "strong" if index >= STRONG_CHANGE else "some" if index >= SOME_CHANGE else "none"


def _customers(part: dict[str, Any]) -> dict[str, Any] | None:
    if "bg_nbd" not in part:
        return None
    return {
        "customers": part["customers"],
        "bg_nbd": part["bg_nbd"],
        "gamma_gamma": part.get("gamma_gamma"),
        "check": part.get("check"),
    }


def backtest(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    """How predictions of past weeks came out, as far as that is computed."""
    found = backtests.latest(rooms, ctx)
    return {
        "state": backtest_state(found),
        "done": len(found.moments),
        "planned": found.planned,
        "first_at": found.first_at,
        "as_of": found.as_of,
        "sample_share": min((one["sample_share"] for one in found.moments), default=1.0),
        "moments": [
            {
                "at": one["at"],
                "ends": one["ends"],
                "kinds": [_moment(kind, part) for kind, part in one["kinds"].items()],
            }
            for one in found.moments
        ],
    }


def backtest_state(found: backtests.Backtest) -> str:
    """ready, working, too_short (of history), none (planned yet) or failed."""
    if found.working:
        return "working"
    if found.first_at is None:
        return "failed" if found.failed else "none"
    if found.planned == 0:
        return "too_short"
    return "ready" if len(found.moments) == found.planned else "failed"


def _moment(kind: str, part: dict[str, Any]) -> dict[str, Any]:
    served = part["metrics"][part["served"]]
    rules = {name: row for name, row in part["metrics"].items() if name != "model"}
    best = max(rules, key=lambda name: rules[name]["average_precision"] or 0.0)
    expected, rate = part["calibration"]["expected"], part["calibration"]["expected"] / max(part["pairs"], 1)
    # Chances differ, so this is a little wider than their sum's own spread would be.
    spread = BOUND * (expected * (1 - rate)) ** 0.5
    return {
        "kind": kind,
        "basis": part["basis"],
        "pairs": part["pairs"],
        "expected": expected,
        "expected_low": max(0.0, expected - spread),
        "expected_high": expected + spread,
        "actual": part["positives"],
        "calibration_error": part["calibration"]["error"],
        "average_precision": served["average_precision"],
        "lift_top5": served["lift_top5"],
        "best_rule": scorer_name(kind, best),
        "best_rule_average_precision": rules[best]["average_precision"],
    }
