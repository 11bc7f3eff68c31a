"""Classes of a shop's customers: the one place that opens contacts to read a first name or a postcode for them.

Only classes leave it, as a file of the run beside its features. A merchant's own field, or a tag like `gender:female`,
comes before the estimate, and where it speaks no contact is opened. Whoever's contact and field did not change keeps
the class of the run before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from sqlalchemy import LargeBinary, func, select

from app.lake.schemas import DEMOGRAPHICS
from app.services.open_runs import DEMOGRAPHICS_FILE
from app.services.reference_income import incomes, loaded_income
from app.store.crypto import KEY_ID_BYTES, CannotUnseal, customer_subject
from app.store.models.customers import Customer
from ml.demographics import (
    THRESHOLD,
    UNKNOWN,
    NameTable,
    chance_in_fifth,
    fifth_of,
    gender_of,
    read_names,
    rounded_accuracy,
    stated_gender,
    zcta_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

FILE = DEMOGRAPHICS_FILE
MADE = b"encore"  # the key of what the file says of itself, in its schema's metadata
COLUMNS = {
    "gender": ("gender", "gender_from", "gender_accuracy"),
    "area_income": ("area_income", "area_accuracy"),
}
MOST_MARGINS = 0.5  # of the areas: with fewer, the ends of the scale alone would say how sure all classes are
SEAL_BYTES = 8  # of the nonce: two sealings that share them do not happen
CHUNK = 1_000  # contacts opened at a time

# A field is a metafield with that key in any namespace, as for the segments made from fields; else a tag. Of several
# namespaces the first by name counts.
STATED = r"""
    SELECT customer_no, key, arg_min(value, place) AS value FROM (
        SELECT customer_no, lower(regexp_extract(entry.key, '[^.]+$')) AS key, entry.value AS value,
               '0' || entry.key AS place
        FROM (SELECT customer_no, unnest(map_entries(metafields)) AS entry FROM customers)
        UNION ALL
        SELECT customer_no, lower(regexp_extract(tag, '^\s*(\w+)\s*[:=]', 1)),
               regexp_extract(tag, '[:=](.*)$', 1), '1' || tag
        FROM (SELECT customer_no, unnest(tags) AS tag FROM customers)
    ) WHERE key IN ('gender', 'income') AND trim(value) <> '' GROUP BY ALL"""

EARLIER = """
    SELECT customer_no, contact_seal,
           CASE WHEN $same_names AND gender_from = 'name' THEN gender END AS name_gender,
           CASE WHEN $same_names AND gender_from = 'name' THEN gender_accuracy END AS name_accuracy,
           CASE WHEN $same_incomes THEN area_income END AS area_income,
           CASE WHEN $same_incomes THEN area_accuracy END AS area_accuracy
    FROM before"""

# What has to be opened: nothing where a field speaks, or where the same contact was read before.
WANTED = """
    SELECT c.customer_no FROM people c
    LEFT JOIN stated_gender g USING (customer_no) LEFT JOIN stated_income i USING (customer_no)
    LEFT JOIN earlier e ON e.customer_no = c.customer_no AND e.contact_seal = c.contact_seal
    WHERE ($gender AND g.customer_no IS NULL AND e.name_gender IS NULL)
       OR ($area_income AND i.customer_no IS NULL AND e.area_income IS NULL)
    ORDER BY 1"""

CLASSES = """
    SELECT c.customer_no, c.contact_seal,
           CASE WHEN $gender THEN coalesce(g.gender, f.name_gender, e.name_gender) END AS gender,
           CASE WHEN $gender THEN CASE WHEN g.gender IS NULL THEN 'name' ELSE 'field' END END AS gender_from,
           CASE WHEN $gender AND g.gender IS NULL THEN coalesce(f.name_accuracy, e.name_accuracy) END
               AS gender_accuracy,
           CASE WHEN $area_income AND i.customer_no IS NULL THEN coalesce(f.area_income, e.area_income) END
               AS area_income,
           CASE WHEN $area_income AND i.customer_no IS NULL THEN coalesce(f.area_accuracy, e.area_accuracy) END
               AS area_accuracy
    FROM people c
    LEFT JOIN stated_gender g USING (customer_no) LEFT JOIN stated_income i USING (customer_no)
    LEFT JOIN fresh f USING (customer_no)
    LEFT JOIN earlier e ON e.customer_no = c.customer_no AND e.contact_seal = c.contact_seal
    ORDER BY 1"""

COVERAGE = """
    SELECT count(*) AS customers,
           count(*) FILTER (WHERE gender_from = 'field' AND gender <> 'unknown') AS gender_by_field,
           count(*) FILTER (WHERE gender_from = 'name' AND gender <> 'unknown') AS gender_estimated,
           avg(gender_accuracy) AS gender_accuracy,
           count(*) FILTER (WHERE area_income IS NULL) AS area_income_by_field,
           count(*) FILTER (WHERE area_income <> 'unknown') AS area_income_estimated,
           avg(area_accuracy) AS area_income_accuracy
    FROM classes"""


@dataclass(frozen=True)
class Sources:
    """What estimates are made from. Digests tell whether an earlier class still stands."""

    names: NameTable
    names_digest: str
    incomes: dict[str, tuple[int, int | None]]
    limits: tuple[int, ...]
    margins: bool
    income_digest: str | None
    vintage: str | None


@cache
def first_names() -> tuple[NameTable, str]:
    """The table of names that ships with `ml`, and the digest of it and the threshold."""
    packed = files("ml").joinpath("data", "first_names_us.csv.gz").read_bytes()
    return read_names(packed), hashlib.sha256(packed + str(THRESHOLD).encode()).hexdigest()


def sources(rooms: Rooms, ctx: ShopContext, estimates: Collection[str]) -> Sources:
    """Read what these estimates need."""
    names, digest = first_names()
    with rooms.store.reading(ctx) as session:
        table = loaded_income(session) if "area_income" in estimates else None
        by_area = incomes(session) if table else {}
    if table is None:
        return Sources(names, digest, {}, (), False, None, None)
    limits, margins = tuple(table.detail["limits"]), table.detail["margins"] > MOST_MARGINS
    return Sources(names, digest, by_area, limits, margins, table.digest, table.vintage)


def classify(
    rooms: Rooms, ctx: ShopContext, run: PublishedRun, before: PublishedRun | None, estimates: Collection[str]
) -> None:
    """Write the run's classes for these estimates; without any, an empty file. Repeating it changes nothing.

    before: the run that was published last, whose classes stand where nothing changed.
    """
    target = run.dir / FILE
    if not estimates:
        _write(DEMOGRAPHICS.empty_table(), {"estimates": []}, target)
        return
    found = sources(rooms, ctx, estimates)
    connection = rooms.lake.connect(ctx, run.versions)
    try:
        _people(rooms, ctx, connection)
        _stated(connection)
        _earlier(connection, before, found)
        on = {name: name in estimates for name in ("gender", "area_income")}
        wanted = [row[0] for row in connection.execute(WANTED, on).fetchall()]
        connection.register("fresh", _fresh(rooms, ctx, wanted, found, on))
        classes = connection.sql(CLASSES, params=on).to_arrow_table().cast(DEMOGRAPHICS)
        connection.register("classes", classes)
        coverage = connection.sql(COVERAGE).to_arrow_table().to_pylist()[0]
    finally:
        connection.close()
    _write(classes, _about(found, estimates, coverage), target)


def about(folder: Path) -> dict[str, Any]:
    """What a run's classes say of themselves: estimates, coverage, sources; no estimates if there is no file."""
    file = folder / FILE
    if not file.exists():
        return {"estimates": []}
    found: dict[str, Any] = orjson.loads((pq.read_schema(file).metadata or {}).get(MADE, b'{"estimates": []}'))
    return found


