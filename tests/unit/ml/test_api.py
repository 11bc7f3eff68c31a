"""The whole of prediction, through its one door."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_shops import AS_OF, day, lines, steady_shop, taste_shop

from ml.api import Mode, Predictions, predict

MODES: tuple[Mode, ...] = get_args(Mode)
SMALL_SHOPS = {
    "no orders": lines(),
    "one order": lines((1, "a", day(30), 5)),
    "one customer": lines(*[(1, f"a{i}", day(40 - i), 5) for i in range(10)]),
    "one product, free": lines(*[(c, f"{c}", day(c + 1), 5, 1, 0.0) for c in range(20)]),
    "all at one moment": lines(*[(c, f"{c}-{k}", day(9), p) for c in range(5) for k in range(3) for p in range(4)]),
    "everyone long gone": lines(*[(c, f"{c}", day(2000 + c), p) for c in range(5) for p in range(3)]),
    "only the future": lines((1, "a", AS_OF, 5)),
    "no purchase": lines((1, "a", day(3), 5, 0), (1, "b", day(2), 5, 1, -1.0)),
}


def run(rows: pd.DataFrame, horizon: int = 30, **more: object) -> Predictions:
    arguments: dict[str, object] = {"products": None, "customers": None, "as_of": AS_OF, "candidates": None, "seed": 1}
    return predict(rows, horizon_days=horizon, **(arguments | more))  # type: ignore[arg-type]


def assert_same(one: Predictions, other: Predictions) -> None:
    for name in ("pairs", "associations", "customers", "base_rates"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert json.dumps(without_later(one.card)) == json.dumps(without_later(other.card))


def without_later(card: dict[str, Any]) -> dict[str, Any]:
    """The card less the count of lines at or after as_of, which is all that they change."""
    later = card["left_out"].get("after_as_of", 0)
    rest = {reason: count for reason, count in card["left_out"].items() if reason != "after_as_of"}
    return {**card, "lines": card["lines"] - later, "left_out": rest}


def assert_sound(found: Predictions) -> None:
    pairs = found.pairs
    assert pairs["probability"].between(0, 1, inclusive="neither").all()
    assert not pairs.duplicated(["customer_no", "product_no"]).any()
    assert pairs[["customer_no", "product_no"]].apply(tuple, axis=1).is_monotonic_increasing
    assert set(pairs["kind"]) <= {"repurchase", "cross_sell"}
    assert set(pairs["basis"]) <= {"model", "baseline", "prior"}
    again = pairs["kind"] == "repurchase"
    assert pairs.loc[again, ["lift", "because_product_no"]].isna().all(axis=None)
    assert pairs.loc[~again, ["expected_at", "expected_low", "expected_high"]].isna().all(axis=None)
    json.dumps(found.card, allow_nan=False)


class TestSmallShops:
    @pytest.mark.parametrize("name", SMALL_SHOPS)
    @pytest.mark.parametrize("mode", MODES)
    def test_never_fail(self, name: str, mode: Mode) -> None:
        for horizon in (1, 30, 90):
            for candidates in (None, [5, 77], []):
                assert_sound(run(SMALL_SHOPS[name], horizon, mode=mode, candidates=candidates))

    def test_have_predictions_from_the_first_order_on_and_say_what_they_rest_on(self) -> None:
        pairs = run(SMALL_SHOPS["one order"]).pairs
        assert pairs["kind"].tolist() == ["repurchase"]
        assert pairs["basis"].tolist() == ["prior"]
        assert 0 < pairs["probability"].iloc[0] < 0.2

    def test_no_product_is_likelier_than_any_order_at_all(self) -> None:
        found = run(SMALL_SHOPS["one customer"])
        assert found.pairs["probability"].iloc[0] <= found.customers["p_order_30d"].iloc[0] + 1e-12

    @pytest.mark.parametrize("horizon", [0, 91])
    def test_a_horizon_out_of_range_is_refused(self, horizon: int) -> None:
        with pytest.raises(ValueError, match="1 to 90"):
            run(SMALL_SHOPS["one order"], horizon)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(0, 9).map(str),
        st.floats(-40, 200).map(day),
        st.integers(0, 5),
        st.sampled_from([-1, 0, 1, 2]),
        st.sampled_from([-1.0, 0.0, 2.5]),
    ),
    max_size=60,
)


class TestInvariants:
    @settings(max_examples=15, deadline=None)
    @given(ROWS, st.randoms(use_true_random=False))
    def test_the_order_of_rows_does_not_matter(self, rows: list[tuple[object, ...]], random: object) -> None:
        shuffled = list(rows)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        one = run(lines(*rows))
        assert_sound(one)
        assert_same(one, run(lines(*shuffled)))

    @settings(max_examples=15, deadline=None)
    @given(ROWS, ROWS)
    def test_rows_at_or_after_as_of_change_nothing(
        self, rows: list[tuple[object, ...]], more: list[tuple[object, ...]]
    ) -> None:
        past = [row for row in rows if row[2] < AS_OF]
        future = [(*row[:2], AS_OF + abs(row[2] - AS_OF), *row[3:]) for row in more]
        assert_same(run(lines(*past)), run(lines(*past, *future)))

    def test_hold_in_a_shop_that_is_large_enough_for_the_model(self) -> None:
        rows = steady_shop(customers=700)
        found = run(rows, as_of=day(30))
        assert {"model"} <= set(found.pairs["basis"])
        assert_sound(found)
        shuffled = rows.sample(frac=1, random_state=5)
        past = rows[rows["ordered_at"] < day(30)]
        assert_same(found, run(shuffled, as_of=day(30)))
        assert_same(found, run(past, as_of=day(30)))


class TestScope:
    ROWS = steady_shop(customers=120, products=8)

    def test_repurchase_has_every_pair_ever_bought(self) -> None:
        pairs = run(self.ROWS).pairs
        bought = self.ROWS[["customer_no", "product_no"]].drop_duplicates()
        again = pairs.loc[pairs["kind"] == "repurchase", ["customer_no", "product_no"]]
        assert len(again.merge(bought)) == len(bought) == len(again)

    def test_cross_sell_names_the_owned_product_that_speaks_for_it(self) -> None:
        pairs = run(self.ROWS).pairs
        new = pairs[pairs["kind"] == "cross_sell"]
        owned = set(zip(self.ROWS["customer_no"], self.ROWS["product_no"], strict=True))
        assert len(new) > 0
        assert new["lift"].notna().all()
        assert all(pair in owned for pair in zip(new["customer_no"], new["because_product_no"], strict=True))

    def test_each_customer_gets_at_most_fifty_of_the_whole_catalogue_beside_the_candidates(self) -> None:
        rng = np.random.default_rng(2)
        ago, product = rng.uniform(1, 80, 1200), rng.integers(0, 400, 1200)
        rows = lines(*[(i % 60, str(i), day(float(ago[i])), int(product[i])) for i in range(1200)])
        best = run(rows, mode="best").pairs
        per_customer = best[best["kind"] == "cross_sell"].groupby("customer_no").size()
        assert (per_customer == 50).all()
        segments = run(rows).pairs
        per_customer = segments[segments["kind"] == "cross_sell"].groupby("customer_no").size()
        assert per_customer.between(80, 150).all()

    def test_side_by_side_or_part_by_part_the_pairs_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = run(taste_shop(300, seed=2), mode="best")
        monkeypatch.setattr("ml.scoring.PURCHASES_PER_BLOCK", 150)
        parts: list[pd.DataFrame] = []
        found = run(taste_shop(300, seed=2), mode="best", workers=2, sink=parts.append)
        assert len(parts) > 5
        assert found.pairs.empty
        together = pd.concat(parts, ignore_index=True)
        exact = together.columns.drop("probability").tolist()
        pd.testing.assert_frame_equal(together[exact], whole.pairs[exact], check_exact=True)
        assert together["probability"].to_numpy() == pytest.approx(whole.pairs["probability"].to_numpy(), rel=1e-5)
        assert found.card["sizes"] == whole.card["sizes"]
        assert list(found.pairs.columns) == list(whole.pairs.columns)

    def test_a_giant_shop_learns_from_some_customers_and_scores_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ml.api.MAX_TEACHERS", 700)
        found = run(taste_shop(1500, seed=2), mode="best")
        assert found.card["cross_sell"]["basis"] == "model"
        assert found.pairs["customer_no"].nunique() == 1500
        own = (found.pairs["customer_no"] % 2) == (found.pairs["product_no"] // 10)
        new = found.pairs["kind"] == "cross_sell"
        chance = found.pairs["probability"]
        assert chance[new & own].mean() > 3 * chance[new & ~own].mean()

    def test_an_inactive_product_is_not_offered_as_new_but_stays_in_repurchase(self) -> None:
        products = pd.DataFrame({"product_no": range(8), "active": [number != 3 for number in range(8)]})
        pairs = run(self.ROWS, products=products).pairs
        assert set(pairs.loc[pairs["product_no"] == 3, "kind"]) == {"repurchase"}

    def test_all_pairs_scores_every_active_customer_on_every_candidate_sold_or_not(self) -> None:
        pairs = run(self.ROWS, mode="all_pairs", candidates=[0, 1, 500]).pairs
        assert len(pairs) == self.ROWS["customer_no"].nunique() * 3
        unsold = pairs[pairs["product_no"] == 500]
        assert (unsold["kind"] == "cross_sell").all()
        assert unsold["probability"].max() < 0.1
        assert unsold["lift"].isna().all()

    def test_only_the_customers_asked_for_are_in_the_result(self) -> None:
        wanted = pd.DataFrame({"customer_no": [3, 7, 100_000]})
        found = run(self.ROWS, customers=wanted)
        assert set(found.pairs["customer_no"]) == {3, 7} == set(found.customers["customer_no"])
        everyone = run(self.ROWS).pairs
        same = everyone[everyone["customer_no"].isin([3, 7])].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.pairs, same)


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return run(steady_shop(customers=700), as_of=day(30)).card


class TestCard:
    def test_shows_the_windows_and_the_sizes(self, card: dict[str, Any]) -> None:
        assert card["windows"]["latest"] == day(60).isoformat()
        assert card["windows"]["training"][0] == day(90).isoformat()
        assert card["sizes"]["customers"] == 700

    def test_measures_the_model_beside_every_baseline(self, card: dict[str, Any]) -> None:
        metrics = card["repurchase"]["metrics"]
        rules = {"frequency", "recency", "due_rule", "best_sellers", "decayed_frequency"}
        tuned = {f"decayed_frequency_{days}d" for days in (30, 60, 120)}
        assert {"model", "closed_form"} | rules | tuned == set(metrics)
        assert metrics["best_sellers"]["lift_top5"] == pytest.approx(1)

    def test_calibrates_baselines_on_the_window_before_like_the_model(self, card: dict[str, Any]) -> None:
        metrics = card["repurchase"]["metrics"]
        # Everyone buys their own favourites at a steady gap: what others buy, or who came last, points nowhere.
        assert [name for name, row in metrics.items() if row["brier"] is None] in (
            ["recency"],
            ["recency", "best_sellers"],
        )
        calibrated = [row for row in metrics.values() if row["brier"] is not None]
        assert all(0 < row["brier"] < 0.25 and row["ece"] >= 0 for row in calibrated)
        assert card["repurchase"]["served"] == "model"
        assert metrics["model"]["brier"] == min(row["brier"] for row in calibrated)
        assert metrics["model"]["expected"] == card["repurchase"]["calibration"]["expected"]

    def test_counts_all_scores_by_kind(self, card: dict[str, Any]) -> None:
        counted = [sum(card[kind]["scores"]["counts"]) for kind in ("repurchase", "cross_sell")]
        assert counted[0] == card["sizes"]["repurchase_pairs"]
        assert sum(counted) == card["sizes"]["pairs"]

    def test_does_so_for_cross_sell_too(self) -> None:
        metrics = run(taste_shop(700, seed=4)).card["cross_sell"]["metrics"]
        rules = {"recent_lift", "mean_lift", "maximum_lift", "ease", "habit", "customer_activity", "best_sellers"}
        assert rules | {"model", "closed_form"} == set(metrics)

    def test_has_a_calibration_table_that_adds_up(self, card: dict[str, Any]) -> None:
        calibration = card["repurchase"]["calibration"]
        assert sum(row["pairs"] for row in calibration["table"]) == card["repurchase"]["latest_pairs"]
        assert 0 <= calibration["error"] < 0.05
        assert calibration["brier"] < calibration["brier_base_rate"]
