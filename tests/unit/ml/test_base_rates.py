"""How often a product is bought anyway, by hand."""

from __future__ import annotations

import pytest
from ml_shops import AS_OF, day, lines

from ml.base_rates import base_rates
from ml.history import build_history

ROWS = (
    (1, "a", day(100), 5), (1, "b", day(10), 5),  # owned it, bought it again
    (2, "c", day(90), 5),  # owned it, did not
    (3, "d", day(80), 6), (3, "e", day(5), 5),  # was active without it, bought it
    (4, "f", day(70), 6),  # was active without it, did not
    (5, "g", day(900), 6), (5, "h", day(4), 5),  # had not ordered for a year: not eligible
    (6, "i", day(3), 5),  # was no customer before the window
)  # fmt: skip


class TestBaseRates:
    def test_shares_of_the_eligible_who_bought_in_the_last_window(self) -> None:
        table = base_rates(build_history(lines(*ROWS), None, AS_OF), 30).set_index(["product_no", "kind"])
        assert table.loc[(5, "repurchase"), ["positives", "eligible"]].tolist() == [1, 2]
        assert table.loc[(5, "repurchase"), "base_rate"] == pytest.approx(1 / 2)
        assert table.loc[(5, "cross_sell"), ["positives", "eligible"]].tolist() == [1, 2]

    def test_has_no_rate_where_nobody_was_eligible(self) -> None:
        table = base_rates(build_history(lines((1, "a", day(3), 5)), None, AS_OF), 30)
        assert table["base_rate"].isna().all()
        assert table["eligible"].tolist() == [0, 0]
