"""Segments over HTTP: list, details, members, builder, uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import csv_answer, current_shop, rooms
from app.api.models import segments as models
from app.services import (
    segment_details,
    segments,
    segments_list,
    segments_preview,
    upload_segment,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "segments",
    __name__,
    url_prefix="/api/segments",
    abp_tags=[Tag(name="segments", description="Groups of customers: automatic, by rules, by upload")],
)
Json = dict[str, Any]
ENVELOPE_BYTES = 64 << 10


@bp.get("", responses={200: models.SegmentList})
def list_segments(query: models.SegmentQuery) -> Json:
    """The shop's segments, filtered, sorted, paged. Reads stored figures, evaluates nothing."""
    return _answer(models.SegmentList, segments_list.page(rooms(), current_shop(), **query.model_dump()))


@bp.get("/vocabulary", responses={200: models.Vocabulary})
def vocabulary() -> Json:
    """The names and operators that rules may use, and this shop's most common values."""
    return _answer(models.Vocabulary, segments_preview.vocabulary(rooms(), current_shop()))


@bp.get("/templates", responses={200: models.TemplateList})
def templates() -> Json:
    """Rules to start from, with the shop's own products and live sizes."""
    return _answer(models.TemplateList, {"items": segments_preview.templates(rooms(), current_shop())})


@bp.post("/preview", responses={200: models.RulePreview})
def preview(body: models.PreviewBody) -> Json:
    """Count a rule now: exact count, reachable, funnel, sample with reasons. 422 names the place."""
    found = segments_preview.preview(rooms(), current_shop(), body.rule, body.sample, body.segment_id)
    return _answer(models.RulePreview, found)


@bp.post("", responses={201: models.SegmentDetails})
def create(body: models.NewSegment) -> tuple[Json, int]:
    """Save a rule segment and evaluate it. 409 if the name is taken, 422 if the rule is not valid."""
    segment_id = segments.create(rooms(), current_shop(), body.name, body.rule, body.description)
    return _details(segment_id), 201


@bp.before_request
def _let_files_be_large() -> None:
    """A list of a million rows is larger than any other request; what comes around the file fits the spare bytes."""
    if "/uploads" in request.path and request.method == "POST":
        request.max_content_length = upload_segment.MAX_BYTES + ENVELOPE_BYTES


@bp.post("/uploads/check", responses={200: models.UploadCheck})
def check_upload(form: models.UploadCheckForm) -> Json:
    """What a file seems to be: encoding, delimiter, columns, the identifying column. Nothing is saved."""
    return _answer(models.UploadCheck, upload_segment.check(form.file.read()))


@bp.post("/uploads", responses={201: models.UploadReport})
def upload(form: models.UploadForm) -> tuple[Json, int]:
    """Make or change an uploaded list from a CSV file; the same file twice changes nothing."""
    report = upload_segment.upload(
        rooms(),
        current_shop(),
        content=form.file.read(),
        filename=form.file.filename or "list.csv",
        name=form.name,
        segment_id=segments.number(form.segment_id) if form.segment_id else None,
        mode=form.mode,
        column=form.column,
        identifier=form.identifier,
    )
    return _answer(models.UploadReport, report), 201


@bp.get("/<string:segment_id>", responses={200: models.SegmentDetails})
def details(path: models.SegmentPath) -> Json:
    """All of one segment's page but its members."""
    return _details(segments.number(path.segment_id))


@bp.put("/<string:segment_id>", responses={200: models.SegmentDetails})
def change(path: models.SegmentPath, body: models.ChangedSegment) -> Json:
    """Change name, description or rule; a new version is kept. 409: automatic segment or taken name."""
    number = segments.number(path.segment_id)
    segments.change(rooms(), current_shop(), number, name=body.name, rule=body.rule, description=body.description)
    return _details(number)


@bp.delete("/<string:segment_id>", responses={200: models.Deleted})
def delete(path: models.SegmentPath) -> Json:
    """Delete; can be undone for 30 days. 409 with the list of dependents while it is in use."""
    return _answer(models.Deleted, segments.delete(rooms(), current_shop(), segments.number(path.segment_id)))


@bp.post("/<string:segment_id>/restore", responses={200: models.SegmentDetails})
def restore(path: models.SegmentPath) -> Json:
    """Bring a deleted segment back."""
    number = segments.number(path.segment_id)
    segments.restore(rooms(), current_shop(), number)
    return _details(number)


@bp.post("/<string:segment_id>/duplicate", responses={201: models.SegmentDetails})
def duplicate(path: models.SegmentPath, body: models.DuplicateBody) -> tuple[Json, int]:
    """Copy a segment into an editable one."""
    number = segments.duplicate(rooms(), current_shop(), segments.number(path.segment_id), body.name)
    return _details(number), 201


@bp.post("/<string:segment_id>/evaluate", responses={200: models.SegmentDetails})
def evaluate(path: models.SegmentPath) -> Json:
    """Evaluate now, on the newest published data."""
    number = segments.number(path.segment_id)
    segments.evaluate_now(rooms(), current_shop(), number)
    return _details(number)


@bp.get("/<string:segment_id>/versions", responses={200: models.VersionList})
def versions(path: models.SegmentPath) -> Json:
    """The saved versions, newest first."""
    found = segments.versions(rooms(), current_shop(), segments.number(path.segment_id))
    return _answer(models.VersionList, {"items": found})


@bp.post("/<string:segment_id>/versions/<int:version>/restore", responses={200: models.SegmentDetails})
def restore_version(path: models.VersionPath) -> Json:
    """Save an old version again as the newest."""
    number = segments.number(path.segment_id)
    segments.restore_version(rooms(), current_shop(), number, path.version)
    return _details(number)


@bp.get("/<string:segment_id>/members", responses={200: models.MemberPage})
def members(path: models.SegmentPath, query: models.MemberQuery) -> Json:
    """A page of members by customer number, each with the reason."""
    found = segment_details.members(
        rooms(),
        current_shop(),
        segments.number(path.segment_id),
        query.cursor,
        query.limit,
        reachable=query.reachable,
    )
    return _answer(models.MemberPage, found)


@bp.get(
    "/<string:segment_id>/uploads/<int:upload_id>/report",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}},
)
def upload_report(path: models.UploadPath) -> Response:
    """What became of each row of an uploaded file, as CSV."""
    filename, lines = upload_segment.report(rooms(), current_shop(), segments.number(path.segment_id), path.upload_id)
    return csv_answer(filename, lines)


def _details(number: int) -> Json:
    return _answer(models.SegmentDetails, segment_details.details(rooms(), current_shop(), number))


def _answer(model: type[BaseModel], value: object) -> Json:
    return model.model_validate(value, from_attributes=True).model_dump(mode="json")
