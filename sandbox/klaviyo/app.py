"""Klaviyo's routes. The name of each endpoint is the operationId of the published document."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from flask import Flask, g, request
from werkzeug.wrappers import Response

from sandbox.klaviyo import documents, filters, limits
from sandbox.klaviyo.pages import pages
from sandbox.klaviyo.state import KlaviyoState, Page
from sandbox.standin.base import TEMPLATES, Behaviour, Refused, StandIn, at, json_answer, json_body
from sandbox.standin.control import control

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.clock import SandboxClock
    from sandbox.options import SandboxOptions
    from sandbox.standin.faults import Fault

PRIVATE_KEY = "pk_sandbox"


def create_app(
    state_dir: Path, clock: SandboxClock, options: SandboxOptions, *, behaviour: Behaviour | None = None
) -> Flask:
    """The stand-in as a Flask app, remembering in `state_dir`/klaviyo.sqlite3.

    Calls need the header `Authorization: Klaviyo-API-Key pk_sandbox`. `options` is taken for the
    common form of all stand-ins; addresses in answers follow the request's own host.
    """
    del options
    state = KlaviyoState(state_dir)
    state.plant(clock.now())
    standin = KlaviyoStandIn(clock=clock, behaviour=behaviour or Behaviour(), data=state)
    app = Flask("sandbox.klaviyo", template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.strict_slashes = False  # the vendor's own library ends some paths with a slash
    for routes in (_account_and_lists(standin), _profiles(standin), _imports(standin)):
        for rule, method, operation, view in routes:
            app.add_url_rule(rule, operation, view, methods=[method])
    app.register_blueprint(control(standin))
    app.register_blueprint(pages(standin))
    standin.install(app)
    app.extensions["standin"] = standin
    return app


@dataclass
class KlaviyoStandIn(StandIn):
    """How Klaviyo judges a call and words an error."""

    data: KlaviyoState

    vendor = "klaviyo"
    sparse: ClassVar[tuple[str, ...]] = ("fields[",)
    api_prefix = "/api"

    def authorise(self) -> None:
        """401 unless the header carries the sandbox's private key."""
        given = request.headers.get("Authorization", "")
        if given == f"Klaviyo-API-Key {PRIVATE_KEY}":
            return
        if given.startswith("Klaviyo-API-Key "):
            title = "Incorrect authentication credentials."
            raise Refused(401, "authentication_failed", title, title, pointer="/data/", kind="auth")
        detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
        title = "Authentication credentials were not provided."
        raise Refused(401, "not_authenticated", title, detail, pointer="/data/", kind="auth")

    def throttle(self, operation: str) -> None:
        """429 with nothing but Retry-After once a window is full."""
        key, rate = limits.rate_of(operation, request.method, request.path, request.args)
        g.verdict = self.windows.count(key, rate, self.clock.now())
        if not g.verdict.allowed:
            raise _throttled(g.verdict.retry_after, kind="window")

    def check_limits(self, operation: str) -> None:
        """Revision, page sizes, and the sizes of bodies."""
        if request.headers.get("revision") != limits.REVISION:
            raise limits.invalid(f"The header revision must be {limits.REVISION}.", parameter="revision")
        if request.method != "GET" and request.mimetype != limits.MEDIA_TYPE:
            detail = f"The content type must be {limits.MEDIA_TYPE}."
            raise Refused(415, "unsupported_media_type", "Unsupported media type.", detail, kind="limit")
        if request.args.get("include"):
            raise self.not_built("include")
        limits.check_page(request.args, limits.MAX_LISTS_PAGE if operation == "get_lists" else limits.MAX_PAGE)
        if operation == "bulk_import_profiles":
            limits.check_import(json_body(), request.content_length or 0)
        if operation in ("add_profiles_to_list", "remove_profiles_from_list"):
            limits.check_ids(json_body())

    def error(self, refused: Refused) -> Response:
        """A JSON:API error document."""
        source = {k: v for k, v in (("pointer", refused.pointer), ("parameter", refused.parameter)) if v}
        problem = {
            "id": str(uuid.uuid4()),
            "status": refused.status,
            "code": refused.code,
            "title": refused.title,
            "detail": refused.detail,
            "source": source or {"pointer": "/data/"},
            "links": {},
            "meta": {},
        }
        return json_answer({"errors": [problem]}, refused.status, limits.MEDIA_TYPE)

    def fault_error(self, status: int, fault: Fault | None) -> Response:
        """A scripted error, worded as Klaviyo words it."""
        if status == 429:  # noqa: PLR2004
            return self._with_headers(_throttled(fault.retry_after if fault else 1))
        if status == 401:  # noqa: PLR2004
            title = "Incorrect authentication credentials."
            return self.error(Refused(401, "authentication_failed", title, title, pointer="/data/"))
        return self.error(Refused(status, "error", "A server error occurred.", "Scripted by the sandbox."))

    def _with_headers(self, refused: Refused) -> Response:
        response = self.error(refused)
        response.headers.extend(refused.headers)
        return response

    def decorate(self, response: Response) -> None:
        """The state of the steady window, which every answer but a 429 tells."""
        verdict = g.get("verdict")
        if verdict is not None and verdict.allowed:
            response.headers["RateLimit-Limit"] = str(verdict.limit)
            response.headers["RateLimit-Remaining"] = str(verdict.remaining)
            response.headers["RateLimit-Reset"] = str(verdict.reset_seconds)

    def settle(self) -> None:
        """Carry out the imports that are due."""
        self.data.settle(self.clock.now())

    def state(self) -> dict[str, Any]:
        """Lists with the addresses on them, consent per profile, jobs."""
        db = self.data.db
        members: dict[str, list[str]] = {}
        for row in db.rows(
            "SELECT m.list_id, coalesce(p.email, p.phone_number, p.id) AS who FROM memberships m "
            "JOIN profiles p ON p.id = m.profile_id ORDER BY who"
        ):
            members.setdefault(row["list_id"], []).append(row["who"])
        lists = db.rows("SELECT * FROM lists WHERE NOT gone ORDER BY n")
        profiles = db.rows("SELECT * FROM profiles ORDER BY n")
        jobs = db.rows("SELECT id, total, completed, failed, created, done FROM jobs ORDER BY n")
        return {
            "lists": [{"id": row["id"], "name": row["name"], "members": members.get(row["id"], [])} for row in lists],
            "profiles": [
                {**documents.profile(row, "", subscriptions=True)["attributes"], "id": row["id"]} for row in profiles
            ],
            "consent": {row["email"] or row["id"]: row["consent"] for row in profiles},
            "jobs": [dict(row) for row in jobs],
        }


