"""Scanners open every link of every mail, in every way but a POST: nothing changes.

ENCORE_LOOKS=10000    the long form (`make kill-test`)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import event, select

from app.domain.campaigns import GOOD_FOR
from app.services import plan_sends, send_due, senders
from app.store.models.mail_events import MailEvent
from app.store.schema import metadata
from tests.integration.sending.test_public_pages import client, links

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.sending.world import World

__all__ = ["client", "links"]  # fixtures

LOOKS = int(os.environ.get("ENCORE_LOOKS", "1000"))
RECORDS_OF_CLICKS = {"mail_events"}  # a click is counted, which changes nothing of what anybody gets


def dump(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    tables = metadata().sorted_tables
    with world.store.operator_session(writing=False) as session:
        return {table.name: sorted(map(tuple, session.execute(select(table))), key=repr) for table in tables}


class TestScanners:
    def test_change_nothing_by_looking(self, world: World, client: FlaskClient, links: dict[str, str]) -> None:
        if world.store.is_sqlite:
            # What is looked at thousands of times is not flushed to the disk each time: no power is cut here.
            event.listen(world.store.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            world.store.engine.dispose()
        world.sender("second@beans.example", verified=False)
        confirm = f"/senders/confirm/{world.link_in(world.transport.taken[-1].data)}"
        paths = [links["u"], f"{links['u']}/topics", f"{links['u']}/undo", links["c"], links["v"], confirm]
        paths += [f"{path}?utm_source=scanner&List-Unsubscribe=One-Click" for path in paths]
        looks = [(path, method) for path in paths for method in ("GET", "HEAD", "OPTIONS")]
        before = dump(world)
        # The many looks on one store; on the other every link in every way, five times.
        rounds = -(-LOOKS // len(looks)) if world.store.is_sqlite else 5
        # Of the web view, which renders a whole message, every method is seen, but not as often.
        for number in range(rounds):
            for path, method in looks:
                if path.startswith("/v/") and number >= 5:
                    path = links["u"]  # noqa: PLW2901 - the count of looks stays
                client.open(path, method=method)
        after = dump(world)
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= RECORDS_OF_CLICKS
        self.only_clicks_were_recorded(world)
        world.clock.advance(plan_sends.KEPT_FOR)
        world.clock.advance(GOOD_FOR)
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1
        assert send_due.send(world.rooms, world.ctx).sent == 1
        assert [s.state for s in senders.listing(world.rooms, world.ctx)].count("verified") == 1

    def only_clicks_were_recorded(self, world: World) -> None:
        """What was written down is clicks, and within seconds of the hand-over no person makes them."""
        with world.store.reading(world.ctx) as session:
            rows = session.execute(select(MailEvent.kind, MailEvent.machine)).all()
        assert rows
        assert set(rows) == {("clicked", True)}
