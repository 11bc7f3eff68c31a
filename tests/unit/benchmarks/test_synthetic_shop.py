"""The synthetic shop: what it promises to those who measure with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from benchmarks.prediction.scale import main
from benchmarks.synthetic_shop import SyntheticShop, synthetic_shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def shop() -> SyntheticShop:
    return synthetic_shop(4_000, products=400, pairs=20)


class TestSyntheticShop:
    def test_is_the_same_by_seed_and_another_by_another(self, shop: SyntheticShop) -> None:
        pd.testing.assert_frame_equal(shop.lines, synthetic_shop(4_000, products=400, pairs=20).lines)
        assert not shop.lines.equals(synthetic_shop(4_000, products=400, pairs=20, seed=8).lines)

    def test_has_about_five_orders_per_customer_and_two_to_three_lines_per_order(self, shop: SyntheticShop) -> None:
        orders = shop.lines["order_id"].nunique()
        assert shop.lines["customer_no"].nunique() == 4_000
        assert 4 < orders / 4_000 < 6
        assert 2 < len(shop.lines) / orders < 3

    def test_lies_within_its_two_years(self, shop: SyntheticShop) -> None:
        age = shop.until - shop.lines["ordered_at"]
        assert age.min() > pd.Timedelta(0)
        assert age.max() < pd.Timedelta(days=731)

    def test_sells_a_few_products_much_more_than_most(self, shop: SyntheticShop) -> None:
        sold = shop.lines["product_no"].value_counts()
        assert sold.iloc[:40].sum() > 0.35 * len(shop.lines)

    def test_plants_pairs_of_which_the_second_follows_the_first(self, shop: SyntheticShop) -> None:
        lines = shop.lines.sort_values("ordered_at")
        followed = usual = 0.0
        for a, b in shop.planted:
            first = lines[lines["product_no"] == a].groupby("customer_no")["ordered_at"].min()
            bought = lines[lines["product_no"] == b]
            later = bought[bought["ordered_at"] > bought["customer_no"].map(first)]
            followed += later["customer_no"].nunique() / len(first)
            usual += bought["customer_no"].nunique() / 4_000
        assert len(shop.planted) == 20
        assert followed > 2 * usual


def test_the_stage_of_prediction_is_measured_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("generate", "stage", "recall"):
        main(tmp_path, 1_500, part, products=400)
    capsys.readouterr()
    stage, recall = (json.loads((tmp_path / f"{part}.json").read_text()) for part in ("stage", "recall"))
    pairs = pd.read_parquet(tmp_path / "pairs.parquet", columns=["customer_no", "product_no", "kind"])
    assert stage["pairs"] == len(pairs)
    assert stage["seconds"] > 0
    assert pairs.loc[pairs["kind"] == "cross_sell"].groupby("customer_no").size().max() == 50
    assert 0.5 < recall["recall"] <= 1
