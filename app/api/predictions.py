"""Predictions: what they are worth."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models.predictions import BacktestAnswer, ModelCardAnswer
from app.services import predictions

bp = APIBlueprint("predictions", __name__, url_prefix="/api/predictions", abp_tags=[Tag(name="predictions")])


@bp.get("/card", responses={200: ModelCardAnswer})
def card() -> dict[str, Any]:
    """The newest model card with the headline figures of earlier runs."""
    found = predictions.card(rooms(), current_shop())
    return ModelCardAnswer.model_validate({"card": found}).model_dump(mode="json")


@bp.get("/backtest", responses={200: BacktestAnswer})
def backtest() -> dict[str, Any]:
    """Expected against actual buyers at past moments; poll it while `working`."""
    found = predictions.backtest(rooms(), current_shop())
    return BacktestAnswer.model_validate(found).model_dump(mode="json")
