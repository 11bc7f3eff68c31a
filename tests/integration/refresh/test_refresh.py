"""From history to published numbers: whole, repeatable, interruptible."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pyroaring import BitMap
from sqlalchemy import func, select

from app.errors import Unavailable
from app.lake.lake import RUN_VIEWS, Lake
from app.lake.schemas import TABLES
from app.services import evaluate_segments, progress, refresh_shop, runs, segments
from app.services.campaigns_audience import newest_history
from app.services.dashboard import dashboard
from app.services.evaluate_segments import membership
from app.services.open_runs import OpenRuns
from app.services.plan_sends_facts import narrow
from app.services.prediction_input import WORDS
from app.services.published import PublishedRun, latest_history, open_run, published
from app.services.refresh_shop import read_card, refresh
from app.services.tidy import KEPT_RUNS, tidy
from app.store.counters import allocate
from app.store.models.predictions import ModelCard
from app.store.models.recommendations import Recommendation
from app.store.models.segments import Membership, Segment
from app.store.models.shops import Job, Snapshot, WebhookDelivery
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.app import create_app
from tests.fakes import FakeClock, FakeJobs
from tests.standins import TINY, Connected, connect, fresh_store, port_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext


@pytest.fixture
def encore(tmp_path: Path) -> Iterator[Connected]:
    """Encore with the tiny shop imported."""
    sandbox_clock = SandboxClock(tmp_path / "sandbox")
    ports = {"shopify": 0}
    options = SandboxOptions(shops={TINY: "tiny"}, ports=ports, deliver_webhooks=False)
    app = create_app(tmp_path / "sandbox", sandbox_clock, options)
    store = fresh_store(tmp_path)
    with serving(app) as url:
        ports["shopify"] = port_of(url)
        connected = connect(url, tmp_path, store, FakeClock(sandbox_clock.now()))
        connected.importer().everything(connected.install())
        yield connected
        connected.close()
    app.extensions["shopify"].close()
    store.close()


@pytest.fixture
def shop(encore: Connected) -> ShopContext:
    return encore.install()


class CountingLake(Lake):
    """A lake that knows how often it was opened."""

    opened = 0

    def connect(self, *args: Any, **names: Any) -> duckdb.DuckDBPyConnection:
        self.opened += 1
        return super().connect(*args, **names)


class TestTheNewestHistory:
    def test_stays_open_and_nobody_sees_what_another_one_does_with_it(
        self, encore: Connected, shop: ShopContext
    ) -> None:
        rooms = replace(encore.rooms, lake=CountingLake(encore.rooms.lake.shop_dir(shop).parent), runs=OpenRuns())
        counted = "SELECT count(*), count(DISTINCT customer_no) FROM orders"
        found = newest_history(rooms, shop)
        assert found is not None
        with closing(found[1]) as connection:
            whole = connection.execute(counted).fetchall()
            narrow(connection, ["orders"], BitMap([1]))
            assert connection.execute(counted).fetchall() != whole
            again = newest_history(rooms, shop)
            assert again is not None
            with closing(again[1]) as other:
                assert other.execute(counted).fetchall() == whole
        third = newest_history(rooms, shop)
        assert third is not None
        with closing(third[1]) as later:
            assert later.execute(counted).fetchall() == whole
        assert rooms.lake.opened == 1  # type: ignore[attr-defined]

    def test_is_another_one_once_a_newer_import_stands(self, encore: Connected, shop: ShopContext) -> None:
        counted = "SELECT count(*) FROM orders"
        with encore.rooms.store.session(shop) as session:
            standing = latest_history(session, shop)
            assert standing is not None
            before = newest_history(encore.rooms, shop)
            assert before is not None
            with closing(before[1]) as connection:
                assert connection.execute(counted).fetchall() != [(0,)]
        emptied = encore.rooms.lake.write(shop, "orders", TABLES["orders"].empty_table())
        with encore.rooms.store.session(shop) as session:
            session.add(
                Snapshot(
                    shop_id=shop.shop_id, id=standing.id + 1, run_id=standing.run_id, created_at=standing.created_at,
                    watermark=standing.watermark, tables={**standing.tables, "orders": emptied},
                )
            )  # fmt: skip
        after = newest_history(encore.rooms, shop)
        assert after is not None
        with closing(after[1]) as connection:
            assert connection.execute(counted).fetchall() == [(0,)]


class TestARefresh:
    def test_publishes_one_run_with_all_its_files(self, encore: Connected, shop: ShopContext) -> None:
        run = refresh(encore.rooms, shop)
        found = published(encore.rooms, shop)
        assert found is not None
        assert found.run_id == run.run_id
        with open_run(encore.rooms, shop, found) as connection:
            for view in RUN_VIEWS:
                connection.execute(f"SELECT count(*) FROM {view}").fetchall()
        assert read_card(found.dir) is not None
        assert progress.progress(encore.rooms, shop).phase == "ready"

    def test_gives_the_same_numbers_twice(self, encore: Connected, shop: ShopContext) -> None:
        pairs = []
        for _ in range(2):
            run = refresh(encore.rooms, shop)
            with open_run(encore.rooms, shop, run) as connection:
                pairs.append(connection.sql("SELECT * FROM pairs ORDER BY ALL").fetchall())
        assert pairs[0] == pairs[1]
        assert pairs[0]

    def test_counts_every_order_line_as_purchase_merged_or_left_out(self, encore: Connected, shop: ShopContext) -> None:
        as_of = encore.rooms.clock.now() - timedelta(days=100)
        run = refresh(encore.rooms, shop, as_of)
        card = read_card(run.dir) or {}
        with open_run(encore.rooms, shop, run) as connection:
            lines, later = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE ordered_at >= ?) FROM order_lines", [as_of]
            ).fetchall()[0]
        merged, left_out = card["changed_lines"].get("merged", 0), card["left_out"]
        assert card["lines"] == lines == card["sizes"]["purchases"] + merged + sum(left_out.values())
        assert left_out["after_as_of"] == later > 0
        assert left_out["order_not_paid"] > 0
        assert set(left_out) <= set(WORDS)

    def test_as_of_an_earlier_day_knows_nothing_later(self, encore: Connected, shop: ShopContext) -> None:
        as_of = encore.rooms.clock.now() - timedelta(days=100)
        run = refresh(encore.rooms, shop, as_of)
        with open_run(encore.rooms, shop, run) as connection:
            last = connection.sql("SELECT max(last_order_at) FROM features").fetchall()[0][0]
        assert last < as_of

    def test_before_an_import_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        store = fresh_store(folder)
        empty = connect("http://127.0.0.1:1", folder, store, FakeClock(SandboxClock(tmp_path / "c").now()))
        from tests.conftest import add_shop

        with pytest.raises(Unavailable):
            refresh(empty.rooms, add_shop(store, 1, "empty.myshopify.com"))
        empty.close()
        store.close()

    def test_that_stopped_goes_on_without_predicting_again(
        self, encore: Connected, shop: ShopContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stopped(BaseException):
            """A killed process runs no handler."""

        def stop(*_: object) -> int:
            raise Stopped

        with monkeypatch.context() as patched:
            patched.setattr(refresh_shop, "_segments", stop)
            with pytest.raises(Stopped):
                refresh(encore.rooms, shop)
        assert published(encore.rooms, shop) is None
        with monkeypatch.context() as patched:
            patched.setattr(refresh_shop, "_predict", stop)
            run = refresh(encore.rooms, shop)
        assert run.snapshot_id is not None

    def test_after_an_import_of_changes_uses_recent_predictions_again(
        self, encore: Connected, shop: ShopContext
    ) -> None:
        first = refresh(encore.rooms, shop)
        second = refresh(encore.rooms, shop, force=False)
        assert read_card(first.dir) == read_card(second.dir)
        clock = encore.rooms.clock
        assert isinstance(clock, FakeClock)
        clock.advance(timedelta(hours=21))
        third = refresh(encore.rooms, shop, force=False)
        assert read_card(third.dir) != read_card(first.dir)

    def test_keeps_a_card_and_asks_for_a_back_test_whenever_it_predicts_anew(
        self, encore: Connected, shop: ShopContext
    ) -> None:
        def cards() -> list[int]:
            with encore.rooms.store.reading(shop) as session:
                return list(session.scalars(select(ModelCard.run_id)).all())

        jobs = encore.rooms.jobs
        assert isinstance(jobs, FakeJobs)
        back_test = (shop.shop_id, "backtest", "")
        before = jobs.asked.count(back_test)
        first = refresh(encore.rooms, shop)
        assert (cards(), jobs.asked.count(back_test)) == ([first.run_id], before + 1)
        refresh(encore.rooms, shop, force=False)
        assert (cards(), jobs.asked.count(back_test)) == ([first.run_id], before + 1)
        shown = {model["kind"]: model["grade"] for model in dashboard(encore.rooms, shop).models}
        assert set(shown) == {"repurchase", "cross_sell"}
        assert None not in shown.values()

    @pytest.mark.parametrize(("name", "about"), [("pairs", "product_no"), ("type_pairs", "product_type")])
    def test_a_first_purchase_since_then_is_no_longer_predicted(
        self, encore: Connected, shop: ShopContext, name: str, about: str
    ) -> None:
        first = refresh(encore.rooms, shop)
        before = self.rows(encore, shop, first, name, about)
        customer, bought, _ = next(row for row in before if row[2] == "cross_sell")
        self.buys(encore, shop, first, customer, bought, about)
        again = refresh(encore.rooms, shop, force=False)
        gone = {row for row in before if row[0] == customer and row[2] == "cross_sell" and row[1] == bought}
        assert set(self.rows(encore, shop, again, name, about)) == set(before) - gone
        once_more = refresh(encore.rooms, shop, force=False)
        assert set(self.rows(encore, shop, once_more, name, about)) == set(before) - gone

    @staticmethod
    def rows(encore: Connected, shop: ShopContext, run: PublishedRun, name: str, about: str) -> list[tuple[Any, ...]]:
        with open_run(encore.rooms, shop, run) as connection:
            return connection.execute(f"SELECT customer_no, {about}, kind FROM {name} ORDER BY ALL").fetchall()

    @staticmethod
    def buys(encore: Connected, shop: ShopContext, run: PublishedRun, customer: int, what: Any, about: str) -> None:
        """An order of one line comes in after the run, as an import of changes brings it."""
        lake, at = encore.rooms.lake, run.as_of - timedelta(minutes=1)
        with open_run(encore.rooms, shop, run) as connection:
            given = {"customer": customer, "at": at, "what": what}
            order = connection.sql(
                """SELECT * REPLACE (424242::BIGINT AS order_id, $customer::INTEGER AS customer_no, $at AS processed_at,
                          $at AS updated_at) FROM orders WHERE counts LIMIT 1""",
                params={"customer": customer, "at": at},
            ).to_arrow_table()
            line = connection.sql(
                f"""SELECT l.* REPLACE (424242::BIGINT AS order_id, 424242::BIGINT AS line_id, $at AS ordered_at,
                           $customer::INTEGER AS customer_no, p.product_no AS product_no)
                    FROM order_lines l CROSS JOIN (SELECT * FROM products WHERE {about} = $what LIMIT 1) p
                    WHERE l.counts LIMIT 1""",
                params=given,
            ).to_arrow_table()
        lake.replace(shop, "orders", "order_id", [424242], order)
        lake.replace(shop, "order_lines", "order_id", [424242], line)
        with encore.rooms.store.session(shop) as session:
            history = latest_history(session, shop)
            assert history is not None
            session.add(
                Snapshot(shop_id=shop.shop_id, id=allocate(session, shop.shop_id, "snapshots"), run_id=history.run_id,
                         created_at=at, watermark=run.as_of, tables=lake.versions(shop))
            )  # fmt: skip

    def test_that_dies_while_publishing_changes_nothing_that_anyone_sees(
        self, encore: Connected, shop: ShopContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stopped(BaseException):
            """A killed process runs no handler."""

        def stop(*_: object, **__: object) -> None:
            raise Stopped

        first = refresh(encore.rooms, shop)
        before = self.seen(encore, shop)
        clock = encore.rooms.clock
        assert isinstance(clock, FakeClock)
        clock.advance(timedelta(days=60))
        with monkeypatch.context() as patched:
            patched.setattr(runs, "finish", stop)
            with pytest.raises(Stopped):
                refresh(encore.rooms, shop)
        assert published(encore.rooms, shop) == first
        assert self.seen(encore, shop) == before
        refresh(encore.rooms, shop)
        assert self.seen(encore, shop) != before

    def seen(self, encore: Connected, shop: ShopContext) -> list[object]:
        with encore.rooms.store.reading(shop) as session:
            segments = session.execute(select(Segment.id, Segment.state, Segment.membership_id).order_by(Segment.id))
            advice = session.execute(
                select(Recommendation.id, Recommendation.run_id, Recommendation.live).order_by(Recommendation.id)
            )
            return [*segments.all(), *advice.all()]

    def test_brings_what_merchants_made_meanwhile_to_its_run(
        self, encore: Connected, shop: ShopContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refresh(encore.rooms, shop)
        evaluate_all, made = evaluate_segments.evaluate_all, []

        def and_meanwhile(*arguments: Any) -> Any:
            evaluated = evaluate_all(*arguments)
            made.append(segments.create(encore.rooms, shop, "Mine", {"v": 1, "match": {"did": "ordered"}}))
            return evaluated

        monkeypatch.setattr(evaluate_segments, "evaluate_all", and_meanwhile)
        run = refresh(encore.rooms, shop)
        with encore.rooms.store.reading(shop) as session:
            row = session.get_one(Segment, (shop.shop_id, made[0]))
            assert session.get_one(Membership, (shop.shop_id, row.membership_id)).run_id == run.run_id


class TestTheDashboard:
    def test_its_numbers_are_the_lakes(self, encore: Connected, shop: ShopContext) -> None:
        run = refresh(encore.rooms, shop)
        page = dashboard(encore.rooms, shop)
        with open_run(encore.rooms, shop, run) as connection:
            customers = connection.sql("SELECT count(*) FROM customers").fetchall()[0][0]
            buyers = connection.sql(
                "SELECT count(DISTINCT customer_no) FROM orders WHERE counts AND customer_no IS NOT NULL"
            ).fetchall()[0][0]
        assert page.summary["customers"] == customers
        assert page.summary["buyers"] == buyers
        assert sum(stage["size"] for stage in page.stages) == buyers

    def test_before_the_first_refresh_it_shows_no_numbers(self, encore: Connected, shop: ShopContext) -> None:
        page = dashboard(encore.rooms, shop)
        assert page.run is None
        assert page.summary == {}
        assert page.status.counts["orders"] > 0


class TestSegmentsOfARun:
    def test_all_memberships_are_of_the_published_run(self, encore: Connected, shop: ShopContext) -> None:
        run = refresh(encore.rooms, shop)
        with encore.rooms.store.reading(shop) as session:
            runs = set(session.scalars(select(Membership.run_id)))
            segments = session.scalar(select(func.count()).select_from(Segment))
            first = session.scalars(select(Segment)).first()
        assert runs == {run.run_id}
        assert segments is not None
        assert segments >= 20
        assert first is not None
        assert membership(encore.rooms, shop, first.id)[3] == run.watermark


class TestTidying:
    def test_old_runs_go_and_the_published_one_stays_readable(self, encore: Connected, shop: ShopContext) -> None:
        for _ in range(KEPT_RUNS + 2):
            run = refresh(encore.rooms, shop, force=False)
        encore.importer().everything(shop)
        assert tidy(encore.rooms, shop)["runs"] == 2
        assert tidy(encore.rooms, shop)["runs"] == 0
        with open_run(encore.rooms, shop, run) as connection:
            assert connection.sql("SELECT count(*) FROM order_lines").fetchall()[0][0] > 0
            assert connection.sql("SELECT count(*) FROM pairs").fetchall()[0][0] > 0

    def test_files_that_a_snapshot_names_survive_whatever_their_age(self, encore: Connected, shop: ShopContext) -> None:
        run = refresh(encore.rooms, shop)
        encore.importer().everything(shop)
        encore.importer().everything(shop)
        keep = {table: {version} for table, version in run.versions.items()}
        assert encore.rooms.lake.vacuum(shop, keep, hours=0) > 0
        with open_run(encore.rooms, shop, run) as connection:
            assert connection.sql("SELECT count(*) FROM orders").fetchall()[0][0] > 0

    def test_ended_jobs_and_old_webhook_bodies_go(self, encore: Connected, shop: ShopContext) -> None:
        now = encore.rooms.clock.now()
        with encore.rooms.store.operator_session() as session:
            for number, (state, days) in enumerate((("done", 2), ("done", 0), ("failed", 2), ("failed", 31)), start=1):
                at = now - timedelta(days=days)
                session.add(
                    Job(shop_id=1, id=number, job="x", key=str(number), state=state, queued_at=at, finished_at=at)
                )
            for number, days in ((1, 31), (2, 1)):
                session.add(
                    WebhookDelivery(
                        webhook_id=str(number), shop_domain=TINY, topic="orders/create", sealed_body=b"", state="done",
                        received_at=now - timedelta(days=days),
                    )
                )  # fmt: skip
        gone = tidy(encore.rooms, shop)
        assert (gone["jobs"], gone["deliveries"]) == (2, 1)
