"""What the segments API takes and gives. Money: minor units of the shop's currency; instants: UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from flask_openapi3 import FileStorage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Category = Literal["cross_sell", "repurchase", "custom", "retain", "behavioral", "demographics"]
Source = Literal["automatic", "rule", "upload"]
State = Literal["ready", "empty", "off", "merged", "failed", "pending"]
UploadMode = Literal["replace", "add", "remove"]
NotReachable = Literal[
    "no_email", "invalid_email", "suppressed", "unsubscribed", "not_subscribed", "pending_confirmation"
]
# Multipart parts arrive as text that the framework first tries as JSON: a list named 2026 is still a name.
FormText = Annotated[str, BeforeValidator(lambda value: value if value is None else str(value))]


class SegmentPath(BaseModel):
    """The segment in the address."""

    segment_id: str = Field(pattern=r"^seg_[1-9][0-9]{0,9}$", description="seg_<int>")


class VersionPath(SegmentPath):
    """One saved version of a segment."""

    version: int = Field(ge=1)


class UploadPath(SegmentPath):
    """One uploaded file of a segment."""

    upload_id: int = Field(ge=1)


class SegmentQuery(BaseModel):
    """Filters of the segments list; no category = all."""

    category: list[Category] = Field(default_factory=list, description="Only these categories")
    exclude: list[Category] = Field(default_factory=list, description="Not these categories")
    search: str = Field(default="", max_length=120, description="In name or definition, ignoring case")
    source: list[Source] = Field(default_factory=list)
    include_empty: bool = Field(default=True, description="Segments that show a reason instead of members")
    sort: Literal["name", "size", "reachable", "change", "net_share", "evaluated_at", "expected_buyers"] = "size"
    order: Literal["asc", "desc"] = "desc"
    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class CategoryCount(BaseModel):
    """How many segments of a category the search matches."""

    category: Category
    count: int


class Expected(BaseModel):
    """How many members are expected to buy within the horizon: sum of probabilities, with an 80% interval."""

    buyers: float
    low: float
    high: float
    horizon_days: int
    what: str = Field(description="What is counted, e.g. 'buy Coffee' or 'place an order'")


class SegmentProduct(BaseModel):
    """The product of a product segment."""

    product_id: str
    title: str
    image_url: str | None


class SegmentRow(BaseModel):
    """A segment in the list."""

    id: str
    key: str | None = Field(description="Stable key of an automatic segment, e.g. auto:lapsed")
    name: str
    category: Category
    source: Source
    state: State
    reason: str | None = Field(description="Why it is empty, off, merged or failed")
    definition: str
    size: int
    reachable: int
    change_30d: int | None = Field(description="Size now less size 30 days ago; null without that history")
    net_sales_minor: int
    net_share: float = Field(description="Share of the shop's net sales, 0..1")
    expected: Expected | None
    product: SegmentProduct | None
    evaluated_at: datetime | None
    sizes: list[int] = Field(description="Sizes at the end of the last days, oldest first, at most 30")


class SegmentList(BaseModel):
    """A page of the list."""

    items: list[SegmentRow]
    next: str | None
    total: int = Field(description="Rows that the filters match")
    categories: list[CategoryCount] = Field(description="Per category, for the search alone")
    currency: str
    timezone: str
    evaluated_at: datetime | None
    state: Literal["ready", "before_analysis"]


class NotReachableCount(BaseModel):
    """Members who are not reachable, by reason."""

    reason: NotReachable
    label: str
    count: int


class Statistics(BaseModel):
    """How a segment's members behave. Sums over a partition equal the shop's totals."""

    size: int
    buyers: int = Field(description="Members with an order")
    share_of_customers: float
    reachable: int
    not_reachable: list[NotReachableCount]
    orders: int
    order_share: float
    net_sales_minor: int
    net_share: float
    margin_minor: int | None = Field(description="Of the sales whose cost is known; null without any")
    margin_of_minor: int = Field(description="Net sales of products whose cost is known")
    average_order_minor: int | None
    repeat_rate: float | None = Field(description="Share of buyers with two or more orders, 0..1")
    median_gap_days: float | None
    orders_per_buyer: float | None
    predicted_value_12m_minor: int | None


class Bin(BaseModel):
    """Members whose probability lies in [low, high)."""

    low: float
    high: float
    count: int


class SizePoint(BaseModel):
    """One evaluation in the segment's history."""

    at: datetime
    size: int
    entered: int
    left: int


