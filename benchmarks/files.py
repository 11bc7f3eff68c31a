"""How fast files go out and come in: a segment's download for Meta, and an uploaded list, at a million customers.

    make bench-files ARGS=1000000 (about five minutes on two cores; 100,000 if not said)

A shop of that many customers is made in SQLite in a temporary folder, contacts sealed as an import seals them.
Printed: seconds, those of the processor, rows a second and the growth of resident memory of each step. Exit status 1
if the download takes longer than 30 seconds a million members, or the upload brings in fewer than 50,000 rows a second.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pyroaring import BitMap

from app.domain.context import ShopContext
from app.lake.lake import Lake
from app.services import export_segment, upload_segment
from app.services.rooms import Rooms
from app.settings import Settings
from app.store.counters import allocate
from app.store.crypto import Vault, customer_subject
from app.store.models.customers import Customer
from app.store.models.segments import Membership, Segment
from app.store.models.shops import Shop
from app.store.schema import metadata
from app.store.session import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
SECONDS_A_MILLION = 30.0
ROWS_A_SECOND = 50_000.0
AT_ONCE = 20_000
FIRST = ("Ann", "Zoë", "José", "Marie-Claire", "Bob", "Priya", "Li", "Olga")


class _Clock:
    def now(self) -> datetime:
        return NOW


class _NoJobs:
    def enqueue(self, ctx: ShopContext, job: str, key: str = "") -> int:  # noqa: ARG002 - the port's signature
        return 0


@dataclass
class Measured:
    """One step: its seconds, those of the processor, and how much the most memory ever held grew by it, in MB."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    grown_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Measured]:
    """Measure what happens inside."""
    found, before, start, cpu = Measured(), _peak_mb(), time.perf_counter(), time.process_time()
    yield found
    found.seconds, found.cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    found.grown_mb = _peak_mb() - before


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_shop(folder: Path, customers: int) -> tuple[Rooms, ShopContext]:
    """Rooms with a shop of that many customers, all reachable, all members of segment 1."""
    settings = Settings(
        _env_file=None, env="development", data_dir=folder, keys="1:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        pepper="pepper-of-the-benchmark",
    )  # type: ignore[call-arg]  # fmt: skip
    store = Store(f"sqlite:///{folder / 'store.sqlite3'}")
    metadata().create_all(store.engine)
    vault = Vault(settings.key_ring(), settings.pepper.get_secret_value().encode())
    nothing = cast("Any", None)
    rooms = Rooms(settings, _Clock(), store, Lake(folder / "lake"), vault, _NoJobs(), nothing, nothing, nothing)
    ctx = ShopContext(1, "big.myshopify.com", "USD", "America/New_York")
    with store.operator_session() as session:
        session.add(
            Shop(
                id=1,
                domain=ctx.domain,
                name="Big",
                currency="USD",
                timezone=ctx.timezone,
                source="csv",
                installed_at=NOW,
            )
        )
    for start in range(1, customers + 1, AT_ONCE):
        with store.session(ctx) as session:
            rows = [_customer(vault, no) for no in range(start, min(start + AT_ONCE, customers + 1))]
            session.execute(Customer.__table__.insert(), rows)  # type: ignore[attr-defined]
    _add_segment(rooms, ctx, BitMap(range(1, customers + 1)))
    return rooms, ctx


def _customer(vault: Vault, no: int) -> dict[str, Any]:
    email = f"customer{no}@example.com"
    contact = {
        "email": email, "phone": f"+1212{2_000_000 + no % 7_000_000:07}", "first_name": f"{FIRST[no % len(FIRST)]}",
        "last_name": f"O'Hara{no % 40_000}", "address1": f"{no % 900} Main St", "city": f"Town {no % 5_000}",
        "province_code": "NY", "country_code": "US", "zip": f"{10_000 + no % 30_000}-{no % 10_000:04}",
    }  # fmt: skip
    return {
        "shop_id": 1, "customer_no": no, "shopify_id": 10_000_000 + no, "email_hash": vault.email_hash(email),
        "contact": vault.seal(1, customer_subject(no), contact), "email_valid": True, "email_consent": "SUBSCRIBED",
        "sms_consent": "NOT_SUBSCRIBED", "created_at": BEFORE, "updated_at": BEFORE,
    }  # fmt: skip


def _add_segment(rooms: Rooms, ctx: ShopContext, members: BitMap) -> None:
    with rooms.store.session(ctx) as session:
        session.add(
            Segment(
                shop_id=1, id=allocate(session, 1, "segments"), name="Everybody", name_key="everybody", description="",
                category="custom", source="rule", state="ready", definition="All.", membership_id=1,
                created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            Membership(
                shop_id=1, id=allocate(session, 1, "memberships"), segment_id=1, run_id=None, evaluated_at=NOW,
                size=len(members), members=members.serialize(), leaves=[], statistics={}, duration_ms=0,
            )
        )  # fmt: skip


def export(rooms: Rooms, ctx: ShopContext, file_format: str, *, hashed: bool) -> tuple[Measured, Measured, int]:
    """Make a download, then fetch it: both measured, and its rows."""
    with measured() as making:
        made = export_segment.create(rooms, ctx, 1, export_segment.options(file_format, hashed=hashed), at_once=True)
    with measured() as fetching:
        _, pieces = export_segment.stream(rooms, ctx, 1, made["id"])
        for _ in pieces:
            pass
    return making, fetching, int(made["rows"])


def upload(rooms: Rooms, ctx: ShopContext, customers: int) -> tuple[Measured, int]:
    """Upload a list in which nine in ten rows are customers, some twice, some of nobody."""
    lines = [f"customer{no}@example.com,Name {no},note\r\n" for no in range(1, customers + 1, 1)]
    lines[::10] = [f"stranger{no}@example.com,Nobody,note\r\n" for no in range(len(lines[::10]))]
    content = ("email,name,note\r\n" + "".join(lines)).encode()
    del lines
    with measured() as found:
        report = upload_segment.upload(
            rooms, ctx, content=content, filename="big.csv", name=None, segment_id=None, mode="replace", column=None,
            identifier=None,
        )  # fmt: skip
    if report["rows"] != customers:
        raise AssertionError("rows were lost")
    return found, int(report["rows"])


def main(customers: int) -> int:
    """Print the table; 1 if a figure is missed."""
    slow = False
    with tempfile.TemporaryDirectory(prefix="encore-bench-") as folder:
        rooms, ctx = make_shop(Path(folder), customers)
        print(f"{'step':<28} {'seconds':>8} {'of CPU':>8} {'rows/s':>10} {'MB more':>8}")
        for file_format, hashed in (("meta", True), ("meta", False), ("google", True), ("plain", False)):
            making, fetching, rows = export(rooms, ctx, file_format, hashed=hashed)
            name = f"{file_format}{' hashed' if hashed else ''}"
            _line(f"{name}, made", making, rows)
            _line(f"{name}, fetched", fetching, rows)
            took = making.seconds + fetching.seconds
            slow |= file_format == "meta" and took > SECONDS_A_MILLION * rows / 1e6
        taken, rows = upload(rooms, ctx, customers)
        _line("list uploaded", taken, rows)
        slow |= rows / taken.seconds < ROWS_A_SECOND
        rooms.store.close()
    return int(slow)


def _line(name: str, found: Measured, rows: int) -> None:
    rate = rows / found.seconds
    print(
        f"{name:<28} {found.seconds:>8.2f} {found.cpu_seconds:>8.2f} {rate:>10,.0f} {found.grown_mb:>8.0f}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 100_000))
