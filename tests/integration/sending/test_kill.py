"""Workers killed and frozen at random moments, crashing databases, a relay that misbehaves: see storm.py.

ENCORE_KILLS=1000 ENCORE_KILL_SECONDS=1200    the long form, per store (`make kill-test`)
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.store import cap, ledger
from app.store.models.sending import Message
from app.store.schema import metadata
from app.store.session import Store
from tests.conftest import ON_BOTH, add_shop
from tests.integration.sending.smtp_sink import SmtpSink
from tests.integration.sending.storm import (
    CTX,
    PEOPLE,
    Blown,
    CrashingPostgres,
    Pace,
    address,
    audit,
    drop_guards,
    misbehave,
    storm,
)
from tests.integration.sending.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = int(os.environ.get("ENCORE_KILLS", "30"))
SECONDS = float(os.environ.get("ENCORE_KILL_SECONDS", "20"))
GAPS = 20  # the least that a storm must have seen to say anything
AT_MOST_SECONDS = 240.0  # a busy machine may take longer to see as much


@pytest.fixture(params=ON_BOTH)
def server(request: pytest.FixtureRequest) -> Iterator[CrashingPostgres | None]:
    if request.param == "sqlite":
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="encore-storm-"))
    server = CrashingPostgres(folder)
    with server as server.url:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Weeks of seconds, in this process too."""
    found = Pace.of_machine()
    monkeypatch.setattr(cap, "WINDOW", found.week)
    monkeypatch.setattr(cap, "MARGIN", found.margin)
    return found


@pytest.fixture
def url(server: CrashingPostgres | None, tmp_path: Path) -> str:
    """A store with a shop whose sixty customers may all be mailed."""
    found = f"sqlite:///{tmp_path / 'encore.sqlite3'}" if server is None else server.url
    store = Store(found)
    metadata().create_all(store.engine)
    ctx = add_shop(store, 1, CTX.domain)
    world = World(found, ctx, tmp_path)
    world.campaign(world.coffee_drinkers(PEOPLE, {n: address(n) for n in range(1, PEOPLE + 1)}), name="A")
    world.close()
    store.close()
    return found


@pytest.mark.timeout(max(SECONDS, AT_MOST_SECONDS) + 300)
class TestKilledWorkers:
    def test_nobody_gets_two_mails_in_a_week_and_nothing_is_sent_twice(
        self, url: str, server: CrashingPostgres | None, pace: Pace, tmp_path: Path
    ) -> None:
        begun = time.monotonic()
        with SmtpSink(misbehave, silence=pace.silence) as sink:

            def enough(blown: Blown) -> bool:
                passed = time.monotonic() - begun
                crashed = server is None or blown.crashes > 0
                seen = crashed and blown.kills >= KILLS and len(audit(sink, pace).gaps) >= GAPS
                return passed > max(SECONDS, AT_MOST_SECONDS) or (seen and (KILLS > 100 or passed > SECONDS))

            blown = storm(url, sink, tmp_path, pace, enough, careful=True, server=server)
            found = audit(sink, pace)
        shortest = min(found.gaps, default=float("nan")) / pace.week.total_seconds()
        sys.stdout.write(f"\n{blown}, {found.accepted} accepted, shortest gap {shortest:.2f} weeks\n")
        # First what was seen, then whether it was enough: a storm that ran out of time has still shown something.
        assert (found.early, found.twice) == (0, 0)
        assert blown.kills >= KILLS
        assert blown.stops > 0
        assert server is None or blown.crashes > 0
        assert len(found.gaps) >= GAPS
        self.the_store_agrees(Store(url), sink, pace)

    def the_store_agrees(self, store: Store, sink: SmtpSink, pace: Pace) -> None:
        """Nothing is called sent that the relay does not have, and the ledger's proof holds."""
        with store.reading(CTX) as session:
            sent = set(session.scalars(select(Message.id).where(Message.state == "sent")))
            taken_back = ledger.taken_back(session, CTX)
            verdict = ledger.verify(1, ledger.entries(session, CTX), ledger.head(session, CTX), pace.week, taken_back)
            missing = ledger.missing(session, CTX)
        store.close()
        assert sent
        assert sent <= {taken.message_id for taken in sink.accepted}
        assert (verdict.broken, verdict.too_short, missing) == ([], [], [])

    def test_the_usual_way_fails_in_the_same_storm(
        self, url: str, server: CrashingPostgres | None, pace: Pace, tmp_path: Path
    ) -> None:
        begun = time.monotonic()
        store = Store(url)
        drop_guards(store)
        store.close()
        with SmtpSink(misbehave, silence=pace.silence) as sink:

            def enough(_: Blown) -> bool:
                found = audit(sink, pace)
                return (found.early > 0 and found.twice > 0) or time.monotonic() - begun > AT_MOST_SECONDS

            storm(url, sink, tmp_path, pace, enough, careful=False, server=server)
            found = audit(sink, pace)
        assert found.early > 0
        assert found.twice > 0
