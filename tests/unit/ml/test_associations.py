"""Which product leads to which."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_shops import AS_OF, day, lines
from scipy.stats import false_discovery_control, hypergeom

from ml.associations import associations, benjamini_hochberg, best_reason, count_sequences, fisher_tail
from ml.history import build_history


class TestSequences:
    ROWS = (
        (1, "a", day(30), 5), (1, "b", day(20), 6), (1, "c", day(10), 5),  # 5 then 6
        (2, "d", day(30), 6), (2, "e", day(20), 5),  # 6 then 5
        (3, "f", day(30), 5), (3, "f", day(30), 6),  # in one order: no evidence
        (4, "g", day(30), 5), (4, "h", day(20), 6), (4, "i", day(10), 6),  # counts once
    )  # fmt: skip

    def test_counts_distinct_customers_who_bought_a_before_their_first_b(self) -> None:
        h = build_history(lines(*self.ROWS), None, AS_OF)
        seen = count_sequences(h)
        five, six = seen.place[0], seen.place[1]
        assert seen.then[five, six] == 2
        assert seen.then[six, five] == 1
        assert seen.buyers.tolist() == [4, 4]
        assert seen.customers == 4

    def test_repeat_buyers_do_not_inflate_the_count(self) -> None:
        rows = [(1, f"x{i}", day(60 - i), 5 + i % 2) for i in range(40)]
        seen = count_sequences(build_history(lines(*rows), None, AS_OF))
        assert int(seen.then.sum()) == 1

    def test_shrinking_pulls_lift_to_one_where_little_is_expected(self) -> None:
        seen = count_sequences(build_history(lines(*self.ROWS), None, AS_OF))
        a, b = seen.place[[0]], seen.place[[1]]
        assert seen.expected(a, b).tolist() == [4]
        assert seen.shrunk_lift(a, b).tolist() == [pytest.approx((2 + 5) / (4 + 5))]


class TestFisher:
    @settings(max_examples=60, deadline=None)
    @given(
        st.integers(1, 400).flatmap(
            lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n), st.integers(0, n))
        )
    )
    def test_agrees_with_the_hypergeometric_tail(self, case: tuple[int, int, int, int]) -> None:
        total, marked, drawn, seen = case
        ours = fisher_tail(np.array([seen]), np.array([marked]), np.array([drawn]), total)[0]
        assert ours == pytest.approx(hypergeom.sf(seen - 1, total, marked, drawn), rel=1e-8, abs=1e-12)

    def test_many_at_once_equal_one_by_one(self) -> None:
        rng = np.random.default_rng(0)
        marked, drawn = rng.integers(1, 300, 200), rng.integers(1, 300, 200)
        seen = np.minimum(np.minimum(marked, drawn), rng.integers(0, 40, 200))
        one_by_one = [fisher_tail(seen[[i]], marked[[i]], drawn[[i]], 1000)[0] for i in range(200)]
        assert fisher_tail(seen, marked, drawn, 1000).tolist() == one_by_one


class TestBenjaminiHochberg:
    def test_agrees_with_scipy(self) -> None:
        p_values = np.random.default_rng(1).random(50) ** 3
        assert benjamini_hochberg(p_values, 50) == pytest.approx(false_discovery_control(p_values))

    def test_pairs_left_out_still_count(self) -> None:
        assert benjamini_hochberg(np.array([0.001, 0.01]), 1000) == pytest.approx([1, 1])
        assert benjamini_hochberg(np.array([1e-6, 0.01]), 1000) == pytest.approx([1e-3, 1])


def planted_shop(pairs: int, customers: int, products: int, seed: int) -> tuple[pd.DataFrame, set[tuple[int, int]]]:
    """Random orders, and `pairs` pairs (a, b) in which b often follows a within days."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(customers), 4)
    product = rng.integers(0, products, len(customer))
    ago = rng.uniform(10, 300, len(customer))
    partner = np.full(products, -1)
    partner[np.arange(0, 2 * pairs, 2)] = np.arange(1, 2 * pairs, 2)
    follows = (partner[product] >= 0) & (rng.random(len(customer)) < 0.6)
    frame = pd.DataFrame(
        {
            "customer_no": np.concatenate([customer, customer[follows]]).astype("int32"),
            "product_no": np.concatenate([product, partner[product[follows]]]).astype("int32"),
            "ordered_at": AS_OF - pd.to_timedelta(np.concatenate([ago, ago[follows] - 5]), unit="D"),
        }
    )
    frame = frame.assign(order_id=np.arange(len(frame)), quantity=1.0, unit_price=1.0)
    return frame, {(a, a + 1) for a in range(0, 2 * pairs, 2)}


class TestAssociations:
    def test_planted_pairs_are_found_in_their_direction_and_little_else(self) -> None:
        frame, planted = planted_shop(pairs=200, customers=12_000, products=800, seed=7)
        h = build_history(frame, None, AS_OF)
        found = associations(h, count_sequences(h))
        pairs = set(zip(found["a"], found["b"], strict=True))
        assert len(pairs & planted) >= 190
        assert len(pairs - planted) <= 0.05 * len(pairs)

    def test_a_shop_without_any_pattern_yields_next_to_nothing(self) -> None:
        frame, _ = planted_shop(pairs=0, customers=4000, products=100, seed=8)
        h = build_history(frame, None, AS_OF)
        assert len(associations(h, count_sequences(h))) <= 2

    def test_the_numbers_of_a_pair_can_be_checked_by_hand(self) -> None:
        rows = [(c, f"{c}a", day(30), 5) for c in range(20)] + [(c, f"{c}b", day(20), 6) for c in range(15)]
        rows += [(c, f"{c}c", day(20), 7) for c in range(20, 100)]
        h = build_history(lines(*rows), None, AS_OF)
        found = associations(h, count_sequences(h)).set_index(["a", "b"]).loc[(5, 6)]
        assert found[["customers_a", "customers_b", "customers_ab"]].tolist() == [20, 15, 15]
        assert found["lift"] == pytest.approx((15 / 20) / (15 / 100))
        assert found["lift_shrunk"] == pytest.approx((15 + 5) / (3 + 5))
        assert found["p_value"] == pytest.approx(hypergeom.sf(14, 100, 20, 15))
        assert found["q_value"] == pytest.approx(min(1, hypergeom.sf(14, 100, 20, 15) * 3 * 2))


class TestReason:
    def test_is_the_owned_product_with_the_highest_shrunk_lift(self) -> None:
        rows = [(c, f"{c}a", day(30), 5) for c in range(20)] + [(c, f"{c}b", day(20), 6) for c in range(15)]
        rows += [(c, f"{c}c", day(20), 7) for c in range(19, 100)]
        h = build_history(lines(*rows), None, AS_OF)
        lift, because = best_reason(h, count_sequences(h), np.array([19]), np.array([1]))
        assert h.product_no[because].tolist() == [5]
        assert lift.tolist() == [pytest.approx(20 / 8)]

    def test_a_product_nobody_bought_has_none(self) -> None:
        h = build_history(lines((1, "a", day(3), 5)), None, AS_OF, np.array([9]))
        lift, because = best_reason(h, count_sequences(h), np.array([0]), np.array([1]))
        assert np.isnan(lift).all()
        assert because.tolist() == [-1]
