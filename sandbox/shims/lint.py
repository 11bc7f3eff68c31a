"""Checks markup against Shopify's manifest of the Polaris elements and against what the shims build.

An element, attribute or value that is only in our shim would work here and fail on the CDN's script;
one that is only in the manifest would work there and cannot be tested here. Both are reported.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "node_modules" / "@shopify" / "polaris-types" / "dist" / "custom-elements.json"
BUILT = HERE / "dist" / "elements.json"
# Belongs to App Bridge, so the elements' manifest does not have it.
BRIDGE_ELEMENTS = frozenset({"s-app-nav"})
# `class` and the like; `rel` marks the home link in s-app-nav.
GLOBAL_ATTRIBUTES = frozenset(
    {"id", "slot", "key", "class", "style", "lang", "dir", "hidden", "title", "tabindex", "role", "rel"}
)
_VALUE = re.compile(r'"([^"]*)"')
# The manifest leaves template types out: where it lists "0" a length may stand, and a grid item may span.
_LENGTH = re.compile(r"\d+(\.\d+)?(px|%)\Z")
_SPAN = re.compile(r"span \d+\Z")


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong at one place of the markup; `detail` is a sentence for whoever wrote it."""

    line: int
    element: str
    detail: str


@dataclass(frozen=True)
class Contract:
    """One element of the manifest: its attributes with their allowed values (None: any), and its slots."""

    attributes: dict[str, frozenset[str] | None]
    slots: frozenset[str]


@cache
def manifest() -> dict[str, Contract]:
    """Every element of Shopify's manifest by tag. FileNotFoundError until the packages are installed."""
    found = {}
    for module in json.loads(MANIFEST.read_text())["modules"]:
        for declaration in module.get("declarations", []):
            tag = declaration.get("tagName", "").strip()
            if tag:
                attributes = {
                    item["name"]: _allowed((item.get("type") or {}).get("text", ""))
                    for item in declaration.get("attributes", [])
                }
                slots = frozenset(slot["name"] for slot in declaration.get("slots", []))
                found[tag] = Contract(attributes, slots)
    return found


@cache
def built() -> dict[str, frozenset[str]]:
    """The shims' elements with the attributes that they observe. FileNotFoundError until they are built."""
    return {tag: frozenset(names) for tag, names in json.loads(BUILT.read_text()).items()}


def unknown_elements(html: str) -> list[Problem]:
    """Every s- element, attribute, slot or literal value that the manifest or the shims do not have."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return sorted(reader.problems)


def _allowed(text: str) -> frozenset[str] | None:
    """The closed set of values that a type text names, or None if other values are possible."""
    names = _VALUE.findall(text)
    rest = re.sub(r'"[^"]*"|\||\s', "", text)
    return frozenset(names) if names and not rest else None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self._parents: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = next((name for name in reversed(self._parents) if name.startswith("s-")), "")
        if tag.startswith("s-") and tag not in BRIDGE_ELEMENTS:
            self._note(tag, _element_problems(tag, attrs))
        slot = dict(attrs).get("slot")
        if slot and parent in manifest() and slot not in manifest()[parent].slots | _extra_slots(parent):
            self._note(tag, [f'{parent} has no slot "{slot}"'])
        self._parents.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._parents and self._parents.pop() != tag:
            pass

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # "<s-icon />" opens the element for a browser; only its own attributes are checked here.
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def _note(self, tag: str, details: "list[str] | Iterator[str]") -> None:
        line, _ = self.getpos()
        self.problems += [Problem(line, tag, detail) for detail in details]


def _extra_slots(parent: str) -> frozenset[str]:
    # App Bridge reads it off s-page for the title bar; the elements' manifest does not list it.
    return frozenset({"accessory"}) if parent == "s-page" else frozenset()


def _element_problems(tag: str, attrs: list[tuple[str, str | None]]) -> Iterator[str]:
    if tag not in manifest():
        yield "is no Polaris element"
        return
    if tag not in built():
        yield "is not built in the shims"
        return
    contract, observed = manifest()[tag], built()[tag]
    for name, value in attrs:
        if name in GLOBAL_ATTRIBUTES or name.startswith(("data-", "aria-", "on")):
            continue
        if name not in contract.attributes:
            yield f'has no attribute "{name}"'
        elif name not in observed:
            yield f'has an attribute "{name}" that the shims do not build'
        else:
            allowed = contract.attributes[name]
            if value is not None and allowed is not None and not _fits(name, value, allowed):
                yield f'does not allow {name}="{value}"'


def _fits(name: str, value: str, allowed: frozenset[str]) -> bool:
    if value in allowed or value.startswith("@container"):
        return True
    if name in {"gridcolumn", "gridrow"}:
        return bool(_SPAN.match(value))
    return "0" in allowed and bool(_LENGTH.match(value))
