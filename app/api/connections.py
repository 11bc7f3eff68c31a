"""Connections to outside services, and the syncs that keep a list or tag equal to a segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models.connections import (
    ConnectionOut,
    ConnectionPath,
    ConnectionsOut,
    NewConnection,
    NewSync,
    OutcomeFilter,
    OutcomeQuery,
    PageQuery,
    Removed,
    RunRequest,
    RunStarted,
    SyncChange,
    SyncOut,
    SyncOutcomesOut,
    SyncPath,
    SyncPreview,
    SyncQuery,
    SyncRunOut,
    SyncRunPath,
    SyncRunsOut,
    SyncsOut,
    TargetsOut,
)
from app.services import connections
from app.services import connections_syncs as syncs

if TYPE_CHECKING:
    from pydantic import BaseModel

tag = Tag(name="connections", description="Klaviyo and Mailchimp accounts, and syncs of segments into them")
bp = APIBlueprint("connections", __name__, url_prefix="/api", abp_tags=[tag])


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status=status, mimetype="application/json")


@bp.get("/connections", responses={200: ConnectionsOut})
def list_connections() -> Response:
    """Every vendor as a tile: what it enables, which permissions it needs, what happens to consent."""
    return _json(ConnectionsOut.model_validate(connections.tiles(rooms(), current_shop())))


@bp.post("/connections", responses={201: ConnectionOut})
def connect(body: NewConnection) -> Response:
    """Check the key at the vendor and keep it sealed.

    A key of an account that is connected already replaces the old one and keeps its syncs.
    422 with `field: api_key` and what to do when the vendor refuses it.
    """
    made = connections.connect(rooms(), current_shop(), body.vendor, body.api_key.get_secret_value())
    return _json(ConnectionOut.model_validate(made), 201)


@bp.delete("/connections/<string:connection_id>", responses={200: Removed})
def disconnect(path: ConnectionPath) -> Response:
    """Forget the key and the syncs that used it. Members at the vendor stay where they are."""
    return _json(Removed(message=connections.disconnect(rooms(), current_shop(), path.connection_id)))


@bp.post("/connections/<string:connection_id>/check", responses={200: ConnectionOut})
def check(path: ConnectionPath) -> Response:
    """Ask the vendor now whether the key still works."""
    checked = connections.check(rooms(), current_shop(), path.connection_id)
    return _json(ConnectionOut.model_validate(checked))


@bp.get("/connections/<string:connection_id>/targets", responses={200: TargetsOut})
def targets(path: ConnectionPath) -> Response:
    """The lists or tags that exist at the vendor now. 503 when the vendor can't be reached."""
    found = connections.targets(rooms(), current_shop(), path.connection_id)
    return _json(TargetsOut.model_validate(found))


@bp.get("/syncs", responses={200: SyncsOut})
def list_syncs(query: SyncQuery) -> Response:
    """The shop's syncs, newest first."""
    found = syncs.list_syncs(rooms(), current_shop(), query.segment_id, query.connection_id)
    return _json(SyncsOut.model_validate({"items": found}))


@bp.post("/syncs", responses={201: SyncOut})
def create_sync(body: NewSync) -> Response:
    """Make a sync; a new target is created at the vendor. Nobody is sent before the first run.

    409 if the vendor has a target of that name already, or another sync feeds the same target.
    """
    new = syncs.NewSync(
        segment_id=body.segment_id,
        connection_id=body.connection_id,
        target_id=body.target.id,
        target_name=body.target.name,
        container_id=body.target.container_id,
        schedule=body.schedule,
        without_consent=body.without_consent,
    )
    return _json(SyncOut.model_validate(syncs.create(rooms(), current_shop(), new)), 201)


@bp.get("/syncs/<string:sync_id>", responses={200: SyncOut})
def get_sync(path: SyncPath) -> Response:
    """One sync with its last run."""
    return _json(SyncOut.model_validate(syncs.get(rooms(), current_shop(), path.sync_id)))


@bp.patch("/syncs/<string:sync_id>", responses={200: SyncOut})
def change_sync(path: SyncPath, body: SyncChange) -> Response:
    """Change the schedule, or what happens to members without consent."""
    changed = syncs.change(rooms(), current_shop(), path.sync_id, body.schedule, body.without_consent)
    return _json(SyncOut.model_validate(changed))


@bp.delete("/syncs/<string:sync_id>", responses={200: Removed})
def delete_sync(path: SyncPath) -> Response:
    """Forget the sync and its log. Members at the vendor stay where they are."""
    return _json(Removed(message=syncs.delete(rooms(), current_shop(), path.sync_id)))


@bp.post("/syncs/<string:sync_id>/pause", responses={200: SyncOut})
def pause(path: SyncPath) -> Response:
    """Stop scheduled runs."""
    return _json(SyncOut.model_validate(syncs.pause(rooms(), current_shop(), path.sync_id)))


@bp.post("/syncs/<string:sync_id>/resume", responses={200: SyncOut})
def resume(path: SyncPath) -> Response:
    """Let the sync run again; clears the problem that stopped it."""
    return _json(SyncOut.model_validate(syncs.resume(rooms(), current_shop(), path.sync_id)))


@bp.post("/syncs/<string:sync_id>/preview", responses={200: SyncPreview})
def preview(path: SyncPath) -> Response:
    """What a run would add, change and remove now; nothing is sent."""
    return _json(SyncPreview.model_validate(syncs.preview(rooms(), current_shop(), path.sync_id)))


@bp.post("/syncs/<string:sync_id>/run", responses={202: RunStarted})
def run(path: SyncPath, body: RunRequest) -> Response:
    """Queue a run. 409 while the sync is paused."""
    syncs.request_run(rooms(), current_shop(), path.sync_id, approve_removals=body.approve_removals)
    return _json(RunStarted(sync_id=path.sync_id), 202)


@bp.get("/syncs/<string:sync_id>/runs", responses={200: SyncRunsOut})
def list_runs(path: SyncPath, query: PageQuery) -> Response:
    """Runs of a sync, newest first."""
    page = syncs.runs(rooms(), current_shop(), path.sync_id, query.cursor, query.limit)
    return _json(SyncRunsOut.model_validate(page))


@bp.get("/syncs/<string:sync_id>/runs/<int:run_id>", responses={200: SyncRunOut})
def get_run(path: SyncRunPath) -> Response:
    """One run with its counts and reasons."""
    return _json(SyncRunOut.model_validate(syncs.run(rooms(), current_shop(), path.sync_id, path.run_id)))


@bp.get("/syncs/<string:sync_id>/runs/<int:run_id>/outcomes", responses={200: SyncOutcomesOut})
def list_outcomes(path: SyncRunPath, query: OutcomeQuery) -> Response:
    """What became of each member."""
    page = syncs.outcomes(
        rooms(),
        current_shop(),
        path.sync_id,
        path.run_id,
        outcome=query.outcome,
        code=query.code,
        cursor=query.cursor,
        limit=query.limit,
    )
    return _json(SyncOutcomesOut.model_validate(page))


@bp.get("/syncs/<string:sync_id>/runs/<int:run_id>/outcomes.csv", responses={200: None})
def download_outcomes(path: SyncRunPath, query: OutcomeFilter) -> Response:
    """The same as a CSV file, all rows, guarded against spreadsheet formulas."""
    lines = syncs.outcomes_csv(
        rooms(), current_shop(), path.sync_id, path.run_id, outcome=query.outcome, code=query.code
    )
    name = f"sync_{path.sync_id}_run_{path.run_id}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(lines, mimetype="text/csv", headers=headers)
