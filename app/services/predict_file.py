"""Predict from a file of order lines to a file of predictions, for analysts; needs no shop.

Ids are text and come back unchanged, times without a zone are UTC. The input is checked whole before anything
is computed, and the result is written beside its final name and renamed, so that bad input or a crash leaves no
output file.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from app.errors import Invalid
from app.services.processes import workers
from ml.api import MAX_HORIZON, Mode, Predictions, predict
from ml.lines import CHANGES, REASONS, purchases

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

IDS = ("customer_id", "order_id", "product_id")
NUMBERS = ("quantity", "unit_price")
REQUIRED = ("customer_id", "order_id", "ordered_at", "product_id", *NUMBERS)
OPTIONAL = ("product_type", "discount")
MAX_ALL_PAIRS = 50_000_000
ACTIVE_DAYS = 365
ROWS_PER_WRITE = 500_000
SEED = 20_260_101  # fixed: the same file gives the same predictions
OUTPUT = pa.schema(
    [
        ("customer_id", pa.string()),
        ("product_id", pa.string()),
        ("kind", pa.string()),
        ("probability", pa.float64()),
        ("lift", pa.float64()),
        ("because_product_id", pa.string()),
        ("expected_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Request:
    """What the command was asked for; times and numbers still as typed."""

    lines: Path
    as_of: str
    horizon_days: int
    out: Path
    products: Path | None = None
    all_pairs: bool = False


@dataclass(frozen=True)
class Result:
    """How many rows of each kind were written, on what basis, and what became of the lines that were read.

    left_out and changed count lines by the keys of `ml.lines`: those that are no purchase, and purchases that were
    merged or cut.
    """

    repurchase: int
    cross_sell: int
    basis: dict[str, str]
    lines: int
    left_out: dict[str, int]
    changed: dict[str, int]

    def table(self) -> list[str]:
        """What was left out and why, and what was changed; a line each, none if every line is a purchase."""
        rows: list[str] = []
        for heading, words, counts in (
            (f"left out of {self.lines:,} lines", REASONS, self.left_out),
            ("changed", CHANGES, self.changed),
        ):
            if counts:
                rows.append(f"{heading}:")
                rows.extend(f"{count:12,}  {words[key]}" for key, count in counts.items())
        return rows


@dataclass(frozen=True)
class _Lines:
    """The checked input: numbers stand for ids, in the order of the ids as text."""

    frame: pd.DataFrame
    customers: list[str]
    products: list[str]
    candidates: npt.NDArray[np.int64] | None


def predict_file(request: Request, progress: Callable[[str], None]) -> Result:
    """Read, check, predict, write.

    progress receives one line per step. Raises Invalid with one sentence that names the file, column and row.
    """
    as_of = _moment(request.as_of)
    if not 1 <= request.horizon_days <= MAX_HORIZON:
        raise Invalid(f"--horizon-days is {request.horizon_days}, must be 1 to {MAX_HORIZON}")
    _check_out(request)
    listed = _listed(request.products)
    table = _read(request.lines)
    lines = _check(table, request.lines, listed)
    del table
    bought = _check_purchases(lines, as_of, request)
    # Only now a word on progress: bad input gets its one line and nothing else.
    progress(f"{len(lines.frame)} lines of {request.lines} read and checked")
    _report_unsold(lines, bought, listed, progress)
    _report_lookalikes(lines, progress)
    del bought
    mode: Mode = "all_pairs" if request.all_pairs else "best"
    found = predict(
        lines.frame,
        None,
        None,
        as_of,
        request.horizon_days,
        _numbers(lines),
        SEED,
        mode=mode,
        progress=progress,
        workers=workers(),
    )
    progress(f"writing {len(found.pairs)} predictions to {request.out}")
    _write(found, lines, as_of, request.out)
    kinds = found.pairs["kind"].value_counts()
    return Result(
        repurchase=int(kinds.get("repurchase", 0)),
        cross_sell=int(kinds.get("cross_sell", 0)),
        basis={kind: str(found.card[kind]["basis"]) for kind in ("repurchase", "cross_sell")},
        lines=found.card["lines"],
        left_out=found.card["left_out"],
        changed=found.card["changed_lines"],
    )


def _numbers(lines: _Lines) -> list[int] | None:
    return None if lines.candidates is None else [int(number) for number in lines.candidates]


def _moment(text: str) -> pd.Timestamp:
    moment = pd.to_datetime(pd.Series([text]), format="ISO8601", utc=True, errors="coerce").iloc[0]
    if pd.isna(moment):
        raise Invalid(f'--as-of is "{text}", not a time such as 2026-01-31 or 2026-01-31T12:00:00Z')
    return pd.Timestamp(moment)


def _check_out(request: Request) -> None:
    if not request.out.parent.is_dir():
        raise Invalid(f"--out {request.out}: the folder {request.out.parent} does not exist")
    if request.out.is_dir():
        raise Invalid(f"--out {request.out} is a folder, not a file")
    for name, path in (("--lines", request.lines), ("--products", request.products)):
        if path is not None and path.resolve() == request.out.resolve():
            raise Invalid(f"--out {request.out} would overwrite {name}")


def _listed(path: Path | None) -> list[str] | None:
    """The candidate products, one a line; blank lines and repeats don't count."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"--products {path} is not UTF-8 text") from error
    except OSError as error:
        raise Invalid(f"--products {path} can't be read: {error.strerror}") from error
    found = sorted({line.rstrip("\r") for line in text.split("\n") if line.strip()})
    if not found:
        raise Invalid(f"--products {path} names no product")
    return found


