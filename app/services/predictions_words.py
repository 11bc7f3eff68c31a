"""The sentences of the model card: what was found, in a merchant's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.pair_model import TIE

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND_NAMES = {"repurchase": "Repurchase", "cross_sell": "Cross-sell"}
PURCHASES = {"repurchase": "repeat purchases", "cross_sell": "first purchases of a product"}

SCORERS = {
    "model": "Encore's model",
    "decayed_frequency": "Decayed frequency, 120 and 30 days",
    "decayed_frequency_30d": "Decayed frequency, 30 days",
    "decayed_frequency_60d": "Decayed frequency, 60 days",
    "decayed_frequency_120d": "Decayed frequency, 120 days",
    "frequency": "Bought most often",
    "recency": "Bought last",
    "due_rule": "Due by their usual gap",
    "best_sellers": "Best sellers",
    "recent_lift": "Lift of the recent basket",
    "mean_lift": "Mean lift of all bought",
    "maximum_lift": "Maximum lift",
    "ease": "Bought together (EASE)",
    "habit": "Bought together lately",
    "customer_activity": "Most active customers",
}
CLOSED_FORM = {
    "repurchase": "Steady rate (Poisson-Gamma)",
    "cross_sell": "Product's own rate and fit",
}


def scorer_name(kind: str, name: str) -> str:
    """What a scorer is called on pages."""
    if name == "closed_form":
        return CLOSED_FORM[kind]
    return SCORERS.get(name, name.replace("_", " ").capitalize())


def headline(card: Mapping[str, Any]) -> str:
    """What the predictions came to on the last complete window, in one or two sentences."""
    told = []
    for kind, what in PURCHASES.items():
        calibration = card[kind].get("calibration")
        if calibration:
            told.append(f"{calibration['expected']:,.0f} {what} were expected and {calibration['observed']:,} came")
    if not told:
        return (
            "There is not yet a complete month with enough purchases to check predictions by. "
            "Until then they are averages of your store, and their ranges are wide."
        )
    days = card["horizon_days"]
    return f"Checked on the last complete {days} days, by what was known before them: {'; '.join(told)}."


def basis_reason(kind: str, part: Mapping[str, Any]) -> str:
    """Which scorer serves, and why."""
    if part["basis"] == "prior" or not part["metrics"]:
        return "Averages of your store are used: no complete 30 days hold at least 25 such purchases to learn from."
    metrics, served = part["metrics"], part.get("served") or "model"
    rules = {name: row["average_precision"] or 0.0 for name, row in metrics.items() if name != "model"}
    best = max(rules, key=lambda name: rules[name])
    mine, rule = metrics[served]["average_precision"], scorer_name(kind, best)
    if part["basis"] == "baseline":
        chosen = scorer_name(kind, served)
        if "model" not in metrics:
            return f"The rule “{chosen}” is used, because there are too few purchases to train a model."
        return (
            f"The rule “{chosen}” is used, because the trained model did not rank customers better on your own "
            f"last month ({_points(metrics['model']['average_precision'])} against {_points(mine)})."
        )
    if mine is None:
        return "Encore's model is used; no product has enough buyers to compare it by."
    against = f"({_points(mine)} against {_points(rules[best])} average precision)"
    if mine > rules[best] + TIE:
        return f"Encore's model is used, because it ranked customers better than the best rule, “{rule}” {against}."
    return (
        f"Encore's model is used: it ranked customers as well as the best rule, “{rule}” {against}; "
        "one month can't tell the difference."
    )


def _points(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def finding(found: Mapping[str, Any], titles: Mapping[int, str]) -> str:
    """One weak spot as a sentence. titles: of products, by number."""
    kind, values = found["kind"], dict(found["values"])
    values["what"] = PURCHASES.get(kind or "", "purchases")
    values["kind"] = KIND_NAMES.get(kind or "", "")
    if "actual" in values:
        values["more"] = "more" if values["actual"] > values["expected"] else "fewer"
    if "rule" in values:
        values["rule"] = scorer_name(kind, values["rule"])
    numbers = values.get("product_nos", [])
    values["names"] = ", ".join(titles.get(number, f"product {number}") for number in numbers)
    if values.get("count", 0) > len(numbers):
        values["names"] += " and others"
    return FINDINGS[found["code"]].format(**values)


FINDINGS = {
    "short_history": "The history covers {days} days; from {enough} on, predictions are checked over past weeks too.",
    "nothing_measured": "{kind}: only {buyers:,} {what} in the last complete month, too few to check anything by.",
    "few_buyers": "{kind}: only {buyers:,} {what} to check by; figures move a lot from month to month below {enough}.",
    "rule_served": "{kind}: a simple rule, “{rule}”, does at least as well as the trained model and is used instead.",
    "same_window_curve": "{kind}: probabilities could only be fitted to the month that they are checked on, "
    "so they look better here than they may be.",
    "calibration_off": "{kind}: {more} came than expected, {actual:,} {what} and not {expected:,.0f}.",
    "calibration_uneven": "{kind}: the total is right, but single ranges are off by {error:.1%} on average.",
    "weak_ranking": "{kind}: the best-ranked customers hardly buy more often than others.",
    "products_no_better": "{kind}: for {count} of {of} products the order of customers is no better than chance "
    "({names}).",
    "products_off": "{kind}: {count} of {of} products had far more or fewer buyers than expected ({names}); "
    "seasons and promotions do that.",
    "scores_drifted": "{kind}: probabilities are distributed differently from the time before "
    "(stability index {index:.2f}).",
    "calibration_drifted": "{kind}: buyers per expected buyer went from {before:.2f} to {now:.2f}.",
    "ranking_fell": "{kind}: customers are ranked less well than the time before "
    "({before:.3f} to {now:.3f} average precision).",
    "customers_off": "Customers known before the last complete month were expected to place {expected:,.0f} orders "
    "and placed {actual:,}.",
}
NOTABLE = frozenset({"rule_served", "short_history", "products_off", "same_window_curve"})
"""Good to know; the others are worth a warning."""
