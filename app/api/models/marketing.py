"""What Shopify's marketing pages have of a campaign, over HTTP."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class MarketingStanding(BaseModel):
    """What Shopify was told of a campaign, and why the last try failed."""

    model_config = ConfigDict(from_attributes=True)
    told_at: datetime | None
    days: int = Field(description="Finished days whose figures Shopify has")
    problem: str | None