def _read(path: Path) -> pa.Table:
    """The known columns of the file; CSV values stay text."""
    try:
        if path.stat().st_size == 0:
            raise Invalid(f"{path} is empty")
        table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except OSError as error:
        reason = error.strerror or "is it cut off?"
        raise Invalid(f"{path} can't be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not a readable CSV file: its header is not UTF-8") from error
    except pa.ArrowException as error:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        first_line = str(error).splitlines()[0] if str(error) else "no reason given"
        raise Invalid(f"{path} is not a readable {kind} file: {first_line}") from error
    if table.num_rows == 0:
        raise Invalid(f"{path} has no rows")
    return table


def _need(path: Path, names: list[str]) -> list[str]:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise Invalid(f"{path} lacks the column{plural} {', '.join(missing)}")
    wanted = [name for name in names if name in {*REQUIRED, *OPTIONAL}]
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    if twice:
        raise Invalid(f"{path} has the column {twice[0]} more than once")
    return wanted


def _read_csv(path: Path) -> pa.Table:
    as_text = {name: pa.string() for name in (*REQUIRED, *OPTIONAL)}
    ragged: list[str] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        # The header is line 1, so the first row is number 2.
        ragged.append(f"row {row.number - 1} has {row.actual_columns} columns, not {row.expected_columns}")
        return "skip"

    table = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False),  # or rows would have no numbers
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
        convert_options=pa_csv.ConvertOptions(column_types=as_text, strings_can_be_null=False),
    )
    wanted = _need(path, table.column_names)
    if ragged:
        raise Invalid(f"{path}, {ragged[0]}")
    return table.select(wanted)


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        wanted = _need(path, file.schema_arrow.names)
        return file.read(columns=wanted)