def forget(folder: Path, estimates: Collection[str]) -> None:
    """Take the classes of these estimates out of a run's file for good.

    Replaced, not changed: whoever reads the file at this moment reads on, and nobody finds the old one afterwards.
    """
    before = about(folder)
    left = [name for name in before["estimates"] if name not in estimates]
    if left == before["estimates"]:
        return
    if not left:
        _write(DEMOGRAPHICS.empty_table(), {"estimates": []}, folder / FILE)
        return
    table = pq.read_table(folder / FILE, schema=DEMOGRAPHICS)
    for name in (column for estimate in estimates for column in COLUMNS[estimate]):
        kind = DEMOGRAPHICS.field(name)
        table = table.set_column(table.column_names.index(name), kind, pa.nulls(len(table), kind.type))
    kept = {key: value for key, value in before.items() if key not in estimates}
    _write(table, {**kept, "estimates": left}, folder / FILE)


def _people(rooms: Rooms, ctx: ShopContext, connection: duckdb.DuckDBPyConnection) -> None:
    """The table `people`: the lake's customers who are still somebody, and which sealing of their contact stands.

    A sealing is known by random bytes of it, which are new whenever a contact is written. A customer's time of change
    would not do: in Shopify's CSV exports it is that of the last order.
    """
    with rooms.store.reading(ctx) as session:
        sealing = func.substr(Customer.contact, KEY_ID_BYTES + 1, SEAL_BYTES, type_=LargeBinary)
        alive = select(Customer.customer_no, sealing).where(
            Customer.shop_id == ctx.shop_id, Customer.erased_at.is_(None), Customer.merged_into.is_(None)
        )
        rows = session.execute(alive.order_by(Customer.customer_no)).all()
    numbers = pa.array([row[0] for row in rows], pa.int32())
    seals = pa.array([int.from_bytes(row[1], signed=True) for row in rows], pa.int64())
    table = pa.table([numbers, seals], names=["customer_no", "contact_seal"])
    connection.register("contacts", table)
    connection.execute("CREATE TABLE people AS FROM contacts SEMI JOIN customers USING (customer_no)")


