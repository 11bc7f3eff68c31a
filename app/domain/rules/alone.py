"""One customer apart from all others: the same tables with one customer's rows, small enough to ask again and again.

What a leaf says of the customer here is what `evaluate` says of the customer among all, but for leaves that
compare customers with each other: those are asked once, of everybody, and held.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap

from app.domain.rules.canonical import leaf_key
from app.domain.rules.evaluate import Matched, World, match_leaf
from app.domain.rules.tree import Duration, Group
from app.domain.rules.windows import start_of_last

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import duckdb

    from app.domain.rules.tree import Leaf, Node

RELATIVE = frozenset({"Rank"})
"""Leaves that compare customers with each other, by the name of their class."""
COPIED = re.compile(r"[a-z][a-z_0-9]*")
QUARTER = Duration(90, "d")
TWO_QUARTERS = Duration(180, "d")
YEAR = Duration(365, "d")


@dataclass
class Alone:
    """One customer's data, with the world of all customers beside it.

    columns: table → its columns, for tables with a row per customer.
    mailable: whether the customer could be mailed if they allowed it: a valid address that is not suppressed.
    looks:   how many leaves were asked so far, for whoever keeps to a budget.
    """

    customer_no: int
    whole: World
    world: World
    columns: dict[str, dict[str, str]]
    mailable: bool = False
    looks: int = 0
    held: dict[str, bool] = field(default_factory=dict)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Where a table's name means the customer's own rows."""
        return self.world.connection

    def matched(self, leaf: Leaf, world: World | None = None) -> Matched:
        """What a leaf says of the customer; `world` is another moment or a change in thought, else as things are."""
        self.looks += 1
        return match_leaf(leaf, world or self.world)

    def holds(self, leaf: Leaf, world: World | None = None) -> bool:
        """Whether a leaf holds for the customer."""
        if type(leaf).__name__ not in RELATIVE:
            return self.customer_no in self.matched(leaf, world).members
        key = leaf_key(leaf)
        if key not in self.held:
            self.looks += 1
            self.held[key] = self.customer_no in match_leaf(leaf, self.whole).members
        return self.held[key]

    def missing(self, leaf: Leaf) -> bool:
        """Whether a leaf's value is missing for the customer."""
        return type(leaf).__name__ not in RELATIVE and self.customer_no in match_leaf(leaf, self.world).unknown

    def has(self, table: str, column: str) -> bool:
        """Whether a table of customers has a column."""
        return column in self.columns.get(table, {})

    def keep(self, order_ids: list[int]) -> None:
        """Lay orders of the shop, with their lines, beside the customer's: models of one more."""
        for table in ("orders", "order_lines"):
            self.connection.execute(
                f"INSERT INTO like_{table} SELECT * FROM main.{table} WHERE order_id IN"
                f" (SELECT unnest(CAST(? AS BIGINT[]))) AND order_id NOT IN (SELECT order_id FROM like_{table})",
                [order_ids],
            )

    @contextmanager
    def in_thought(self) -> Iterator[World]:
        """A world whose tables may be changed; nothing of it stays."""
        self.connection.execute("BEGIN TRANSACTION")
        try:
            yield replace(self.world, cache={})
        finally:
            self.connection.execute("ROLLBACK")

    @contextmanager
    def later(self, moment: datetime, *, ticking: bool) -> Iterator[World]:
        """The world as it is at a later moment if nothing happens until then.

        ticking: whether attributes that change by time alone are moved on, too; it takes a moment.
        Predictions and other segments stay as they are.
        """
        with self.in_thought() as world:
            moved = replace(world, as_of=moment)
            if ticking:
                self._tick(moved)
            yield moved

    def _tick(self, world: World) -> None:
        days = (world.as_of.astimezone(world.zone).date() - self.world.as_of.astimezone(world.zone).date()).days
        quarter, two = (start_of_last(d, world.as_of, world.zone) for d in (QUARTER, TWO_QUARTERS))
        net = (
            "(SELECT coalesce(sum(l.net_minor), 0) FROM orders o JOIN order_lines l USING (order_id)"
            " WHERE o.counts AND NOT l.is_gift_card AND o.processed_at >= ? AND o.processed_at < ?)"
        )
        now: dict[str, tuple[str, list[Any]]] = {
            "orders_365d": (
                "(SELECT count(*) FROM orders WHERE counts AND processed_at >= ?)",
                [start_of_last(YEAR, world.as_of, world.zone)],
            ),
            "net_90d_minor": (net, [quarter, world.as_of]),
            "net_previous_90d_minor": (net, [two, quarter]),
            "trend": (f"{net} / nullif({net}, 0)", [quarter, world.as_of, two, quarter]),
            "days_since_order": ("days_since_order + ?", [days]),
            "tenure_days": ("tenure_days + ?", [days]),
        }
        if self.has("features", "days_since_order") and self.has("features", "expected_gap_days"):
            now["gap_ratio"] = ("(days_since_order + ?) / expected_gap_days", [days])
        chosen = {column: change for column, change in now.items() if self.has("features", column)}
        if chosen:
            changes = ", ".join(f"{column} = {sql}" for column, (sql, _) in chosen.items())
            values = [value for _, given in chosen.values() for value in given]
            world.connection.execute(f"UPDATE features SET {changes}", values)


@contextmanager
def alone(world: World, customer_no: int, *, mailable: bool = False) -> Iterator[Alone]:
    """Set one customer's rows apart; they are gone at the end. What lies at or after `as_of` is unknown."""
    schema = f"customer_{customer_no:d}"
    main = world.connection
    found = main.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'main'"
        " AND table_catalog = current_database()"
    ).fetchall()
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        columns.setdefault(table, {})[column] = kind
    own = {table: kinds for table, kinds in columns.items() if "customer_no" in kinds and COPIED.fullmatch(table)}
    main.execute(f"CREATE SCHEMA {schema}")
    cursor = main.cursor()
    try:
        for table in own:
            main.execute(
                f"CREATE TABLE {schema}.{table} AS SELECT * FROM main.{table} WHERE customer_no = ?", [customer_no]
            )
        main.execute(f"CREATE TABLE {schema}.products AS SELECT * FROM main.products")
        for table in ("orders", "order_lines"):
            main.execute(f"CREATE TABLE {schema}.like_{table} AS SELECT * FROM {schema}.{table} LIMIT 0")
        main.execute(f"DELETE FROM {schema}.orders WHERE processed_at >= ?", [world.as_of])
        if "order_lines" in own:  # conditions on products look at these alone
            main.execute(f"DELETE FROM {schema}.order_lines WHERE ordered_at >= ?", [world.as_of])
        if "events" in own:
            main.execute(f'DELETE FROM {schema}.events WHERE "at" >= ?', [world.as_of])
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute(f"SET search_path = '{schema},main'")
        # Nothing shared: what others found out on the whole run would hide every change made in thought.
        only = BitMap([customer_no]) & world.universe
        small = replace(world, connection=cursor, universe=only, cache={}, shared=None)
        yield Alone(customer_no, world, small, own, mailable)
    finally:
        cursor.close()
        main.execute(f"DROP SCHEMA {schema} CASCADE")


def combined(node: Node, truth: Mapping[str, bool], path: str = "match") -> bool:
    """Whether a node holds, given whether each leaf does, by path."""
    if not isinstance(node, Group):
        return truth[path]
    parts = [combined(child, truth, f"{path}.{node.kind}[{position}]") for position, child in enumerate(node.nodes)]
    if node.kind == "all":
        return all(parts)
    return any(parts) if node.kind == "any" else not any(parts)