def _check(table: pa.Table, path: Path, listed: list[str] | None) -> _Lines:
    """Turn every column into what prediction needs; the first bad cell ends it."""
    columns: dict[str, Any] = {}
    ids: dict[str, list[str]] = {}
    for name in IDS:
        columns[name], ids[name] = _ids(table.column(name), path, name)
    products = ids["product_id"]
    candidates = None
    if listed is not None:
        everything = sorted({*products, *listed})
        place = {product: number for number, product in enumerate(everything)}
        columns["product_id"] = np.array([place[product] for product in products])[columns["product_id"]]
        candidates = np.array([place[product] for product in listed], dtype=np.int64)
        products = everything
    frame = pd.DataFrame(
        {
            "customer_no": columns["customer_id"].astype(np.int32),
            "order_id": columns["order_id"],
            "ordered_at": _times(table.column("ordered_at"), path),
            "product_no": columns["product_id"].astype(np.int32),
            **{name: _floats(table.column(name), path, name) for name in NUMBERS},
        }
    )
    if "discount" in table.column_names:
        frame["discount"] = _floats(table.column("discount"), path, "discount", empty=0.0)
    if "product_type" in table.column_names:
        frame["product_type"] = table.column("product_type").cast(pa.string()).to_pandas()
    return _Lines(frame, ids["customer_id"], products, candidates)


def _refuse(path: Path, column: str, bad: npt.NDArray[np.bool_], values: pa.ChunkedArray, problem: str) -> None:
    """Name the first bad cell; rows are counted from 1 after any header."""
    if bad.any():
        row = int(np.argmax(bad))
        value = values[row].as_py()
        shown = "" if value is None or value == "" else f'"{value}" '
        raise Invalid(f"{path}, column {column}, row {row + 1}: {shown}{problem}")


