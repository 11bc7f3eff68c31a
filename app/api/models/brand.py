"""How a shop's messages look, over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BrandPatch(BaseModel):
    """What to change; a field left out stays."""

    model_config = ConfigDict(extra="forbid")
    accent: str | None = Field(default=None, max_length=7)
    background: str | None = Field(default=None, max_length=7)
    logo_url: str | None = Field(default=None, max_length=2000)
    logo_alt: str | None = Field(default=None, max_length=300)
    logo_width: int | None = None


class BrandSettings(BaseModel):
    """The shop's colours and logo; they hold for every campaign."""

    model_config = ConfigDict(from_attributes=True)
    accent: str = Field(description="Of buttons, #rrggbb")
    background: str = Field(description="Around the message, #rrggbb")
    logo_url: str = Field(description="Empty: no logo")
    logo_alt: str
    logo_width: int = Field(description="Pixels")
    on_accent: str = Field(description="The colour of words on the accent that reads best, #rrggbb")
