"""One member as a row of Meta's customer list: normalised as Meta asks, raw or SHA-256 hashed.

Source: Meta Business Help, "Prepare customer information" (email, phone, fn, ln, ct, st, zip, country). A phone
is digits with country code, without plus or leading zeros: a hash made with the plus never matches.
No cell can begin with a formula character: names and places are letters, phones digits.
"""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from typing import Any

import phonenumbers

META_HEADERS = ("email", "phone", "fn", "ln", "ct", "st", "zip", "country")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
US_ZIP_DIGITS = 5


class MetaRefusal(Exception):
    """The member can't be in the file; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def meta_row(contact: dict[str, Any], *, hashed: bool) -> list[str]:
    """The eight cells in the order of META_HEADERS, unknown ones empty.

    Raises MetaRefusal: no_identifier, or unsafe_email (only unhashed).
    """
    country = _letters(contact.get("country_code"))
    email = (contact.get("email") or "").strip().lower()
    phone = normal_phone(contact.get("phone"), country)
    if not email and not phone:
        raise MetaRefusal("no_identifier")
    if not hashed and email.startswith(FORMULA_STARTS):
        raise MetaRefusal("unsafe_email")
    cells = [
        email,
        phone,
        _name(contact.get("first_name")),
        _name(contact.get("last_name")),
        _ascii_letters(contact.get("city")),
        _ascii_letters(contact.get("province_code")),
        _zip(contact.get("zip"), country),
        country,
    ]
    return [hashlib.sha256(cell.encode()).hexdigest() if cell else "" for cell in cells] if hashed else cells


def normal_phone(raw: str | None, country: str) -> str:
    """Digits with country code, or empty if it is no possible number."""
    if not raw:
        return ""
    try:
        parsed = phonenumbers.parse(raw, country.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(parsed):
        return ""
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).lstrip("+0")


def _name(raw: str | None) -> str:
    """Lower case without punctuation, digits or spaces; letters of any script stay, and the signs that belong to them.

    A vowel of प्रिया is a mark, not a letter: without its marks it is another name. A mark alone is nothing.
    """
    kept = (c for c in unicodedata.normalize("NFC", raw or "").lower() if c.isalpha() or _is_mark(c))
    return "".join(itertools.dropwhile(_is_mark, kept))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Mc"}


def _letters(raw: str | None) -> str:
    return "".join(c for c in (raw or "").lower() if c.isascii() and c.isalpha())


def _ascii_letters(raw: str | None) -> str:
    """a-z without accents: Zürich → zurich."""
    return _letters(unicodedata.normalize("NFKD", raw or ""))


def _zip(raw: str | None, country: str) -> str:
    text = "".join(c for c in (raw or "").lower() if c.isascii() and c.isalnum())
    return text[:US_ZIP_DIGITS] if country == "us" else text
