"""The migrations make what the models say, and PostgreSQL guards every shop's rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, make_url, select, text

from app.store.counters import allocate
from app.store.migrate import config, upgrade
from app.store.models.customers import ProductId
from app.store.models.segments import Segment, SegmentDay
from app.store.models.shops import Shop
from app.store.schema import metadata
from app.store.session import Store, make_engine
from tests.conftest import add_shop

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestMigrations:
    def test_make_exactly_what_the_models_say(self, empty_store_url: str) -> None:
        upgrade(empty_store_url)
        store = Store(empty_store_url)
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, metadata())
        store.close()
        assert differences == []

    def test_applied_twice_change_nothing(self, empty_store_url: str) -> None:
        upgrade(empty_store_url)
        upgrade(empty_store_url)
        store = Store(empty_store_url)
        ctx = add_shop(store, 1, "first.myshopify.com")
        with store.session(ctx) as session:
            assert allocate(session, 1, "segments") == 1
        store.close()


class TestSegmentDays:
    def test_days_and_what_lists_sort_by_are_filled_from_what_was_stored(self, empty_store_url: str) -> None:
        engine = make_engine(empty_store_url)
        with engine.connect() as connection:
            command.upgrade(config(connection), "0008")
        store = Store(empty_store_url)
        moments = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (3, 12, 20)]  # the 19th and the 20th there
        old = MetaData()
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT set_config('app.shop_id', 'all', true)"))
            old.reflect(connection, only=["shops", "segments", "memberships", "membership_changes"])
            shop = {"id": 1, "domain": "first.myshopify.com", "name": "First", "currency": "USD",
                    "timezone": "America/New_York", "source": "shopify", "installed_at": moments[0]}  # fmt: skip
            connection.execute(old.tables["shops"].insert(), shop)
            segment = {"shop_id": 1, "id": 1, "name": "Buyers", "description": "", "category": "custom",
                       "source": "rule", "state": "ready", "definition": "x", "version": 1, "membership_id": 3,
                       "created_at": moments[0], "updated_at": moments[0]}  # fmt: skip
            connection.execute(old.tables["segments"].insert(), segment)
            figures = {"reachable": 7, "net_share": 0.25, "expected": {"buyers": 2.5}}
            member = {"shop_id": 1, "id": 3, "segment_id": 1, "evaluated_at": moments[2], "size": 12, "members": b"",
                      "leaves": [], "from_missing": 0, "statistics": figures, "duration_ms": 1}  # fmt: skip
            connection.execute(old.tables["memberships"].insert(), member)
            changes = [
                {"shop_id": 1, "id": no, "segment_id": 1, "at": at, "size": size, "entered_count": came,
                 "left_count": went, "entered": b"", "left": b""}
                for no, (at, size, came, went) in enumerate(
                    zip(moments, (10, 11, 12), (10, 2, 1), (0, 1, 0), strict=True), start=1
                )
            ]  # fmt: skip
            connection.execute(old.tables["membership_changes"].insert(), changes)
        engine.dispose()
        upgrade(empty_store_url)
        with store.reading(add_context(store, 1)) as session:
            row = session.get_one(Segment, (1, 1))
            days = list(session.scalars(select(SegmentDay).order_by(SegmentDay.day)))
        store.close()
        assert (row.size, row.reachable, row.net_share, row.expected_buyers) == (12, 7, 0.25, 2.5)
        assert row.evaluated_at == moments[2]
        assert [(one.day.day, one.size, one.entered_count, one.left_count) for one in days] == [
            (19, 10, 0, 0), (20, 12, 3, 1)
        ]  # fmt: skip


@pytest.mark.postgres
class TestTheGuardBetweenShops:
    @pytest.fixture
    def guarded(self, postgres_url: str) -> Iterator[Store]:
        """A migrated database, opened by a role that is no superuser, with one product in each of two shops."""
        admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
        name = f"guard{time.monotonic_ns()}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE ROLE {name} LOGIN"))
            connection.execute(text(f"CREATE DATABASE {name} OWNER {name}"))
        admin.dispose()
        url = make_url(postgres_url).set(username=name, database=name).render_as_string(hide_password=False)
        upgrade(url)
        store = Store(url)
        for shop_id in (1, 2):
            ctx = add_shop(store, shop_id, f"shop{shop_id}.myshopify.com")
            with store.session(ctx) as session:
                session.add(ProductId(shop_id=shop_id, product_no=1, shopify_id=shop_id))
        yield store
        store.close()

    def test_a_statement_that_forgets_its_shop_sees_only_its_own_rows(self, guarded: Store) -> None:
        ctx = add_context(guarded, 1)
        with guarded.reading(ctx) as session:
            assert session.scalars(select(ProductId.shopify_id)).all() == [1]

    def test_without_a_shop_nothing_is_seen(self, guarded: Store) -> None:
        with guarded.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM product_ids")).scalar_one() == 0

    def test_a_row_of_another_shop_is_neither_written_nor_changed(self, guarded: Store) -> None:
        ctx = add_context(guarded, 1)
        with guarded.session(ctx) as session:
            changed = session.execute(text("UPDATE product_ids SET shopify_id = 9 WHERE shop_id = 2"))
            assert changed.rowcount == 0  # type: ignore[attr-defined] # a cursor result has it
        with pytest.raises(Exception, match="row-level security"), guarded.session(ctx) as session:
            session.add(ProductId(shop_id=2, product_no=2, shopify_id=7))

    def test_the_operator_sees_all_shops(self, guarded: Store) -> None:
        with guarded.operator_session(writing=False) as session:
            assert sorted(session.scalars(select(ProductId.shopify_id))) == [1, 2]


def add_context(store: Store, shop_id: int):  # noqa: ANN201 - the type is of a module that only types need
    from app.services.shops import context_of

    with store.operator_session(writing=False) as session:
        return context_of(session.get_one(Shop, shop_id))
