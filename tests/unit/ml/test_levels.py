"""Product types are predicted as products are, and only where that adds something."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, lines, steady_shop

from ml import levels
from ml.api import Predictions, predict
from ml.history import build_history
from ml.levels import type_level

TYPES = pd.DataFrame(
    {"product_no": range(12), "product_type": ["Tea"] * 5 + ["Cups"] * 4 + ["Mill", "", None], "active": True}
)


def run(rows: pd.DataFrame, products: pd.DataFrame | None = TYPES, **more: object) -> Predictions:
    arguments: dict[str, object] = {"customers": None, "as_of": AS_OF, "candidates": None, "seed": 1}
    return predict(rows, products, horizon_days=30, **(arguments | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return steady_shop(customers=260)


@pytest.fixture(scope="module")
def found(rows: pd.DataFrame) -> Predictions:
    return run(rows)


class TestTypeLevel:
    def test_lines_of_one_order_and_type_are_one_purchase_of_the_type(self) -> None:
        bought = lines((1, "a", day(9), 0, 2, 3.0), (1, "a", day(9), 1, 1, 4.0), (1, "b", day(3), 1))
        level = type_level(build_history(bought, TYPES, AS_OF), np.ones(2, dtype=bool))
        assert level is not None
        assert level.h.pair_count.tolist() == [2]
        assert (level.h.quantity.tolist(), level.h.value.tolist()) == ([3, 1], [10.0, 2.0])

    def test_does_not_exist_where_every_type_has_a_single_product(self) -> None:
        h = build_history(lines((1, "a", day(9), 0), (1, "a", day(9), 9)), TYPES, AS_OF)
        assert type_level(h, np.ones(2, dtype=bool)) is None

    def test_keeps_the_most_bought_types_and_makes_one_of_the_rest(
        self, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(levels, "MAX_TYPES", 1)
        level = type_level(build_history(rows, TYPES, AS_OF), np.ones(12, dtype=bool))
        assert level is not None
        assert level.names.tolist() == ["Tea", ""]
        assert level.allowed.tolist() == [True, False]
        assert len(level.h.order_day) == rows["order_id"].nunique()

    def test_offers_as_new_only_the_types_with_most_buyers(
        self, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(levels, "NEW_TYPES", 1)
        found = run(rows)
        new = found.type_pairs["kind"] == "cross_sell"
        assert set(found.type_pairs.loc[new, "product_type"]) == {"Tea"}
        assert set(found.type_pairs.loc[~new, "product_type"]) == {"Tea", "Cups"}
        assert len(found.type_base_rates) == 3

    def test_leaves_out_a_type_of_which_nothing_is_offered_any_more(self, rows: pd.DataFrame) -> None:
        gone = TYPES.assign(active=TYPES["product_type"] != "Tea")
        assert set(run(rows, gone).type_pairs["product_type"]) == {"Cups"}


class TestTypePairs:
    def test_have_the_types_with_two_products_or_more(self, found: Predictions) -> None:
        assert set(found.type_pairs["product_type"]) == {"Tea", "Cups"} == set(found.type_base_rates["product_type"])
        assert found.card["types"]["types"] == 2
        assert found.card["types"]["pairs"] == len(found.type_pairs)

    def test_are_each_customer_once_with_each_type_again_or_for_the_first_time(
        self, rows: pd.DataFrame, found: Predictions
    ) -> None:
        pairs = found.type_pairs
        assert not pairs.duplicated(["customer_no", "product_type"]).any()
        typed = rows.merge(TYPES, on="product_no")
        owned = set(zip(typed["customer_no"], typed["product_type"], strict=True))
        again = [key in owned for key in zip(pairs["customer_no"], pairs["product_type"], strict=True)]
        assert (pairs["kind"] == np.where(again, "repurchase", "cross_sell")).all()
        assert pairs["probability"].between(0, 1, inclusive="neither").all()
        assert pairs.loc[pairs["kind"] == "repurchase", "because_product_type"].isna().all()

    def test_are_likelier_than_the_same_customer_s_likeliest_product_of_the_type(self, found: Predictions) -> None:
        products = found.pairs[found.pairs["kind"] == "repurchase"].merge(TYPES, on="product_no")
        best = products.groupby(["customer_no", "product_type"])["probability"].max().rename("best").reset_index()
        both = found.type_pairs.merge(best, on=["customer_no", "product_type"])
        assert len(both) > 100
        assert (both["probability"] - both["best"]).mean() > 0

    def test_expect_about_as_many_buyers_as_come(self) -> None:
        whole = steady_shop(customers=600, seed=3)
        now = day(30)
        pairs = run(whole, as_of=now).type_pairs.query("kind == 'repurchase'")
        later = whole[whole["ordered_at"] >= now].merge(TYPES, on="product_no")
        came = pairs.merge(later[["customer_no", "product_type"]].drop_duplicates())
        assert set(pairs["basis"]) == {"model"}
        assert pairs["probability"].sum() == pytest.approx(len(came), rel=0.1)

    def test_are_the_same_whatever_the_order_of_rows_and_whoever_takes_them(
        self, rows: pd.DataFrame, found: Predictions
    ) -> None:
        taken: list[pd.DataFrame] = []
        again = run(rows.sample(frac=1, random_state=2), type_sink=taken.append)
        assert again.type_pairs.empty
        pd.testing.assert_frame_equal(pd.concat(taken, ignore_index=True), found.type_pairs, check_exact=True)
        pd.testing.assert_frame_equal(again.type_base_rates, found.type_base_rates, check_exact=True)

    @pytest.mark.parametrize("more", [{"products": None}, {"mode": "best"}, {"mode": "all_pairs"}])
    def test_are_none_without_types_and_where_nobody_asked(self, rows: pd.DataFrame, more: dict[str, object]) -> None:
        nothing = run(rows, **more)  # type: ignore[arg-type]
        assert nothing.type_pairs.empty
        assert nothing.type_base_rates.empty
