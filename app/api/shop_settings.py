"""The settings of the whole shop, what changing them would do, and who changed what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.settings import (
    SettingsChanges,
    SettingsEffect,
    ShopSettings,
    ShopSettingsPatch,
    ShopSettingsSave,
)
from app.services import shop_settings

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "shop_settings",
    __name__,
    url_prefix="/api/settings",
    abp_tags=[Tag(name="settings")],
    abp_responses={409: ErrorAnswer, 422: ErrorAnswer},
)
NULLABLE = frozenset({"quiet_from", "quiet_until"})


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), mimetype="application/json")


def _wanted(body: ShopSettingsPatch) -> dict[str, Any]:
    given = body.model_dump(exclude_unset=True)
    return {name: value for name, value in given.items() if value is not None or name in NULLABLE}


def _settings(kept: shop_settings.Kept) -> Response:
    found = {"values": kept.values, "defaults": shop_settings.Values(), "version": kept.version}
    return _json(ShopSettings.model_validate(found))


@bp.get("/shop", responses={200: ShopSettings})
def settings_of_shop() -> Response:
    """The shop's settings, and what they are where nothing was changed."""
    return _settings(shop_settings.settings(rooms(), current_shop()))


@bp.post("/shop/preview", responses={200: SettingsEffect})
def preview_settings(body: ShopSettingsPatch) -> Response:
    """What these changes would do now, in numbers; nothing is saved."""
    return _json(SettingsEffect.model_validate(shop_settings.preview(rooms(), current_shop(), _wanted(body))))


@bp.patch("/shop", responses={200: ShopSettings})
def change_settings(body: ShopSettingsSave) -> Response:
    """Save changes. 409 if somebody else saved meanwhile."""
    kept = shop_settings.change(
        rooms(),
        current_shop(),
        _wanted(body.changes),
        version=body.version,
        who=str(getattr(g, "user", None) or "system"),
        confirmed=body.confirmed,
    )
    return _settings(kept)


@bp.get("/changes", responses={200: SettingsChanges})
def settings_changes() -> Response:
    """Who changed which setting, newest first."""
    items = shop_settings.changes(rooms(), current_shop())
    return _json(SettingsChanges.model_validate({"items": items}))