class Dependent(BaseModel):
    """Something that uses the segment."""

    kind: Literal["segment", "campaign", "sync", "download"]
    id: str
    name: str


class LeafResult(BaseModel):
    """One condition of a rule, counted alone and along the way."""

    path: str = Field(description="Where in the rule, e.g. match.all[0]")
    sentence: str
    count: int = Field(description="Customers for whom this condition alone holds")
    missing: int = Field(description="Of those, customers for whom the value is missing")
    remaining: int | None = Field(description="After this and all earlier conditions of the top group `all`")


class PinCounts(BaseModel):
    """Pinned customers. Size = what the rule selects + added - removed."""

    pinned_in: int
    pinned_out: int
    added: int = Field(description="Pinned in, of whom the rule says no")
    removed: int = Field(description="Pinned out, of whom the rule says yes")


class SegmentDetails(BaseModel):
    """All of a segment's page but the members."""

    id: str
    key: str | None
    name: str
    category: Category
    source: Source
    state: State
    reason: str | None
    definition: str = Field(description="One plain sentence, thresholds in money and days")
    why: str | None = Field(description="Why it matters")
    action: str | None = Field(description="What to do with it")
    rule: dict[str, Any] | None = Field(description="As saved; null for an uploaded list")
    rule_hash: str | None
    version: int
    editable: bool
    product: SegmentProduct | None
    statistics: Statistics
    expected: Expected | None
    probabilities: list[Bin] = Field(description="Empty where no probability applies")
    history: list[SizePoint]
    leaves: list[LeafResult]
    from_missing: int = Field(description="Members who are in only because a value is missing")
    used_by: list[Dependent]
    pins: PinCounts
    currency: str
    timezone: str
    evaluated_at: datetime | None
    watermark: datetime | None = Field(description="History was complete up to here")
    next_flip_at: datetime | None = Field(description="Earliest instant at which members change by time alone")
    duration_ms: int | None
    failed_at: datetime | None = Field(description="When the last evaluation failed; null after one that did not")
    created_at: datetime
    updated_at: datetime


class NewSegment(BaseModel):
    """A rule segment to save."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=500)
    rule: dict[str, Any]


class ChangedSegment(BaseModel):
    """What to change; left out = as it is."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(default=None, min_length=1, max_length=120)
    description: str | None = Field(default=None, max_length=500)
    rule: dict[str, Any] | None = None


