"""Mailchimp's routes under /3.0. The name of each endpoint is the operationId of the published document."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, request
from werkzeug.wrappers import Response

from sandbox.mailchimp import documents, rules
from sandbox.mailchimp.batches import run_batch
from sandbox.mailchimp.pages import pages
from sandbox.mailchimp.state import Lenient, MailchimpState, as_hash
from sandbox.standin.base import TEMPLATES, Behaviour, Refused, StandIn, json_answer, json_body
from sandbox.standin.control import control

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.clock import SandboxClock
    from sandbox.options import SandboxOptions
    from sandbox.standin.faults import Fault

API_KEY = "sandbox-us1"
PROBLEM_TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"


def create_app(
    state_dir: Path, clock: SandboxClock, options: SandboxOptions, *, behaviour: Behaviour | None = None
) -> Flask:
    """The stand-in as a Flask app, remembering in `state_dir`/mailchimp.sqlite3.

    Calls need HTTP Basic with the password `sandbox-us1`, or it as Bearer token. The server in front
    needs more than 10 threads, else the limit of 10 simultaneous connections can never be met.
    """
    del options  # taken for the common form of all stand-ins
    state = MailchimpState(state_dir)
    state.plant(clock.now())
    standin = MailchimpStandIn(
        clock=clock, behaviour=behaviour or Behaviour(), data=state, archives=state_dir / "mailchimp-batches"
    )
    app = Flask("sandbox.mailchimp", template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.strict_slashes = False
    for routes in (_account_and_audiences(standin), _members(standin), _segments(standin), _batches(standin)):
        for rule, method, operation, view in routes:
            app.add_url_rule(f"/3.0{rule}", operation, view, methods=[method])
    app.register_blueprint(control(standin))
    app.register_blueprint(pages(standin))
    standin.install(app)
    app.extensions["standin"] = standin
    return app


@dataclass
class MailchimpStandIn(StandIn):
    """How Mailchimp judges a call and words an error."""

    data: MailchimpState
    archives: Path = None  # type: ignore[assignment]  # always given; fields before it have defaults

    vendor = "mailchimp"
    sparse: ClassVar[tuple[str, ...]] = ("fields", "exclude_fields")
    base_path = "/3.0"
    api_prefix = "/3.0"
    max_open: ClassVar[int | None] = rules.MAX_CONNECTIONS

    def authorise(self) -> None:
        """401 unless Basic or Bearer carries the sandbox's key."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and given == API_KEY:
            return
        if scheme == "Basic" and _password(given) == API_KEY:
            return
        raise _unauthorised(kind="auth")

    def throttle(self, operation: str) -> None:
        """Mailchimp counts open connections, not calls; the guard does that."""

    def check_limits(self, operation: str) -> None:
        """Sizes of pages and of bodies."""
        rules.check_count(request.args.get("count"))
        if operation in rules.REQUIRED:
            rules.check_required(operation, json_body())
        if operation == "postListsId":
            rules.check_members(json_body()["members"])
        if operation == "postListsIdSegmentsId":
            rules.check_segment_changes(json_body())

    def error(self, refused: Refused) -> Response:
        """A problem document."""
        problem: dict[str, Any] = {
            "type": PROBLEM_TYPE,
            "title": refused.title,
            "status": refused.status,
            "detail": refused.detail,
            "instance": str(uuid.uuid4()),
        }
        if refused.pointer or refused.parameter:
            field = (refused.pointer or refused.parameter).strip("/").replace("/", ".")
            problem["errors"] = [{"field": field, "message": refused.detail}]
        return json_answer(problem, refused.status, "application/problem+json; charset=utf-8")

    def fault_error(self, status: int, fault: Fault | None) -> Response:
        """A scripted error. A 429 has no Retry-After: Mailchimp sends no such header."""
        if status == 401:  # noqa: PLR2004
            return self.error(_unauthorised())
        if status == 429:  # noqa: PLR2004
            del fault  # its retry_after is for vendors that send one
            detail = "You have exceeded the limit of 10 simultaneous connections."
            return self.error(Refused(429, "throttled", "Too Many Requests", detail))
        title = "Internal Server Error" if status >= 500 else "Error"  # noqa: PLR2004
        return self.error(Refused(status, "error", title, "Scripted by the sandbox."))

    def settle(self) -> None:
        """Carry out the batches that are due."""
        while (batch := self.data.take_batch(self.clock.now())) is not None:
            errored = run_batch(batch, self.inner, self.archives, API_KEY)
            self.data.finish_batch(batch, errored, self.clock.now())

    def state(self) -> dict[str, Any]:
        """Audiences, tags with the addresses that have them, status per member, batches."""
        db = self.data.db
        members = db.rows("SELECT * FROM members ORDER BY email")
        tagged: dict[int, list[str]] = {}
        for row in db.rows(
            "SELECT t.segment_id, m.email FROM tagged t JOIN segments s ON s.id = t.segment_id "
            "JOIN members m ON m.hash = t.hash AND m.list_id = s.list_id ORDER BY m.email"
        ):
            tagged.setdefault(row["segment_id"], []).append(row["email"])
        return {
            "lists": [{"id": x["id"], "name": x["name"]} for x in db.rows("SELECT * FROM lists ORDER BY n")],
            "tags": [
                {**dict(row), "members": tagged.get(row["id"], [])}
                for row in db.rows("SELECT id, list_id, name FROM segments ORDER BY id")
            ],
            "members": [
                {
                    **documents.member(row, self.data.tags_of(row)),
                    "compliance": bool(row["compliance"]),
                    "forgotten": bool(row["forgotten"]),
                }
                for row in members
            ],
            "consent": {row["email"]: row["status"] for row in members},
            "batches": [dict(row) for row in db.rows("SELECT id, total, errored, submitted, done FROM batches")],
        }

    def member(self, row: sqlite3.Row) -> dict[str, Any]:
        """One member's resource."""
        return documents.member(row, self.data.tags_of(row))


