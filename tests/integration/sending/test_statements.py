"""How the store is asked while sending: by an index however much waits, and what all workers share comes last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, text

from app.services import plan_sends, send_due
from app.store import cap, outbox_rows, statistics
from app.store.models.sending import Message
from app.store.rowset import is_sqlite, packed, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from app.store.session import Store
    from tests.integration.sending.world import World

MANY = 8_000  # neither few nor many: PostgreSQL reads such a table whole where it can justify it


@pytest.fixture
def crowded(world: World) -> World:
    """A store that has just taken in a large campaign: as many messages in line, and as many stamped keys."""
    world.coffee_drinkers(1)
    world.campaign(1, name="A")
    plan_sends.plan(world.rooms, world.ctx)
    numbers = (
        "WITH RECURSIVE many(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM many WHERE n <= :many) "
        "INSERT INTO {table} SELECT {columns} FROM {table} CROSS JOIN many"
    )
    new = {"id": "'m' || n", "customer_no": "n"}
    columns = ", ".join(new.get(column.name, column.name) for column in Message.__table__.columns)
    with world.store.session(world.ctx) as session:
        cap.occupy(session, world.ctx, world.clock.now(), ["c:1"])
        session.execute(text(numbers.format(table="outbox", columns=columns)), {"many": MANY})
        keys = "shop_id, 'c:' || n, last_at, holder"
        session.execute(text(numbers.format(table="cap", columns=keys)), {"many": MANY})
        if not is_sqlite(session):
            session.execute(text("SELECT pg_stat_force_next_flush()"))
    return world


def plan_of(session: Session, sql: Any, given: dict[str, Any]) -> str:
    """How the database goes about a statement, in its own words."""
    how = "EXPLAIN QUERY PLAN" if is_sqlite(session) else "EXPLAIN"
    heard: list[str] = []

    def explain(_connection: Any, cursor: Any, asked: str, values: Any, *_: Any) -> None:
        if not heard and not asked.startswith("BEGIN"):
            heard.append("")
            cursor.execute(f"{how} {asked}", values)
            heard.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(session.get_bind(), "before_cursor_execute", explain)
    session.execute(sql, given)
    event.remove(session.get_bind(), "before_cursor_execute", explain)
    return heard[1]


class TestWhatGrewAtOnce:
    def test_is_looked_at_by_the_planner_once(self, crowded: World) -> None:
        with crowded.store.session(crowded.ctx) as session:
            grown = statistics.learn(session, ("outbox", "cap", "senders"))
            assert grown == ([] if is_sqlite(session) else ["cap", "outbox"])
        with crowded.store.session(crowded.ctx) as session:
            assert statistics.learn(session, ("outbox", "cap", "senders")) == []


class TestALongLine:
    @pytest.mark.parametrize("sql", [outbox_rows.DUE_AT_ONCE, outbox_rows.DUE_AGAIN])
    def test_is_read_from_its_beginning(self, crowded: World, sql: str) -> None:
        with crowded.store.session(crowded.ctx) as session:
            statistics.learn(session, send_due.GROW)
            given = {"shop": crowded.ctx.shop_id, "limit": 50} | ({"now": crowded.clock.now()} if ":now" in sql else {})
            plan = plan_of(session, statement(session, sql), given)
        assert "ix_outbox_line" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan

    @pytest.mark.parametrize("table", ["outbox", "cap"])
    def test_some_rows_are_found_without_reading_all(self, crowded: World, table: str) -> None:
        sql, name = {"outbox": (outbox_rows.STANDING, "id"), "cap": (cap.READ, "key")}[table]
        with crowded.store.session(crowded.ctx) as session:
            statistics.learn(session, send_due.GROW)
            rows = packed(session, [{name: f"m{number}"} for number in range(50)])
            given = {"shop": crowded.ctx.shop_id, "rows": rows}
            plan = plan_of(session, statement(session, sql, **{name: "text"}), given)
        assert "Seq Scan on" not in plan
        assert any(name in plan for name in (f"pk_{table}", f"sqlite_autoindex_{table}"))

    def test_is_stamped_and_settled_row_by_row(self, crowded: World) -> None:
        with crowded.store.session(crowded.ctx) as session:
            statistics.learn(session, send_due.GROW)
            columns = {"id": "text", "to_state": "text", "reason": "text", "finished_at": "timestamptz"}
            rows = packed(session, [{"id": f"m{number}", "to_state": "cancelled"} for number in range(50)])
            given = {"shop": crowded.ctx.shop_id, "rows": rows}
            plan = plan_of(session, statement(session, outbox_rows.MOVE, **columns), given)
            assert "Seq Scan on" not in plan
            assert "SCAN outbox" not in plan
            moved = select(Message.id).where(Message.state == "cancelled")
            assert len(session.scalars(moved).all()) == 48  # m0 and m1 are nobody's


class TestASend:
    @pytest.fixture
    def said(self, world: World) -> Iterator[list[str]]:
        heard: list[str] = []

        def hear(_connection: Any, _cursor: Any, asked: str, *_: Any) -> None:
            heard.append(asked)

        def commits(_connection: Any) -> None:
            heard.append("COMMIT")

        store: Store = world.store
        event.listen(store.engine, "before_cursor_execute", hear)
        event.listen(store.engine, "commit", commits)
        yield heard
        event.remove(store.engine, "before_cursor_execute", hear)
        event.remove(store.engine, "commit", commits)

    def test_counts_in_the_row_that_all_workers_share_after_everything_else(
        self, world: World, said: list[str]
    ) -> None:
        world.coffee_drinkers(30)
        world.campaign(1, name="A")
        plan_sends.plan(world.rooms, world.ctx)
        said.clear()
        send_due.send(world.rooms, world.ctx)
        counted = [place for place, asked in enumerate(said) if "INSERT INTO sending_hours" in asked]
        assert len(counted) > 1  # with the next stamps, and by itself at the end
        assert {said[place + 1] for place in counted} == {"COMMIT"}
