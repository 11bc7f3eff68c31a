"""Downloads over HTTP: counted, made, logged, fetched, scheduled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import csv_answer, current_shop, rooms
from app.api.models import exports as models
from app.api.models.segments import SegmentPath  # noqa: TC001 - the framework reads the annotations at run time
from app.services import export_schedules, export_segment, segments

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.services.export_segment_contents import Options

bp = APIBlueprint(
    "exports",
    __name__,
    url_prefix="/api/segments/<string:segment_id>",
    abp_tags=[Tag(name="exports", description="Files of a segment's members, for people and advertising platforms")],
)
Json = dict[str, Any]


@bp.post("/exports/count", responses={200: models.ExportCount})
def count_export(path: SegmentPath, body: models.NewExport) -> Json:
    """What a download would hold: nothing is made or logged."""
    found = export_segment.count(rooms(), current_shop(), segments.number(path.segment_id), _chosen(body))
    return _answer(models.ExportCount, found)


@bp.post("/exports", responses={201: models.Export})
def create_export(path: SegmentPath, body: models.NewExport) -> tuple[Json, int]:
    """Log and make a download; that of a large segment is `preparing` first. The file is at `url` once it is ready."""
    export = export_segment.create(
        rooms(), current_shop(), segments.number(path.segment_id), _chosen(body), made_by=_staff()
    )
    return _answer(models.Export, export), 201


@bp.get("/exports", responses={200: models.ExportList})
def list_exports(path: SegmentPath) -> Json:
    """The log of downloads, newest first."""
    found = export_segment.log(rooms(), current_shop(), segments.number(path.segment_id))
    return _answer(models.ExportList, {"items": found})


@bp.get("/exports/<int:export_id>", responses={200: models.Export})
def one_export(path: models.ExportPath) -> Json:
    """One download: how far it is, what is in it."""
    found = export_segment.get(rooms(), current_shop(), segments.number(path.segment_id), path.export_id)
    return _answer(models.Export, found)


@bp.get(
    "/exports/<int:export_id>/file",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}},
)
def export_file(path: models.ExportPath) -> Response:
    """The CSV file of a logged download, streamed."""
    number = segments.number(path.segment_id)
    return csv_answer(*export_segment.stream(rooms(), current_shop(), number, path.export_id))


@bp.post("/export-schedules", responses={201: models.ExportSchedule})
def create_schedule(path: SegmentPath, body: models.NewSchedule) -> tuple[Json, int]:
    """Make a download every day or week. 422 if a file is asked for and no folder is configured."""
    made = export_schedules.create(
        rooms(),
        current_shop(),
        segments.number(path.segment_id),
        _chosen(body),
        every=body.every,
        weekday=body.weekday,
        hour=body.hour,
        destination=body.destination,
        made_by=_staff(),
    )
    return _answer(models.ExportSchedule, made), 201


@bp.get("/export-schedules", responses={200: models.ScheduleList})
def list_schedules(path: SegmentPath) -> Json:
    """The schedules of a segment, oldest first."""
    found = export_schedules.of_segment(rooms(), current_shop(), segments.number(path.segment_id))
    return _answer(models.ScheduleList, {"items": found, "folder": rooms().settings.export_dir is not None})


@bp.patch("/export-schedules/<int:schedule_id>", responses={200: models.ExportSchedule})
def change_schedule(path: models.SchedulePath, body: models.ScheduleChange) -> Json:
    """Pause a schedule, or let it go on with its next time."""
    change = export_schedules.resume if body.state == "active" else export_schedules.pause
    changed = change(rooms(), current_shop(), segments.number(path.segment_id), path.schedule_id)
    return _answer(models.ExportSchedule, changed)


@bp.delete("/export-schedules/<int:schedule_id>", responses={200: models.ScheduleGone})
def delete_schedule(path: models.SchedulePath) -> Json:
    """Remove a schedule; the downloads it made stay in the log."""
    export_schedules.delete(rooms(), current_shop(), segments.number(path.segment_id), path.schedule_id)
    return _answer(models.ScheduleGone, {"id": path.schedule_id})


def _chosen(body: models.NewExport) -> Options:
    return export_segment.options(
        body.format,
        hashed=body.hashed,
        include_unsubscribed=body.include_unsubscribed,
        with_value=body.with_value,
        countries_mode=body.countries_mode,
        countries=tuple(body.countries),
    )


def _staff() -> str | None:
    """Shopify's number of who asks, from the session token; nobody on an installation without Shopify."""
    user = getattr(g, "user", None)
    return str(user)[:64] if user else None


def _answer(model: type[BaseModel], value: object) -> Json:
    return model.model_validate(value, from_attributes=True).model_dump(mode="json")