Route = tuple[str, str, str, "Callable[..., Response]"]


def _account_and_audiences(standin: MailchimpStandIn) -> list[Route]:
    data = standin.data

    def root() -> Response:
        total = data.db.number("SELECT count(*) FROM members WHERE status = 'subscribed'")
        first = data.db.rows("SELECT created FROM lists ORDER BY n")[0]["created"]
        return _answer(documents.account(total, first))

    def ping() -> Response:
        return _answer({"health_status": "Everything's Chimpy!"})

    def resource(row: sqlite3.Row) -> dict[str, Any]:
        sql = "SELECT status, count(*) FROM members WHERE list_id = ? AND NOT forgotten GROUP BY status"
        counts = {status: count for status, count in map(tuple, data.db.rows(sql, row["id"]))}  # noqa: C416
        return documents.audience(row, counts, len(data.merge_fields(row["id"])))

    def audiences() -> Response:
        rows = data.db.rows("SELECT * FROM lists ORDER BY n")
        constraints = {"may_create": False, "max_instances": 1, "current_total_instances": len(rows)}
        page = [resource(row) for row in _page(rows)]
        return _answer({"lists": page, "total_items": len(rows), "constraints": constraints, "_links": []})

    def audience(list_id: str) -> Response:
        return _answer(resource(data.audience(list_id)))

    def merge_fields(list_id: str) -> Response:
        rows = data.merge_fields(list_id)
        page = [documents.merge_field(row) for row in _page(rows)]
        return _answer({"merge_fields": page, "list_id": list_id, "total_items": len(rows), "_links": []})

    def add_merge_field(list_id: str) -> Response:
        data.audience(list_id)
        return _answer(documents.merge_field(data.add_merge_field(list_id, json_body())))

    one = "/lists/<list_id>"
    return [
        ("/", "GET", "getRoot", root),
        ("/ping", "GET", "getPing", ping),
        ("/lists", "GET", "getLists", audiences),
        (one, "GET", "getListsId", audience),
        (f"{one}/merge-fields", "GET", "getListsIdMergeFields", merge_fields),
        (f"{one}/merge-fields", "POST", "postListsIdMergeFields", add_merge_field),
    ]


def _members(standin: MailchimpStandIn) -> list[Route]:
    data = standin.data

    def members(list_id: str) -> Response:
        data.audience(list_id)
        rows, total = data.members(list_id, request.args.get("status"), _offset(), _count())
        page = [standin.member(row) for row in rows]
        return _answer({"members": page, "list_id": list_id, "total_items": total, "_links": []})

    def member(list_id: str, subscriber_hash: str) -> Response:
        return _answer(standin.member(data.member(list_id, subscriber_hash)))

    def put(list_id: str, subscriber_hash: str) -> Response:
        data.audience(list_id)
        body = json_body()
        if as_hash(body.get("email_address", "")) != as_hash(subscriber_hash):
            raise standin.not_built("change of a member's address")
        try:
            row, _ = data.upsert(
                list_id,
                body,
                standin.clock.now(),
                status_if_new=body.get("status_if_new"),
                required_too=not _flag("skip_merge_validation"),
            )
        except rules.MemberProblem as problem:
            raise problem.refusal() from problem
        return _answer(standin.member(row))

    def batch(list_id: str) -> Response:
        data.audience(list_id)
        lenient = Lenient(merge_fields=_flag("skip_merge_validation"), duplicates=_flag("skip_duplicate_check"))
        done = data.upsert_batch(list_id, json_body(), standin.clock.now(), lenient=lenient)
        return _answer(
            {
                "new_members": [standin.member(row) for row in done.created],
                "updated_members": [standin.member(row) for row in done.updated],
                "errors": [
                    {
                        "email_address": email,
                        "error": problem.detail,
                        "error_code": problem.code,
                        "field": problem.field,
                        "field_message": problem.message,
                    }
                    for email, problem in done.problems
                ],
                "total_created": len(done.created),
                "total_updated": len(done.updated),
                "error_count": len(done.problems),
                "_links": [],
            }
        )

    one = "/lists/<list_id>/members/<subscriber_hash>"
    return [
        ("/lists/<list_id>", "POST", "postListsId", batch),
        ("/lists/<list_id>/members", "GET", "getListsIdMembers", members),
        (one, "GET", "getListsIdMembersId", member),
        (one, "PUT", "putListsIdMembersId", put),
    ]


