"""A shop of three hundred customers with steady habits, published as of a fixed instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from app.lake.lake import Lake
from app.lake.schemas import TABLES
from app.services.published import PublishedRun
from app.services.rooms import Rooms
from app.store.models.shops import Run, Snapshot
from ml.api import predict
from tests.fakes import FakeClock, FakeJobs
from tests.standins import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store

AS_OF = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
DAYS, CUSTOMERS, PRODUCTS = 190, 300, 6


@dataclass
class SteadyShop:
    """The shop, and how to publish its next run."""

    rooms: Rooms
    ctx: ShopContext

    @property
    def clock(self) -> FakeClock:
        return cast("FakeClock", self.rooms.clock)

    def write(self, lines: pd.DataFrame) -> None:
        """Make these purchases the whole history."""
        rows = [
            {
                "bucket": 0, "customer_no": int(row.customer_no), "order_id": int(row.order_id), "line_id": place,
                "ordered_at": row.ordered_at.to_pydatetime(), "product_no": int(row.product_no), "counts": True,
                "current_quantity": int(row.quantity), "net_minor": 200 * int(row.quantity), "discount_minor": 0,
                "is_gift_card": False,
            }
            for place, row in enumerate(lines.itertuples())
        ]  # fmt: skip
        titles = ["Coffee", "Tea", "Cocoa", "Mug", "Filter", "Honey"]
        products = [
            {"product_no": no, "product_id": 100 + no, "title": title, "product_type": "Shelf", "status": "ACTIVE",
             "is_gift_card": False, "price_minor": 200}
            for no, title in enumerate(titles)
        ]  # fmt: skip
        for table, content in (("order_lines", rows), ("products", products)):
            full = [{name: row.get(name) for name in TABLES[table].names} for row in content]
            self.rooms.lake.write(self.ctx, table, pa.Table.from_pylist(full, schema=TABLES[table]))

    def publish(self, run_id: int) -> PublishedRun:
        """A finished refresh as of now, without any file."""
        now, versions = self.clock.now(), self.rooms.lake.versions(self.ctx)
        with self.rooms.store.session(self.ctx) as session:
            session.add(
                Run(shop_id=self.ctx.shop_id, id=run_id, kind="refresh", state="done", as_of=now, started_at=now,
                    finished_at=now, source="refresh", steps=[], detail={}, error=None)
            )  # fmt: skip
            session.flush()
            session.add(
                Snapshot(
                    shop_id=self.ctx.shop_id, id=run_id, run_id=run_id, created_at=now, watermark=now, tables=versions
                )
            )
        folder = self.rooms.lake.run_dir(self.ctx, run_id)
        return PublishedRun(run_id, now, versions, now, folder, run_id)


@cache
def steady_lines(days: int = DAYS) -> pd.DataFrame:
    """Everyone buys two products again and again, at a gap of their own."""
    rng = np.random.default_rng(3)
    rows = []
    for customer in range(CUSTOMERS):
        for product in rng.choice(PRODUCTS, size=2, replace=False):
            gap, at = rng.uniform(10, 60), rng.uniform(0, 30)
            while at < days:
                rows.append((customer, len(rows), AS_OF - timedelta(days=days - at), product, 1))
                at += gap * rng.lognormal(0, 0.3)
    return pd.DataFrame(rows, columns=["customer_no", "order_id", "ordered_at", "product_no", "quantity"])


@cache
def steady_card() -> dict[str, Any]:
    """What `ml` says of that shop."""
    lines = steady_lines().assign(unit_price=2.0, ordered_at=lambda t: pd.to_datetime(t["ordered_at"], utc=True))
    return predict(lines, None, None, pd.Timestamp(AS_OF), 30, None, 1).card


@pytest.fixture
def shop(store: Store, ctx: ShopContext, vault: Vault, tmp_path: Path) -> SteadyShop:
    rooms = Rooms(
        settings=settings_for(tmp_path),
        clock=FakeClock(AS_OF),
        store=store,
        lake=Lake(tmp_path / "lake", threads=1),
        vault=vault,
        jobs=FakeJobs(),
        connectors=cast("Any", None),
        transport=cast("Any", None),
        consent_writer=cast("Any", None),
    )
    made = SteadyShop(rooms, ctx)
    made.write(steady_lines())
    return made
