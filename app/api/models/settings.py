"""Settings over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DemographicsPatch(BaseModel):
    """Which estimates to turn on or off; one left out stays."""

    model_config = ConfigDict(extra="forbid")
    gender: bool | None = None
    area_income: bool | None = None


class EstimateCoverage(_Answer):
    """How many customers have a class, and from what."""

    customers: int
    by_field: int = Field(description="The shop's own field or tag says it")
    estimated: int = Field(description="Estimated, where no field says it")
    unknown: int
    expected_accuracy: float | None = Field(
        description="Mean chance that an estimated class is right, 0 to 1; null if nothing is known of it"
    )


class DemographicEstimate(_Answer):
    """One estimate: whether it is on, and what it came to."""

    name: Literal["gender", "area_income"]
    enabled: bool
    enabled_at: datetime | None
    blocked: str | None = Field(description="Why it can't be turned on here")
    state: Literal["off", "computing", "ready", "failed"]
    coverage: EstimateCoverage | None
    as_of: datetime | None


class IncomeTable(_Answer):
    """The public table of area incomes that this installation has."""

    source: str
    vintage: str | None = Field(description="Survey years, for example 2018-2022")
    rows: int = Field(description="ZIP areas")
    loaded_at: datetime


class DemographicsSettings(_Answer):
    """The shop's choice on demographic estimates; all are off at first."""

    estimates: list[DemographicEstimate]
    income_table: IncomeTable | None


class ShopValues(_Answer):
    """The settings of the whole shop."""

    cap_days: int = Field(description="Least days between two e-mails to one customer; 7 to 28")
    quiet_from: int | None = Field(description="Hour, 0 to 23; both hours or neither")
    quiet_until: int | None
    holdout_percent: int = Field(description="Of new campaigns")
    consent_policy: str
    keep_diary_days: int


class ShopSettings(_Answer):
    """The settings with their version, which whoever saves gives back."""

    values: ShopValues
    defaults: ShopValues
    version: int


class ShopSettingsPatch(BaseModel):
    """Settings to change; those left out stay. Hours may be null: no quiet hours."""

    model_config = ConfigDict(extra="forbid")
    cap_days: int | None = None
    quiet_from: int | None = None
    quiet_until: int | None = None
    holdout_percent: int | None = None
    consent_policy: str | None = Field(default=None, max_length=5000)
    keep_diary_days: int | None = None


class ShopSettingsSave(BaseModel):
    """Changes made on a version of the settings."""

    model_config = ConfigDict(extra="forbid")
    changes: ShopSettingsPatch
    version: int
    confirmed: str = Field(default="", max_length=255, description="What had to be typed for a dangerous change")


class SettingsEffect(_Answer):
    """What changes would do now."""

    customers_waiting: int = Field(description="Customers who could not be mailed now")
    customers_waiting_before: int
    decisions_removed: int
    confirm: str | None = Field(description="What has to be typed first")


class SettingsChange(_Answer):
    """One setting that somebody changed."""

    id: int
    at: datetime
    who: str
    name: str
    before: str | int | bool | None
    after: str | int | bool | None


class SettingsChanges(_Answer):
    """The newest changes, newest first."""

    items: list[SettingsChange]
