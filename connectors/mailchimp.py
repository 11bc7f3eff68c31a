"""Mailchimp: keep a tag (a static segment of an audience) equal to one of our segments.

Reference: https://mailchimp.com/developer/marketing/api/, through the vendor's library
mailchimp-marketing 3.0.80. Its faults, and what is done about them here:
- A new connection per call and headers thrown away: `PooledClient` keeps a session and the last answer.
- An error without a body comes back as a value: every answer is judged by its status.
- A problem document comes as text or as a dictionary, by its content type: both are read.
- `server` anywhere in an address is replaced, in ids too: the host is set whole and `server` is empty.

A tag is not consent to be mailed. An address that the audience does not know needs a status to get in:
`subscribed` only for people who consented, and never for anyone whom the audience knows already
(`update_existing` is false). Removing takes the tag away and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from mailchimp_marketing import ApiClient
from mailchimp_marketing.api.lists_api import ListsApi
from mailchimp_marketing.api.root_api import RootApi
from mailchimp_marketing.api_client import ApiClientError

from connectors.base import (
    TARGET_GONE,
    Account,
    Capabilities,
    Container,
    Description,
    Discovery,
    JobState,
    Limits,
    Misconfigured,
    NotAuthorised,
    Outcome,
    Permission,
    RemoteMember,
    RowRejected,
    Target,
    Throttled,
    Transient,
)
from connectors.chunks import chunks, isolating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connectors.base import ConnectorError, Member, TargetWish, WithoutConsent
    from connectors.transport import Transport

MEMBERS_PER_CALL = 500
ROWS_PER_PAGE = 1000
# Below this many doubtful members each is asked for alone; above it the whole tag is read once.
SINGLE_QUESTIONS = 25
MOST_CONNECTIONS = 8  # of the account's 10, which all its apps share
HTTP_OK = range(200, 300)
HTTP_UNAUTHORISED, HTTP_FORBIDDEN, HTTP_NOT_FOUND, HTTP_TOO_MANY_REQUESTS = 401, 403, 404, 429
HTTP_REJECTED = (400, 405, 409, 413, 422)

DESCRIPTION = Description(
    name="mailchimp",
    title="Mailchimp",
    enables="Keep Mailchimp tags equal to your segments, for campaigns and journeys that you run there.",
    consent=(
        "A tag is not consent. Encore never changes the status of a contact that your audience knows. People new "
        "to it come in as subscribed only if they consented in your shop; others are left out, or come in "
        "as transactional if you choose so. Leaving a segment removes the tag and nothing else."
    ),
    key_help="In Mailchimp: Account & billing, Extras, API keys, Create A Key. It ends in -us1 or the like.",
    permissions=(
        Permission("Account key", "Mailchimp's keys have no scopes: a key opens the whole account."),
        Permission("Audiences", "To offer your audiences and tags, and to create a tag when you ask for one."),
        Permission("Contacts", "To tag contacts, and to add people who are new to the audience."),
    ),
    capabilities=Capabilities(kind="tag", container_noun="audience", asynchronous=False, without_consent=True),
    # Mailchimp counts open connections, not calls; an adapter has one call open at a time.
    limits=Limits(rows_per_add=MEMBERS_PER_CALL, rows_per_remove=MEMBERS_PER_CALL),
)


class PooledClient(ApiClient):  # type: ignore[misc]  # the library has no types
    """The library's client on one pooled session, keeping the answer that its methods throw away."""

    def __init__(self, config: dict[str, Any], host: str) -> None:
        super().__init__(config)
        self.host = host
        self.server = ""
        self.session = requests.Session()
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=MOST_CONNECTIONS))
        self.session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=MOST_CONNECTIONS))
        self.last_answer: requests.Response | None = None

    def request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Any = None,
        body: Any = None,
    ) -> requests.Response:
        """One call; as the library's own, but pooled."""
        self.last_answer = None
        self.last_answer = self.session.request(
            method,
            url,
            params=query_params,
            headers=headers,
            json=body,
            auth=("user", self.api_key),
            timeout=self.timeout,
            allow_redirects=False,
        )
        return self.last_answer


