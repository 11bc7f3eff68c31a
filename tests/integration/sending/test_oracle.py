"""Every decision of a tick equals that of a brute-force judge, on random shops with all that decides.

ENCORE_ORACLE_SHOPS says how many shops; `make decisions-proof` looks at ten thousand.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.mail.transport import MemoryTransport
from app.services import decision_sheets as sheets
from app.services import plan_sends
from app.services.rooms import Rooms
from app.store.crypto import Vault
from app.store.models.sending import Message
from tests.fakes import FakeClock, FakeConsentWriter, FakeJobs
from tests.integration.sending.brute_force import Mailed, answer
from tests.integration.sending.random_shops import TICKS, MemoryLake, RandomShop, build, draw
from tests.integration.sending.world import FakeTimeStore, settings

if TYPE_CHECKING:
    from pathlib import Path

SHOPS = int(os.environ.get("ENCORE_ORACLE_SHOPS", "300"))
AT_ONCE = 100


def rooms_on(store_url: str, folder: Path, clock: FakeClock) -> Rooms:
    return Rooms(
        settings=settings(), clock=clock, store=FakeTimeStore(store_url, clock), lake=MemoryLake(folder),  # type: ignore[arg-type]
        vault=Vault({1: b"k" * 32}, b"pepper-of-the-tests"), jobs=FakeJobs(), connectors=None,  # type: ignore[arg-type]
        transport=MemoryTransport(), consent_writer=FakeConsentWriter(),
    )  # fmt: skip


def said(rooms: Rooms, shop: RandomShop) -> dict[int, dict[int, str]]:
    with rooms.store.reading(shop.ctx) as session:
        found: dict[int, dict[int, str]] = {}
        for campaign in shop.campaigns:
            number = campaign["id"]
            if sheets.heads(session, shop.ctx, [number]):
                several = [sheets.entries(number, sheet) for _, sheet in sheets.read(session, shop.ctx, number)]
                found[number] = {entry.customer_no: entry.saying for some in several for entry in some}
        return found


def made(rooms: Rooms, shop: RandomShop) -> dict[int, Mailed]:
    old = {message["id"] for message in shop.messages}
    with rooms.store.reading(shop.ctx) as session:
        rows = session.scalars(select(Message).where(Message.shop_id == shop.shop_id, Message.id.not_in(old)))
        return {
            row.customer_no: Mailed(
                customer_no=row.customer_no, campaign_id=row.campaign_id, product_no=row.product_no, kind=row.kind,
                because=row.purchased_product_no, probability=row.probability, lift=row.lift,
                occurrence=row.occurrence, held_out=row.state == "held_out", not_before=row.not_before,
                expires_at=row.expires_at,
            )
            for row in rows
        }  # fmt: skip


@pytest.mark.parametrize("first", range(0, SHOPS, AT_ONCE))
def test_a_tick_decides_as_the_brute_force_judge_does(sqlite_template: Path, tmp_path: Path, first: int) -> None:
    shutil.copy(sqlite_template, tmp_path / "encore.sqlite3")
    clock = FakeClock(TICKS[0])
    rooms = rooms_on(f"sqlite:///{tmp_path}/encore.sqlite3", tmp_path, clock)
    for seed in range(first, min(first + AT_ONCE, SHOPS)):
        shop = draw(seed)
        rooms.lake.shop = shop  # type: ignore[attr-defined]
        clock.advance(shop.tick - clock.now())
        build(rooms.store, shop)
        wanted = answer(shop)
        planned = plan_sends.plan(rooms, shop.ctx, shop.tick)
        assert said(rooms, shop) == wanted.says, f"shop {seed}"
        got = made(rooms, shop)
        assert {n: asdict(one) for n, one in got.items()} == {n: asdict(one) for n, one in wanted.mailed.items()}, (
            f"shop {seed}"
        )
        assert planned.candidates == sum(len(of) for of in wanted.says.values()), f"shop {seed}"
        assert planned.queued + planned.held_out == len(wanted.mailed), f"shop {seed}"
    rooms.store.close()