Route = tuple[str, str, str, "Callable[..., Response]"]


def _account_and_lists(standin: KlaviyoStandIn) -> list[Route]:
    data = standin.data

    def accounts() -> Response:
        return _document([documents.account(_url())], Page([], None))

    def get_lists() -> Response:
        _only_order("created", "id")
        page = data.lists(_filter(filters.LIST_FIELDS), request.args.get("page[cursor]"), _size(10))
        return _document([_sparse(documents.profile_list(row, _url())) for row in page.rows], page)

    def create_list() -> Response:
        attributes = at(json_body(), "data", "attributes") or {}
        if not str(attributes.get("name") or "").strip():
            raise limits.invalid("A list needs a name.", pointer="/data/attributes/name")
        row = data.create_list(attributes["name"], attributes.get("opt_in_process"), standin.clock.now())
        return _one(documents.profile_list(row, _url()), 201)

    def get_list(list_id: str) -> Response:
        row = data.one_list(list_id)
        counted = "profile_count" in request.args.get("additional-fields[list]", "").split(",")
        count = data.member_count(list_id) if counted else None
        return _one(documents.profile_list(row, _url(), profile_count=count))

    def members(list_id: str) -> Response:
        page = _members_page(standin, list_id)
        return _document([_profile(row, joined=row["joined"]) for row in page.rows], page)

    def member_ids(list_id: str) -> Response:
        page = _members_page(standin, list_id)
        return _document([{"type": "profile", "id": row["id"]} for row in page.rows], page)

    def add(list_id: str) -> Response:
        data.one_list(list_id)
        data.add_members(list_id, _ids(json_body()), standin.clock.now())
        return Response(status=204)

    def remove(list_id: str) -> Response:
        data.one_list(list_id)
        data.remove_members(list_id, _ids(json_body()))
        return Response(status=204)

    one = "/api/lists/<list_id>"
    return [
        ("/api/accounts", "GET", "get_accounts", accounts),
        ("/api/lists", "GET", "get_lists", get_lists),
        ("/api/lists", "POST", "create_list", create_list),
        (one, "GET", "get_list", get_list),
        (f"{one}/profiles", "GET", "get_profiles_for_list", members),
        (f"{one}/relationships/profiles", "GET", "get_profile_ids_for_list", member_ids),
        (f"{one}/relationships/profiles", "POST", "add_profiles_to_list", add),
        (f"{one}/relationships/profiles", "DELETE", "remove_profiles_from_list", remove),
    ]


def _profiles(standin: KlaviyoStandIn) -> list[Route]:
    def get_profiles() -> Response:
        _only_order("created", "id")
        conditions = _filter(filters.PROFILE_FIELDS)
        page = standin.data.profiles(conditions, request.args.get("page[cursor]"), _size(20))
        return _document([_profile(row) for row in page.rows], page)

    return [("/api/profiles", "GET", "get_profiles", get_profiles)]


