"""One member as a row of an advertising platform's customer file: Meta, Google, TikTok, Pinterest.

Headers as each platform documents them (2026-11). No cell of these files begins with a character that a
spreadsheet takes for a formula, so none ever carries a guard, which would spoil the match. One exception, which
the page warns of: Google wants unhashed phones as +E.164.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.services import export_segment_normal as normal

if TYPE_CHECKING:
    from collections.abc import Callable

Contact = dict[str, Any]
PlatformName = Literal["meta", "google", "tiktok", "pinterest"]


class Refusal(Exception):
    """The member can't be in the file; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Platform:
    """One platform's file.

    headers, hashed_headers: first line, as the platform spells it; empty = the file has no such line.
    at_least: people below which the platform refuses or can't use the list; 0 = not stated.
    row: cells of one contact, unhashed or hashed, unknown ones empty. Raises Refusal.
    """

    title: str
    headers: tuple[str, ...]
    hashed_headers: tuple[str, ...]
    at_least: int
    row: Callable[[Contact, bool], list[str]]


def _identifiers(contact: Contact, country: str, *, hashed: bool) -> tuple[str, str]:
    """Address and phone digits. Raises Refusal: no_identifier, or unsafe_email (only unhashed)."""
    email = normal.email(contact.get("email"))
    phone = normal.phone_digits(contact.get("phone"), country)
    if not email and not phone:
        raise Refusal("no_identifier")
    if not hashed:
        _refuse_formula(email)
    return email, phone


def _refuse_formula(email: str) -> None:
    if email.startswith(normal.FORMULA_STARTS):
        raise Refusal("unsafe_email")


def _meta(contact: Contact, hashed: bool) -> list[str]:  # noqa: FBT001 - a row function of `Platform`
    country = normal.country(contact.get("country_code"))
    email, phone = _identifiers(contact, country, hashed=hashed)
    one = contact.get
    if hashed:
        name, place, zip_code = normal.name_hash, normal.place_hash, normal.zip_hash
        email, phone, shown_country = normal.sha256(email), normal.sha256(phone), normal.country_hash(country)
    else:
        name, place, zip_code, shown_country = normal.name, normal.place, normal.zip_code, country
    return [
        email,
        phone,
        name(one("first_name")),
        name(one("last_name")),
        place(one("city")),
        place(one("province_code")),
        zip_code(one("zip"), country),
        shown_country,
    ]


def _google(contact: Contact, hashed: bool) -> list[str]:  # noqa: FBT001 - a row function of `Platform`
    country = normal.country(contact.get("country_code"))
    email, digits = _identifiers(contact, country, hashed=hashed)
    phone = normal.phone_e164(digits)
    name = normal.name
    if hashed:
        email, phone, name = normal.sha256(email), normal.sha256(phone), normal.name_hash
    # Google reads zip and country as they are, also in a hashed file.
    zip_code = normal.zip_code(contact.get("zip"), country)
    return [email, phone, name(contact.get("first_name")), name(contact.get("last_name")), country.upper(), zip_code]


def _tiktok(contact: Contact, hashed: bool) -> list[str]:  # noqa: FBT001 - a row function of `Platform`
    _, digits = _identifiers(contact, normal.country(contact.get("country_code")), hashed=hashed)
    email = normal.email_without_suffix(contact.get("email"))
    if hashed:
        return [normal.sha256(email), normal.sha256(normal.phone_e164(digits))]
    return [email, digits]  # TikTok takes phones without the plus too, which no spreadsheet can spoil


def _pinterest(contact: Contact, hashed: bool) -> list[str]:  # noqa: FBT001 - a row function of `Platform`
    email = normal.email(contact.get("email"))
    if not email:
        raise Refusal("no_email")
    if hashed:
        return [normal.sha256(email)]
    _refuse_formula(email)
    return [email]


_META_HEADERS = ("email", "phone", "fn", "ln", "ct", "st", "zip", "country")
_GOOGLE_HEADERS = ("Email", "Phone", "First Name", "Last Name", "Country", "Zip")

PLATFORMS: dict[str, Platform] = {
    "meta": Platform("Meta", _META_HEADERS, _META_HEADERS, 100, _meta),
    "google": Platform("Google", _GOOGLE_HEADERS, _GOOGLE_HEADERS, 0, _google),
    "tiktok": Platform("TikTok", ("Email", "Phone"), ("Email_SHA256", "Phone_SHA256"), 1_000, _tiktok),
    "pinterest": Platform("Pinterest", (), (), 100, _pinterest),
}
VALUE_HEADER = "value"

_SENSITIVE = re.compile(
    r"\b(health|medic|disease|diabet|cancer|pregnan|fertil|depress|anxiety|disorder|therap|disab|pharma|prescri"
    r"|weight loss|obes|allerg|sexual|incontinen|menopaus|income|credit|debt|loan|mortgage|bankrupt|wealth|salar"
    r"|financ|insur|invest|poor\b|rich\b|low.spend)",
    re.IGNORECASE,
)


def warnings(file_format: str, rows: int, segment_name: str, definition: str) -> list[str]:
    """What a merchant should know before taking a file to its platform, in sentences."""
    platform = PLATFORMS.get(file_format)
    if platform is None:
        return []
    found = []
    if rows < platform.at_least:
        what = "addresses that it can match" if file_format == "pinterest" else "people in a list"
        found.append(f"{platform.title} needs at least {platform.at_least:,} {what}; this file has {rows:,}.")
    if file_format == "meta" and (_SENSITIVE.search(segment_name) or _SENSITIVE.search(definition)):
        found.append(
            "The name or definition of this segment may suggest somebody's health or finances. Meta blocks audiences "
            "whose name or description does so: give the audience a neutral name there."
        )
    return found