def _segments(standin: MailchimpStandIn) -> list[Route]:
    data = standin.data

    def resource(row: sqlite3.Row) -> dict[str, Any]:
        return documents.segment(row, data.tagged(row, _included(), 0, 0)[1])

    def segments(list_id: str) -> Response:
        rows = data.tags(list_id) if request.args.get("type", "static") == "static" else []
        page = [resource(row) for row in _page(rows)]
        return _answer({"segments": page, "list_id": list_id, "total_items": len(rows), "_links": []})

    def create(list_id: str) -> Response:
        body = json_body()
        if "static_segment" not in body:
            raise standin.not_built("segments with conditions")
        row = data.create_tag(list_id, body["name"], standin.clock.now())
        data.change_tag(row, body["static_segment"], [], standin.clock.now())
        return _answer(resource(row))

    def segment(list_id: str, segment_id: str) -> Response:
        return _answer(resource(data.tag(list_id, segment_id)))

    def change(list_id: str, segment_id: str) -> Response:
        body = json_body() or {}
        done = data.change_tag(
            data.tag(list_id, segment_id),
            body.get("members_to_add") or [],
            body.get("members_to_remove") or [],
            standin.clock.now(),
        )
        reason = "Email addresses do not exist in this audience."
        return _answer(
            {
                "members_added": [standin.member(row) for row in done.added],
                "members_removed": [standin.member(row) for row in done.removed],
                "errors": [{"email_addresses": done.unknown, "error": reason}] if done.unknown else [],
                "total_added": len(done.added),
                "total_removed": len(done.removed),
                "error_count": len(done.unknown),
                "_links": [],
            }
        )

    def delete(list_id: str, segment_id: str) -> Response:
        data.delete_tag(data.tag(list_id, segment_id))
        return Response(status=204)

    def members(list_id: str, segment_id: str) -> Response:
        rows, total = data.tagged(data.tag(list_id, segment_id), _included(), _offset(), _count())
        page = [standin.member(row) for row in rows]
        return _answer({"members": page, "total_items": total, "_links": []})

    many, one = "/lists/<list_id>/segments", "/lists/<list_id>/segments/<segment_id>"
    return [
        (many, "GET", "previewASegment", segments),
        (many, "POST", "postListsIdSegments", create),
        (one, "GET", "getListsIdSegmentsId", segment),
        (one, "POST", "postListsIdSegmentsId", change),
        (one, "DELETE", "deleteListsIdSegmentsId", delete),
        (f"{one}/members", "GET", "getListsIdSegmentsIdMembers", members),
    ]


def _batches(standin: MailchimpStandIn) -> list[Route]:
    data = standin.data

    def start() -> Response:
        pending = data.db.number("SELECT count(*) FROM batches WHERE done IS NULL")
        if pending >= rules.MAX_PENDING_BATCHES:
            detail = f"You have {pending} pending batches, at most {rules.MAX_PENDING_BATCHES} are allowed."
            raise Refused(429, "throttled", "Too Many Requests", detail, kind="limit")
        batch = data.queue_batch(json_body()["operations"], standin.clock.now(), standin.behaviour.job_seconds)
        if not standin.behaviour.job_seconds:
            standin.settle()
        return batch_answer(batch["id"])

    def batch_answer(batch_id: str) -> Response:
        url = request.host_url.rstrip("/")
        return _answer(documents.batch(data.batch(batch_id), url, standin.clock.now()))

    return [
        ("/batches", "POST", "postBatches", start),
        ("/batches/<batch_id>", "GET", "getBatchesId", batch_answer),
    ]


def _answer(value: dict[str, Any]) -> Response:
    fields, exclude = request.args.get("fields"), request.args.get("exclude_fields")
    return json_answer(documents.projected(value, fields, exclude), 200, "application/json; charset=utf-8")


def _page(rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
    return rows[_offset() : _offset() + _count()]


def _offset() -> int:
    return request.args.get("offset", 0, int)


def _count() -> int:
    return request.args.get("count", 10, int)


def _flag(name: str) -> bool:
    return request.args.get(name, "").lower() in ("true", "1")


def _included() -> list[str]:
    prefix = "include_"
    return [name.removeprefix(prefix) for name in request.args if name.startswith(prefix) and _flag(name)]


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _unauthorised(kind: str | None = None) -> Refused:
    detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return Refused(401, "unauthorised", "API Key Invalid", detail, kind=kind)
