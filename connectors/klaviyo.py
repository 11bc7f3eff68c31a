"""Klaviyo: keep a Klaviyo list equal to one of our segments.

Reference: https://developers.klaviyo.com/en/reference/api_overview, revision 2026-07-15, through the
vendor's library klaviyo-api 24.0.0. Its faults, and what is done about them here:
- No timeout and hidden repeats of GET requests: each call gets a timeout, urllib3's retries are off.
- Response models refuse real data, an unexpected 2xx gives None, a cut body raises AttributeError: the
  undecoded answer is taken and read here.
- Request models drop unknown keys and take seconds for 10,000 profiles: the bulk body is serialised here
  and handed to the library's own client, which brings host, key and revision.
- `KlaviyoAPI.Lists` re-wraps every method on each access: the generated classes are used directly.

Being on a list is not consent to be mailed. Nothing here subscribes, unsubscribes or suppresses.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import urllib3
from klaviyo_api import KlaviyoAPI
from openapi_client.api.accounts_api import AccountsApi
from openapi_client.api.lists_api import ListsApi
from openapi_client.api.profiles_api import ProfilesApi
from openapi_client.exceptions import ApiException
from openapi_client.rest import RESTClientObject

from connectors.base import (
    TARGET_GONE,
    Account,
    Capabilities,
    Description,
    Discovery,
    JobState,
    Limits,
    Misconfigured,
    NotAuthorised,
    Outcome,
    Permission,
    RemoteMember,
    RowFailure,
    RowRejected,
    Target,
    Throttled,
    Transient,
    Window,
)
from connectors.chunks import chunks, isolating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connectors.base import ConnectorError, Member, TargetWish, WithoutConsent
    from connectors.transport import Transport

BULK_PATH = "/api/profile-bulk-import-jobs"
PROFILES_PER_JOB = 10_000
BYTES_PER_JOB = 4_500_000  # documented: 5 MB; kept below it so that no envelope or header tips it over
BYTES_PER_PROFILE = 100_000
IDS_PER_REMOVAL = 1000
ADDRESSES_PER_LOOKUP = 100
MEMBERS_PER_PAGE = 100
HTTP_OK = range(200, 300)
HTTP_NO_CONTENT = 204
HTTP_NOT_FOUND = 404
HTTP_TOO_MANY_REQUESTS = 429
HTTP_NOT_AUTHORISED = (401, 403)
HTTP_REJECTED = (400, 409, 413, 422)


def _windows(burst: int, steady: int, daily: int | None = None) -> tuple[Window, ...]:
    day = (Window(daily, 86_400.0),) if daily else ()
    return (Window(burst, 1.0), Window(steady, 60.0), *day)


DESCRIPTION = Description(
    name="klaviyo",
    title="Klaviyo",
    enables="Keep Klaviyo lists equal to your segments, for flows and campaigns that you run there.",
    consent=(
        "Putting someone on a list is not consent. Encore never subscribes, unsubscribes or suppresses "
        "anyone in Klaviyo; a member who leaves the segment is taken off the list and nothing else changes."
    ),
    key_help=(
        "In Klaviyo: Settings, API keys, Create Private API Key, with the scopes named here. It starts with pk_."
    ),
    permissions=(
        Permission("accounts:read", "To show which account is connected."),
        Permission("lists:read", "To offer your lists and see whether a list still exists."),
        Permission("lists:write", "To create a list when you ask for one, and to add and remove members."),
        Permission("profiles:read", "To find the profiles of members who leave a list."),
        Permission("profiles:write", "To make members known to Klaviyo who are not yet."),
    ),
    capabilities=Capabilities(kind="list", container_noun=None, asynchronous=True, without_consent=False),
    limits=Limits(
        rows_per_add=PROFILES_PER_JOB,
        rows_per_remove=IDS_PER_REMOVAL,
        bytes_per_request=BYTES_PER_JOB,
        bytes_per_row=BYTES_PER_PROFILE,
        windows={
            "get_accounts": _windows(1, 15),
            "get_lists": _windows(75, 750),
            "get_list": _windows(1, 15),  # the price of profile_count; 75/s and 750/m without it
            "create_list": _windows(10, 150, 150),
            "get_profiles_for_list": _windows(75, 750),
            "remove_profiles_from_list": _windows(10, 150),
            "bulk_import_profiles": _windows(10, 150),
            "get_bulk_import_profiles_job": _windows(10, 150),
            "get_errors_for_bulk_import_profiles_job": _windows(10, 150),
        },
    ),
)


class Klaviyo:
    """An `AudienceDestination`. A target id is a list id; a member's remote id is a profile id."""

    def __init__(self, credentials: Mapping[str, str], base_url: str, transport: Transport) -> None:
        self._transport = transport
        api = KlaviyoAPI(credentials["api_key"], test_host=base_url)
        self._client = api.api_client
        # The client came with urllib3's retries on; only a new one takes the setting.
        api.configuration.retries = False
        self._client.rest_client = RESTClientObject(api.configuration)
        self._accounts = AccountsApi(self._client)
        self._lists = ListsApi(self._client)
        self._profiles = ProfilesApi(self._client)

    def describe(self) -> Description:
        """Klaviyo."""
        return DESCRIPTION

    def check(self) -> Account:
        """Ask Klaviyo whose account the key opens."""
        answer = self._call("get_accounts", self._accounts.get_accounts_without_preload_content)
        found = answer["data"][0]
        return Account(id=found["id"], name=found["attributes"]["contact_information"]["organization_name"])

    def discover(self) -> Discovery:
        """All lists of the account; without sizes, which Klaviyo tells only one list at a time."""
        pages = self._pages("get_lists", self._lists.get_lists_without_preload_content, fields_list=["name"])
        return Discovery(tuple(_target(row) for page in pages for row in page))

    def target(self, target_id: str) -> Target:
        """One list with its size."""
        answer = self._call(
            "get_list",
            self._lists.get_list_without_preload_content,
            target_id,
            additional_fields_list=["profile_count"],
            fields_list=["name", "profile_count"],
        )
        return _target(answer["data"])

    def ensure_target(self, wish: TargetWish) -> Target:
        """The list, or a new one."""
        if wish.id is not None:
            return self.target(wish.id)
        body = {"data": {"type": "list", "attributes": {"name": wish.name}}}
        answer = self._call("create_list", self._lists.create_list_without_preload_content, body, repeatable=False)
        return _target(answer["data"])

    def fingerprint(self, member: Member) -> tuple[str, ...]:
        """Address and names: what `add_members` writes to the profile."""
        return (member.email, member.first_name or "", member.last_name or "")

    def add_members(
        self, target_id: str, members: Iterable[Member], *, without_consent: WithoutConsent = "skip"
    ) -> Iterator[list[Outcome]]:
        """Upsert profiles and put them on the list, 10,000 profiles or 4.5 MB a job; answers `pending`.

        Consent plays no part: an imported profile keeps the state it has, a new one is not subscribed.
        """
        del without_consent
        rows = ((member, orjson.dumps(_profile(member))) for member in members)
        for chunk in chunks(rows, PROFILES_PER_JOB, size=lambda row: len(row[1]) + 1, max_size=BYTES_PER_JOB):
            yield from isolating(chunk, lambda part: self._import(target_id, part), lambda row: row[0])

    def remove_members(self, target_id: str, members: Iterable[Member]) -> Iterator[list[Outcome]]:
        """Take profiles off the list, 1,000 a call; those without a remote id are looked up on the list.

        Someone who is not on the list counts as removed.
        """
        for chunk in chunks(members, IDS_PER_REMOVAL):
            answered: set[int] = set()
            try:
                for outcomes in self._removing(target_id, chunk, remembered=True):
                    answered.update(outcome.key for outcome in outcomes)
                    yield outcomes
            except Misconfigured as fault:
                if fault.code != TARGET_GONE or not any(member.remote_id for member in chunk):
                    raise
                # A profile that was merged or deleted answers 404 like a list that is gone. If the list
                # is there, the remembered ids are what is stale.
                self.target(target_id)
                rest = [member for member in chunk if member.key not in answered]
                yield from self._removing(target_id, rest, remembered=False)

    def poll(self, job_id: str) -> JobState:
        """Where a bulk import stands, with the rows that it refused once it is finished."""
        try:
            answer = self._call(
                "get_bulk_import_profiles_job",
                self._profiles.get_bulk_import_profiles_job_without_preload_content,
                job_id,
                fields_profile_bulk_import_job=["status", "created_at", "total_count", "failed_count"],
            )
        except Misconfigured:
            return JobState(finished=True, lost=True)
        state = answer["data"]["attributes"]
        if state["status"] == "cancelled":
            return JobState(finished=True, lost=True)
        if state["status"] != "complete":
            return JobState(finished=False)
        if not state.get("failed_count"):
            return JobState(finished=True)
        pages = self._pages(
            "get_errors_for_bulk_import_profiles_job",
            self._profiles.get_errors_for_bulk_import_profiles_job_without_preload_content,
            job_id,
            page_size=MEMBERS_PER_PAGE,
        )
        return JobState(finished=True, failures=tuple(_failure(row) for page in pages for row in page))

    def read_back(self, target_id: str) -> Iterator[list[RemoteMember]]:
        """Who is on the list, 100 a page."""
        pages = self._pages(
            "get_profiles_for_list",
            self._lists.get_profiles_for_list_without_preload_content,
            target_id,
            fields_profile=["email", "joined_group_at"],
            page_size=MEMBERS_PER_PAGE,
        )
        for page in pages:
            yield [RemoteMember(row["attributes"].get("email") or "", row["id"]) for row in page]

    def close(self) -> None:
        """Close pooled connections."""
        self._client.rest_client.pool_manager.clear()

    def _import(self, target_id: str, chunk: Sequence[tuple[Member, bytes]]) -> list[Outcome]:
        """Send one job."""
        body = b"".join(
            (
                b'{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":[',
                b",".join(row for _, row in chunk),
                b']}},"relationships":{"lists":{"data":[',
                orjson.dumps({"type": "list", "id": target_id}),
                b"]}}}}",
            )
        )
        answer = self._transport.call(
            "bulk_import_profiles",
            lambda: self._read("bulk_import_profiles", lambda: self._post_bytes(BULK_PATH, body)),
        )
        job_id = answer["data"]["id"]
        return [Outcome.pending(member, job_id) for member, _ in chunk]

    def _removing(self, target_id: str, members: Sequence[Member], *, remembered: bool) -> Iterator[list[Outcome]]:
        """Take these off, by remembered ids where there are any, or all by looking them up on the list."""
        return isolating(
            members, lambda part: self._remove(target_id, part, remembered=remembered), lambda member: member
        )

    def _remove(self, target_id: str, chunk: Sequence[Member], *, remembered: bool) -> list[Outcome]:
        ids: dict[int, str | None] = {m.key: m.remote_id for m in chunk if remembered and m.remote_id}
        unknown = [member for member in chunk if member.key not in ids]
        for part in chunks(unknown, ADDRESSES_PER_LOOKUP):
            found = self._look_up(target_id, part)
            ids |= {member.key: found.get(member.email.lower()) for member in part}
        data = [{"type": "profile", "id": remote_id} for remote_id in sorted(set(filter(None, ids.values())))]
        if data:
            self._call(
                "remove_profiles_from_list",
                self._lists.remove_profiles_from_list_without_preload_content,
                target_id,
                {"data": data},
            )
        return [Outcome.done(member, ids[member.key]) for member in chunk]

    def _look_up(self, target_id: str, members: Sequence[Member]) -> dict[str, str]:
        """Lower-case address → profile id, of those members who are on the list."""
        pages = self._pages(
            "get_profiles_for_list",
            self._lists.get_profiles_for_list_without_preload_content,
            target_id,
            filter=f"any(email,{json.dumps([member.email for member in members])})",
            fields_profile=["email", "joined_group_at"],
            page_size=MEMBERS_PER_PAGE,
        )
        return {row["attributes"]["email"].lower(): row["id"] for page in pages for row in page}

    def _call(
        self, operation: str, method: Callable[..., Any], *args: Any, repeatable: bool = True, **options: Any
    ) -> dict[str, Any]:
        """Call a generated method; answers the body as a dictionary, empty for 204."""

        def send() -> urllib3.BaseHTTPResponse:
            answer: urllib3.BaseHTTPResponse = method(*args, **options, _request_timeout=self._transport.policy.timeout)
            return answer

        return self._transport.call(operation, lambda: self._read(operation, send), repeatable=repeatable)

    def _read(self, operation: str, send: Callable[[], urllib3.BaseHTTPResponse]) -> dict[str, Any]:
        with vendor_errors():
            answer = send()
            raw = answer.data
        if answer.status not in HTTP_OK:
            raise _from_status(answer.status, answer.headers, raw)
        remaining, reset = answer.headers.get("RateLimit-Remaining"), answer.headers.get("RateLimit-Reset")
        if remaining and reset and remaining.isdigit() and reset.isdigit():
            self._transport.limiter.observe(operation, int(remaining), float(reset))
        return {} if answer.status == HTTP_NO_CONTENT else _body(raw)

    def _pages(self, operation: str, method: Callable[..., Any], *args: Any, **options: Any) -> Iterator[list[Any]]:
        cursor: str | None = None
        while True:
            page: dict[str, Any] = {} if cursor is None else {"page_cursor": cursor}
            answer = self._call(operation, method, *args, **options, **page)
            yield answer["data"]
            following = (answer.get("links") or {}).get("next")
            if not following:
                return
            cursor = _cursor(following)

    def _post_bytes(self, path: str, body: bytes) -> urllib3.BaseHTTPResponse:
        media = "application/vnd.api+json"
        method, url, headers, _, _ = self._client.param_serialize(
            "POST",
            path,
            header_params={"Accept": media, "Content-Type": media},
            auth_settings=["Klaviyo-API-Key", "OAuth"],
        )
        answer: urllib3.BaseHTTPResponse = self._client.rest_client.pool_manager.request(
            method,
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(
                connect=self._transport.policy.connect_timeout, read=self._transport.policy.read_timeout
            ),
            preload_content=False,
        )
        return answer


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Turn what the library and urllib3 raise into errors that say what comes next."""
    try:
        yield
    except ApiException as fault:  # the library turns TLS faults into an exception with status 0
        raise Transient("No secure connection to Klaviyo.") from fault
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as fault:
        raise Transient("Klaviyo can't be reached.") from fault
    except urllib3.exceptions.TimeoutError as fault:
        raise Transient("Klaviyo did not answer in time.", timed_out=True) from fault
    except urllib3.exceptions.HTTPError as fault:
        raise Transient("The connection to Klaviyo broke.") from fault


def _from_status(status: int, headers: Mapping[str, str], raw: bytes) -> ConnectorError:
    code, detail, rows = _first_error(raw)
    if status == HTTP_TOO_MANY_REQUESTS:
        wait = headers.get("Retry-After", "")
        return Throttled("Klaviyo asks to slow down.", float(wait) if wait.isdigit() else None)
    if status in HTTP_NOT_AUTHORISED:
        return NotAuthorised(
            f"Klaviyo does not accept the key any more, or it lacks a permission. {detail}".strip()
            if status == HTTP_NOT_AUTHORISED[1]
            else "Klaviyo does not accept the key. Create a private API key there and connect again."
        )
    if status == HTTP_NOT_FOUND:
        return Misconfigured(TARGET_GONE, "Klaviyo no longer has this list.")
    if status in HTTP_REJECTED:
        return RowRejected(code or f"http_{status}", detail or "Klaviyo refused the request.", rows)
    return Transient(f"Klaviyo is out of order (HTTP {status}).")


def _first_error(raw: bytes) -> tuple[str, str, list[int]]:
    """Code and text of the first error in a JSON:API error document, and the profile rows it points at."""
    try:
        errors = json.loads(raw)["errors"]
        rows = [int(part) for error in errors for part in [_row_of(error)] if part is not None]
        return str(errors[0]["code"]), str(errors[0]["detail"]), rows
    except (ValueError, KeyError, TypeError, IndexError):
        return "", "", []


def _row_of(error: dict[str, Any]) -> str | None:
    """`3` of `/data/attributes/profiles/data/3/attributes/email`."""
    parts = str((error.get("source") or {}).get("pointer") or "").split("/")
    prefix = ["", "data", "attributes", "profiles", "data"]
    row = parts[len(prefix)] if parts[: len(prefix)] == prefix and len(parts) > len(prefix) else ""
    return row if row.isdigit() else None


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body: dict[str, Any] = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        raise Transient("Klaviyo's answer could not be read.") from fault
    return body


def _cursor(link: str) -> str:
    """The cursor of a `links.next` address. The library's own search for it knows https addresses only."""
    return parse_qs(urlsplit(link).query)["page[cursor]"][0]


def _target(row: dict[str, Any]) -> Target:
    attributes = row["attributes"]
    return Target(id=row["id"], name=attributes["name"], kind="list", member_count=attributes.get("profile_count"))


def _profile(member: Member) -> dict[str, Any]:
    names = {"first_name": member.first_name, "last_name": member.last_name}
    # A null would blank a name that Klaviyo knows and we don't.
    attributes = {"email": member.email} | {name: value for name, value in names.items() if value}
    return {"type": "profile", "attributes": attributes}


def _failure(row: dict[str, Any]) -> RowFailure:
    attributes = row["attributes"]
    payload = attributes.get("original_payload") or {}
    email = payload.get("email") or (payload.get("attributes") or {}).get("email") or ""
    return RowFailure(email, attributes["code"], attributes["detail"])
