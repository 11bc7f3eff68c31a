"""Shops whose promises come due: one built by hand, and one whose merchant imports CSV files as months pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pyroaring import BitMap
from sqlalchemy import select

from app.services import promises
from app.services.import_csv import CsvFiles, import_csv
from app.services.promises import Said
from app.services.shops import context_by_name
from app.store.models.promises import Promise
from app.store.session import Store
from tests.fakes import FakeClock
from tests.integration.sending.world import COFFEE, TITLES, World
from tests.standins import Connected, connect, fresh_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.context import ShopContext

CUSTOMERS = 260
START = datetime(2026, 8, 1, 12, tzinfo=UTC)
HEADER = (
    "Name,Email,Financial Status,Currency,Subtotal,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem sku"
)
PEOPLE = "Customer ID,First Name,Last Name,Email,Accepts Email Marketing"


@pytest.fixture
def world(store_url: str, ctx: ShopContext, tmp_path: Path) -> Iterator[World]:
    """The hand-made shop of the sending tests, on both databases."""
    made = World(store_url, ctx, tmp_path)
    yield made
    made.close()


def promise_for(world: World, members: list[int], product: int = COFFEE, chance: float = 0.4) -> Promise:
    """An open promise as of now about these customers."""
    said = Said(
        key=f"buy_again:{100 + product}",
        product_no=product,
        title=TITLES[product],
        members=BitMap(members),
        buyers=(chance * len(members), chance * (1 - chance) * len(members)),
        threshold=0.1,
        base_rate=0.05,
        basis="model",
    )
    with world.store.session(world.ctx) as session:
        (row,) = promises.store(
            session, world.rooms, world.ctx, [said], run_id=1, as_of=world.clock.now(), back_dated=False
        )
    return row


def rows_of(store: Store, ctx: ShopContext) -> list[Promise]:
    """All promises, oldest first."""
    with store.reading(ctx) as session:
        return list(session.scalars(select(Promise).order_by(Promise.as_of, Promise.id)))


@dataclass
class Merchant:
    """A shop that lives from CSV exports. `orders`: (customer, when, product, paid or refunded)."""

    encore: Connected
    clock: FakeClock
    folder: Path
    orders: list[tuple[int, datetime, int, str]] = field(default_factory=list)

    @property
    def ctx(self) -> ShopContext:
        return context_by_name(self.encore.rooms, "tea")

    @property
    def promises(self) -> list[Promise]:
        return rows_of(self.encore.rooms.store, self.ctx)

    def imports(self) -> None:
        """Export everything up to now, and import it whole."""
        rows = [
            f"#{number},c{who}@example.com,{state},GBP,5.00,5.00,{at:%Y-%m-%d %H:%M:%S +0000},1,Tea {what},5.00,T{what}"
            for number, (who, at, what, state) in enumerate(self.orders)
            if at < self.clock.now()
        ]
        file = self.folder / "orders.csv"
        file.write_text("\n".join([HEADER, *rows]) + "\n")
        customers = self.folder / "customers.csv"
        names = sorted({who for who, *_ in self.orders})
        people = [f"'{1000 + who},Ann,Example,c{who}@example.com,yes" for who in names]
        customers.write_text("\n".join([PEOPLE, *people]) + "\n")
        import_csv(
            self.encore.rooms, "tea", CsvFiles(orders=file, customers=customers), timezone="Europe/London",
            currency="GBP",
        )  # fmt: skip

    def live_for(self, days: float) -> None:
        """Let time pass; customers go on as they do."""
        self.clock.advance(timedelta(days=days))


def months_of_tea(until: datetime, days: int, ahead: int) -> list[tuple[int, datetime, int, str]]:
    """Customers with three of six teas, each at a gap of its own."""
    rng = np.random.default_rng(11)
    found = []
    for who in range(CUSTOMERS):
        # A few come often, most seldom, and many have left: so some are much likelier to buy than all who could.
        often = who % 4 == 0
        leaves = days * (3.0 if often else rng.uniform(0.1, 2.0))
        for what in rng.choice(6, size=3, replace=False):
            gap = rng.uniform(10, 25) if often else rng.uniform(60, 200)
            at = rng.uniform(0, gap)
            while at < min(leaves, days + ahead):
                found.append((who, until - timedelta(days=days - at), int(what), "paid"))
                at += gap * rng.lognormal(0, 0.4)
    return sorted(found, key=lambda order: order[1])


@pytest.fixture
def merchant(tmp_path: Path) -> Iterator[Merchant]:
    """On SQLite."""
    yield from _merchant(tmp_path, fresh_store(tmp_path))


@pytest.fixture
def merchant_on_both(tmp_path: Path, store_url: str) -> Iterator[Merchant]:
    """On SQLite and on PostgreSQL."""
    yield from _merchant(tmp_path, Store(store_url))


def _merchant(folder: Path, store: Store) -> Iterator[Merchant]:
    clock = FakeClock(START)
    connected = connect("http://127.0.0.1:1", folder, store, clock)
    yield Merchant(connected, clock, folder, months_of_tea(START, 230, 100))
    connected.close()
    store.close()
