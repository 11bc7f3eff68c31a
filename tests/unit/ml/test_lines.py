"""Which lines are purchases; every other line is counted under the reason that left it out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, lines

from ml.lines import CHANGES, MOST_MONEY, REASONS, Purchases, days, purchases

GOOD = (1, "a", day(9), 5)


def told(rows: pd.DataFrame) -> Purchases:
    return purchases(rows, AS_OF)


class TestLeavesOut:
    @pytest.mark.parametrize(
        ("reason", "column", "value"),
        [
            ("no_time", "ordered_at", pd.NaT),
            ("after_as_of", "ordered_at", AS_OF),
            ("after_as_of", "ordered_at", AS_OF + pd.Timedelta(days=36_500)),
            ("too_old", "ordered_at", pd.Timestamp("1900-01-01", tz="UTC")),
            ("too_old", "ordered_at", pd.Timestamp("1970-01-01", tz="UTC")),
            ("no_customer", "customer_no", np.nan),
            ("no_customer", "customer_no", np.inf),
            ("no_order", "order_id", None),
            ("no_product", "product_no", np.nan),
            ("quantity_unknown", "quantity", np.nan),
            ("quantity_unknown", "quantity", np.inf),
            ("quantity_not_positive", "quantity", 0.0),
            ("quantity_not_positive", "quantity", -3.0),
            ("negative_price", "unit_price", -0.01),
            ("negative_price", "unit_price", -np.inf),
        ],
    )
    def test_a_line_that_is_no_purchase_and_says_why(self, reason: str, column: str, value: object) -> None:
        rows = lines(GOOD, (2, "b", day(8), 6))
        loose = {"customer_no": float, "product_no": float}.get(column)
        rows[column] = rows[column].astype(loose) if loose else rows[column]
        rows.loc[1, column] = value
        found = told(rows)
        assert found.left_out == {reason: 1}
        assert found.lines["order_id"].tolist() == ["a"]
        assert set(found.left_out) <= set(REASONS)

    def test_each_line_once_under_the_first_reason(self) -> None:
        found = told(lines((1, "a", AS_OF, 5, -1, -1.0), (1, "b", day(1), 5, -1, -1.0)))
        assert found.left_out == {"after_as_of": 1, "quantity_not_positive": 1}
        assert found.lines.empty

    def test_nothing_where_every_line_is_a_purchase(self) -> None:
        rows = lines(GOOD)
        found = told(rows)
        assert found.lines is rows
        assert found.card(1) == {"lines": 1, "left_out": {}, "changed_lines": {}}

    def test_and_all_lines_add_up(self) -> None:
        rows = lines(GOOD, GOOD, (1, "b", day(3), 5, 0), (1, "c", AS_OF, 5), (2, "d", day(2), 6, 1, np.nan))
        card = told(rows).card(made=2)
        assert card["lines"] == 2 + card["changed_lines"]["merged"] + sum(card["left_out"].values()) == 5
        assert set(card["changed_lines"]) == {"merged", "price_unknown"} <= set(CHANGES)


class TestKeeps:
    @pytest.mark.parametrize("price", [np.nan, np.inf])
    def test_a_purchase_whose_price_is_unknown_as_worth_nothing(self, price: float) -> None:
        found = told(lines((*GOOD, 2, price)))
        assert found.lines["unit_price"].tolist() == [0.0]
        assert (found.left_out, found.changed) == ({}, {"price_unknown": 1})

    def test_absurd_amounts_cut_to_what_can_be_added_up(self) -> None:
        rows = lines((*GOOD, 1e300, 1e300), (1, "b", day(2), 6, 3, 1e300)).assign(discount=[np.inf, -np.inf])
        found = told(rows)
        money = found.lines["quantity"] * found.lines["unit_price"]
        assert money.tolist() == pytest.approx([MOST_MONEY] * 2)
        assert found.changed == {"amount_cut": 2}
        assert found.lines["discount"].between(0, MOST_MONEY).all()

    def test_the_input_as_it_was(self) -> None:
        rows = lines((*GOOD, 1e300, np.nan), (1, "b", day(2), 6, -1))
        before = rows.copy()
        told(rows)
        pd.testing.assert_frame_equal(rows, before)


class TestRefuses:
    def test_columns_that_are_missing(self) -> None:
        with pytest.raises(ValueError, match="quantity"):
            told(lines(GOOD).drop(columns="quantity"))

    def test_numbers_that_would_wrap_around(self) -> None:
        with pytest.raises(ValueError, match="customer_no has numbers beyond 32 bits"):
            told(lines(GOOD).assign(customer_no=2**31))


class TestDays:
    def test_a_missing_time_is_no_day_at_all(self) -> None:
        assert np.isnan(days(pd.DatetimeIndex([None, "1970-01-02"]))).tolist() == [True, False]