def _stated(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables `stated_gender` and `stated_income`: what the merchant's own fields say."""
    connection.execute(f"CREATE TABLE stated AS {STATED}")
    values = [row[0] for row in connection.execute("SELECT DISTINCT value FROM stated WHERE key = 'gender'").fetchall()]
    words = {"value": pa.array(values, pa.string()), "gender": pa.array(map(stated_gender, values), pa.string())}
    connection.register("words", pa.table(words))
    connection.execute("""
        CREATE TABLE stated_gender AS
        SELECT customer_no, gender FROM stated JOIN words USING (value) WHERE key = 'gender' AND gender IS NOT NULL""")
    connection.execute("CREATE TABLE stated_income AS SELECT customer_no FROM stated WHERE key = 'income'")


def _earlier(connection: duckdb.DuckDBPyConnection, run: PublishedRun | None, found: Sources) -> None:
    """The table `earlier`: estimates of a run that rest on the same sources; no field's words."""
    table, says = DEMOGRAPHICS.empty_table(), {} if run is None else about(run.dir)
    if run is not None and says["estimates"]:
        table = pq.read_table(run.dir / FILE, schema=DEMOGRAPHICS)
    connection.register("before", table)
    same = {
        "same_names": says.get("names") == found.names_digest,
        "same_incomes": says.get("incomes") == found.income_digest,
    }
    connection.execute(f"CREATE TABLE earlier AS {EARLIER}", same)


def _fresh(rooms: Rooms, ctx: ShopContext, wanted: list[int], found: Sources, on: dict[str, bool]) -> pa.Table:
    rows: dict[str, list[Any]] = {
        name: [] for name in ("customer_no", "name_gender", "name_accuracy", "area_income", "area_accuracy")
    }
    for number, contact in _contacts(rooms, ctx, wanted):
        gender, gender_accuracy = _gender(contact, found) if on["gender"] else (None, None)
        area, area_accuracy = _area(contact, found) if on["area_income"] else (None, None)
        for column, value in zip(rows.values(), (number, gender, gender_accuracy, area, area_accuracy), strict=True):
            column.append(value)
    kinds = (pa.int32(), pa.string(), pa.float32(), pa.string(), pa.float32())
    return pa.table({name: pa.array(column, kind) for (name, column), kind in zip(rows.items(), kinds, strict=True)})


def _contacts(rooms: Rooms, ctx: ShopContext, wanted: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for start in range(0, len(wanted), CHUNK):
        with rooms.store.reading(ctx) as session:
            query = select(Customer.customer_no, Customer.contact).where(
                Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(wanted[start : start + CHUNK])
            )
            rows = session.execute(query.order_by(Customer.customer_no)).all()
        for row in rows:
            try:
                contact = rooms.vault.open(ctx.shop_id, customer_subject(row.customer_no), row.contact)
            except CannotUnseal:  # one contact nobody can read must not stop the shop's refresh
                log.warning("contact_not_opened", shop_id=ctx.shop_id, customer_no=row.customer_no)
                contact = {}
            yield row.customer_no, contact


def _gender(contact: dict[str, Any], found: Sources) -> tuple[str, float | None]:
    estimate = gender_of(contact.get("first_name"), found.names)
    # Rounded, because the exact chance would give the name away to whoever reads the lake.
    return estimate.gender, None if estimate.gender == UNKNOWN else rounded_accuracy(estimate.probability)


def _area(contact: dict[str, Any], found: Sources) -> tuple[str, float | None]:
    income = found.incomes.get(zcta_of(contact.get("zip"), contact.get("country_code")) or "")
    if income is None:
        return UNKNOWN, None
    chance = chance_in_fifth(*income, found.limits) if found.margins else None
    return fifth_of(income[0], found.limits), None if chance is None else round(chance, 1)


def _about(found: Sources, estimates: Collection[str], coverage: dict[str, Any]) -> dict[str, Any]:
    customers = coverage["customers"]
    parts: dict[str, Any] = {
        name: {
            "customers": customers,
            "by_field": (by_field := coverage[f"{name}_by_field"]),
            "estimated": (estimated := coverage[f"{name}_estimated"]),
            "unknown": customers - by_field - estimated,
            "expected_accuracy": coverage[f"{name}_accuracy"],
        }
        for name in sorted(estimates)
    }
    if "area_income" in estimates:
        parts["area_income"] |= {"limits": list(found.limits), "vintage": found.vintage}
    return {"estimates": sorted(estimates), "names": found.names_digest, "incomes": found.income_digest, **parts}


def _write(table: pa.Table, says: dict[str, Any], target: Path) -> None:
    part = target.with_suffix(".part")
    pq.write_table(table.replace_schema_metadata({MADE: orjson.dumps(says)}), part, compression="zstd")
    part.replace(target)
