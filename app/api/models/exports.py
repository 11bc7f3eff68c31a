"""What the API of downloads takes and gives. Instants: UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.models.segments import SegmentPath

ExportFormat = Literal["plain", "meta", "google", "tiktok", "pinterest"]
CountriesMode = Literal["all", "only", "without"]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2}|EEA_UK)$", description="ISO 3166-1, or EEA_UK")]


class ExportPath(SegmentPath):
    """One logged download of a segment."""

    export_id: int = Field(ge=1)


class SchedulePath(SegmentPath):
    """One schedule of a segment's downloads."""

    schedule_id: int = Field(ge=1, le=999_999_999)


class NewExport(BaseModel):
    """A download to make or to count."""

    model_config = ConfigDict(extra="forbid")
    format: ExportFormat = "plain"
    hashed: bool | None = Field(
        default=None, description="Platforms: SHA-256 of the identifying cells; left out = only Google's file"
    )
    include_unsubscribed: bool | None = Field(
        default=None, description="Also members who are not reachable; left out = only in a plain file"
    )
    with_value: bool = Field(default=False, description="Meta only: a column of predicted sales of the next 12 months")
    countries_mode: CountriesMode = Field(default="all", description="all, only those of countries, all without them")
    countries: list[Country] = Field(default_factory=list, max_length=250)

    @model_validator(mode="after")
    def _countries_are_named(self) -> Self:
        if self.countries_mode != "all" and not self.countries:
            raise ValueError("name at least one country")
        return self


class Exclusion(BaseModel):
    """Members left out of a file, by reason."""

    reason: str
    label: str
    count: int


class ExportCount(BaseModel):
    """What a download would hold: rows = members less all exclusions."""

    members: int
    rows: int
    exact: bool = Field(description="False: of a large segment only who can be mailed was counted; rows is the most")
    exclusions: list[Exclusion]
    warnings: list[str]


class Export(BaseModel):
    """A logged download: rows = members less all exclusions, once it is ready."""

    id: int
    segment_id: str
    state: Literal["preparing", "ready", "failed"]
    problem: str | None = Field(description="Why it failed")
    format: ExportFormat
    hashed: bool
    include_unsubscribed: bool
    with_value: bool
    countries_mode: CountriesMode
    countries: list[str]
    members: int
    looked_at: int = Field(description="Members so far, while it is prepared")
    rows: int
    exclusions: list[Exclusion]
    warnings: list[str]
    evaluated_at: datetime
    created_at: datetime
    filename: str
    file_bytes: int | None
    sha256: str | None = Field(description="Of the file, in hex")
    made_by: str | None = Field(description="Shopify's number of the member of staff")
    schedule_id: int | None
    delivered_to: str | None = Field(description="The file that a schedule wrote")
    can_be_fetched: bool = Field(description="Ready, and not yet a day old")
    url: str


class ExportList(BaseModel):
    """The log of downloads, newest first."""

    items: list[Export]


class NewSchedule(NewExport):
    """A download to make every day or week."""

    every: Literal["day", "week"] = "day"
    weekday: int | None = Field(default=None, ge=0, le=6, description="Of a week: 0 = Monday")
    hour: int = Field(ge=0, le=23, description="On the shop's own clock")
    destination: Literal["link", "file"] = Field(
        default="link", description="link: in the log for 24 hours; file: in the installation's folder for exports"
    )


class ExportSchedule(BaseModel):
    """A download that is made again and again."""

    id: int
    segment_id: str
    format: ExportFormat
    hashed: bool
    include_unsubscribed: bool
    with_value: bool
    countries_mode: CountriesMode
    countries: list[str]
    every: Literal["day", "week"]
    weekday: int | None
    hour: int
    destination: Literal["link", "file"]
    state: Literal["active", "paused", "stopped"]
    reason: str | None = Field(description="Why it stopped")
    next_at: datetime
    last_at: datetime | None
    last_export_id: int | None
    problem: str | None = Field(description="Of the last run, if it failed")
    created_at: datetime
    made_by: str | None


class ScheduleList(BaseModel):
    """The schedules of a segment, oldest first."""

    items: list[ExportSchedule]
    folder: bool = Field(description="Whether this installation has a folder for scheduled files")


class ScheduleChange(BaseModel):
    """Pause a schedule, or let it go on."""

    model_config = ConfigDict(extra="forbid")
    state: Literal["active", "paused"]


class ScheduleGone(BaseModel):
    """A schedule that was removed."""

    id: int
