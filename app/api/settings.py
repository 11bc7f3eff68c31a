"""Settings: what a merchant chooses for the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.settings import DemographicsPatch, DemographicsSettings
from app.services import demographics

if TYPE_CHECKING:
    from app.services.demographics import Settings

bp = APIBlueprint(
    "settings",
    __name__,
    url_prefix="/api/settings",
    abp_tags=[Tag(name="settings")],
    abp_responses={409: ErrorAnswer, 422: ErrorAnswer},
)


def _answer(found: Settings) -> Response:
    return Response(DemographicsSettings.model_validate(found).model_dump_json(), mimetype="application/json")


@bp.get("/demographics", responses={200: DemographicsSettings})
def demographics_settings() -> Response:
    """Which demographic estimates are on, with coverage and expected error."""
    return _answer(demographics.settings(rooms(), current_shop()))


@bp.patch("/demographics", responses={200: DemographicsSettings})
def change_demographics(body: DemographicsPatch) -> Response:
    """Turn estimates on or off. Off deletes the classes at once; on computes them in the background."""
    wanted = body.model_dump(exclude_none=True)
    return _answer(demographics.change(rooms(), current_shop(), wanted))
