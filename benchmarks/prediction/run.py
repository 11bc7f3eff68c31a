"""Prediction quality against public baselines: prints a table, and exits 1 if a figure that must hold does not.

    make bench-prediction                          everything (about half an hour on two cores)
    make bench-prediction ARGS="type retail"       some of: type, sku, retail, cdnow, planted, scale

Needs the data sets beside the repository (../shared) or where ENCORE_SHARED points.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.figures import Figure
from benchmarks.prediction.als import als_score
from benchmarks.prediction.datasets import Dataset, cdnow_sample, complete_journey, online_retail, planted_pairs
from benchmarks.prediction.protocol import HORIZON, SEED, Result, labelled, measure, refuse_leaks
from benchmarks.prediction.scale import run_apart
from ml.api import predict
from ml.associations import associations, count_sequences
from ml.history import build_history
from ml.lifetime_value import Recency, fit_bgnbd
from ml.verdict import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ml.pair_model import Examples

MOST_ERROR = 0.010  # of calibration, on every dataset and date, or the best baseline's if that is larger
# Average precision over the best baseline's; (re-buy, new).
RATIOS = {"type": (1.03, 1.12), "sku": (1.03, 1.12), "retail": (1.10, 1.15)}
FINAL_DAY = 335
# At the final day: average precision, lift in the top 5%, calibration error.
FINAL = {
    "type": {"repurchase": (0.470, 3.7, 0.005), "cross_sell": (0.074, 3.0, 0.002)},
    "sku": {"repurchase": (0.395, None, None), "cross_sell": (0.048, None, None)},
}


def figures(dataset: Dataset, key: str) -> Iterator[Figure]:
    """Predict as of every date, print how it went, and yield what must hold."""
    print(f"\n{dataset.name}: {len(dataset.lines)} lines, {len(dataset.chosen)} products")
    refuse_leaks(lambda lines: _predict(dataset, lines, dataset.days[0]), dataset.lines, dataset.as_of(dataset.days[0]))
    print("no leak: the future changes nothing")
    for day in dataset.days:
        started, cpu = time.perf_counter(), time.process_time()
        pairs = _predict(dataset, dataset.lines, day)
        spent = f"{time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} s CPU"
        with threadpool_limits(limits=1):
            test, before = _labelled(dataset, day), _labelled(dataset, day - HORIZON)
        for position, kind in enumerate(KINDS):
            result = measure(pairs, test[kind], before[kind], kind, day)
            _show(result, spent)
            yield from _musts(result, key, RATIOS[key][position])


def _labelled(dataset: Dataset, day: int) -> dict[str, Examples]:
    """Both kinds of pairs with every baseline's score."""
    moment = dataset.as_of(day)
    parts = labelled(dataset.lines, dataset.chosen, moment)
    score = als_score(dataset.lines, dataset.chosen, moment, parts["cross_sell"])
    parts["cross_sell"].closed["als"] = score
    return parts


def _predict(dataset: Dataset, lines: pd.DataFrame, day: int) -> pd.DataFrame:
    as_of = dataset.as_of(day)
    return predict(lines, None, None, as_of, HORIZON, dataset.chosen, SEED, mode="all_pairs").pairs


def _show(result: Result, spent: str) -> None:
    print(
        f"\nday {result.day}, {result.kind} ({result.basis}): {result.pairs} pairs, {result.positives} bought; {spent}"
    )
    print(f"  {'':24} {'AP':>6} {'lift5':>6} {'ECE':>7} {'Brier':>8}")
    for one in (result.ours, *sorted(result.baselines, key=lambda b: -b.average_precision)):
        print(f"  {one.name:24} {one.average_precision:6.4f} {one.lift:6.3f} {one.error:7.4f} {one.brier:8.5f}")


def _musts(result: Result, key: str, ratio: float) -> Iterator[Figure]:
    ours, best, where = result.ours, result.best, f"{key} day {result.day} {result.kind}"
    yield Figure(f"{where}: AP over {best.name}'s", ours.average_precision / best.average_precision, ratio)
    yield Figure(f"{where}: ECE", ours.error, max(MOST_ERROR, best.error), at_most=True)
    yield Figure(f"{where}: Brier", ours.brier, min(one.brier for one in result.baselines), at_most=True)
    if key in FINAL and result.day == FINAL_DAY:
        precision, lift, error = FINAL[key][result.kind]
        yield Figure(f"{where}: AP", ours.average_precision, precision)
        if lift is not None and error is not None:
            yield Figure(f"{where}: lift in the top 5%", ours.lift, lift)
            yield Figure(f"{where}: ECE, absolute", ours.error, error, at_most=True)


