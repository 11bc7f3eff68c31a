"""Shapes of Shopify's segment language over HTTP."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

MOST_TEXT = 20_000


class ImportBody(BaseModel):
    """A segment query, in either of Shopify's spellings."""

    query: str = Field(min_length=1, max_length=MOST_TEXT)


class ExportBody(BaseModel):
    """A rule, and how Shopify is to read it: until Admin API 2026-07, or from 2026-10 on."""

    rule: dict[str, Any]
    spelling: Literal["2026-07", "2026-10"] = "2026-10"


class LanguageRemark(BaseModel):
    """A part of the one language, and what is to be said about it in the other."""

    part: str
    reason: str


class ImportedSegment(BaseModel):
    """A segment query as a rule; null if nothing of it could be carried over.

    left_out: parts that the rule lacks: without them it selects other customers. differs: parts that mean something
    slightly else.
    """

    rule: dict[str, Any] | None
    sentence: str | None
    left_out: list[LanguageRemark]
    differs: list[LanguageRemark]


class ExportedSegment(BaseModel):
    """A rule as a segment query; null if nothing of it could be carried over. left_out, differs: as above."""

    query: str | None
    left_out: list[LanguageRemark]
    differs: list[LanguageRemark]
