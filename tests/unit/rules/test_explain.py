from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.rules.alone import alone
from app.domain.rules.changes import SetValue
from app.domain.rules.evaluate import evaluate
from app.domain.rules.explain import Reason, explain
from app.domain.rules.flips import next_flip
from app.domain.rules.names import attribute
from app.domain.rules.nearest import Way, nearest
from app.domain.rules.own_values import value_of
from app.domain.rules.parse import parse
from app.domain.rules.sentence import Wording
from tests.unit.rules import brute
from tests.unit.rules.random_rules import random_rule
from tests.unit.rules.shops import connect, random_shop, world
from tests.unit.rules.thought import changed, held, known_at, smaller

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.rules.alone import Alone
    from app.domain.rules.evaluate import Matched
    from app.domain.rules.flips import Flip

WORDS = Wording("USD", lambda product: f"Product {product}", lambda segment: segment)
MOMENT = timedelta(microseconds=1)
TOLD = 5  # changes looked at per random shop


@dataclass
class Shared:
    """Keeps what was found out, as the runs' rooms do."""

    kept: dict[str, Matched]

    def get(self, key: str, make: Callable[[], Matched]) -> Matched:
        return self.kept.setdefault(key, self.kept.get(key) or make())


def about(shop: brute.Shop, no: int, match: dict[str, Any], ask: Callable[[Any, Alone], Any]) -> Any:
    with connect(shop) as connection, alone(world(shop, connection), no) as one:
        return ask(parse({"v": 1, "match": match}), one)


def ways(shop: brute.Shop, no: int, match: dict[str, Any]) -> list[Way]:
    found: list[Way] = about(shop, no, match, lambda rule, one: nearest(rule, one, WORDS))
    return found


def reasons(shop: brute.Shop, no: int, match: dict[str, Any]) -> Reason:
    found: Reason = about(shop, no, match, lambda rule, one: explain(rule, one, WORDS))
    return found


def flip(shop: brute.Shop, no: int, match: dict[str, Any]) -> Flip | None:
    found: Flip | None = about(shop, no, match, next_flip)
    return found


def order(order_id: int, no: int, at: datetime) -> dict[str, Any]:
    return {"order_id": order_id, "customer_no": no, "processed_at": at, "counts": True, "test": False,
            "cancelled_at": None, "refunded_minor": 0, "refunded_at": None, "discount_codes": []}  # fmt: skip


@pytest.fixture
def shop() -> brute.Shop:
    """Customer 1 ordered 10 and 40 days ago, customer 2 never."""
    made = random_shop(3)
    made.as_of = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    made.universe = {1, 2}
    made.orders = [order(1, 1, made.as_of - timedelta(days=10)), order(2, 1, made.as_of - timedelta(days=40))]
    line = {"customer_no": 1, "product_no": 1, "quantity": 1, "current_quantity": 1, "unit_price_minor": 1000,
            "total_minor": 1000, "net_minor": 1000, "discount_minor": 0, "is_gift_card": False,
            "counts": True}  # fmt: skip
    made.lines = [{**line, "order_id": no, "line_id": no} for no in (1, 2)]
    made.events, made.features = [], []
    made.customers = [{"customer_no": no, "country": {1: "DE"}.get(no), "city": "Paris", "tags": ["VIP"], "age": None,
                       "created_at": made.as_of} for no in (1, 2)]  # fmt: skip
    made.segments = {"seg_1": {1}}
    return made


