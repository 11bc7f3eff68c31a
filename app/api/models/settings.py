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
