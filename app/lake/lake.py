"""The lake: one Delta table per noun and shop, frozen versions of them read by DuckDB.

Writers make new versions; nobody sees them until a snapshot row names them. So a crash leaves
unnamed versions, never half a history. Readers open exactly the versions of their snapshot through
the version's file list: `delta_scan` would download an extension.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

from app.lake.schemas import DEMOGRAPHICS, PARTITIONED, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from app.domain.context import ShopContext

# Rows come sorted as `SORTED` says, and a reader passes over groups of rows that its filter can't be in.
ROWS_PER_GROUP = 122_880
WRITING = WriterProperties(max_row_group_size=ROWS_PER_GROUP, compression="ZSTD")
COMMIT = re.compile(r"(\d{20})\.json")  # a file of a Delta table's log, named by the version that it makes
KEYS_PER_DELETE = 2_000  # a longer IN list makes the predicate slower to parse than a second commit
RUN_VIEWS = (
    "features",
    "pairs",
    "associations",
    "customer_values",
    "base_rates",
    "type_pairs",
    "type_base_rates",
    "demographics",
)
# Predictions that serve a second run say nothing of first purchases that have happened since.
BOUGHT_SINCE_FILE = "bought_since.parquet"
NOT_BOUGHT = """ ANTI JOIN (
    SELECT 'cross_sell' AS kind, customer_no, {column} FROM read_parquet('{{bought}}')
) b ON b.kind = p.kind AND b.customer_no = p.customer_no AND b.{column} = p.{column}"""
STILL_TRUE = {
    "pairs": NOT_BOUGHT.format(column="product_no"),
    "type_pairs": NOT_BOUGHT.format(column="product_type"),
}
# Runs from before product types were predicted lack these files; a rule about a type then holds for nobody.
LATER_VIEWS = {
    "type_pairs": "0::INTEGER AS customer_no, '' AS product_type, '' AS kind, 0.0::DOUBLE AS probability",
    "type_base_rates": "'' AS product_type, '' AS kind, 0.0::DOUBLE AS base_rate, 0.0::DOUBLE AS positives",
}
# Nor do features from before these were counted have them: missing for everybody, until the next refresh.
LATER_COLUMNS = {
    "features": (
        *(f"{name}_share" for name in ("mar_may", "jun_aug", "sep_nov", "dec_feb")),
        *(f"{name}_share" for name in ("night", "morning", "afternoon", "evening")),
        *(f"rfm_{name}" for name in ("recency", "frequency", "monetary", "worth")),
        "costed_net_minor",
        "cost_minor",
    )
}


class Lake:
    """All shops' histories below one folder.

    threads: how many threads one DuckDB connection may use.
    """

    def __init__(self, root: Path, *, threads: int = 2) -> None:
        self._root = root
        self._threads = threads

    def shop_dir(self, ctx: ShopContext) -> Path:
        """The folder of one shop; all of it goes when the shop is erased."""
        return self._root / f"shop_{ctx.shop_id}"

    def run_dir(self, ctx: ShopContext, run_id: int) -> Path:
        """The folder of what one refresh computed; made if it is missing."""
        folder = self.shop_dir(ctx) / "runs" / str(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, ctx: ShopContext, table: str, rows: pa.Table) -> int:
        """Make `rows` the whole content of a table; returns the new version."""
        return self._commit(ctx, table, rows, "overwrite")

    def append(self, ctx: ShopContext, table: str, rows: pa.Table) -> int:
        """Add rows; returns the new version. Not idempotent: prefer `replace`."""
        return self._commit(ctx, table, rows, "append")

    def replace(self, ctx: ShopContext, table: str, key: str, keys: Iterable[int], rows: pa.Table) -> int:
        """Take all rows with these keys out, put `rows` in; returns the new version.

        Idempotent, also after a crash between the two commits, which no snapshot names.
        """
        self.remove(ctx, table, key, keys)
        return self.append(ctx, table, rows)

    def remove(self, ctx: ShopContext, table: str, key: str, keys: Iterable[int]) -> None:
        """Take all rows with these keys out. Idempotent."""
        delta = self._open(ctx, table)
        if delta is not None:
            for chunk in _listed(keys):
                delta.delete(f"{key} IN ({chunk})", writer_properties=WRITING)

    def mark(self, ctx: ShopContext, table: str, key: str, keys: Iterable[int], **texts: str) -> None:
        """Set text columns of all rows with these keys. Idempotent. The texts are ours, never from outside."""
        delta = self._open(ctx, table)
        updates = {column: f"'{text}'" for column, text in texts.items()}
        if delta is not None:
            for chunk in _listed(keys):
                delta.update(updates=updates, predicate=f"{key} IN ({chunk})", writer_properties=WRITING)

    def renumber(self, ctx: ShopContext, merged: Mapping[int, int]) -> None:
        """Give the rows of merged customers to their survivors, and take the merged ones out of `customers`.

        Idempotent. merged: loser → survivor.
        """
        if not merged:
            return
        losers = ", ".join(str(int(number)) for number in sorted(merged))
        cases = " ".join(f"WHEN {int(loser)} THEN {int(survivor)}" for loser, survivor in sorted(merged.items()))
        updates = {"customer_no": f"CAST(CASE customer_no {cases} END AS INT)"}
        for table in ("orders", "order_lines"):
            delta = self._open(ctx, table)
            if delta is not None:
                delta.update(updates=updates, predicate=f"customer_no IN ({losers})", writer_properties=WRITING)
        customers = self._open(ctx, "customers")
        if customers is not None:
            customers.delete(f"customer_no IN ({losers})", writer_properties=WRITING)

    def vacuum(self, ctx: ShopContext, keep: Mapping[str, set[int]], hours: int) -> int:
        """Delete files that no kept version needs and that were taken out over `hours` ago; returns how many.

        keep: table → versions that a snapshot still names. Nothing may write meanwhile.
        """
        gone = 0
        for table in TABLES:
            delta = self._open(ctx, table)
            if delta is not None:
                versions = sorted(v for v in keep.get(table, ()) if v <= delta.version())
                gone += len(
                    delta.vacuum(
                        retention_hours=hours, dry_run=False, enforce_retention_duration=False, keep_versions=versions
                    )
                )
        return gone

    def version(self, ctx: ShopContext, table: str) -> int | None:
        """The newest version of a table, or None if nothing was ever written."""
        return _newest(self._path(ctx, table))

    def versions(self, ctx: ShopContext) -> dict[str, int]:
        """The newest version of every table that exists."""
        found = {table: self.version(ctx, table) for table in TABLES}
        return {table: version for table, version in found.items() if version is not None}

    def connect(
        self, ctx: ShopContext, versions: Mapping[str, int], run_dir: Path | None = None
    ) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view per table at exactly these versions, in UTC.

        A table without a version is an empty view. With `run_dir` also a view per computed file.
        The caller closes it.
        """
        connection = bare_connection(self._threads)
        for table, schema in TABLES.items():
            files = _files(self._path(ctx, table), versions[table]) if table in versions else []
            if files:
                columns = ", ".join(f'"{name}"' for name in schema.names)
                source = f"read_parquet({files!r}, hive_partitioning = {table in PARTITIONED}, union_by_name = true)"
                casts = "* REPLACE (CAST(bucket AS SMALLINT) AS bucket)" if table in PARTITIONED else "*"
                rows = f"SELECT {casts} FROM {source}"
                try:
                    connection.execute(f"CREATE VIEW {table} AS SELECT {columns} FROM ({rows})")
                except duckdb.BinderException:
                    # Files from before a column was added lack it: the empty table brings its name and type. Not
                    # always so, because the planner knows less of a union: joins took twice as long.
                    _make_empty(connection, table)
                    both = f"{rows} UNION ALL BY NAME FROM empty_{table}"
                    connection.execute(f"CREATE VIEW {table} AS SELECT {columns} FROM ({both})")
            else:
                _make_empty(connection, table)
                connection.execute(f"CREATE VIEW {table} AS SELECT * FROM empty_{table}")
        for name in RUN_VIEWS if run_dir else ():
            file = run_dir / f"{name}.parquet" if run_dir else None
            if file and file.exists():
                bought = file.parent / BOUGHT_SINCE_FILE
                still = STILL_TRUE[name].format(bought=bought) if name in STILL_TRUE and bought.exists() else ""
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT p.*{_missing(name, file)} FROM read_parquet('{file}') p{still}"
                )
            elif name in LATER_VIEWS:
                connection.execute(f"CREATE VIEW {name} AS SELECT {LATER_VIEWS[name]} WHERE FALSE")
            elif name == "demographics":  # rules may ask for classes that no estimate made, and find nobody
                _make_empty(connection, "demographics")
                connection.execute("CREATE VIEW demographics AS SELECT * FROM empty_demographics")
        return connection

    def _commit(self, ctx: ShopContext, table: str, rows: pa.Table, mode: Literal["overwrite", "append"]) -> int:
        fitted = rows.select(TABLES[table].names).cast(TABLES[table])
        partition = ["bucket"] if table in PARTITIONED else None
        path = self._path(ctx, table)
        path.mkdir(parents=True, exist_ok=True)
        schema_mode: Literal["overwrite", "merge"] = "overwrite" if mode == "overwrite" else "merge"
        write_deltalake(
            path, fitted, mode=mode, schema_mode=schema_mode, partition_by=partition, writer_properties=WRITING
        )
        return _newest(path) or 0

    def _open(self, ctx: ShopContext, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(self._path(ctx, table))
        except TableNotFoundError:
            return None

    def _path(self, ctx: ShopContext, table: str) -> Path:
        if table not in TABLES:
            raise ValueError(f"the lake has no table {table!r}")
        return self.shop_dir(ctx) / table


def bare_connection(threads: int = 2) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB in UTC that never reaches for an extension on the network."""
    connection = duckdb.connect(
        config={"threads": threads, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _newest(path: Path) -> int | None:
    """The newest version of a table: what its log's last file is called. Opening it would replay the log."""
    try:
        found = (COMMIT.fullmatch(file.name) for file in (path / "_delta_log").iterdir())
        return max((int(commit.group(1)) for commit in found if commit), default=None)
    except FileNotFoundError:
        return None


def _files(path: Path, version: int) -> list[str]:
    """The files of one version, by their paths."""
    try:
        commit = (path / "_delta_log" / f"{version:020}.json").stat()
    except FileNotFoundError:  # a checkpoint took it in
        return _read_files(path, version)
    return _kept_files(path, version, (commit.st_ino, commit.st_mtime_ns))


def _read_files(path: Path, version: int) -> list[str]:
    return sorted(_local_path(uri) for uri in DeltaTable(path, version=version).file_uris())


@lru_cache(maxsize=512)
def _kept_files(path: Path, version: int, commit: tuple[int, int]) -> list[str]:
    """A version never changes. commit: whose it is; an erased shop that comes back begins with version 0 again."""
    del commit
    return _read_files(path, version)


def _make_empty(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """A table `empty_...` without rows; a registered one would be there for this connection only, not for cursors."""
    connection.execute(f"CREATE TABLE empty_{table} ({_columns(table)})")


@lru_cache(maxsize=len(TABLES) + 1)
def _columns(table: str) -> str:
    """A table's columns with their types, in DuckDB's words."""
    with bare_connection(1) as scratch:
        scratch.register("incoming", {**TABLES, "demographics": DEMOGRAPHICS}[table].empty_table())
        found = scratch.execute("DESCRIBE incoming").fetchall()
    return ", ".join(f'"{name}" {kind}' for name, kind, *_ in found)


def _missing(view: str, file: Path) -> str:
    """The columns that a run's file was written without, as a tail of what is selected from it."""
    later = LATER_COLUMNS.get(view, ())
    known = set(pq.read_schema(file).names) if later else set()
    return "".join(f", CAST(NULL AS DOUBLE) AS {name}" for name in later if name not in known)


def _listed(keys: Iterable[int]) -> Iterator[str]:
    """The keys as texts for IN (...), in bites."""
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), KEYS_PER_DELETE):
        yield ", ".join(str(int(key)) for key in wanted[start : start + KEYS_PER_DELETE])


def _local_path(uri: str) -> str:
    return unquote(urlsplit(uri).path) if uri.startswith("file://") else uri