class DuplicateBody(BaseModel):
    """The copy's name; left out = 'Copy of ...'."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(default=None, min_length=1, max_length=120)


class Deleted(BaseModel):
    """A deleted segment can be brought back until then."""

    id: str
    restorable_until: datetime


class Version(BaseModel):
    """One saved version of a rule."""

    version: int
    name: str
    rule: dict[str, Any] | None
    definition: str
    saved_at: datetime


class VersionList(BaseModel):
    """All versions, newest first."""

    items: list[Version]


class PreviewBody(BaseModel):
    """A rule to count; nothing is saved."""

    model_config = ConfigDict(extra="forbid")
    rule: dict[str, Any]
    sample: int = Field(default=10, ge=0, le=10)
    segment_id: str | None = Field(default=None, description="The segment being edited, for finding cycles")


class Member(BaseModel):
    """One member. Name and address come from the sealed contact."""

    customer_no: int
    customer_id: str | None = Field(description="Shopify's id; null for a guest")
    name: str
    email: str | None
    reachable: bool
    not_reachable: NotReachable | None
    reason: str = Field(description="Why this customer is a member")
    orders: int
    net_spend_minor: int
    last_order_at: datetime | None
    probability: float | None


class RulePreview(BaseModel):
    """What a rule would select now."""

    count: int
    reachable: int
    universe: int
    leaves: list[LeafResult]
    from_missing: int
    missing_note: str | None
    sentence: str
    rule_hash: str
    next_flip_at: datetime | None
    duration_ms: int
    as_of: datetime
    timezone: str
    sample: list[Member]


class MemberQuery(BaseModel):
    """A page of members by customer number."""

    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)
    reachable: bool | None = None


class MemberPage(BaseModel):
    """Members in the order of their customer number."""

    items: list[Member]
    next: str | None
    total: int
    evaluated_at: datetime | None


class Template(BaseModel):
    """A rule to start from, with the shop's own products and its live size."""

    key: str
    name: str
    why: str
    rule: dict[str, Any]
    sentence: str
    count: int


class TemplateList(BaseModel):
    """The templates."""

    items: list[Template]


class NameEntry(BaseModel):
    """A name that rules may use."""

    name: str
    label: str
    kind: Literal["attribute", "event", "event_field", "measure", "prediction", "consent", "life", "move"]
    type: Literal["text", "number", "money", "date", "boolean", "list", "share", "product"]
    owner: str
    nullable: bool
    sentence: str
    operators: list[str]
    events: list[str] = Field(description="For an event field: the events that have it")
    choices: list[str] = Field(description="Closed or most common values; empty = free")


class ProductChoice(BaseModel):
    """A product for the builder."""

    product_id: str
    title: str
    product_type: str | None
    buyers: int


class Vocabulary(BaseModel):
    """The closed table of names, operators and limits: docs and the builder are made from it."""

    names: list[NameEntry]
    operators: dict[str, str] = Field(description="Operator: words for a sentence")
    windows: list[str]
    horizons: dict[str, list[str]]
    max_leaves: int
    max_depth: int
    max_values: int
    products: list[ProductChoice] = Field(description="The shop's products with most buyers")
    product_types: list[str]
    predicted_types: list[str] = Field(description="Product types that predictions may be about")
    countries: list[str]
    tags: list[str]
    currency: str
    timezone: str


class UploadForm(BaseModel):
    """A CSV file with an e-mail or customer id column."""

    file: FileStorage
    name: FormText | None = Field(default=None, max_length=120, description="Of a new list")
    segment_id: FormText | None = Field(default=None, description="The list to change; left out = a new one")
    mode: UploadMode = "replace"
    column: FormText | None = Field(default=None, description="Header of the column; left out = detected")
    identifier: Literal["email", "customer_id"] | None = Field(default=None, description="Left out = detected")


class UploadCheckForm(BaseModel):
    """A CSV file to look into before uploading it."""

    file: FileStorage


class UploadColumn(BaseModel):
    """A column of the file and what it seems to be."""

    header: str
    samples: list[str]
    identifier: Literal["email", "customer_id"] | None


class UploadCheck(BaseModel):
    """What the file seems to be: for the mapping step."""

    encoding: str
    delimiter: str
    rows: int
    columns: list[UploadColumn]
    column: str | None
    identifier: Literal["email", "customer_id"] | None


class UploadReport(BaseModel):
    """What became of each row: rows = matched + unmatched + duplicate + invalid."""

    id: int
    segment_id: str
    segment_name: str
    filename: str
    mode: UploadMode
    column: str
    identifier: Literal["email", "customer_id"]
    encoding: str
    delimiter: str
    rows: int
    matched: int
    unmatched: int
    duplicate: int
    invalid: int
    size_before: int
    size_after: int
    at: datetime
    report_url: str
