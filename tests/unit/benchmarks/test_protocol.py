"""The benchmark of prediction must notice when it is fooled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.prediction.protocol import Leaked, labelled, measure, refuse_leaks
from benchmarks.prediction.run import Figure, main

AS_OF = pd.Timestamp("2026-05-01", tz="UTC")


def lines(customers: int = 60, days: int = 150) -> pd.DataFrame:
    """Everyone buys two of ten products again and again, and finds another now and then."""
    rng = np.random.default_rng(1)
    rows = []
    for customer in range(customers):
        own = rng.choice(10, size=2, replace=False)
        for day in np.arange(rng.uniform(0, 10), days, rng.uniform(5, 20)):
            product = rng.choice(own) if rng.random() < 0.8 else rng.integers(10)
            rows.append((customer, f"{customer}-{day:.1f}", AS_OF + pd.Timedelta(days=float(day) - 115), int(product)))
    frame = pd.DataFrame(rows, columns=["customer_no", "order_id", "ordered_at", "product_no"])
    frame = frame.assign(quantity=1.0, unit_price=2.0)
    return frame.astype({"customer_no": "int32", "product_no": "int32"})


def honest(rows: pd.DataFrame) -> pd.DataFrame:
    """A predictor that counts what was bought before the date."""
    past = rows[rows["ordered_at"] < AS_OF]
    counts = past.groupby(["customer_no", "product_no"]).size()
    return (counts / (counts + 5)).rename("probability").reset_index()


def leaking(rows: pd.DataFrame) -> pd.DataFrame:
    """The same, with a peek at who comes back."""
    found = honest(rows)
    back = rows.loc[rows["ordered_at"] >= AS_OF, "customer_no"].unique()
    return found.assign(probability=found["probability"] * np.where(found["customer_no"].isin(back), 1.0, 0.9))


class TestRefuseLeaks:
    def test_lets_an_honest_predictor_pass(self) -> None:
        refuse_leaks(honest, lines(), AS_OF, share=1)

    def test_catches_a_planted_leak(self) -> None:
        with pytest.raises(Leaked, match="2026-05-01"):
            refuse_leaks(leaking, lines(), AS_OF, share=1)


class TestLabelled:
    def test_pairs_are_those_known_before_and_labels_those_of_the_window(self) -> None:
        rows = lines()
        parts = labelled(rows, list(range(10)), AS_OF)
        past = rows[rows["ordered_at"] < AS_OF]
        window = rows[(rows["ordered_at"] >= AS_OF) & (rows["ordered_at"] < AS_OF + pd.Timedelta(days=30))]
        known = set(zip(past["customer_no"], past["product_no"], strict=True))
        bought = set(zip(window["customer_no"], window["product_no"], strict=True))
        again, new = parts["repurchase"], parts["cross_sell"]
        assert set(zip(again.customer.tolist(), again.product.tolist(), strict=True)) == known
        assert not known & set(zip(new.customer.tolist(), new.product.tolist(), strict=True))
        for part in (again, new):
            pairs = list(zip(part.customer.tolist(), part.product.tolist(), strict=True))
            found = {pair for pair, label in zip(pairs, part.label, strict=True) if label}
            assert found == bought & set(pairs)


class TestMeasure:
    def test_pairs_left_out_are_refused(self) -> None:
        rows = lines()
        test, before = (labelled(rows, list(range(10)), AS_OF - pd.Timedelta(days=n)) for n in (0, 30))
        again = test["repurchase"]
        pairs = pd.DataFrame(
            {
                "customer_no": again.customer,
                "product_no": again.product,
                "kind": "repurchase",
                "probability": 0.3,
                "basis": "model",
            }
        )
        assert measure(pairs, again, before["repurchase"], "repurchase", 0).pairs == len(pairs)
        with pytest.raises(ValueError, match="not those of the protocol"):
            measure(pairs.iloc[1:], again, before["repurchase"], "repurchase", 0)


class TestRun:
    def test_a_figure_that_misses_its_must_fails_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        good, bad = Figure("a", 1.0, 0.9), Figure("b", 1.0, 0.9, at_most=True)
        monkeypatch.setattr("benchmarks.prediction.run.PARTS", {"one": lambda: iter([good])})
        assert main([]) == 0
        monkeypatch.setattr("benchmarks.prediction.run.PARTS", {"one": lambda: iter([good, bad])})
        assert main([]) == 1

    def test_an_unknown_part_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["nothing"]) == 2
        assert "no such part: nothing" in capsys.readouterr().out