def cdnow() -> Iterator[Figure]:
    """BG/NBD against the published likelihood and its own holdout."""
    table = cdnow_sample()
    seen = Recency(*(table[name].to_numpy(dtype=float) for name in ("repeats", "last", "age")))
    fit_bgnbd(seen)  # the first call pays for imports
    started = time.perf_counter()
    model = fit_bgnbd(seen)
    yield Figure("CDNOW: seconds to fit BG/NBD", time.perf_counter() - started, 0.5, at_most=True)
    error = model.expected_orders(seen, 39) - table["holdout"].to_numpy()
    yield Figure("CDNOW: distance from the published log-likelihood", abs(model.log_likelihood + 9582.43), 0.01, True)
    yield Figure("CDNOW: holdout RMSE", float(np.sqrt(np.mean(error**2))), 1.608, at_most=True)
    yield Figure("CDNOW: holdout MAE", float(np.mean(np.abs(error))), 0.786, at_most=True)


def planted() -> Iterator[Figure]:
    """A million orders of 2,000 products with 200 planted pairs: these must be found, and nothing else."""
    lines, truth = planted_pairs(orders=1_000_000, products=2_000, pairs=200, seed=3)
    h = build_history(lines, None, pd.Timestamp("2026-06-01", tz="UTC"))
    with threadpool_limits(limits=1):
        started = time.perf_counter()
        table = associations(h, count_sequences(h))
        spent = time.perf_counter() - started
        tracemalloc.start()  # in a run of its own: it counts every allocation and takes its time
        associations(h, count_sequences(h))
        peak = tracemalloc.get_traced_memory()[1] / 1e9
        tracemalloc.stop()
    found = set(zip(table["a"].astype(int), table["b"].astype(int), strict=True))
    hits = len(found & truth)
    print(f"\nplanted pairs: {len(found)} found, {hits} of {len(truth)} planted")
    yield Figure("planted pairs: seconds", spent, 15, at_most=True)
    yield Figure("planted pairs: GB on top of the history", peak, 0.5, at_most=True)
    yield Figure("planted pairs: recall", hits / len(truth), 0.95)
    yield Figure("planted pairs: false discoveries", 1 - hits / max(len(found), 1), 0.05, at_most=True)


def scale() -> Iterator[Figure]:
    """The synthetic shop of a million customers, with twelve million lines and five thousand products."""
    stage, retrieval = run_apart(1_000_000)
    print(f"\nscale: {stage['pairs']} pairs in {stage['seconds']:.0f} s, {stage['cpu']:.0f} s CPU")
    for kind, metrics in stage["metrics"].items():
        shown = {name: round(one["average_precision"] or 0.0, 4) for name, one in metrics.items()}
        print(f"  {kind}: {dict(sorted(shown.items(), key=lambda item: -item[1]))}")
    print(f"  recall of the {retrieval['best']} best on {retrieval['customers']} customers: {retrieval['recall']:.4f}")
    yield Figure("a million customers: minutes", stage["seconds"] / 60, 15, at_most=True)
    yield Figure("a million customers: GB", stage["gigabytes"], 4, at_most=True)
    yield Figure("a million customers: recall of the 50 best", retrieval["recall"], 0.95)


PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "planted": planted,
    "cdnow": cdnow,
    "type": lambda: figures(complete_journey("type"), "type"),
    "sku": lambda: figures(complete_journey("sku"), "sku"),
    "retail": lambda: figures(online_retail(), "retail"),
    "scale": scale,
}


def main(names: list[str]) -> int:
    """Run the named parts, or all; returns the exit code."""
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 2
    found = [figure for name in PARTS if name in names or not names for figure in PARTS[name]()]
    print(f"\n{'':9} {'figure':58} {'is':>10} {'must be':>12}")
    for one in found:
        sign = "<=" if one.at_most else ">="
        print(f"{'holds' if one.holds else 'MISSED':9} {one.what:58} {one.value:10.4f} {sign:>3} {one.must:8.4f}")
    missed = sum(not one.holds for one in found)
    print(f"\n{len(found) - missed} of {len(found)} hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