class TestTree:
    def test_mirrors_the_rule_and_says_what_holds_and_what_the_customer_has(self, shop: brute.Shop) -> None:
        found = reasons(shop, 1, {"all": [{"did": "ordered", "count": {"op": "gte", "n": 2}},
                                          {"none": [{"attr": "country", "op": "is", "value": "DE"}]}]})  # fmt: skip
        assert (found.kind, found.holds, found.sentence) == ("all", False, "All of these hold")
        orders, group = found.nodes
        assert (orders.holds, orders.helps) == (True, True)
        assert orders.sentence == "Ordered at least 2 times"
        assert orders.value == "Ordered 2 times, last on 10 November 2026"
        assert (group.kind, group.holds, group.helps) == ("none", False, False)
        assert (group.nodes[0].holds, group.nodes[0].helps, group.nodes[0].value) == (True, False, "Country: DE")

    def test_says_when_a_value_is_missing(self, shop: brute.Shop) -> None:
        found = reasons(shop, 2, {"attr": "country", "op": "is_not", "value": "DE"})
        assert (found.holds, found.missing, found.value) == (True, True, "Country: not known")

    def test_says_what_nothing_changes(self, shop: brute.Shop) -> None:
        sample = {"sample": {"percent": 50, "salt": "x"}}
        found = reasons(shop, 1, {"any": [sample, {"predict": "lapse", "op": "gte", "value": 0.5}]})
        assert [part.fixed is not None for part in found.nodes] == [True, True]

    @pytest.mark.parametrize(
        ("leaf", "value"),
        [
            ({"near": {"lat": 40.7, "lon": -74.0, "km": 10}}, "1.4 km away"),
            ({"rank": "order.average", "top_percent": 10}, "Average order: $10"),
            ({"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": "14d"}}},
             "Metafield facts.birth_date: 24 November 1990"),
            ({"latest": "ordered", "has": [{"attr": "order.net", "op": "gte", "value": 1}]},
             "Last ordered on 10 November 2026"),
            ({"life": "stopped", "event": "ordered", "gap": "60d"},
             "Ordered 2 times, first on 11 October 2026, last on 10 November 2026"),
            ({"in": "seg_1", "moved": "left"}, "Is in “seg_1”, last entered on 1 November 2026"),
        ],
    )  # fmt: skip
    def test_gives_the_own_value_of_every_kind_of_condition_that_has_one(
        self, shop: brute.Shop, leaf: dict[str, Any], value: str
    ) -> None:
        shop.customers[0] |= {"latitude": 40.71, "longitude": -74.01, "birth_date": "1990-11-24"}
        shop.features = [{"customer_no": 1, "average_order_minor": 1000}]
        shop.history = {"seg_1": [(shop.as_of - timedelta(days=30), {2}, set()),
                                  (shop.as_of - timedelta(days=19), {1}, {2})]}  # fmt: skip
        assert reasons(shop, 1, leaf).value == value

    def test_of_an_order_asked_for_by_its_value_and_its_products_is_no_riddle_to_the_database(
        self, shop: brute.Shop
    ) -> None:
        shop.orders, shop.lines = [], []
        for op in ("in", "not_in"):
            where = [{"attr": "order.gross", "op": "is_not", "value": 12500},
                     {"attr": "product.id", "op": op, "value": ["1001", "1003"]}]  # fmt: skip
            found = reasons(shop, 1, {"did": "ordered", "where": where, "count": {"op": "lte", "n": 3}})
            assert (found.holds, found.value) == (True, "Never ordered so")

    @pytest.mark.parametrize("seed", range(6))
    def test_agrees_with_brute_force_for_everybody_under_random_rules(self, seed: int) -> None:
        shop = random_shop(seed)
        r = random.Random(seed + 50)
        with connect(shop) as connection:
            for _ in range(8):
                raw = random_rule(r)
                for no in r.sample(sorted(shop.universe), 4):
                    with alone(world(shop, connection), no) as one:
                        found = explain(parse(raw), one, WORDS)
                    assert found.holds == brute.holds(raw["match"], no, known_at(shop, shop.as_of)), (raw, no)