class Mailchimp:
    """An `AudienceDestination`. A target id is `audience:segment`; members are told by address alone."""

    def __init__(self, credentials: Mapping[str, str], base_url: str, transport: Transport) -> None:
        self._transport = transport
        key = credentials["api_key"]
        host = (base_url or _host_of(key)).rstrip("/")
        self._client = PooledClient({"api_key": key, "timeout": transport.policy.timeout}, f"{host}/3.0")
        self._root = RootApi(self._client)
        self._lists = ListsApi(self._client)
        self._double_opt_in: dict[str, bool] = {}
        self._carriers: dict[str, set[bytes]] = {}

    def describe(self) -> Description:
        """Mailchimp."""
        return DESCRIPTION

    def check(self) -> Account:
        """Ask Mailchimp whose account the key opens."""
        answer = self._call("get_root", self._root.get_root, fields=["account_id", "account_name"])
        return Account(id=answer["account_id"], name=answer["account_name"])

    def discover(self) -> Discovery:
        """All audiences and their tags."""
        fields = ["lists.id", "lists.name", "lists.stats.member_count", "total_items"]
        audiences = [
            Container(row["id"], row["name"], (row.get("stats") or {}).get("member_count"))
            for page in self._pages("get_all_lists", "lists", self._lists.get_all_lists, fields=fields)
            for row in page
        ]
        fields = ["segments.id", "segments.name", "segments.member_count", "segments.list_id", "total_items"]
        targets = [
            _target(row, audience)
            for audience in audiences
            for page in self._pages(
                "list_segments", "segments", self._lists.list_segments, audience.id, type="static", fields=fields
            )
            for row in page
        ]
        return Discovery(tuple(targets), tuple(audiences))

    def target(self, target_id: str) -> Target:
        """One tag with its size."""
        audience_id, segment_id = _split(target_id)
        audience = self._call("get_list", self._lists.get_list, audience_id, fields=["id", "name"])
        row = self._call("get_segment", self._lists.get_segment, audience_id, segment_id)
        return _target(row, Container(audience["id"], audience["name"]))

    def ensure_target(self, wish: TargetWish) -> Target:
        """The tag, or a new empty one in the audience that the wish names."""
        if wish.id is not None:
            return self.target(wish.id)
        if not wish.container_id:
            raise Misconfigured("container_missing", "A new tag needs an audience: choose one.")
        audience = self._call("get_list", self._lists.get_list, wish.container_id, fields=["id", "name"])
        body: dict[str, Any] = {"name": wish.name, "static_segment": []}
        row = self._call("create_segment", self._lists.create_segment, wish.container_id, body, repeatable=False)
        return _target(row, Container(audience["id"], audience["name"]))

    def fingerprint(self, member: Member) -> tuple[str, ...]:
        """The address: what Mailchimp knows of a contact is never overwritten."""
        return (member.email,)

    def add_members(
        self, target_id: str, members: Iterable[Member], *, without_consent: WithoutConsent = "skip"
    ) -> Iterator[list[Outcome]]:
        """Bring people into the audience who may come in, and tag all who are there, 500 a call."""
        for chunk in chunks(members, MEMBERS_PER_CALL):
            yield from isolating(chunk, lambda part: self._add(target_id, part, without_consent), lambda member: member)

    def remove_members(self, target_id: str, members: Iterable[Member]) -> Iterator[list[Outcome]]:
        """Take the tag away, 500 a call. Someone who does not carry it counts as removed."""
        for chunk in chunks(members, MEMBERS_PER_CALL):
            yield from isolating(chunk, lambda part: self._remove(target_id, part), lambda member: member)

    def poll(self, job_id: str) -> JobState:
        """Nothing is asynchronous here; a job can only be lost."""
        del job_id
        return JobState(finished=True, lost=True)

    def read_back(self, target_id: str) -> Iterator[list[RemoteMember]]:
        """Who carries the tag, whatever their status, 1,000 a page."""
        audience_id, segment_id = _split(target_id)
        pages = self._pages(
            "get_segment_members_list",
            "members",
            self._lists.get_segment_members_list,
            audience_id,
            segment_id,
            fields=["members.email_address", "total_items"],
            include_cleaned=True,
            include_transactional=True,
            include_unsubscribed=True,
        )
        for page in pages:
            yield [RemoteMember(row["email_address"], None) for row in page]

    def close(self) -> None:
        """Close pooled connections."""
        self._client.session.close()

    def _add(self, target_id: str, members: Sequence[Member], without_consent: WithoutConsent) -> list[Outcome]:
        audience_id, _ = _split(target_id)
        refused = self._bring_in(audience_id, members, without_consent)
        rest = [member for member in members if member.key not in refused]
        return [*refused.values(), *self._tag(target_id, rest, without_consent)]

    def _remove(self, target_id: str, members: Sequence[Member]) -> list[Outcome]:
        answer = self._change(target_id, {"members_to_remove": [member.email for member in members]})
        refused = _errors_by_address(answer)
        doubtful = [member.email.lower() for member in members if member.email.lower() in refused]
        self._remember_tagged(target_id, [m.email.lower() for m in members], tagged=False)
        still = {address for address in doubtful if self._carries(target_id, address)}
        return [
            Outcome.failed(member, "not_untagged", refused[member.email.lower()])
            if member.email.lower() in still
            else Outcome.done(member)
            for member in members
        ]

    def _bring_in(
        self, audience_id: str, chunk: Sequence[Member], without_consent: WithoutConsent
    ) -> dict[int, Outcome]:
        """Make people known to the audience; answers those whom Mailchimp refused, by key."""
        needed: dict[str, tuple[Member, dict[str, Any]]] = {}
        for member in chunk:
            status = self._status_for_new(audience_id, member, without_consent)
            if status is not None:
                needed[member.email.lower()] = (member, _contact(member, status))
        if not needed:
            return {}
        body = {"members": [contact for _, contact in needed.values()], "update_existing": False}
        answer = self._call(
            "batch_list_members", self._lists.batch_list_members, audience_id, body, skip_merge_validation=True
        )
        refused: dict[int, Outcome] = {}
        for error in answer.get("errors", []):
            address = str(error.get("email_address", "")).lower()
            # Known already: exactly what `update_existing: false` asks for. The status stays as it is.
            if error.get("error_code") != "ERROR_CONTACT_EXISTS" and address in needed:
                member = needed[address][0]
                text = error.get("field_message") or error.get("error") or "Mailchimp refused this contact."
                refused[member.key] = Outcome.failed(member, _refusal(text), text)
        return refused

    def _status_for_new(self, audience_id: str, member: Member, without_consent: WithoutConsent) -> str | None:
        """The status to come in with, or None for people who are only tagged if the audience knows them."""
        consented = member.consent == "confirmed" or (
            member.consent == "single" and not self._asks_to_confirm(audience_id)
        )
        if consented:
            return "subscribed"
        return "transactional" if without_consent == "transactional" else None

    def _asks_to_confirm(self, audience_id: str) -> bool:
        """Whether the audience wants confirmed opt-in: then a single opt-in in the shop is not enough."""
        if audience_id not in self._double_opt_in:
            answer = self._call("get_list", self._lists.get_list, audience_id, fields=["id", "double_optin"])
            self._double_opt_in[audience_id] = bool(answer.get("double_optin"))
        return self._double_opt_in[audience_id]

    def _tag(self, target_id: str, members: Sequence[Member], without_consent: WithoutConsent) -> list[Outcome]:
        if not members:
            return []
        audience_id, _ = _split(target_id)
        answer = self._change(target_id, {"members_to_add": [member.email for member in members]})
        added = {str(row["email_address"]).lower() for row in answer.get("members_added", [])}
        self._remember_tagged(target_id, added, tagged=True)
        refused = _errors_by_address(answer)
        # Mailchimp ignores addresses that the audience lacks, and tells those that carry the tag already
        # either not at all or as errors: whoever is not confirmed is looked at again.
        tagged = added | self._tagged(target_id, {m.email.lower() for m in members} - added)
        outcomes = []
        for member in members:
            address = member.email.lower()
            if address in tagged:
                outcomes.append(Outcome.done(member))
            elif self._status_for_new(audience_id, member, without_consent) is None:
                outcomes.append(_left_out(member))
            else:
                text = refused.get(address) or "Mailchimp took the contact and did not tag it."
                outcomes.append(Outcome.failed(member, "not_tagged", text))
        return outcomes

    def _tagged(self, target_id: str, addresses: set[str]) -> set[str]:
        """Which of these lower-case addresses carry the tag at Mailchimp now.

        A few are asked for one by one. For many the whole tag is read once and remembered: a first load
        meets hundreds in every call, and reading the growing tag each time would never end.
        """
        if target_id not in self._carriers:
            if len(addresses) <= SINGLE_QUESTIONS:
                return {address for address in addresses if self._carries(target_id, address)}
            self._carriers[target_id] = {_subscriber(row.email) for page in self.read_back(target_id) for row in page}
        return {address for address in addresses if _subscriber(address) in self._carriers[target_id]}

    def _remember_tagged(self, target_id: str, addresses: Iterable[str], *, tagged: bool) -> None:
        if target_id in self._carriers:
            subscribers = {_subscriber(address) for address in addresses}
            carriers = self._carriers[target_id]
            self._carriers[target_id] = carriers | subscribers if tagged else carriers - subscribers

    def _carries(self, target_id: str, address: str) -> bool:
        audience_id, segment_id = _split(target_id)
        subscriber = _subscriber(address).hex()
        try:
            answer = self._call(
                "get_list_member", self._lists.get_list_member, audience_id, subscriber, fields=["id", "tags"]
            )
        except Misconfigured:  # 404: the audience does not know the address
            return False
        return any(str(tag["id"]) == segment_id for tag in answer.get("tags", []))

    def _change(self, target_id: str, body: dict[str, list[str]]) -> dict[str, Any]:
        audience_id, segment_id = _split(target_id)
        method = self._lists.batch_segment_members
        return self._call("batch_segment_members", method, body, audience_id, segment_id)

    def _call(
        self, operation: str, method: Callable[..., Any], *args: Any, repeatable: bool = True, **options: Any
    ) -> dict[str, Any]:
        """Call a method of the library; answers the body as a dictionary."""

        def send() -> dict[str, Any]:
            with vendor_errors():
                answer = method(*args, **options)
            if not isinstance(answer, dict):
                # The library hands an empty or unreadable answer back as it came, errors included.
                raise _from_status(self._client.last_answer, None)
            return answer

        return self._transport.call(operation, send, repeatable=repeatable)

    def _pages(
        self, operation: str, key: str, method: Callable[..., Any], *args: Any, **options: Any
    ) -> Iterator[list[Any]]:
        offset = 0
        while True:
            answer = self._call(operation, method, *args, count=ROWS_PER_PAGE, offset=offset, **options)
            rows = answer[key]
            yield rows
            offset += len(rows)
            if not rows or offset >= answer["total_items"]:
                return


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Turn what the library raises into errors that say what comes next."""
    try:
        yield
    except ApiClientError as fault:
        if fault.status_code is None:
            raise _from_network(fault.text) from fault
        raise _from_answer(fault.status_code, fault.text) from fault


def _from_network(fault: object) -> ConnectorError:
    if isinstance(fault, requests.ConnectTimeout):
        return Transient("Mailchimp can't be reached.")
    if isinstance(fault, requests.Timeout):
        return Transient("Mailchimp did not answer in time.", timed_out=True)
    if isinstance(fault, requests.RequestException):
        return Transient("The connection to Mailchimp broke.")
    raise TypeError("unexpected fault inside the Mailchimp library") from (
        fault if isinstance(fault, BaseException) else None
    )


def _from_status(answer: requests.Response | None, body: object) -> ConnectorError:
    status = answer.status_code if answer is not None else 0
    if status in HTTP_OK:
        return Transient("Mailchimp's answer could not be read.")
    return _from_answer(status, body)


def _from_answer(status: int, body: object) -> ConnectorError:
    problem = _problem(body)
    detail = str(problem.get("detail") or problem.get("title") or "")
    if status == HTTP_TOO_MANY_REQUESTS or (status == HTTP_FORBIDDEN and not problem):
        # Mailchimp throttles with 429 or with a bare 403, and never says for how long.
        return Throttled("Mailchimp asks to slow down.")
    if status == HTTP_UNAUTHORISED:
        return NotAuthorised("Mailchimp does not accept the key. Create an API key there and connect again.")
    if status == HTTP_FORBIDDEN:
        return NotAuthorised(f"Mailchimp refuses access. {detail}".strip())
    if status == HTTP_NOT_FOUND:
        return Misconfigured(TARGET_GONE, "Mailchimp no longer has this audience or tag.")
    if status in HTTP_REJECTED:
        return RowRejected(f"http_{status}", detail or "Mailchimp refused the request.")
    return Transient(f"Mailchimp is out of order (HTTP {status}).")


def _problem(body: object) -> dict[str, Any]:
    """The problem document. The library decodes application/json and hands application/problem+json on as text."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    return body if isinstance(body, dict) else {}


