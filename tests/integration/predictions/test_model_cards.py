"""Model cards: kept per run, compared with the one before, shown with names and sentences."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.services import model_cards, predictions
from app.services.predictions_words import FINDINGS, basis_reason, finding, headline
from app.store.models.predictions import ModelCard
from ml.api import predict
from ml.verdict import Code
from tests.integration.predictions.conftest import AS_OF, SteadyShop, steady_card, steady_lines

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def keep(shop: SteadyShop, run_id: int, card: dict[str, Any] | None = None) -> dict[str, Any]:
    """Publish a run that predicted anew, and keep its card."""
    run = shop.publish(run_id)
    whole = model_cards.complete(shop.rooms, shop.ctx, run, deepcopy(card or steady_card()))
    with shop.rooms.store.session(shop.ctx) as session:
        assert model_cards.keep(session, shop.rooms, shop.ctx, run, whole)
    return whole


def kept(shop: SteadyShop) -> list[ModelCard]:
    with shop.rooms.store.reading(shop.ctx) as session:
        return list(session.scalars(select(ModelCard).order_by(ModelCard.run_id)).all())


class TestKeeping:
    def test_a_card_outlives_the_files_of_its_run(self, shop: SteadyShop) -> None:
        whole = keep(shop, 1)
        assert [row.card for row in kept(shop)] == [whole]
        assert kept(shop)[0].grade == whole["grades"]["overall"]

    def test_a_number_that_is_not_finite_becomes_null(self, shop: SteadyShop) -> None:
        broken = deepcopy(steady_card())
        broken["repurchase"]["metrics"]["model"]["auc"] = float("nan")
        assert keep(shop, 1, broken)["repurchase"]["metrics"]["model"]["auc"] is None

    def test_predictions_that_serve_again_add_none(self, shop: SteadyShop) -> None:
        first = keep(shop, 1)
        run = shop.publish(2)
        with shop.rooms.store.session(shop.ctx) as session:
            assert not model_cards.keep(session, shop.rooms, shop.ctx, run, first)
            assert not model_cards.keep(session, shop.rooms, shop.ctx, run, None)
        assert [row.run_id for row in kept(shop)] == [1]

    def test_the_second_is_compared_with_the_first(self, shop: SteadyShop) -> None:
        assert keep(shop, 1)["drift"] is None
        changed = deepcopy(steady_card())
        changed["repurchase"]["scores"]["counts"].reverse()
        found = keep(shop, 2, changed)
        assert found["drift"]["cross_sell"]["stability_index"] == 0
        assert found["drift"]["repurchase"]["stability_index"] > 1
        assert "scores_drifted" in {one["code"] for one in found["findings"]}

    def test_old_ones_keep_their_figures_and_very_old_ones_go(
        self, shop: SteadyShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_cards, "WHOLE_CARDS", 2)
        for run_id in (1, 2, 3):
            keep(shop, run_id)
            shop.clock.advance(timedelta(days=150))
        assert [bool(row.card) for row in kept(shop)] == [False, True, True]
        assert kept(shop)[0].headline == kept(shop)[2].headline
        keep(shop, 4)
        assert [row.run_id for row in kept(shop)] == [2, 3, 4]


class TestShowing:
    def test_names_products_and_ways_to_predict(self, shop: SteadyShop) -> None:
        keep(shop, 1)
        found = predictions.card(shop.rooms, shop.ctx)
        assert found is not None
        again = found["kinds"][0]
        assert {row["title"] for row in again["products"]} <= {"Coffee", "Tea", "Cocoa", "Mug", "Filter", "Honey"}
        assert again["products"][0]["positives"] == max(row["positives"] for row in again["products"])
        names = {one["key"]: one["name"] for one in again["scorers"]}
        assert (names["model"], names["best_sellers"]) == ("Encore's model", "Best sellers")
        assert [one["served"] for one in again["scorers"]].count(True) == 1

    def test_says_which_lines_were_left_out_the_most_first(self, shop: SteadyShop) -> None:
        keep(shop, 1, {**deepcopy(steady_card()), "left_out": {"free": 2, "gift_card": 7}})
        found = predictions.card(shop.rooms, shop.ctx)
        assert found is not None
        assert [(one["lines"], one["text"]) for one in found["left_out"]] == [
            (7, "of gift cards"),
            (2, "without a price"),
        ]

    def test_says_what_was_expected_and_what_came(self) -> None:
        calibration = steady_card()["repurchase"]["calibration"]
        assert f"{calibration['observed']:,} came" in headline(steady_card())
        nothing = {"repurchase": {"calibration": None}, "cross_sell": {"calibration": None}}
        assert "not yet a complete month" in headline(nothing)

    def test_says_why_which_way_is_used(self) -> None:
        metrics = {"model": {"average_precision": 0.4}, "recency": {"average_precision": 0.3}}
        part: dict[str, Any] = {"basis": "model", "served": "model", "metrics": metrics}
        assert "better than the best rule, “Bought last” (0.400 against 0.300" in basis_reason("repurchase", part)
        close = metrics | {"recency": {"average_precision": 0.399}}
        assert "as well as the best rule" in basis_reason("repurchase", part | {"metrics": close})
        served = part | {"basis": "baseline", "served": "recency"}
        assert "did not rank customers better" in basis_reason("repurchase", served)
        alone = served | {"metrics": {"recency": {"average_precision": 0.3}}}
        assert "too few purchases to train" in basis_reason("repurchase", alone)
        assert "Averages of your store" in basis_reason("repurchase", {"basis": "prior", "metrics": {}})

    def test_every_finding_has_its_sentence(self) -> None:
        assert set(FINDINGS) == set(get_args(Code))
        values = {
            "expected": 100.0, "actual": 130, "count": 4, "of": 9, "product_nos": [1, 2, 3], "before": 0.9, "now": 1.2,
            "error": 0.02, "index": 0.3, "lift": 1.1, "days": 50, "enough": 120, "buyers": 7, "rule": "recency",
        }  # fmt: skip
        for code in FINDINGS:
            sentence = finding({"code": code, "kind": "repurchase", "values": values}, {1: "Coffee"})
            assert "{" not in sentence
            assert sentence.endswith(".")
        named = finding({"code": "products_off", "kind": "repurchase", "values": values}, {1: "Coffee"})
        assert "(Coffee, product 2, product 3 and others)" in named


class TestOverHttp:
    @pytest.fixture
    def client(self, shop: SteadyShop) -> FlaskClient:
        def authenticate() -> None:
            g.shop = shop.ctx

        return create_app(shop.rooms, authenticate, []).test_client()

    def test_before_the_first_card_there_is_none(self, client: FlaskClient) -> None:
        assert client.get("/api/predictions/card").json == {"card": None}
        assert client.get("/api/predictions/backtest").json["state"] == "none"

    def test_the_newest_card_comes_with_earlier_figures(self, client: FlaskClient, shop: SteadyShop) -> None:
        keep(shop, 1)
        keep(shop, 2)
        card = client.get("/api/predictions/card").json["card"]
        assert (card["run_id"], [one["run_id"] for one in card["earlier"]]) == (2, [2, 1])
        assert card["kinds"][0]["drift"]["level"] == "none"
        assert sum(row["pairs"] for row in card["kinds"][0]["calibration"]["table"]) == card["kinds"][0]["pairs"]
        assert card["customers"]["check"]["orders_actual"] > 0

    @pytest.mark.parametrize("orders", [0, 1])
    def test_a_shop_of_hardly_an_order_has_a_card_that_says_so(
        self, client: FlaskClient, shop: SteadyShop, orders: int
    ) -> None:
        lines = steady_lines().head(orders).assign(unit_price=2.0)
        keep(shop, 1, predict(lines, None, None, pd.Timestamp(AS_OF), 30, None, 1).card)
        card = client.get("/api/predictions/card").json["card"]
        assert (card["grade"], [one["basis"] for one in card["kinds"]]) == ("too_little_data", ["prior", "prior"])
        assert "not yet a complete month" in card["headline"]
        assert [one["code"] for one in card["findings"] if one["kind"]] == ["nothing_measured", "nothing_measured"]
