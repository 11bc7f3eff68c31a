"""Estimated gender and area income: off at first, computed where they are on, gone where they were turned off."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from flask import g
from sqlalchemy import insert, select, update
from structlog.testing import capture_logs

from app.api.app import create_app
from app.cli import main
from app.errors import Conflict
from app.lake.schemas import TABLES
from app.services import (
    automatic_segments,
    automatic_segments_products,
    demographics,
    evaluate_segments,
    reevaluate_segments,
    segments,
)
from app.services.campaigns_audience import audience_of
from app.services.demographics import Coverage, change, enabled, settings
from app.services.demographics_classify import FILE, classify
from app.services.discount_checks import problems as discount_problems
from app.services.evaluate_segments import evaluate_all, membership
from app.services.published import published
from app.services.segments_preview import vocabulary
from app.store.crypto import customer_subject
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer
from app.store.models.demographics import AreaIncome, Estimate, ReferenceTable
from app.store.models.segments import MembershipChange, Segment
from app.store.models.shops import Run, Snapshot
from tests.integration.segments.conftest import AS_OF, CUSTOMERS, history, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.published import PublishedRun
    from tests.fakes import FakeClock, FakeJobs
    from tests.integration.segments.conftest import SmallShop

EVERYBODY = set(range(1, CUSTOMERS + 1))


def contacts(shop: SmallShop, contact_of: Callable[[int], dict[str, str]]) -> None:
    """Give every customer this contact, as an import would."""
    rows = [
        {"shop_id": shop.ctx.shop_id, "customer_no": no,
         "contact": shop.rooms.vault.seal(shop.ctx.shop_id, customer_subject(no), contact_of(no))}
        for no in EVERYBODY
    ]  # fmt: skip
    with shop.rooms.store.session(shop.ctx) as session:
        session.execute(update(Customer), rows)


def fields(shop: SmallShop, metafields_of: Callable[[int], list[tuple[str, str]]], tag: str | None = None) -> None:
    rows = history()["customers"]
    for row in rows:
        row["metafields"] = metafields_of(row["customer_no"])
        row["tags"] = [tag] if tag and row["customer_no"] > 50 else []
    full = [{name: row.get(name) for name in TABLES["customers"].names} for row in rows]
    shop.rooms.lake.write(shop.ctx, "customers", pa.Table.from_pylist(full, schema=TABLES["customers"]))


def income_table(shop: SmallShop, incomes: dict[str, int], margin: int | None = 1_000) -> None:
    """Load these areas, with limits of 20, 40, 60 and 80 thousand."""
    with shop.rooms.store.operator_session() as session:
        detail = {"limits": [20_000, 40_000, 60_000, 80_000], "margins": 1.0 if margin else 0.0}
        session.merge(
            ReferenceTable(name="income", digest=f"{incomes}", source="incomes.csv", vintage="2018-2022",
                           rows=len(incomes), detail=detail, loaded_at=AS_OF)
        )  # fmt: skip
        session.execute(AreaIncome.__table__.delete())
        rows = [{"zcta": zcta, "income": income, "margin": margin} for zcta, income in incomes.items()]
        session.execute(insert(AreaIncome), rows)


def refreshed(shop: SmallShop, run_id: int, between: Callable[[], object] = lambda: None) -> PublishedRun:
    """A refresh, without predicting anew: classes, segments, publication. between: happens before it publishes."""
    before = published(shop.rooms, shop.ctx)
    run = publish(shop.rooms, shop.ctx, run_id)
    classify(shop.rooms, shop.ctx, run, before, enabled(shop.rooms, shop.ctx))
    evaluated = evaluate_all(shop.rooms, shop.ctx, run, lambda _done, _total: None)
    between()
    with shop.rooms.store.session(shop.ctx) as session:
        changed = evaluate_segments.publish(session, shop.rooms, shop.ctx, evaluated)
        changed += demographics.settle(session, shop.rooms, shop.ctx, run)
    for segment_id in changed:
        reevaluate_segments.evaluate_one(shop.rooms, shop.ctx, segment_id)
    return run


def by_name(shop: SmallShop) -> dict[str, set[int]]:
    """The estimates' segments that are listed with members, or could have them."""
    with shop.rooms.store.reading(shop.ctx) as session:
        rows = session.scalars(
            select(Segment).where(Segment.category == "demographics", Segment.state.in_(("ready", "empty", "merged")))
        ).all()
    found = {row.name: set(membership(shop.rooms, shop.ctx, row.id).members) for row in rows}
    return {name: who for name, who in found.items() if name.startswith(("Gender: ", "Area income: "))}


