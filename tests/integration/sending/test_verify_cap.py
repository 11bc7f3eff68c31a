"""`encore verify-cap`: what holds is said, what was planted is found and named, with exit status 1."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result
from sqlalchemy import update

from app.cli_verify_cap import verify_cap
from app.store import ledger
from app.store.models.sending import LedgerEntry
from tests.integration.sending.world import NOW, World

if TYPE_CHECKING:
    from app.domain.context import ShopContext


def run(world: World, *options: str) -> Result:
    return CliRunner().invoke(verify_cap, [world.ctx.domain, *options], obj=lambda: SimpleNamespace(rooms=world.rooms))


def mails(world: World, ctx: ShopContext, *gaps: timedelta) -> None:
    at = NOW
    stamps = []
    for number, gap in enumerate((timedelta(0), *gaps)):
        at += gap
        stamps.append(ledger.Stamp(at, "ann", "a@", f"m{number}", "mail"))
    with world.store.session(ctx) as session:
        ledger.append(session, ctx, stamps)


class TestVerifyCap:
    def test_an_empty_ledger_holds(self, world: World) -> None:
        result = run(world)
        assert result.exit_code == 0
        assert "The weekly cap holds." in result.output

    def test_says_how_many_and_the_shortest_gap(self, world: World) -> None:
        mails(world, world.ctx, timedelta(days=7, minutes=63), timedelta(days=30))
        result = run(world)
        assert result.output.startswith("3 hand-overs in 3 ledger entries, shortest gap 7 d 1 h 3 min\n")
        assert result.exit_code == 0

    def test_a_pair_a_minute_short_of_a_week_is_named(self, world: World) -> None:
        mails(world, world.ctx, timedelta(hours=167, minutes=59))
        result = run(world)
        assert result.exit_code == 1
        assert "entries 1 and 2 went to one person" in result.output
        assert "6 d 23 h 59 min apart" in result.output

    def test_a_broken_hash_is_named(self, world: World) -> None:
        mails(world, world.ctx, timedelta(days=8), timedelta(days=8))
        with world.store.session(world.ctx) as session:
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == 2).values(stamped_at=NOW))
        result = run(world, "--json")
        found = json.loads(result.output)
        assert result.exit_code == 1
        assert not found["holds"]
        assert found["broken"] == ["entry 2 was changed: its hash is not that of its content"]

    def test_exactly_a_week_is_a_week(self, world: World) -> None:
        mails(world, world.ctx, timedelta(hours=168))
        found = json.loads(run(world, "--json").output)
        assert (found["holds"], found["shortest_gap"]["seconds"]) == (True, 604_800)
