"""The whole prediction stage of a shop with a million customers: time, memory, and what looking for candidates misses.

    python -m benchmarks.prediction.scale FOLDER CUSTOMERS stage     prints seconds and peak memory as JSON

Each part runs in a process of its own, so that the peak is the stage's and not the generator's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from benchmarks.synthetic_shop import synthetic_shop
from ml.api import Run, predict
from ml.cross_sell import BEST, Scope, best_of_each, score_cross_sell
from ml.history import build_history

HORIZON = 30
SEED = 1
WORKERS = 2
SAMPLE = 10_000
KILOBYTES = 1e6  # in a GB, as ru_maxrss counts


def run_apart(customers: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Generate the shop, predict for it, and measure the retrieval: figures of the stage and of the retrieval."""
    with tempfile.TemporaryDirectory(prefix="encore-scale-") as folder:
        for part in ("generate", "stage", "recall"):
            command = [sys.executable, "-m", "benchmarks.prediction.scale", folder, str(customers), part]
            subprocess.run(command, check=True)  # noqa: S603 - ourselves
        return tuple(json.loads((Path(folder) / f"{part}.json").read_text()) for part in ("stage", "recall"))  # type: ignore[return-value]


def _generate(folder: Path, customers: int, products: int) -> None:
    shop = synthetic_shop(customers, products)
    shop.lines.to_parquet(folder / "lines.parquet", index=False)
    shop.products.to_parquet(folder / "products.parquet", index=False)
    (folder / "until").write_text(shop.until.isoformat())
    print(f"synthetic shop: {len(shop.lines)} lines, {shop.lines['order_id'].nunique()} orders, {customers} customers")


def _lines(folder: Path) -> pd.DataFrame:
    lines: pd.DataFrame = pq.read_table(folder / "lines.parquet").to_pandas(self_destruct=True, split_blocks=True)
    return lines


def _others(folder: Path) -> tuple[pd.DataFrame, pd.Timestamp]:
    return pd.read_parquet(folder / "products.parquet"), pd.Timestamp((folder / "until").read_text())


def _stage(folder: Path) -> dict[str, Any]:
    """Read, learn, score every repurchase pair and 50 new products per customer, and write all pairs."""
    started, cpu = time.perf_counter(), time.process_time()
    writer: pq.ParquetWriter | None = None
    rows = 0

    def progress(message: str) -> None:
        print(f"  {time.perf_counter() - started:6.0f} s {_peak():5.2f} GB  {message}")

    def write(part: pd.DataFrame) -> None:
        nonlocal writer, rows
        table = pa.Table.from_pandas(part, preserve_index=False)
        writer = writer or pq.ParquetWriter(folder / "pairs.parquet", table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(part)

    products, until = _others(folder)
    # Without a name here, the lines are gone as soon as the history is built.
    found = predict(
        _lines(folder),
        products,
        None,
        until,
        HORIZON,
        None,
        SEED,
        mode="best",
        progress=progress,
        workers=WORKERS,
        sink=write,
    )
    if writer is not None:
        writer.close()
    spent = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu, "gigabytes": _peak()}
    return spent | {
        "pairs": rows,
        "metrics": {kind: found.card[kind]["metrics"] for kind in ("repurchase", "cross_sell")},
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES


def _recall(folder: Path) -> dict[str, Any]:
    """Of the 50 best by exact scoring of the whole catalogue, the share that retrieval finds too."""
    products, until = _others(folder)
    with threadpool_limits(limits=1):
        h = build_history(_lines(folder), products, until)
        scorer, _, _ = Run(h, float(HORIZON), SEED, "best", lambda _message: None).scorer(products, None, None)
        everyone = h.active(365.0)
        some = np.sort(np.random.default_rng(SEED).choice(everyone, min(SAMPLE, len(everyone)), replace=False))
        part, models = h.of(some), scorer.models
        found, _ = score_cross_sell(part, models.shop, models.new, scorer.scope, np.zeros(0, dtype=np.int64), None)
        every = Scope(np.arange(h.n_products), scorer.scope.allowed, retrieve=False, keep_listed=False)
        exact, _ = score_cross_sell(part, models.shop, models.new, every, np.arange(h.n_products), None)
    best = best_of_each(exact.customer, exact.probability, exact.product)
    wanted = part.key(exact.customer[best], exact.product[best])
    hit = np.isin(wanted, part.key(found.customer, found.product))
    return {"recall": float(hit.mean()), "customers": len(some), "best": BEST}


def main(folder: Path, customers: int, part: str, products: int = 5_000) -> None:
    """One part, in this process."""
    if part == "generate":
        _generate(folder, customers, products)
        return
    figures = _stage(folder) if part == "stage" else _recall(folder)
    (folder / f"{part}.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