def state_of(shop: SmallShop, key: str) -> tuple[str, str | None]:
    with shop.rooms.store.reading(shop.ctx) as session:
        row = session.scalars(select(Segment).where(Segment.key == key)).one()
    return row.state, row.reason


def watched(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose contacts are opened from now on."""
    opened, real = [], shop.rooms.vault.open
    monkeypatch.setattr(shop.rooms.vault, "open", lambda no, who, blob: (opened.append(who), real(no, who, blob))[1])
    return opened


def mary_and_john(no: int) -> dict[str, str]:
    return {"first_name": ["Mary", "John", "Pat"][no % 3], "zip": f"1000{no % 5}", "country_code": "US"}


WOMEN = {no for no in EVERYBODY if no % 3 == 0}
MEN = {no for no in EVERYBODY if no % 3 == 1}


@pytest.fixture
def named(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> SmallShop:
    """The small shop with clear and unclear names, five postcodes, no fields, and no other automatic segments."""
    for other in (automatic_segments, automatic_segments_products):
        monkeypatch.setattr(other, "definitions", lambda *_: [])
    contacts(shop, mary_and_john)
    fields(shop, lambda _: [])
    return shop


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestOffAtFirst:
    def test_no_contact_is_opened_and_the_segments_say_how_to_turn_them_on(
        self, named: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(named.rooms.vault, "open", lambda *_: pytest.fail("a contact was opened"))
        run = refreshed(named, 2)
        assert pq.read_table(run.dir / FILE).num_rows == 0
        assert by_name(named) == {}
        for key in ("auto:gender", "auto:area_income"):
            state, reason = state_of(named, key)
            assert state == "off"
            assert "off until you enable it in settings" in (reason or "")
        assert [(view.enabled, view.state) for view in settings(named.rooms, named.ctx).estimates] == [
            (False, "off"), (False, "off"),
        ]  # fmt: skip

    def test_where_some_have_a_field_the_text_does_not_say_that_nobody_has(self, named: SmallShop) -> None:
        fields(named, lambda no: [("custom.gender", "female")] if no <= 20 else [])
        refreshed(named, 2)
        assert (state_of(named, "auto:gender")[1] or "").startswith("Some customers have no gender field")


class TestGender:
    def test_turning_it_on_asks_for_a_refresh_whose_segments_are_the_classes(self, named: SmallShop) -> None:
        with named.rooms.store.session(named.ctx) as session:
            session.add(Run(shop_id=1, id=90, kind="import", state="done", as_of=AS_OF, started_at=AS_OF,
                            finished_at=AS_OF, source="bulk", steps=[], detail={}, error=None))  # fmt: skip
            session.flush()
            session.add(Snapshot(shop_id=1, id=90, run_id=90, created_at=AS_OF, watermark=AS_OF, tables={}))
        view = change(named.rooms, named.ctx, {"gender": True}).estimates[0]
        assert (view.enabled, view.state, view.coverage) == (True, "computing", None)
        ((shop_id, job, key),) = cast("FakeJobs", named.rooms.jobs).asked
        assert (shop_id, job, key.startswith("segments:")) == (1, "refresh", True)
        refreshed(named, 2)
        assert by_name(named) == {
            "Gender: female": WOMEN,
            "Gender: male": MEN,
            "Gender: unknown": EVERYBODY - WOMEN - MEN,
        }

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_the_builder_offers_the_classes_that_there_are(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        refreshed(named, 2)
        entries = {row["name"]: row for row in vocabulary(named.rooms, named.ctx)["names"]}
        assert entries["gender"]["choices"] == ["female", "male", "unknown"]
        assert entries["area_income"]["choices"] == []

    def test_coverage_and_expected_accuracy_are_the_shops_own(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        run = refreshed(named, 2)
        view = settings(named.rooms, named.ctx).estimates[0]
        assert (view.state, view.as_of) == ("ready", run.as_of)
        coverage = cast("Coverage", view.coverage)
        assert (coverage.customers, coverage.by_field, coverage.estimated, coverage.unknown) == (60, 0, 40, 20)
        # Mary and John both have a chance of .9965 by US births
        assert coverage.expected_accuracy == pytest.approx(0.9965, abs=1e-4)

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_only_the_class_reaches_the_lake(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        run = refreshed(named, 2)
        table = pq.read_table(run.dir / FILE)
        raw = (run.dir / FILE).read_bytes().lower() + orjson.dumps(table.drop(["contact_seal"]).to_pylist()).lower()
        assert b"mary" not in raw
        assert b"john" not in raw
        assert len(set(table.column("gender_accuracy").to_pylist()) - {None}) <= 8

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_the_merchants_field_or_tag_comes_first_and_keeps_the_contact_closed(
        self, named: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fields(named, lambda no: [("custom.gender", "male")] if no <= 20 else [], tag="gender: non-binary")
        opened = watched(named, monkeypatch)
        change(named.rooms, named.ctx, {"gender": True})
        refreshed(named, 2)
        found = by_name(named)
        said, tagged = set(range(1, 21)), set(range(51, 61))
        assert found["Gender: male"] == said | (MEN - tagged)
        assert found["Gender: female"] == WOMEN - said - tagged
        assert found["Gender: other"] == tagged
        assert opened == [customer_subject(no) for no in range(21, 51)]
        coverage = cast("Coverage", settings(named.rooms, named.ctx).estimates[0].coverage)
        assert (coverage.by_field, coverage.estimated) == (30, 20)

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_a_class_of_few_makes_no_segment_and_unknown_always_does(self, named: SmallShop) -> None:
        contacts(named, lambda no: {"first_name": "Mary" if no < 10 else "John"})
        change(named.rooms, named.ctx, {"gender": True})
        refreshed(named, 2)
        assert by_name(named) == {"Gender: male": set(range(10, 61)), "Gender: unknown": set()}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestNewAndChangedCustomers:
    def test_only_changed_contacts_are_opened_again(self, named: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        refreshed(named, 2)
        with named.rooms.store.session(named.ctx) as session:
            sealed = named.rooms.vault.seal(1, customer_subject(7), {"first_name": "Mary"})
            session.execute(update(Customer).where(Customer.customer_no == 7).values(contact=sealed))
        opened = watched(named, monkeypatch)
        refreshed(named, 3)
        assert opened == [customer_subject(7)]
        assert by_name(named)["Gender: female"] == WOMEN | {7}
        assert by_name(named)["Gender: male"] == MEN - {7}

    def test_a_field_that_goes_gives_way_to_the_name(self, named: SmallShop) -> None:
        fields(named, lambda _: [("custom.gender", "male")])
        change(named.rooms, named.ctx, {"gender": True})
        refreshed(named, 2)
        assert by_name(named)["Gender: male"] == EVERYBODY
        fields(named, lambda _: [])
        refreshed(named, 3)
        assert by_name(named)["Gender: male"] == MEN

    def test_a_contact_that_can_not_be_opened_is_unknown_and_stops_nobody(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        with named.rooms.store.session(named.ctx) as session:
            session.execute(update(Customer).where(Customer.customer_no == 3).values(contact=b"\x01" * 40))
        refreshed(named, 2)
        assert by_name(named)["Gender: female"] == WOMEN - {3}
        assert 3 in by_name(named)["Gender: unknown"]

    def test_whoever_was_erased_has_no_class(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        with named.rooms.store.session(named.ctx) as session:
            session.execute(update(Customer).where(Customer.customer_no == 3).values(erased_at=AS_OF))
        run = refreshed(named, 2)
        assert 3 not in pq.read_table(run.dir / FILE).column("customer_no").to_pylist()


AREAS = {"10000": 10_000, "10001": 30_000, "10002": 50_000, "10003": 70_000}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestAreaIncome:
    def test_without_a_table_it_can_not_be_turned_on(self, named: SmallShop) -> None:
        with pytest.raises(Conflict, match="load-reference income"):
            change(named.rooms, named.ctx, {"gender": True, "area_income": True})
        assert enabled(named.rooms, named.ctx) == []
        assert settings(named.rooms, named.ctx).estimates[1].blocked is not None

    def test_classes_are_fifths_of_areas_labelled_area_estimate(self, named: SmallShop) -> None:
        income_table(named, AREAS)
        change(named.rooms, named.ctx, {"area_income": True})
        refreshed(named, 2)
        found = by_name(named)
        assert {name: len(who) for name, who in found.items()} == {
            "Area income: lowest fifth": 12,
            "Area income: second fifth": 12,
            "Area income: middle fifth": 12,
            "Area income: fourth fifth": 12,
            "Area income: unknown": 12,
        }
        with named.rooms.store.reading(named.ctx) as session:
            texts = session.scalars(select(Segment.definition).where(Segment.name.startswith("Area income: "))).all()
        assert all(text.startswith("Area estimate: ") for text in texts)
        assert any("$20,000 to $40,000 a year, survey years 2018-2022" in text for text in texts)

    def test_who_has_an_own_income_field_gets_no_estimate(self, named: SmallShop) -> None:
        income_table(named, AREAS)
        fields(named, lambda no: [("custom.income", "50-74K")] if no <= 30 else [], tag="income:150K+")
        change(named.rooms, named.ctx, {"area_income": True})
        run = refreshed(named, 2)
        classed = pq.read_table(run.dir / FILE).select(["customer_no", "area_income"]).to_pylist()
        assert {row["customer_no"] for row in classed if row["area_income"]} == set(range(31, 51))
        coverage = cast("Coverage", settings(named.rooms, named.ctx).estimates[1].coverage)
        assert (coverage.customers, coverage.by_field, coverage.estimated, coverage.unknown) == (60, 40, 16, 4)

    def test_the_expected_error_follows_from_the_surveys_margins_and_is_missing_without_them(
        self, named: SmallShop
    ) -> None:
        income_table(named, {"10001": 40_000}, margin=5_000)
        change(named.rooms, named.ctx, {"area_income": True})
        refreshed(named, 2)
        coverage = cast("Coverage", settings(named.rooms, named.ctx).estimates[1].coverage)
        assert coverage.expected_accuracy == pytest.approx(0.5)
        income_table(named, {"10001": 41_000}, margin=None)
        refreshed(named, 3)
        coverage = cast("Coverage", settings(named.rooms, named.ctx).estimates[1].coverage)
        assert (coverage.estimated, coverage.expected_accuracy) == (12, None)

    def test_another_table_classifies_everybody_anew(self, named: SmallShop) -> None:
        income_table(named, {"10001": 30_000})
        change(named.rooms, named.ctx, {"area_income": True})
        refreshed(named, 2)
        assert len(by_name(named)["Area income: second fifth"]) == 12
        income_table(named, {"10001": 90_000})
        refreshed(named, 3)
        assert len(by_name(named)["Area income: highest fifth"]) == 12

    def test_abroad_and_without_a_country_it_is_unknown(self, named: SmallShop) -> None:
        income_table(named, AREAS)
        contacts(named, lambda no: {"zip": "10001"} | ({"country_code": "DE"} if no % 2 else {}))
        change(named.rooms, named.ctx, {"area_income": True})
        refreshed(named, 2)
        assert by_name(named) == {"Area income: unknown": EVERYBODY}


class TestTurningOff:
    @pytest.fixture
    def both(self, named: SmallShop) -> SmallShop:
        income_table(named, AREAS)
        change(named.rooms, named.ctx, {"gender": True, "area_income": True})
        refreshed(named, 2)
        refreshed(named, 3)
        return named

    def test_takes_the_classes_out_of_every_run_at_once_and_leaves_the_other_estimate(self, both: SmallShop) -> None:
        change(both.rooms, both.ctx, {"gender": False})
        for run_id in (2, 3):
            table = pq.read_table(both.rooms.lake.run_dir(both.ctx, run_id) / FILE)
            assert set(table.column("gender").to_pylist()) == {None}
            assert set(table.column("gender_from").to_pylist()) == {None}
            assert "lowest fifth" in table.column("area_income").to_pylist()
        assert all(name.startswith("Area") for name in by_name(both))
        views = settings(both.rooms, both.ctx).estimates
        assert [(view.state, view.coverage is None) for view in views] == [("off", True), ("ready", False)]

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_empties_the_segments_and_what_they_were(self, both: SmallShop) -> None:
        with both.rooms.store.reading(both.ctx) as session:
            women = session.scalars(select(Segment).where(Segment.name == "Gender: female")).one().id
        change(both.rooms, both.ctx, {"gender": False})
        assert set(membership(both.rooms, both.ctx, women).members) == set()
        with both.rooms.store.reading(both.ctx) as session:
            assert session.get_one(Segment, (1, women)).state == "off"
            past = session.scalars(select(MembershipChange).where(MembershipChange.segment_id == women)).all()
            assert [(row.size, row.entered_count, row.left_count) for row in past] == [(0, 0, 0)]
            audience = audience_of(session, both.ctx, women)
            assert audience is not None
            assert len(audience.members) == 0

    def test_empties_merchants_own_rules_that_ask_for_it(self, both: SmallShop) -> None:
        rule = {"v": 1, "match": {"all": [{"did": "ordered"}, {"attr": "gender", "op": "is", "value": "female"}]}}
        made = segments.create(both.rooms, both.ctx, "Women who ordered", rule)
        assert len(membership(both.rooms, both.ctx, made).members) > 0
        change(both.rooms, both.ctx, {"gender": False})
        assert len(membership(both.rooms, both.ctx, made).members) == 0

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_the_next_refresh_takes_them_off_the_list(self, both: SmallShop) -> None:
        change(both.rooms, both.ctx, {"gender": False, "area_income": False})
        refreshed(both, 4)
        assert by_name(both) == {}
        assert state_of(both, "auto:gender")[0] == "off"
        with both.rooms.store.reading(both.ctx) as session:
            states = session.scalars(select(Segment.state).where(Segment.name.startswith("Gender: "))).all()
        assert set(states) == {"retired"}

    def test_what_is_computed_meanwhile_does_not_bring_them_back(self, both: SmallShop) -> None:
        rule = {"v": 1, "match": {"attr": "gender", "op": "is", "value": "male"}}
        made = segments.create(both.rooms, both.ctx, "Men", rule)
        published_before = published(both.rooms, both.ctx)
        run = refreshed(both, 4, between=lambda: _turn_off_elsewhere(both))
        assert published_before is not None
        assert run.run_id != published_before.run_id
        assert set(pq.read_table(run.dir / FILE).column("gender").to_pylist()) == {None}
        assert all(name.startswith("Area") for name in by_name(both))
        assert len(membership(both.rooms, both.ctx, made).members) == 0

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_off_and_on_again_brings_the_same_segments_back(self, both: SmallShop) -> None:
        before = by_name(both)
        change(both.rooms, both.ctx, {"gender": False})
        change(both.rooms, both.ctx, {"gender": True})
        assert settings(both.rooms, both.ctx).estimates[0].state == "computing"
        refreshed(both, 4)
        assert by_name(both) == before

    @pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
    def test_twice_and_for_what_is_off_changes_nothing(self, named: SmallShop) -> None:
        change(named.rooms, named.ctx, {"gender": True})
        asked = list(cast("FakeJobs", named.rooms.jobs).asked)
        enabled_at = settings(named.rooms, named.ctx).estimates[0].enabled_at
        cast("FakeClock", named.rooms.clock).advance(timedelta(hours=1))
        change(named.rooms, named.ctx, {"gender": True, "area_income": False})
        assert settings(named.rooms, named.ctx).estimates[0].enabled_at == enabled_at
        assert cast("FakeJobs", named.rooms.jobs).asked == asked


def _turn_off_elsewhere(shop: SmallShop) -> None:
    """As another process does whose deletion of files came too early: the run in work has its own."""
    with shop.rooms.store.session(shop.ctx) as session:
        session.delete(session.get_one(Estimate, (shop.ctx.shop_id, "gender")))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestWhatMayNotUseThem:
    def test_a_discount_code_refuses_an_audience_that_rests_on_an_estimate(self, named: SmallShop) -> None:
        women = {"v": 1, "match": {"attr": "gender", "op": "is", "value": "female"}}
        first = segments.create(named.rooms, named.ctx, "Women", women)
        nested = {"v": 1, "match": {"all": [{"did": "ordered"}, {"in": f"seg_{first}"}]}}
        second = segments.create(named.rooms, named.ctx, "Women who ordered", nested)
        other = segments.create(named.rooms, named.ctx, "Buyers", {"v": 1, "match": {"did": "ordered"}})
        with named.rooms.store.reading(named.ctx) as session:
            rests = [demographics.rests_on_estimate(session, named.ctx, number) for number in (first, second, other)]
        assert rests == [True, True, False]
        ten = [Campaign(discount_mode="single", discount_code="TEN", segment_id=number) for number in (second, other)]
        ten.append(Campaign(id=1, discount_mode="managed", segment_id=second))
        with named.rooms.store.reading(named.ctx) as session:
            refused, accepted, managed = (discount_problems(named.rooms, session, named.ctx, one) for one in ten)
        assert accepted == []
        assert all("must not rest on estimated gender or income" in one[0].message for one in (refused, managed))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestTheApi:
    def test_settings_are_read_and_changed(self, named: SmallShop) -> None:
        def authenticate() -> None:
            g.shop = named.ctx

        client = create_app(named.rooms, authenticate, []).test_client()
        assert client.get("/api/settings/demographics").json["income_table"] is None
        refused = client.patch("/api/settings/demographics", json={"area_income": True})
        assert (refused.status_code, refused.json["error"]["field"]) == (409, "area_income")
        assert client.patch("/api/settings/demographics", json={"age": True}).status_code == 422
        income_table(named, AREAS)
        answer: Any = client.patch("/api/settings/demographics", json={"gender": True, "area_income": True}).json
        assert [(row["name"], row["state"]) for row in answer["estimates"]] == [
            ("gender", "computing"), ("area_income", "computing"),
        ]  # fmt: skip
        assert answer["income_table"] | {"loaded_at": ""} == {
            "source": "incomes.csv", "vintage": "2018-2022", "rows": 4, "loaded_at": "",
        }  # fmt: skip
        refreshed(named, 2)
        found: Any = client.get("/api/settings/demographics").json
        assert found["estimates"][0]["coverage"] == {
            "customers": 60, "by_field": 0, "estimated": 40, "unknown": 20,
            "expected_accuracy": pytest.approx(0.9965, abs=1e-4),
        }  # fmt: skip


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
class TestTheCommand:
    def run(self, shop: SmallShop, *arguments: str) -> Any:
        with capture_logs():
            return CliRunner().invoke(main, ["estimates", shop.ctx.domain, *arguments])

    def test_a_shop_without_pages_has_it_too(self, named: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.cli._encore", lambda: SimpleNamespace(rooms=named.rooms))
        assert self.run(named).output == "gender: off\narea_income: off\n"
        assert self.run(named, "--gender", "on").output == "gender: on, computing\narea_income: off\n"
        refreshed(named, 2)
        assert self.run(named).output == (
            "gender: on, ready\n"
            "  40 of 60 customers estimated, 0 from the shop's own data, 20 unknown; expected to be wrong: 0.3%\n"
            "area_income: off\n"
        )
        refused = self.run(named, "--area-income", "on")
        assert (refused.exit_code, refused.output.startswith("encore: No table of area incomes")) == (1, True)
        assert self.run(named, "--gender", "off").output == "gender: off\narea_income: off\n"
        assert by_name(named) == {}
