"""The yardsticks of the policy benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import policy
from benchmarks.policy import halves, qini, uplift_at
from ml.policy.log import Log


def trial(seed: int, n: int = 4_000) -> tuple[Log, np.ndarray]:
    """A coin decides who is treated; the first column is the true uplift."""
    rng = np.random.default_rng(seed)
    uplift = rng.uniform(0, 0.4, n)
    treated = rng.integers(0, 2, n)
    acted = (rng.random(n) < 0.2 + treated * uplift).astype(float)
    return Log(uplift[:, None], treated, np.full((n, 2), 0.5), acted, np.arange(n)), uplift


class TestQini:
    @pytest.mark.parametrize("strict", [True, False])
    def test_of_the_best_ranking_is_one_and_of_its_reverse_negative(self, strict: bool) -> None:
        log, _ = trial(1)
        best = np.where(log.action == 1, log.reward, -log.reward)
        if strict:
            assert qini(log, best) == pytest.approx(1.0)
        assert qini(log, -best, strict=strict) < 0

    def test_of_the_true_uplift_lies_above_noise(self) -> None:
        log, uplift = trial(2, 20_000)
        noise = [qini(log, np.random.default_rng(seed).random(len(log))) for seed in range(100, 120)]
        assert abs(np.mean(noise)) < 0.02
        assert qini(log, uplift) > max(noise)

    def test_the_lenient_divisor_is_the_smaller_one(self) -> None:
        log, uplift = trial(3)
        assert qini(log, uplift, strict=False) > qini(log, uplift) > 0


def test_uplift_in_the_top_is_that_of_the_customers_there() -> None:
    log, uplift = trial(4, 40_000)
    assert uplift_at(log, uplift, 0.25) == pytest.approx(0.35, abs=0.03)


def test_halves_share_nobody_and_are_the_same_for_a_seed() -> None:
    first, second = halves(101, 5)
    assert (first ^ second).all()
    assert np.array_equal(first, halves(101, 5)[0])


def experiment(n: int = 4_000) -> Log:
    """Three arms at random; the second suits one half of customers and the third the other, by far."""
    rng = np.random.default_rng(11)
    side, action = rng.integers(0, 2, n), rng.integers(0, 3, n)
    acted = (rng.random(n) < np.where(action == 1 + side, 0.6, 0.1)).astype(float)
    return Log(side[:, None].astype(float), action, np.full((n, 3), 1 / 3), acted, np.arange(n))


def test_a_figure_that_is_missed_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policy, "load", lambda _outcome: experiment())
    monkeypatch.setattr(policy, "SPLITS", 2)
    assert policy.main() == 1
    said = capsys.readouterr().out
    assert "MISSED visit: promoted on all rows: 1.0000, must be 0.0000" in said
    assert "MISSED visit: ips" not in said