def _imports(standin: KlaviyoStandIn) -> list[Route]:
    data = standin.data

    def start() -> Response:
        body = json_body()
        lists = at(body, "data", "relationships", "lists", "data") or []
        rows = at(body, "data", "attributes", "profiles", "data")
        job = data.queue_import(rows, [x["id"] for x in lists], standin.clock.now(), standin.behaviour.job_seconds)
        if not standin.behaviour.job_seconds:
            standin.settle()
            job = data.one_job(job["id"])
        return _one(documents.import_job(job, _url(), standin.clock.now()), 202)

    def get_job(job_id: str) -> Response:
        return _one(documents.import_job(data.one_job(job_id), _url(), standin.clock.now()))

    def errors(job_id: str) -> Response:
        page = data.job_errors(job_id, request.args.get("page[cursor]"), _size(20))
        return _document([_sparse(documents.import_error(row)) for row in page.rows], page)

    def job_profiles(job_id: str) -> Response:
        page = data.job_profiles(job_id, request.args.get("page[cursor]"), _size(20))
        return _document([_profile(row) for row in page.rows], page)

    one = "/api/profile-bulk-import-jobs/<job_id>"
    return [
        ("/api/profile-bulk-import-jobs", "POST", "bulk_import_profiles", start),
        (one, "GET", "get_bulk_import_profiles_job", get_job),
        (f"{one}/import-errors", "GET", "get_errors_for_bulk_import_profiles_job", errors),
        (f"{one}/profiles", "GET", "get_profiles_for_bulk_import_profiles_job", job_profiles),
    ]


def _members_page(standin: KlaviyoStandIn, list_id: str) -> Page:
    return standin.data.members(
        list_id,
        _filter(filters.MEMBER_FIELDS),
        request.args.get("page[cursor]"),
        _size(20),
        newest_first=request.args.get("sort") == "-joined_group_at",
    )


def _filter(allowed: filters.Allowed) -> Sequence[filters.Condition]:
    text = request.args.get("filter")
    if not text:
        return []
    try:
        conditions = filters.parse(text, allowed)
    except ValueError as error:
        raise limits.invalid(f"The filter can't be read: {error}.", parameter="filter") from error
    if any(len(condition.values) > limits.MAX_FILTER_VALUES for condition in conditions):
        detail = f"any() takes at most {limits.MAX_FILTER_VALUES} values."
        raise limits.invalid(detail, parameter="filter")
    return conditions


def _only_order(*fields: str) -> None:
    """Rows come in the order of their creation; a client that asks for another one must not be fooled."""
    if request.args.get("sort", fields[0]) not in fields:
        raise Refused(501, "not_built", "Not built.", f"Only sorts by {fields}.", kind="not_built")


def _size(default: int) -> int:
    return request.args.get("page[size]", default, int)


def _ids(body: Any) -> list[str]:
    return [str(resource["id"]) for resource in body["data"]]


def _url() -> str:
    return request.host_url.rstrip("/")


def _profile(row: Any, *, joined: str | None = None) -> dict[str, Any]:
    extra = request.args.get("additional-fields[profile]", "")
    resource = documents.profile(row, _url(), joined=joined, subscriptions="subscriptions" in extra.split(","))
    return _sparse(resource)


def _sparse(resource: dict[str, Any]) -> dict[str, Any]:
    return documents.sparse(resource, request.args.get(f"fields[{resource['type']}]"))


def _one(resource: dict[str, Any], status: int = 200) -> Response:
    return json_answer({"data": _sparse(resource), "links": {"self": _page_url(None)}}, status, limits.MEDIA_TYPE)


def _document(resources: list[dict[str, Any]], page: Page) -> Response:
    links = {"self": _page_url(request.args.get("page[cursor]"))}
    if page.cursor:
        links["next"] = _page_url(page.cursor)
    return json_answer({"data": resources, "links": links}, 200, limits.MEDIA_TYPE)


def _page_url(cursor: str | None) -> str:
    query = {k: v for k, v in request.args.items() if k != "page[cursor]"}
    if cursor:
        query["page[cursor]"] = cursor
    return request.base_url + (f"?{urlencode(query)}" if query else "")


def _throttled(seconds: int, kind: str | None = None) -> Refused:
    detail = f"Request was throttled. Expected available in {seconds} second{'s' * (seconds != 1)}."
    return Refused(
        429,
        "throttled",
        "Request was throttled.",
        detail,
        pointer="/data/",
        kind=kind,
        headers={"Retry-After": str(seconds)},
    )
