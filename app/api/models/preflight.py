"""The pre-flight list over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.campaigns import ReasonCount, Step, Unresolved


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PreflightCheck(_Answer):
    """One line of the list; `step` is where it is put right."""

    step: Step
    subject: str
    level: Literal["ok", "warn", "blocked"] = Field(description="blocked: can't start; warn: can")
    message: str
    action: Literal["check_domain"] | None = Field(description="Looking the sender's domain up now may settle it")


class Preflight(_Answer):
    """What activation would do now."""

    ready: bool
    unresolved: list[Unresolved]
    checks: list[PreflightCheck]
    people: int = Field(description="Exactly how many customers would be mailed, `held_out` of them included")
    held_out: int = Field(description="Of the people: withheld, to measure what the campaign adds")
    candidates: int = Field(description="The audience: the sum of `people` and all reasons")
    reasons: list[ReasonCount]
    first_at: datetime | None = Field(description="When the first message may leave; null: nobody is mailed")
    as_of: datetime | None
