"""Hostile input at the one door into prediction: a defined result, chances inside (0, 1), finite sums."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_shops import AS_OF, day, lines, steady_shop

from ml.api import predict

if TYPE_CHECKING:
    from ml.api import Predictions

FRAMES = ("pairs", "associations", "customers", "base_rates")


def run(rows: pd.DataFrame, **more: Any) -> Predictions:
    arguments: dict[str, Any] = {"products": None, "customers": None, "as_of": AS_OF, "candidates": None, "seed": 1}
    return predict(rows, horizon_days=30, **(arguments | more))


def assert_defined(found: Predictions) -> None:
    chances = [found.pairs["probability"], *(found.customers[f"p_order_{days}d"] for days in (30, 60, 90))]
    for chance in chances:
        assert ((chance > 0) & (chance < 1)).all()
    for frame, columns in (
        (found.pairs, ["lift"]),
        (found.associations, ["lift", "lift_shrunk", "p_value", "q_value"]),
    ):
        assert np.isfinite(frame[columns].dropna().to_numpy()).all()
    assert np.isfinite(found.customers[["orders_12m", "value_12m"]].to_numpy()).all()
    card = found.card
    assert card["lines"] == (
        card["sizes"]["purchases"] + card["changed_lines"].get("merged", 0) + sum(card["left_out"].values())
    )
    json.dumps(card, allow_nan=False)


def assert_same(one: Predictions, other: Predictions) -> None:
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


def value(found: Predictions, customer: int) -> float:
    return float(found.customers.set_index("customer_no").loc[customer, "value_12m"])


class TestOneOfEach:
    def test_customer_who_bought_once_may_buy_again_and_is_told_as_a_guess(self) -> None:
        found = run(lines((1, "a", day(3), 5)))
        assert_defined(found)
        assert found.pairs[["kind", "basis"]].to_numpy().tolist() == [["repurchase", "prior"]]
        assert found.associations.empty

    def test_product_has_no_cross_sell(self) -> None:
        found = run(lines(*[(c, f"{c}-{k}", day(5 * k + c / 9 + 1), 5) for c in range(40) for k in range(6)]))
        assert_defined(found)
        assert set(found.pairs["kind"]) == {"repurchase"}
        assert len(found.pairs) == 40

    def test_day_tells_nothing_about_gaps_and_so_no_date_is_expected(self) -> None:
        found = run(lines(*[(c, f"{c}", day(9), p) for c in range(60) for p in range(3 + c % 2)]))
        assert_defined(found)
        assert set(found.pairs["basis"]) == {"prior"}
        assert found.pairs["expected_at"].isna().all()

    def test_customer_with_ten_thousand_orders_is_nearly_sure_to_order_and_spoils_nobody(self) -> None:
        rest = steady_shop(customers=120, products=6)
        moments = np.linspace(0.001, 300, 10_000)
        whale = lines(*[(999, f"w{i}", day(float(ago)), 3) for i, ago in enumerate(moments)])
        found = run(pd.concat([rest, whale], ignore_index=True))
        assert_defined(found)
        chance = found.customers.set_index("customer_no")["p_order_30d"]
        assert chance[999] > 0.95
        calm = run(rest).customers.set_index("customer_no")["p_order_30d"]
        assert (chance.drop(999) - calm).abs().max() < 0.2


class TestTheShop:
    def test_a_product_that_vanished_is_offered_to_nobody_new_but_owners_keep_their_chance(self) -> None:
        rows = steady_shop(customers=120, products=6)
        table = pd.DataFrame({"product_no": range(5), "active": True})
        pairs = run(rows, products=table).pairs
        assert set(pairs.loc[pairs["product_no"] == 5, "kind"]) == {"repurchase"}
        assert {"cross_sell"} < set(pairs.loc[pairs["product_no"] == 4, "kind"])

    def test_refunds_and_returns_are_counted_and_do_not_undo_what_was_bought(self) -> None:
        bought = lines((1, "a", day(40), 5, 2, 10.0), (1, "b", day(9), 6, 1, 10.0))
        refunds = lines((1, "a", day(30), 5, -2, 10.0), (1, "b", day(8), 6, 1, -500.0), (1, "c", day(8), 6, 0, 10.0))
        found = run(pd.concat([bought, refunds], ignore_index=True))
        assert_defined(found)
        assert_same(found, run(bought))
        assert found.card["left_out"] == {"quantity_not_positive": 2, "negative_price": 1}

    def test_a_clock_in_the_future_changes_nothing_but_the_count(self) -> None:
        rows = steady_shop(customers=40, products=6)
        future = lines((1, "x", AS_OF, 3), (900, "y", pd.Timestamp("2199-01-01", tz="UTC"), 900))
        found = run(pd.concat([rows, future], ignore_index=True))
        assert_same(found, run(rows))
        assert found.card["left_out"] == {"after_as_of": 2}

    def test_a_date_that_stands_for_unknown_does_not_age_the_shop(self) -> None:
        rows = lines(*[(c, f"{c}", day(c / 9 + 1), 5) for c in range(60)])
        found = run(pd.concat([rows, lines((7, "x", "1900-01-01", 5))], ignore_index=True))
        assert_same(found, run(rows))
        assert found.card["windows"]["latest"] is None
        assert found.card["left_out"] == {"too_old": 1}

    def test_a_line_twice_is_one_purchase_of_both(self) -> None:
        once = run(lines((1, "a", day(9), 5, 2, 3.0), (2, "b", day(3), 5)))
        split = run(lines((1, "a", day(9), 5, 1, 3.0), (1, "a", day(9), 5, 1, 3.0), (2, "b", day(3), 5)))
        assert_same(once, split)
        assert split.card["changed_lines"] == {"merged": 1}

    @pytest.mark.parametrize("price", [np.nan, np.inf])
    def test_a_purchase_without_a_price_is_a_purchase_and_adds_no_money(self, price: float) -> None:
        rest = [(2, "b", day(50), 6, 1, 8.0), (2, "c", day(20), 6, 1, 8.0), (1, "z", day(60), 6, 1, 8.0)]
        found = run(lines((1, "a", day(9), 5, 1, price), *rest))
        assert_defined(found)
        assert_same(found, run(lines((1, "a", day(9), 5, 1, 0.0), *rest)))
        owned = found.pairs.loc[found.pairs["customer_no"] == 1].set_index("product_no")["kind"]
        assert owned.to_dict() == {5: "repurchase", 6: "repurchase"}
        assert found.card["changed_lines"] == {"price_unknown": 1}

    def test_an_absurd_amount_leaves_every_sum_finite(self) -> None:
        rows = steady_shop(customers=60, products=6)
        rows.loc[5, ["quantity", "unit_price"]] = 1e300
        found = run(rows)
        assert_defined(found)
        assert found.card["changed_lines"]["amount_cut"] == 1

    def test_one_order_number_of_two_customers_is_two_orders(self) -> None:
        found = run(lines((1, "a", day(9), 5), (2, "a", day(8), 6)))
        assert found.card["sizes"]["orders"] == 2


def often(*good: Any) -> st.SearchStrategy[Any]:
    """Every second time a good value, or no line would be a purchase."""
    return st.sampled_from(good)


NUMBERS = often(1.0, 2.5) | st.sampled_from(
    [-np.inf, -1e300, -1.0, -0.0, 0.0, 1e-300, 0.5, 1.0, 2.5, 1e7, 1e300, np.inf, np.nan]
)
TIMES = st.one_of(
    st.floats(-60, 400).map(day),
    st.floats(1, 200).map(day),
    st.sampled_from(
        [
            pd.NaT,
            AS_OF,
            day(0.5e-10),
            pd.Timestamp("1900-01-01", tz="UTC"),
            day(7305),
            pd.Timestamp("2250-01-01", tz="UTC"),
        ]
    ),
)
NUMBER_OR_NONE = often(1.0, 2.0, 3.0) | st.sampled_from([0.0, 1.0, 2.0, 3.0, 2**31 - 1.0, -(2.0**31), np.nan, np.inf])
HOSTILE = st.lists(
    st.tuples(
        NUMBER_OR_NONE, st.sampled_from(["a", "b", "A", " a", "", None]), TIMES, NUMBER_OR_NONE, NUMBERS, NUMBERS,
        NUMBERS, st.sampled_from(["tea", "Tea", "", None]),
    ),
    max_size=40,
)  # fmt: skip
COLUMNS = ["customer_no", "order_id", "ordered_at", "product_no", "quantity", "unit_price", "discount", "product_type"]


def hostile(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], utc=True)
    return frame.astype(dict.fromkeys(("customer_no", "product_no", "quantity", "unit_price", "discount"), float))


class TestHostileFrames:
    @settings(max_examples=25, deadline=None)
    @given(HOSTILE, st.randoms(use_true_random=False))
    def test_have_a_defined_result_whatever_the_order_of_rows(self, rows: list[Any], random: Any) -> None:
        found = run(hostile(rows))
        assert_defined(found)
        shuffled = list(rows)
        random.shuffle(shuffled)
        again = run(hostile(shuffled))
        assert_same(found, again)
        assert json.dumps(found.card) == json.dumps(again.card)
