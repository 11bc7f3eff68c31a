"""What campaigns added: each customer's arm from their first decision, and what they ordered in the window after it.

Intention to treat: whoever the coin let through counts as mailed, also if the message was then capped or cancelled.
What the coin held out can't be cancelled, so leaving those out on one side would compare different customers; and
the total is the same, because nobody is moved by an e-mail that never came.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.domain.campaigns import DEFAULT_EVERY_DAYS
from app.services.measure_campaigns_read import mailed, orders_around
from ml.measurement import Effect, as_total, contrast, cumulative, customers_needed, verdict

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from app.services.measure_campaigns_read import Decided
    from app.store.models.campaigns import Campaign

RESPONSE_DAYS = 30  # after the last e-mail, as predictions look ahead
LONGEST_WINDOW = 90  # noise grows with every day, the effect of an e-mail does not
BEFORE = timedelta(days=90)
PACE_DAYS = 28
FURTHEST_DAYS = 730  # beyond, a date would be a guess about another shop
DAY = 86_400.0


def window_days(campaign: Campaign) -> int:
    """How long a customer is followed after the first decision: until 30 days after the last e-mail of a series."""
    if campaign.frequency == "once":
        return RESPONSE_DAYS
    between = campaign.every_days if campaign.frequency == "every" else DEFAULT_EVERY_DAYS
    return min(RESPONSE_DAYS + between * (campaign.repeats - 1), LONGEST_WINDOW)


def of_campaign(
    connection: duckdb.DuckDBPyConnection, data: Decided, campaign: Campaign, watermark: datetime
) -> dict[str, Any]:
    """A campaign's effect, its curve, and what is still needed to know it.

    Customers whom the shop's coin held out are left to the comparison of the whole shop: they get no campaign at all,
    so beside this campaign's e-mail they lack the others' as well.
    """
    mine = data.messages[(data.messages["campaign"] == campaign.id) & (data.messages["planned_at"] < watermark)]
    first = mine.drop_duplicates("customer")
    units = first[first["held_by"] != "shop"]
    found = _measure(
        connection, units, (units["state"] != "held_out").to_numpy(), 1 - units["held"].to_numpy(),
        window_days(campaign), watermark,
    )  # fmt: skip
    found["held_out_of_shop"] = int((first["held_by"] == "shop").sum())
    found["mailed"] = int(mailed(mine)["customer"].nunique())
    return found


def of_shop(connection: duckdb.DuckDBPyConnection, data: Decided, watermark: datetime) -> dict[str, Any]:
    """What all campaigns together added, from the customers whom none of them mails."""
    first = data.messages[data.messages["planned_at"] < watermark].drop_duplicates("customer")
    arm = (first["held_by"] != "shop").to_numpy()
    return _measure(connection, first, arm, 1 - first["held_shop"].to_numpy(), LONGEST_WINDOW, watermark)


def _measure(
    connection: duckdb.DuckDBPyConnection,
    units: pd.DataFrame,
    arm: Any,
    chance: Any,
    days: int,
    watermark: datetime,
) -> dict[str, Any]:
    entries = units.rename(columns={"planned_at": "at"})
    window = timedelta(days=days)
    orders = orders_around(connection, entries, window=window, before=BEFORE)
    size = len(units)
    after, earlier = orders[orders["seconds"] >= 0], orders[orders["seconds"] < 0]
    known = np.column_stack(
        [
            _sums(earlier, size),
            np.log1p(np.clip(_sums(earlier, size, "net_minor"), 0, None)),
            units["probability"].to_numpy(dtype=float),
        ]
    )
    outcomes = {
        "orders": _sums(after, size),
        "revenue": _sums(after, size, "net_minor"),
        "product_orders": _sums(after[after["own"]], size),
    }
    effects = {name: contrast(outcome, arm, chance, known) for name, outcome in outcomes.items()}
    main = effects["orders"]
    waited = ((pd.Timestamp(watermark) - entries["at"]).dt.total_seconds() / DAY).to_numpy()
    return {
        "window_days": days,
        "treated": main.treated,
        "held_out": main.held_out,
        "assigned": int(arm.sum()),
        "complete": int((waited >= days).sum()),
        "verdict": verdict(main),
        "holdout_percent": round(100 * float(1 - chance[-1]), 1) if size else None,
        **{name: _figures(effect) for name, effect in effects.items()},
        **_outlook(main, waited, watermark),
        "curve": _curve(after, arm, chance, waited, days),
    }


def _sums(orders: pd.DataFrame, size: int, column: str | None = None) -> Any:
    weights = None if column is None else orders[column].to_numpy(dtype=float)
    return np.bincount(orders["position"].to_numpy(dtype=np.int64), weights=weights, minlength=size).astype(float)


def _figures(effect: Effect) -> dict[str, Any]:
    """An effect as it is kept; None in place of what is not finite, which JSON does not know."""
    plain = {name: value if np.isfinite(value) else None for name, value in asdict(effect).items()}
    lift = effect.relative()
    return {
        **plain,
        "total": as_total(effect, effect.treated),
        "lift": None if lift is None else {"estimate": lift[0], "error": lift[1]},
    }


def _outlook(effect: Effect, waited: Any, watermark: datetime) -> dict[str, Any]:
    """How many customers a lift of a fifth needs to be known, how many come in a day, and when there are enough."""
    needed = customers_needed(effect)
    recent = waited[waited <= PACE_DAYS]
    over = min(PACE_DAYS, max(float(waited.max()), 1.0)) if len(waited) else float(PACE_DAYS)
    pace = len(recent) / over
    plausible = None
    if needed is not None and pace > 0:
        to_come = max(needed - effect.treated - effect.held_out, 0) / pace
        if to_come <= FURTHEST_DAYS:
            plausible = (watermark + timedelta(days=to_come)).isoformat()
    return {"customers_needed": needed, "customers_per_day": round(pace, 1), "plausible_at": plausible}


def _curve(after: pd.DataFrame, arm: Any, chance: Any, waited: Any, days: int) -> list[dict[str, Any]]:
    """Orders and net sales per 100 customers up to each day after the decision, of both arms."""
    inside = (chance > 0) & (chance < 1)
    if not (inside & arm).any() or not (inside & ~arm).any():
        return []
    weight = np.where(arm, 1.0, chance / np.where(inside, 1 - chance, 1.0))
    day = (after["seconds"].to_numpy(dtype=float) // DAY).astype(np.int64)
    who = after["position"].to_numpy(dtype=np.int64)
    lines = {}
    for name, amount in (("", np.ones(len(after))), ("_minor", after["net_minor"].to_numpy(dtype=float))):
        for of, side in (("mailed", arm), ("held_out", ~arm)):
            lines[of + name] = cumulative(day, who, amount, waited, weight, inside & side, days)
    return [
        {"day": number + 1, **{name: round(100 * line[number], 3) for name, line in lines.items()}}
        for number in range(min(days, int(waited.max())))
    ]


def receipts(
    connection: duckdb.DuckDBPyConnection, data: Decided, campaign: Campaign, watermark: datetime
) -> list[dict[str, Any]]:
    """Per product: what was promised of its customers whose 30 days are over, and how many bought it; both arms.

    Counted from each customer's first decision about the product. Mailed is who was to be mailed.
    """
    mine = data.messages[(data.messages["campaign"] == campaign.id) & (data.messages["planned_at"] < watermark)]
    entries = mine.drop_duplicates(["customer", "product"]).rename(columns={"planned_at": "at"})
    window = timedelta(days=RESPONSE_DAYS)
    orders = orders_around(connection, entries, window=window, before=timedelta(0))
    bought = _sums(orders[orders["own"]], len(entries)) > 0
    frame = pd.DataFrame(
        {
            "product": entries["product"].to_numpy(),
            "kind": entries["kind"].to_numpy(),
            "probability": entries["probability"].to_numpy(dtype=float),
            "held": (entries["state"] == "held_out").to_numpy(),
            "due": (entries["at"] + window <= pd.Timestamp(watermark)).to_numpy(),
            "bought": bought,
        }
    )
    found: list[dict[str, Any]] = []
    for _, rows in frame.groupby(["product", "kind"], sort=True):
        due = rows[rows["due"]]
        line: dict[str, Any] = {
            "product_no": int(rows["product"].iloc[0]),
            "kind": str(rows["kind"].iloc[0]),
            "open": int((~rows["due"]).sum()),
        }
        for name, side in (("mailed", due[~due["held"]]), ("held_out", due[due["held"]])):
            line[name] = {
                "customers": len(side),
                "promised": round(float(side["probability"].sum()), 1),
                "bought": int(side["bought"].sum()),
            }
        found.append(line)
    return sorted(found, key=lambda one: (-one["mailed"]["customers"] - one["open"], one["product_no"]))
