"""The GraphQL documents that Encore sends; a test validates each against the official schema."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

API_VERSION = "2026-10"
FILES = ("bulk.graphql", "control.graphql", "discounts.graphql")


@cache
def operations() -> dict[str, str]:
    """Every operation's text by its name."""
    found: dict[str, str] = {}
    for file in FILES:
        text = files(__package__).joinpath(file).read_text(encoding="utf-8")
        for part in text.split("\n\n"):
            body = "\n".join(line for line in part.splitlines() if not line.startswith("#")).strip()
            if body:
                found[body.split("(")[0].split("{")[0].split()[1]] = body
    return found


def bulk_document(name: str, search: str = "") -> str:
    """The text of an export, with Shopify's search syntax as its filter."""
    arguments = f'(query: "{search}")' if search else ""
    return operations()[name].replace("{{FILTER}}", arguments)
