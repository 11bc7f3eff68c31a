"""The closed set of placeholders that a merchant's words may hold. There is no template language.

A text is split once into literal parts and placeholders; filling is concatenation. Whatever looks
like a placeholder (`[Words]`) and is none is an error that names it, so none can survive into a mail.
"""

from __future__ import annotations

import difflib
import html
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOOKS_LIKE_PLACEHOLDER = re.compile(r"\[\s*([^\W\d_][^\[\]]{0,60}?)\s*\]")


class Placeholder(StrEnum):
    """What a text may ask for."""

    RECOMMENDED_PRODUCT = "Recommended Product"
    PURCHASED_PRODUCT = "Purchased Product"
    CUSTOMER_FIRST_NAME = "Customer First Name"


KNOWN: Mapping[str, Placeholder] = {p.value: p for p in Placeholder}


@dataclass(frozen=True)
class Parts:
    """A text cut at its placeholders: strings and Placeholder members in order."""

    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Every occurrence, in order."""
        return tuple(p for p in self.parts if isinstance(p, Placeholder))

    @property
    def used(self) -> frozenset[Placeholder]:
        """The placeholders that occur."""
        return frozenset(self.placeholders)

    @property
    def source(self) -> str:
        """The text before it was cut."""
        return "".join(f"[{p.value}]" if isinstance(p, Placeholder) else p for p in self.parts)

    def fill(self, values: Mapping[Placeholder, str]) -> str:
        """Put the values in. They must be escaped for where the text goes. Raises KeyError if one lacks."""
        return "".join(values[p] if isinstance(p, Placeholder) else p for p in self.parts)


def split(text: str) -> Parts:
    """Cut a text whose placeholders were checked; what is not known stays literal."""
    found: list[str | Placeholder] = []
    position = 0
    for match in LOOKS_LIKE_PLACEHOLDER.finditer(text):
        placeholder = KNOWN.get(_name(match))
        if placeholder is None:
            continue
        found += [text[position : match.start()], placeholder]
        position = match.end()
    found.append(text[position:])
    return Parts(tuple(part for part in found if part != ""))


def looks(text: str) -> Iterator[tuple[str, Placeholder | None]]:
    """Every name in brackets, and which placeholder it is, if any."""
    for match in LOOKS_LIKE_PLACEHOLDER.finditer(text):
        yield _name(match), KNOWN.get(_name(match))


def _name(match: re.Match[str]) -> str:
    # Editors write a line break or a hard space (`&nbsp;`) where one space is meant.
    return " ".join(html.unescape(match.group(1)).split())


def problems(text: str, allowed: Sequence[Placeholder] = tuple(Placeholder)) -> list[str]:
    """One sentence per placeholder that is unknown, or not allowed here; naming it and the likely one."""
    found: list[str] = []
    for name, placeholder in looks(text):
        if placeholder is None:
            near = difflib.get_close_matches(name.title(), list(KNOWN), n=1, cutoff=0.6)
            hint = f" Did you mean [{near[0]}]?" if near else ""
            found.append(f"[{name}] is not a placeholder.{hint}")
        elif placeholder not in allowed:
            found.append(f"[{name}] has nothing to show for this audience: no purchase leads to it.")
    return list(dict.fromkeys(found))