class TestNearestChange:
    def test_is_one_more_order_where_one_is_lacking(self, shop: brute.Shop) -> None:
        found = ways(shop, 1, {"did": "ordered", "count": {"op": "gte", "n": 3}})
        assert found[0].text == "the customer placed 1 more order now"

    def test_is_another_answer_or_place(self, shop: brute.Shop) -> None:
        assert ways(shop, 2, {"in": "seg_1"})[0].text == "the customer were in “seg_1”"
        text = ways(shop, 2, {"attr": "city", "op": "is", "value": "Berlin"})[0].text
        assert text == "city were “Berlin” instead of “Paris”"

    def test_is_the_least_amount_that_reaches_a_sum(self, shop: brute.Shop) -> None:
        match = {"measure": "sum", "of": "ordered.net", "op": "gte", "value": 4999}
        assert ways(shop, 1, match)[0].text == "the customer spent $29.99 more now, in one order"

    def test_takes_two_changes_where_one_is_not_enough(self, shop: brute.Shop) -> None:
        found = ways(shop, 2, {"all": [{"did": "ordered"}, {"in": "seg_1"}]})
        assert len(found) == 1
        assert len(found[0].changes) == 2

    def test_counts_what_an_order_does_to_other_conditions(self, shop: brute.Shop) -> None:
        shop.features = [{"customer_no": 1, "orders": 2, "net_minor": 2000, "average_order_minor": 1000,
                          "last_order_at": shop.as_of - timedelta(days=10), "gap_ratio": 2.0}]  # fmt: skip
        match = {"all": [{"did": "ordered", "count": {"op": "gte", "n": 3}},
                         {"attr": "gap.ratio", "op": "gte", "value": 1.5}]}  # fmt: skip
        texts = [way.text for way in ways(shop, 1, match)]
        assert "the customer placed 1 more order now" not in texts

    def test_says_that_past_orders_cannot_be_undone(self, shop: brute.Shop) -> None:
        found = ways(shop, 1, {"did": "ordered", "count": {"op": "eq", "n": 1}})
        assert "1 order fewer" in found[0].text
        assert "can't be undone" in found[0].text

    def test_of_who_is_not_reachable_is_to_allow_mail_if_that_is_enough(self, shop: brute.Shop) -> None:
        shop.reachable, shop.consent = set(), {("email", "yes"): set(), ("email", "no"): {1, 2}}
        rule = parse({"v": 1, "match": {"all": [{"reachable": "email"}, {"consent": "email", "is": "yes"}]}})
        with connect(shop) as connection:
            with alone(world(shop, connection), 1, mailable=True) as one:
                assert [way.text for way in nearest(rule, one, WORDS)] == ["the customer allowed e-mail"]
            with alone(world(shop, connection), 1) as one:
                assert len(nearest(rule, one, WORDS)[0].changes) == 2

    def test_is_none_where_only_a_prediction_or_chance_decides(self, shop: brute.Shop) -> None:
        assert ways(shop, 1, {"predict": "lapse", "op": "gte", "value": 0.5}) == []
        assert ways(shop, 1, {"sample": {"percent": 50, "salt": "x"}}) == []

    @pytest.mark.parametrize(
        "leaf",
        [
            {"near": {"lat": 40.7, "lon": -74.0, "km": 10}},
            {"in": "seg_1", "moved": "entered", "during": {"last": "30d"}},
            {"attr": "created", "during": {"anniversary": {"next": "14d"}}},
            {"attr": "metafield.facts.birth_date", "during": {"last": "30d"}},
            {"any": [{"rank": "spend.net", "top_percent": 10}, {"did": "ordered", "count": {"op": "gte", "n": 5}}]},
        ],
    )
    def test_is_none_where_one_customers_rows_cannot_tell(self, shop: brute.Shop, leaf: dict[str, Any]) -> None:
        shop.history = {"seg_1": []}
        assert ways(shop, 2, leaf) == []

    def test_leaves_a_comparison_alone_that_it_does_not_touch(self, shop: brute.Shop) -> None:
        match = {"any": [{"rank": "spend.net", "top_percent": 10}, {"attr": "city", "op": "is", "value": "Berlin"}]}
        assert [way.text for way in ways(shop, 2, match)] == ["city were “Berlin” instead of “Paris”"]

    def test_is_an_order_that_a_sequence_or_a_state_of_life_waits_for(self, shop: brute.Shop) -> None:
        shop.orders, shop.lines = shop.orders[:1], shop.lines[:1]
        one = "the customer placed 1 more order now"
        assert ways(shop, 1, {"first": {"did": "ordered"}, "then": {"did": "ordered"}, "within": "30d"})[0].text == one
        assert ways(shop, 1, {"life": "returned", "event": "ordered", "gap": "5d"})[0].text == one

    def test_says_where_an_order_of_any_kind_would_not_do(self, shop: brute.Shop) -> None:
        shop.orders[0]["customer_no"] = shop.lines[0]["customer_no"] = 2
        shop.lines[1]["product_no"] = 3
        tea = {"attr": "product.type", "op": "is", "value": "Tea"}
        text = ways(shop, 2, {"latest": "ordered", "has": [tea]})[0].text
        assert text == "the customer placed 1 more order now, counted by “Ordered (product type is “Tea”)”"
        text = ways(shop, 2, {"latest": "ordered", "has": [{**tea, "op": "is_not"}]})[0].text
        assert text == "the customer placed 1 more order now, like one placed lately"

    @pytest.mark.parametrize("seed", range(7))
    def test_flips_when_made_on_a_copy_and_nothing_smaller_of_its_family_does(self, seed: int) -> None:
        shop = random_shop(seed)
        r = random.Random(seed + 7)
        told = 0
        with connect(shop) as connection:
            while told < TOLD:
                raw, no = random_rule(r), r.choice(sorted(shop.universe))
                now = brute.holds(raw["match"], no, known_at(shop, shop.as_of))
                with alone(world(shop, connection), no) as one:
                    found = nearest(parse(raw), one, WORDS)
                    values = {
                        change.attr: value_of(known, one)
                        for way in found
                        for change in way.changes
                        if isinstance(change, SetValue) and (known := attribute(change.attr)) is not None
                    }
                for way in found:
                    told += 1
                    assert brute.holds(raw["match"], no, changed(shop, no, way.changes)) != now, (raw, no, way)
                    self.nothing_smaller(shop, raw, no, way, values, now=now)

    def nothing_smaller(
        self, shop: brute.Shop, raw: dict[str, Any], no: int, way: Way, values: dict[str, Any], *, now: bool
    ) -> None:
        for position, change in enumerate(way.changes):
            others = [*way.changes[:position], *way.changes[position + 1 :]]
            tried = [*others] if others else []
            if tried:
                assert brute.holds(raw["match"], no, changed(shop, no, tried)) == now, (raw, no, way, "one too many")
            for less in smaller(change, values.get(getattr(change, "attr", ""))):
                made = changed(shop, no, [*way.changes[:position], less, *way.changes[position + 1 :]])
                assert brute.holds(raw["match"], no, made) == now, (raw, no, way, less)


