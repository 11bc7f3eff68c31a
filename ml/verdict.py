"""What a card comes to: how predictions changed since the card before, what is weak, and a grade.

Pure rules over cards, which are JSON. Each limit is stated here, once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import numpy as np

Grade = Literal["good", "fair", "weak", "too_little_data"]
Code = Literal[
    "short_history", "nothing_measured", "few_buyers", "rule_served", "same_window_curve", "calibration_off",
    "calibration_uneven", "weak_ranking", "products_no_better", "products_off", "scores_drifted",
    "calibration_drifted", "ranking_fell", "customers_off",
]  # fmt: skip
KINDS = ("repurchase", "cross_sell")

ENOUGH_DAYS = 120
ENOUGH_BUYERS = 200
OFF = 1.15  # expected and actual buyers differ by more than this factor
FAR_OFF = 1.5
UNEVEN_SHARE, UNEVEN_LEAST = 0.1, 0.01  # calibration error against the base rate, and what is always fine
GOOD_LIFT, LEAST_LIFT, LEAST_AUC = 2.0, 1.5, 0.6
SURPRISE = 3.3  # standard deviations of a Poisson count that one product in a thousand passes by chance
SOME_CHANGE, STRONG_CHANGE = 0.1, 0.25
FELL = 0.8
SMOOTHING = 0.5


def stability_index(before: list[float], now: list[float]) -> float:
    """Population stability index of two histograms over the same bins: sum of (q - p) ln(q / p), 0 if alike.

    Each bin counts half a pair more, so that empty ones stay finite. Below .1 nothing changed, over .25 a lot did.
    Source: Siddiqi (2006), "Credit Risk Scorecards"; it is Jeffreys' divergence.
    """
    p, q = np.array(before) + SMOOTHING, np.array(now) + SMOOTHING
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def calibration_ratio(part: dict[str, Any]) -> float | None:
    """Buyers that came over buyers expected on the latest window (calibration in the large); None if not measured.

    Source: Van Calster et al. (2019), "Calibration: the Achilles heel of predictive analytics".
    """
    calibration = part.get("calibration")
    if not calibration or not calibration["expected"]:
        return None
    return float(calibration["observed"] / calibration["expected"])


def drift(card: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any] | None:
    """How each kind changed since the card before; None if there is none to compare with.

    Per kind: stability_index of the probabilities of all pairs; the calibration ratio and the served scorer's mean
    average precision on the latest window, then and now; base_rate_change, a factor. None where either card lacks it.
    """
    if before is None or any("scores" not in one.get(kind, {}) for one in (card, before) for kind in KINDS):
        return None
    found: dict[str, Any] = {"since": before["as_of"]}
    for kind in KINDS:
        now, then = card[kind], before[kind]
        comparable = now["scores"]["edges"] == then["scores"]["edges"]
        rates = (then["base_rate"], now["base_rate"])
        found[kind] = {
            "stability_index": stability_index(then["scores"]["counts"], now["scores"]["counts"])
            if comparable
            else None,
            "calibration_before": calibration_ratio(then),
            "calibration_now": calibration_ratio(now),
            "average_precision_before": _served(then).get("average_precision"),
            "average_precision_now": _served(now).get("average_precision"),
            "base_rate_change": rates[1] / rates[0] if all(rates) else None,
            "basis_before": then["basis"],
        }
    return found


def _served(part: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = part["metrics"].get(part.get("served"), {})
    return found


def _off(ratio: float, limit: float) -> bool:
    return ratio > limit or ratio < 1 / limit


def grade(part: dict[str, Any]) -> Grade:
    """How far one kind of prediction can be trusted.

    too_little_data: nothing could be measured on a complete window.
    weak: fewer or more buyers than expected by half, or a ranking that hardly beats chance.
    good: at least 200 buyers; expected within 15% of actual, by a curve from before the window; calibration error at
        most a tenth of the base rate, or .01; the best 5% buy at least twice as often as all.
    fair: everything between.
    """
    ratio = calibration_ratio(part)
    if part["basis"] == "prior" or ratio is None:
        return "too_little_data"
    ranked, calibration = _served(part), part["calibration"]
    lift, auc = ranked.get("lift_top5") or 0.0, ranked.get("auc") or 0.0
    if _off(ratio, FAR_OFF) or lift < LEAST_LIFT or auc < LEAST_AUC:
        return "weak"
    sound = calibration["out_of_time"] and not _off(ratio, OFF) and not _uneven(part)
    return "good" if sound and part["latest_positives"] >= ENOUGH_BUYERS and lift >= GOOD_LIFT else "fair"


def overall(grades: list[Grade]) -> Grade:
    """The worse of the measured kinds, at most fair if one could not be measured."""
    measured = [one for one in grades if one != "too_little_data"]
    if not measured:
        return "too_little_data"
    if "weak" in measured:
        return "weak"
    return "good" if grades == measured and set(grades) == {"good"} else "fair"


def _uneven(part: dict[str, Any]) -> bool:
    limit = max(UNEVEN_LEAST, UNEVEN_SHARE * (part["base_rate"] or 0.0))
    return bool(part["calibration"]["error"] > limit)


def findings(card: dict[str, Any], changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What is weak: code, kind (None: the whole), and the numbers that its sentence needs; a closed list of codes.

    changes: what `drift` found.
    """
    found: list[dict[str, Any]] = []

    def say(code: Code, kind: str | None, **values: Any) -> None:
        found.append({"code": code, "kind": kind, "values": values})

    windows = card["windows"]
    days = (_moment(card["as_of"]) - _moment(windows["history_begins"])).days
    if days < ENOUGH_DAYS:
        say("short_history", None, days=days, enough=ENOUGH_DAYS)
    for kind in KINDS:
        _of_kind(card[kind], kind, say)
        if changes is not None:
            _of_drift(changes[kind], kind, say)
    check = card["customers"].get("check")
    if check and check["orders_expected"] > 0 and _off(check["orders_actual"] / check["orders_expected"], OFF):
        say("customers_off", None, expected=check["orders_expected"], actual=check["orders_actual"])
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _of_kind(part: dict[str, Any], kind: str, say: Any) -> None:
    ratio = calibration_ratio(part)
    if ratio is None:
        say("nothing_measured", kind, buyers=part["latest_positives"])
        return
    calibration, ranked = part["calibration"], _served(part)
    if part["latest_positives"] < ENOUGH_BUYERS:
        say("few_buyers", kind, buyers=part["latest_positives"], enough=ENOUGH_BUYERS)
    if part["basis"] == "baseline":
        say("rule_served", kind, rule=part["served"])
    if not calibration["out_of_time"]:
        say("same_window_curve", kind)
    if _off(ratio, OFF):
        say("calibration_off", kind, expected=calibration["expected"], actual=calibration["observed"])
    elif _uneven(part):
        say("calibration_uneven", kind, error=calibration["error"])
    if (ranked.get("lift_top5") or 0.0) < LEAST_LIFT or (ranked.get("auc") or 0.0) < LEAST_AUC:
        say("weak_ranking", kind, lift=ranked.get("lift_top5"))
    rows = part["products"]
    poor = [row["product_no"] for row in rows if row["average_precision"] <= row["positives"] / row["pairs"]]
    if poor:
        say("products_no_better", kind, count=len(poor), of=len(rows), product_nos=poor[:3])
    odd = [row for row in rows if abs(row["positives"] - row["expected"]) > SURPRISE * max(row["expected"], 1.0) ** 0.5]
    odd.sort(key=lambda row: -abs(row["positives"] - row["expected"]))
    if odd:
        say("products_off", kind, count=len(odd), of=len(rows), product_nos=[row["product_no"] for row in odd[:3]])


def _of_drift(part: dict[str, Any], kind: str, say: Any) -> None:
    index = part["stability_index"]
    if index is not None and index >= STRONG_CHANGE:
        say("scores_drifted", kind, index=index)
    then, now = part["calibration_before"], part["calibration_now"]
    if then and now and _off(now / then, OFF):
        say("calibration_drifted", kind, before=then, now=now)
    was, is_now = part["average_precision_before"], part["average_precision_now"]
    if was and is_now is not None and is_now < FELL * was:
        say("ranking_fell", kind, before=was, now=is_now)


def judged(card: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """The card with its drift, findings and grades."""
    changes = drift(card, before)
    grades: dict[str, Grade] = {kind: grade(card[kind]) for kind in KINDS}
    return card | {
        "drift": changes,
        "findings": findings(card, changes),
        "grades": grades | {"overall": overall(list(grades.values()))},
    }