def _nulls(values: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = values.is_null().to_numpy()
    return result


def _ids(values: pa.ChunkedArray, path: Path, name: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Numbers for ids, in the order of the ids as text, and the ids."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    _refuse(path, name, _nulls(values), values, "is empty")
    if pa.types.is_floating(values.type):
        # Integers that once stood beside missing values; 17850.0 means 17850.
        whole = values.to_numpy()
        _refuse(path, name, ~(np.isfinite(whole) & (whole == np.round(whole))), values, "is not an id")
        values = values.cast(pa.int64())
    if not (pa.types.is_integer(values.type) or _is_text(values.type)):
        raise Invalid(f"{path}, column {name} holds {values.type}, not ids")
    coded = values.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.unify_dictionaries().combine_chunks()
    found: list[str] = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    order = sorted(range(len(found)), key=found.__getitem__)
    if found[order[0]] == "":
        _refuse(path, name, codes == order[0], values, "is empty")
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return rank[codes], [found[i] for i in order]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _times(values: pa.ChunkedArray, path: Path) -> pd.DatetimeIndex:
    name, problem = "ordered_at", "is not a time such as 2026-01-31T12:00:00Z"
    _refuse(path, name, _nulls(values), values, "is empty")
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        times = pd.Series(pd.to_datetime(values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False)
                                         .to_pandas(), utc=True))  # fmt: skip
    elif _is_text(values.type):
        _refuse(path, name, pc.equal(values, "").to_numpy(), values, "is empty")
        times = pd.to_datetime(values.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    else:
        raise Invalid(f"{path}, column {name} holds {values.type}, not times")
    _refuse(path, name, times.isna().to_numpy(), values, problem)
    return pd.DatetimeIndex(times)


def _floats(values: pa.ChunkedArray, path: Path, name: str, empty: float | None = None) -> npt.NDArray[np.float64]:
    """Finite numbers; a missing one is refused unless `empty` says what it stands for."""
    missing = _nulls(values)
    if _is_text(values.type):
        missing |= pc.equal(pc.fill_null(values, ""), "").to_numpy()
        numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        numbers = values.cast(pa.float64(), safe=False).to_pandas().to_numpy(dtype=np.float64)
    elif pa.types.is_null(values.type):
        numbers = np.full(len(values), np.nan)
    else:
        raise Invalid(f"{path}, column {name} holds {values.type}, not numbers")
    if empty is None:
        _refuse(path, name, missing, values, "is empty")
    else:
        numbers = np.where(missing, empty, numbers)
    _refuse(path, name, ~np.isfinite(numbers), values, "is not a number")
    result: npt.NDArray[np.float64] = numbers
    return result


def _report_unsold(
    lines: _Lines, bought: pd.DataFrame, listed: list[str] | None, progress: Callable[[str], None]
) -> None:
    """Products without a sale are scored, close to zero: a shop may ask about one that it has just added."""
    if listed is None:
        return
    sold = set(bought["product_no"].unique().tolist())
    unsold = [lines.products[number] for number in _numbers(lines) or [] if number not in sold]
    if unsold:
        progress(
            f"{len(unsold)} of {len(listed)} products in --products have no sale before --as-of, first: {unsold[0]}"
        )


def _report_lookalikes(lines: _Lines, progress: Callable[[str], None]) -> None:
    """Ids come back unchanged, so such as differ only in case or spaces stay apart; mostly they are slips."""
    for what, ids in (("customer", lines.customers), ("product", lines.products)):
        alike = len(ids) - len({one.strip().casefold() for one in ids})
        if alike:
            progress(f"{alike} of {len(ids)} {what} ids differ from another in case or spaces alone; kept apart")


def _check_purchases(lines: _Lines, as_of: pd.Timestamp, request: Request) -> pd.DataFrame:
    """The lines that are purchases, of which there must be some."""
    told = purchases(lines.frame, as_of)
    bought = told.lines
    if bought.empty:
        first = lines.frame["ordered_at"].min().isoformat()
        why = ", ".join(f"{count} {REASONS[reason]}" for reason, count in told.left_out.items())
        raise Invalid(
            f"{request.lines} has no purchase before --as-of {as_of.isoformat()}; its first line is of {first};"
            f" left out: {why}"
        )
    if request.all_pairs:
        recent = bought["ordered_at"] >= as_of - pd.Timedelta(days=ACTIVE_DAYS)
        active = int(bought.loc[recent, "customer_no"].nunique())
        wanted = bought["product_no"].nunique() if lines.candidates is None else len(lines.candidates)
        if active * int(wanted) > MAX_ALL_PAIRS:
            raise Invalid(
                f"--all-pairs would score {active} customers x {wanted} products = {active * int(wanted)} pairs, more"
                f" than {MAX_ALL_PAIRS}; name fewer with --products"
            )
    return bought


def _write(found: Predictions, lines: _Lines, as_of: pd.Timestamp, out: Path) -> None:
    """Write beside the final name, then rename."""
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    os.close(handle)
    part = Path(name)
    try:
        as_csv = out.suffix.lower() == ".csv"
        writer: Any = pa_csv.CSVWriter(part, OUTPUT) if as_csv else pq.ParquetWriter(part, OUTPUT, compression="zstd")
        with writer:
            for start in range(0, len(found.pairs), ROWS_PER_WRITE):
                writer.write_table(_output(found.pairs.iloc[start : start + ROWS_PER_WRITE], lines, as_of))
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes private files; the result is an ordinary one
        part.replace(out)
    except OSError as error:
        raise Invalid(f"--out {out} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _output(pairs: pd.DataFrame, lines: _Lines, as_of: pd.Timestamp) -> pa.Table:
    customers, products = pa.array(lines.customers, pa.string()), pa.array(lines.products, pa.string())
    because = pa.Array.from_pandas(pairs["because_product_no"])
    # Whoever is overdue has not bought until now, so the next purchase can't lie in the past.
    expected = pairs["expected_at"].mask(pairs["expected_at"] < as_of, as_of)
    return pa.table(
        {
            "customer_id": customers.take(pa.array(pairs["customer_no"].to_numpy())),
            "product_id": products.take(pa.array(pairs["product_no"].to_numpy())),
            "kind": pa.array(pairs["kind"].to_numpy(dtype=object), pa.string()),
            "probability": pa.array(pairs["probability"].to_numpy()),
            "lift": pa.Array.from_pandas(pairs["lift"]),
            "because_product_id": products.take(because),
            "expected_at": pa.Array.from_pandas(expected),
        }
    ).cast(OUTPUT)
