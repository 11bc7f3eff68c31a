"""Fitting, choosing and measuring a model over pairs."""

from __future__ import annotations

import numpy as np
import pytest

from ml.calibration import IDENTITY
from ml.pair_model import CLOSED_FORM, CrossFitted, Examples, choose, closed_form_share, fit, fit_cross_fitted

ROWS = 6_000
CUSTOMERS = 600


def examples(seed: int, *, rule_knows: bool = False, rows: int = ROWS) -> Examples:
    """Pairs whose chance of a purchase rises with a feature; the rules know nothing of it, or everything."""
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=rows)
    label = rng.random(rows) < 1 / (1 + np.exp(1 - 1.5 * feature))
    noise = rng.normal(size=(rows, 2))
    # Where the rule knows everything, the model's input is nearly all noise.
    inputs = np.column_stack([noise[:, 0] * 20 + feature if rule_knows else feature, noise[:, 1]])
    closed = {CLOSED_FORM: noise[:, 1], "rule": feature if rule_knows else noise[:, 0]}
    customer = rng.integers(0, CUSTOMERS, rows)
    return Examples(customer, rng.integers(0, 5, rows), inputs.astype(np.float32), label, np.ones(rows), closed)


class TestCrossFitted:
    def test_no_customer_is_judged_by_the_model_that_learned_from_them(self) -> None:
        part = examples(1)
        fitted = fit_cross_fitted([part], 1, with_trees=True)
        assert fitted is not None
        # Another life of half the customers changes the model that learned from them, and none of their scores.
        unseen = fitted.unseen(part.customer, part.features)
        by_first = unseen == fitted.halves[0].score(part.features)
        assert 0.4 < by_first.mean() < 0.6
        learned = np.where(by_first, part.label, ~part.label)
        turned = Examples(part.customer, part.product, part.features, learned, part.weight, part.closed)
        again = fit_cross_fitted([turned], 1, with_trees=True)
        assert again is not None
        assert np.array_equal(again.unseen(part.customer, part.features)[~by_first], unseen[~by_first])
        assert not np.array_equal(again.unseen(part.customer, part.features)[by_first], unseen[by_first])

    def test_the_same_examples_give_the_same_scores(self) -> None:
        part = examples(1)
        first, second = (fit_cross_fitted([part], 7, with_trees=True) for _ in range(2))
        assert first is not None
        assert second is not None
        assert np.array_equal(first.score(part.features), second.score(part.features))

    def test_too_few_buyers_in_one_half_fit_nothing(self) -> None:
        assert fit_cross_fitted([examples(1, rows=300)], 1, with_trees=True) is None


class TestThinned:
    def test_keeps_every_buyer_and_the_weight_of_the_rest(self) -> None:
        whole = examples(3)
        part = whole.thinned(2_000, 1)
        assert part.label.sum() == whole.label.sum()
        assert len(part.label) < len(whole.label)
        assert part.weight.sum() == pytest.approx(ROWS, rel=0.05)

    def test_leaves_what_is_small_as_it_is(self) -> None:
        whole = examples(3)
        assert np.array_equal(whole.thinned(ROWS, 1).weight, whole.weight)


class TestClosedFormShare:
    def test_is_next_to_nothing_where_the_model_knows_all_that_the_closed_form_knows(self) -> None:
        model = fit_cross_fitted([examples(1), examples(2)], 1, with_trees=False)
        assert model is not None
        assert closed_form_share(model, examples(3)) < 0.1

    def test_grows_with_what_the_model_does_not_know(self) -> None:
        model, latest = fit_cross_fitted([examples(1), examples(2)], 1, with_trees=False), examples(3)
        assert model is not None
        told = latest.label + np.random.default_rng(1).normal(size=ROWS)
        latest.closed[CLOSED_FORM] = told
        assert closed_form_share(model, latest) > 0.5

    def test_is_nothing_without_enough_buyers(self) -> None:
        model = fit_cross_fitted([examples(1), examples(2)], 1, with_trees=False)
        assert model is not None
        assert closed_form_share(model, examples(3, rows=100)) == 0


class TestChoose:
    def test_the_model_is_served_where_it_ranks_best(self) -> None:
        training, latest = [examples(1), examples(2)], examples(3)
        chosen, card = choose(fit(training, latest, 1, with_trees=False), latest, training[0], IDENTITY)
        assert (chosen.basis, card["rule"]) == ("model", None)
        assert isinstance(chosen.model, CrossFitted)
        chance = chosen.probability(latest.features, latest.closed)
        assert chance.mean() == pytest.approx(latest.label.mean(), rel=0.02)

    def test_a_rule_that_beats_the_model_is_served_and_calibrated(self) -> None:
        training, latest = [examples(i, rule_knows=True) for i in (1, 2)], examples(3, rule_knows=True)
        chosen, card = choose(fit(training, latest, 1, with_trees=False), latest, training[0], IDENTITY)
        assert (chosen.basis, chosen.rule, card["rule"]) == ("baseline", "rule", "rule")
        assert card["metrics"]["rule"]["average_precision"] > card["metrics"]["model"]["average_precision"] + 0.003
        fresh = examples(4, rule_knows=True)
        chance = chosen.probability(fresh.features, fresh.closed)
        assert chance.mean() == pytest.approx(fresh.label.mean(), rel=0.05)

    def test_without_examples_the_closed_form_is_served_as_it_is(self) -> None:
        chosen, card = choose(None, None, None, IDENTITY)
        assert (chosen.basis, chosen.rule, card["metrics"]) == ("prior", CLOSED_FORM, {})

    def test_the_card_says_what_a_merchant_would_have_seen_a_window_ago(self) -> None:
        training, latest = [examples(1), examples(2)], examples(3)
        half = latest.label & (np.random.default_rng(5).random(ROWS) < 0.5)
        fewer = Examples(latest.customer, latest.product, latest.features, half, latest.weight, latest.closed)
        told, seen = [], []
        for month in (latest, fewer):
            _, card = choose(fit(training, month, 1, with_trees=False), month, training[0], IDENTITY)
            told.append([row["predicted"] for row in card["calibration"]["table"]])
            seen.append(card["calibration"]["table"][-1]["observed"])
        assert told[0] == told[1]
        assert seen[1] < 0.6 * seen[0]