class TestFlipByTime:
    def test_is_when_the_last_order_leaves_the_window(self, shop: brute.Shop) -> None:
        found = flip(shop, 1, {"did": "ordered", "during": {"last": "30d"}})
        assert found is not None
        # 30 store days after the day of the order, in whatever zone the shop is.
        day = (shop.as_of - timedelta(days=10)).astimezone(shop.zone).date() + timedelta(days=30)
        assert (found.at.astimezone(shop.zone).date(), found.member) == (day, False)

    def test_of_hours_is_exact(self, shop: brute.Shop) -> None:
        shop.orders[0]["processed_at"] = shop.as_of - timedelta(hours=1, minutes=7)
        found = flip(shop, 1, {"did": "ordered", "during": {"last": "36h"}})
        assert found is not None
        assert found.at == shop.orders[0]["processed_at"] + timedelta(hours=36) + MOMENT

    @pytest.mark.parametrize(
        ("leaf", "day", "member"),
        [
            ({"first": {"did": "ordered", "count": {"op": "eq", "n": 2}},
              "then": {"did": "ordered", "count": {"op": "eq", "n": 0}}, "within": "30d"}, "2026-12-10", True),
            ({"life": "stopped", "event": "ordered", "gap": "60d"}, "2027-01-09", True),
            ({"in": "seg_1", "moved": "left", "during": {"last": "30d"}}, "2026-12-01", False),
            ({"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": "14d"}}}, "2026-12-17", True),
            ({"attr": "metafield.facts.birth_date", "during": {"ago": ["37y", "36y"]}}, "2026-12-30", True),
        ],
    )  # fmt: skip
    def test_is_known_for_every_kind_of_condition_that_time_moves(
        self, shop: brute.Shop, leaf: dict[str, Any], day: str, member: bool
    ) -> None:
        shop.zone = ZoneInfo("Europe/Berlin")
        shop.customers[0]["birth_date"] = "1990-12-30"
        shop.history = {"seg_1": [(shop.as_of - timedelta(days=19), {2}, {1})]}
        found = flip(shop, 1, leaf)
        assert found is not None
        assert (found.at, found.member) == (datetime.fromisoformat(day).replace(tzinfo=shop.zone), member)

    def test_takes_lines_of_orders_to_come_for_unknown(self, shop: brute.Shop) -> None:
        for line, at in zip(shop.lines, shop.orders, strict=True):
            line["ordered_at"] = at["processed_at"]
        later = shop.as_of + timedelta(days=1)
        shop.orders.append(order(3, 1, later))
        shop.lines.append({**shop.lines[0], "order_id": 3, "line_id": 3, "ordered_at": later})
        where = [{"attr": "product.id", "op": "is", "value": "1001"}]
        found = flip(shop, 1, {"did": "ordered", "where": where, "during": {"last": "20d"}})
        assert found is not None
        day = (shop.as_of - timedelta(days=10)).astimezone(shop.zone).date() + timedelta(days=20)
        assert (found.at.astimezone(shop.zone).date(), found.member) == (day, False)

    def test_is_of_the_customer_whatever_was_found_out_of_all(self, shop: brute.Shop) -> None:
        rule = parse({"v": 1, "match": {"did": "ordered", "during": {"last": "30d"}}})
        kept: dict[str, Matched] = {}
        with connect(shop) as connection:
            whole = replace(world(shop, connection), shared=Shared(kept))
            evaluate(rule, whole)
            before = {key: found.members for key, found in kept.items()}
            with alone(whole, 1) as one:
                assert next_flip(rule, one) is not None
                assert nearest(rule, one, WORDS) != []
            assert {key: found.members for key, found in kept.items()} == before != {}

    def test_is_none_where_time_changes_nothing(self, shop: brute.Shop) -> None:
        assert flip(shop, 1, {"did": "ordered"}) is None
        assert flip(shop, 1, {"in": "seg_1"}) is None

    def test_takes_what_has_not_happened_yet_for_unknown(self, shop: brute.Shop) -> None:
        shop.orders.append(order(3, 2, shop.as_of + timedelta(days=1)))
        assert flip(shop, 2, {"did": "ordered"}) is None

    @pytest.mark.parametrize("seed", range(10))
    def test_just_before_it_nothing_is_changed_and_at_it_membership_is(self, seed: int) -> None:
        shop = random_shop(seed)
        r = random.Random(seed + 11)
        seen = 0
        with connect(shop) as connection:
            for _ in range(12):
                raw, no = random_rule(r), r.choice(sorted(shop.universe))
                with alone(world(shop, connection), no) as one:
                    found = next_flip(parse(raw), one)
                raw = {**raw, "match": held(raw["match"], no, known_at(shop, shop.as_of))}
                now = brute.holds(raw["match"], no, known_at(shop, shop.as_of))
                if found is None:
                    for days in (1, 20, 45, 399):
                        later = known_at(shop, shop.as_of + timedelta(days=days))
                        assert brute.holds(raw["match"], no, later) == now, (raw, no, days)
                    continue
                seen += 1
                for part in (0.25, 0.5, 0.75):
                    between = shop.as_of + (found.at - shop.as_of) * part
                    assert brute.holds(raw["match"], no, known_at(shop, between)) == now, (raw, no, found)
                assert brute.holds(raw["match"], no, known_at(shop, found.at - MOMENT)) == now, (raw, no, found)
                assert brute.holds(raw["match"], no, known_at(shop, found.at)) == found.member != now, (raw, no, found)
