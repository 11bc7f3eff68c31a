"""What the connections and syncs API takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Vendor = Literal["klaviyo", "mailchimp"]
TileVendor = Literal["shopify", "klaviyo", "mailchimp"]
ConnectionState = Literal["connected", "needs_reconnect"]
TileState = Literal["connected", "needs_reconnect", "not_connected"]
Schedule = Literal["manual", "after_refresh"]
SyncState = Literal["active", "paused", "needs_attention"]
RunState = Literal["running", "done", "partial", "needs_approval", "failed"]
OutcomeName = Literal["added", "updated", "unchanged", "skipped", "failed", "removed", "removal_failed"]
WithoutConsent = Literal["skip", "transactional"]
Sentence = Annotated[str, Field(description="One or two sentences to show as they are")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConnectionPath(BaseModel):
    """The connection in the address."""

    connection_id: str = Field(pattern=r"^con_[1-9][0-9]{0,9}$", description="con_<int>")


class SyncPath(BaseModel):
    """The sync in the address."""

    sync_id: str = Field(pattern=r"^syn_[1-9][0-9]{0,9}$", description="syn_<int>")


class SyncRunPath(SyncPath):
    """One run of a sync."""

    run_id: int = Field(ge=1)


class SyncQuery(BaseModel):
    """Filters of the list of syncs."""

    segment_id: str | None = Field(default=None, pattern=r"^seg_[1-9][0-9]{0,9}$")
    connection_id: str | None = Field(default=None, pattern=r"^con_[1-9][0-9]{0,9}$")


class PageQuery(BaseModel):
    """Paging: `cursor` is the `next` of the answer before."""

    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class OutcomeFilter(BaseModel):
    """Which members' outcomes; left out = all but the unchanged."""

    outcome: OutcomeName | None = None
    code: str | None = Field(default=None, max_length=64)


class OutcomeQuery(OutcomeFilter):
    """Filters and paging of a run's outcomes."""

    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class ConnectionPermission(BaseModel):
    """One permission that a connection needs, and what Encore does with it."""

    name: str
    why: Sentence
    granted: bool | None = Field(description="Null: the vendor does not tell")


class ConnectionOut(BaseModel):
    """A merchant's account at a vendor."""

    id: str = Field(examples=["con_1"])
    vendor: Vendor
    account_name: str
    account_id: str
    state: ConnectionState
    problem: Sentence | None
    checked_at: datetime
    created_at: datetime
    syncs: int = Field(description="How many syncs use it")


class Tile(BaseModel):
    """One vendor on the Connections page, connected or not."""

    vendor: TileVendor
    title: str
    state: TileState
    enables: Sentence
    consent: Sentence = Field(description="What Encore does and never does to consent at this vendor")
    key_help: Sentence | None = Field(description="Where the merchant finds the key; null for Shopify")
    permissions: list[ConnectionPermission]
    account_name: str | None = Field(description="Shopify: the shop's domain; else the first account")
    problem: Sentence | None
    connections: list[ConnectionOut]


class ConnectionsOut(BaseModel):
    """All tiles, in the order to show them."""

    items: list[Tile]


class NewConnection(_Body):
    """A key of the merchant's account; it is checked at the vendor before it is kept, sealed."""

    vendor: Vendor
    api_key: SecretStr = Field(min_length=1, max_length=200)


class TargetContainerOut(BaseModel):
    """Where targets live: an audience at Mailchimp. Klaviyo has none."""

    id: str
    name: str
    member_count: int | None


class TargetOut(BaseModel):
    """A list (Klaviyo) or a tag (Mailchimp) that a sync can keep equal to a segment."""

    id: str
    name: str
    kind: Literal["list", "tag"]
    container_id: str | None
    member_count: int | None


class TargetsOut(BaseModel):
    """What exists at the vendor now."""

    target_noun: str = Field(examples=["list", "tag"])
    container_noun: str | None = Field(examples=["audience"])
    containers: list[TargetContainerOut]
    items: list[TargetOut]


class NewTarget(_Body):
    """Exactly one of `id` (existing) and `name` (to be created) is given."""

    id: str | None = Field(default=None, max_length=120)
    name: str | None = Field(default=None, min_length=1, max_length=100)
    container_id: str | None = Field(default=None, max_length=60, description="The audience of a new tag")


class NewSync(_Body):
    """Keep a list or tag equal to a segment."""

    segment_id: str = Field(examples=["seg_1"])
    connection_id: str = Field(examples=["con_1"])
    target: NewTarget
    schedule: Schedule = "manual"
    without_consent: WithoutConsent = Field(
        default="skip",
        description="Mailchimp only: members without consent whom the audience does not know yet",
    )


class SyncChange(_Body):
    """The fields of a sync that can change after it was made."""

    schedule: Schedule | None = None
    without_consent: WithoutConsent | None = None


class SyncReason(BaseModel):
    """How many members had one outcome for one reason."""

    outcome: OutcomeName
    code: str = Field(description="Stable; empty when the outcome needs no reason")
    message: str = Field(description="For people; never holds an address")
    count: int


class SyncRunOut(BaseModel):
    """One run. Always: queried = added + updated + unchanged + skipped + failed; removals stand apart."""

    id: int
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    evaluated_at: datetime | None = Field(description="When the membership it sent was worked out")
    queried: int
    added: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    removed: int
    removals_failed: int
    reasons: list[SyncReason]
    problem: Sentence | None


class SyncOut(BaseModel):
    """A segment kept in a list or tag."""

    id: str = Field(examples=["syn_1"])
    segment_id: str
    segment_name: str
    connection_id: str
    vendor: Vendor
    account_name: str
    target_id: str
    target_name: str
    container_id: str | None
    container_name: str | None
    schedule: Schedule
    without_consent: WithoutConsent
    state: SyncState
    running: bool
    problem: Sentence | None
    created_at: datetime
    at_vendor: int = Field(description="Members that Encore put there and has not removed")
    last_run: SyncRunOut | None


class SyncsOut(BaseModel):
    """Syncs, newest first."""

    items: list[SyncOut]


class SyncPreview(BaseModel):
    """What a run would do now. Nothing has been sent."""

    evaluated_at: datetime | None
    queried: int
    to_add: int
    to_update: int
    unchanged: int
    skipped: int
    failed_before: int = Field(description="Refused before and unchanged since, so not tried again")
    to_remove: int
    in_progress: int = Field(description="Accepted by the vendor, not yet confirmed")
    reasons: list[SyncReason] = Field(description="Why members are skipped or not tried again")
    first_run: bool
    needs_approval: bool = Field(description="The run would remove more than 30% or all, and asks first")
    warning: Sentence | None


class RunRequest(_Body):
    """Start a run."""

    approve_removals: bool = Field(default=False, description="Go ahead with a mass removal just previewed")


class RunStarted(BaseModel):
    """The run stands in the queue."""

    sync_id: str
    queued: Literal[True] = True


class SyncRunsOut(BaseModel):
    """Runs, newest first."""

    items: list[SyncRunOut]
    next: str | None


class SyncOutcomeOut(BaseModel):
    """What became of one member in one run."""

    customer_no: int
    customer_id: str | None = Field(description="Shopify's id; null for a guest")
    email: str | None = Field(description="As it stands now; null when unknown or erased")
    outcome: OutcomeName
    code: str
    message: str


class SyncOutcomesOut(BaseModel):
    """Members and their outcomes, by outcome, reason and customer number."""

    items: list[SyncOutcomeOut]
    total: int
    next: str | None


class Removed(BaseModel):
    """What was deleted here, and what was left alone elsewhere."""

    message: Sentence
