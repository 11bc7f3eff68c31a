"""`encore verify-cap`: what holds is said, what was planted is found and named, with exit status 1."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result
from sqlalchemy import delete, select, update

from app.cli_verify_cap import verify_cap
from app.mail.transport import Delivery
from app.services import plan_sends, send_due
from app.store import ledger
from app.store.models.sending import LedgerEntry, LedgerHead, Message
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

    def test_a_message_that_was_sent_again_is_named(self, world: World) -> None:
        stamps = [ledger.Stamp(NOW + timedelta(days=days), "ann", "a@", "m1", "mail") for days in (0, 2)]
        with world.store.session(world.ctx) as session:
            ledger.append(session, world.ctx, stamps)
        result = run(world)
        assert result.exit_code == 1
        assert "entries 1 and 2 went to one person" in result.output
        assert result.output.startswith("2 hand-overs in 2 ledger entries")

    def test_a_retry_after_doubt_is_named_and_one_after_a_no_is_not(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(2), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        world.transport.script = [Delivery("not_accepted", "body: 451"), Delivery("unknown", "after the dot: 25")]
        send_due.send(world.rooms, world.ctx)
        world.clock.advance(timedelta(minutes=3))
        send_due.send(world.rooms, world.ctx)
        found = json.loads(run(world, "--json").output)
        assert (found["holds"], found["entries"], found["mails"]) == (True, 3, 2)
        with world.store.session(world.ctx) as session:  # a re-send, as code without our care would do it
            doubtful = session.scalars(select(Message).where(Message.state == "unknown")).one()
            entry = session.scalars(select(LedgerEntry).where(LedgerEntry.message_id == doubtful.id)).one()
            again = ledger.Stamp(world.clock.now(), entry.customer_hash, entry.email_hash, doubtful.id, "mail")
            ledger.append(session, world.ctx, [again])
        found = json.loads(run(world, "--json").output)
        assert (found["holds"], found["mails"], len(found["too_short"])) == (False, 3, 2)

    def test_messages_without_their_entries_are_named(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(3), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        with world.store.session(world.ctx) as session:
            session.execute(delete(LedgerEntry))
            session.execute(delete(LedgerHead))
        result = run(world)
        assert result.exit_code == 1
        assert result.output.count("was stamped 1 times, but the ledger has 0 entries of it") == 3

    def test_what_never_left_is_no_hand_over(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(1), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        for _ in range(5):
            world.transport.script = [Delivery("not_accepted", "connection: ConnectionRefusedError")]
            send_due.send(world.rooms, world.ctx)
            world.clock.advance(timedelta(hours=1))
        assert run(world).output.startswith("0 hand-overs in 5 ledger entries")

    def test_exactly_a_week_is_a_week(self, world: World) -> None:
        mails(world, world.ctx, timedelta(hours=168))
        found = json.loads(run(world, "--json").output)
        assert (found["holds"], found["shortest_gap"]["seconds"]) == (True, 604_800)