def _host_of(key: str) -> str:
    """The API host. Keys end in their data centre; newer accounts share one host."""
    centre = key.rpartition("-")[2] if "-" in key else ""
    return f"https://{centre}.api.mailchimp.com" if centre.isalnum() else "https://api.mailchimp.com"


def _subscriber(address: str) -> bytes:
    """Mailchimp's key of a contact: MD5 of the lower-case address."""
    return hashlib.md5(address.lower().encode(), usedforsecurity=False).digest()


def _split(target_id: str) -> tuple[str, str]:
    audience_id, _, segment_id = target_id.partition(":")
    if not segment_id:
        raise Misconfigured(TARGET_GONE, "The tag is not known: choose it again.")
    return audience_id, segment_id


def _target(row: dict[str, Any], audience: Container) -> Target:
    return Target(
        id=f"{audience.id}:{row['id']}",
        name=row["name"],
        kind="tag",
        container_id=audience.id,
        container_name=audience.name,
        member_count=row.get("member_count"),
    )


def _contact(member: Member, status: str) -> dict[str, Any]:
    names = {"FNAME": member.first_name, "LNAME": member.last_name}
    fields = {name: value for name, value in names.items() if value}
    contact: dict[str, Any] = {"email_address": member.email, "status": status}
    return contact | ({"merge_fields": fields} if fields else {})


def _left_out(member: Member) -> Outcome:
    if member.consent == "single":
        return Outcome.skipped(
            member,
            "consent_not_confirmed",
            "New to the audience, which asks for confirmed consent; the shop has a single opt-in.",
        )
    return Outcome.skipped(member, "no_consent", "New to the audience and without consent in the shop.")


def _errors_by_address(answer: dict[str, Any]) -> dict[str, str]:
    return {
        str(address).lower(): str(error.get("error") or "Mailchimp gave no reason.")
        for error in answer.get("errors", [])
        for address in error.get("email_addresses", [])
    }


def _refusal(text: str) -> str:
    """A stable code for the refusals that Mailchimp tells in words only."""
    lower = text.lower()
    for part, code in (
        ("permanently deleted", "forgotten"),
        ("compliance state", "compliance_state"),
        ("fake or invalid", "invalid_address"),
        ("valid email", "invalid_address"),
        ("signed up to a lot of lists", "too_many_signups"),
    ):
        if part in lower:
            return code
    return "refused"
