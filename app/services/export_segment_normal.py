"""The one spelling of each identifier that advertising platforms match on, before hashing.

Source: connectors' own guides as of 2026-11: trimmed and lower case; names without punctuation or spaces; places
a-z; zip without spaces, five digits in the US; phones with country code. A phone has two normal forms, and so
two hashes: Meta hashes the digits alone, Google and TikTok the E.164 form with its plus. A hash of the other
form never matches.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from functools import cache, lru_cache

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
GMAIL = ("@gmail.com", "@googlemail.com")
US_ZIP_DIGITS = 5
REMEMBERED = 1 << 16  # names and places repeat; addresses and phones don't
PLAIN_E164 = re.compile(r"\+([1-9](?:[ ().-]{0,2}[0-9]){6,14})", re.ASCII)
NOT_ALPHANUMERIC = re.compile(r"[^0-9a-z]", re.ASCII)
NOT_LETTERS = re.compile(r"[^a-z]", re.ASCII)
NOT_DIGITS = re.compile(r"[^0-9]", re.ASCII)


def sha256(text: str) -> str:
    """SHA-256 in lower-case hex; nothing of nothing, as a hash of no text would match everybody without one."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def email(raw: str | None) -> str:
    """Trimmed, lower case, without a dot at its end."""
    return (raw or "").strip().lower().rstrip(".")


def email_without_suffix(raw: str | None) -> str:
    """As `email`, and at Gmail without what follows a plus: TikTok drops it before it hashes."""
    address = email(raw)
    if "+" in address and address.endswith(GMAIL):
        local, _, domain = address.rpartition("@")
        mailbox = local.partition("+")[0]
        return f"{mailbox}@{domain}" if mailbox else address
    return address


def phone_digits(raw: str | None, country: str) -> str:
    """Digits with country code, no plus and no leading zeros; empty if it is no possible number.

    country: ISO code, any case, of a number that names none itself.
    """
    if not raw:
        return ""
    rest = raw[1:]
    if raw[0] == "+" and rest.isascii() and rest.isdecimal():
        digits = _plain_digits(rest)
    else:
        found = PLAIN_E164.fullmatch(raw)
        digits = _plain_digits(NOT_DIGITS.sub("", found[1])) if found else None
    return digits or _parsed_digits(raw, country)


def phone_e164(digits: str) -> str:
    """The E.164 form of `phone_digits`."""
    return f"+{digits}" if digits else ""


def _plain_digits(digits: str) -> str | None:
    """These digits, if they are what a number in international form comes to; None where only the parser can tell.

    The parser is forty times slower, and Shopify keeps nearly all numbers in this form. What it would do with
    one of them: split off the calling code, strip a national prefix if the rest begins with one, and compare
    the length with those that the country has. So without such a prefix nothing is left but the length.
    """
    for size in (1, 2, 3):
        rules = _calling_code(digits[:size])
        if rules is not None:
            lengths, prefix = rules
            national = digits[size:]
            return digits if len(national) in lengths and not (prefix and prefix.match(national)) else None
    return None


@cache
def _calling_code(digits: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """Possible lengths of the rest, and the prefixes that the parser may strip; None if it is no calling code."""
    code = int(digits)
    if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, phonenumbers.region_code_for_country_code(code))
    if metadata is None:
        return frozenset(), None
    lengths = frozenset(
        size
        for size in range(4, 16)
        if phonenumbers.is_possible_number(phonenumbers.PhoneNumber(country_code=code, national_number=int("1" * size)))
    )
    pattern = metadata.national_prefix_for_parsing
    return lengths, re.compile(pattern) if pattern else None


def _parsed_digits(raw: str, country: str) -> str:
    try:
        parsed = phonenumbers.parse(raw, country.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(parsed):
        return ""
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).lstrip("+0")


@lru_cache(REMEMBERED)
def name(raw: str | None) -> str:
    """Lower case without punctuation, digits or spaces; letters of any script stay, and the signs that belong to them.

    A vowel of प्रिया is a mark, not a letter: without its marks it is another name. A mark alone is nothing.
    """
    if raw is None or raw.isascii():
        return _az(raw)
    kept = (c for c in unicodedata.normalize("NFC", raw).lower() if c.isalpha() or _is_mark(c))
    return "".join(itertools.dropwhile(_is_mark, kept))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Mc"}


@lru_cache(REMEMBERED)
def place(raw: str | None) -> str:
    """a-z without accents: Zürich → zurich."""
    return _az(unicodedata.normalize("NFKD", raw or ""))


@lru_cache(REMEMBERED)
def country(raw: str | None) -> str:
    """The ISO code in lower case."""
    return _az(raw)


def _az(raw: str | None) -> str:
    return NOT_LETTERS.sub("", (raw or "").lower())


def zip_code(raw: str | None, country_code: str) -> str:
    """Lower case, letters and digits alone; in the US the first five digits. country_code: as `country` gives it."""
    if not raw:
        return ""
    if country_code == "us":
        first = raw[:US_ZIP_DIGITS]
        if len(first) == US_ZIP_DIGITS and first.isascii() and first.isdecimal():
            return first
        return NOT_ALPHANUMERIC.sub("", raw.lower())[:US_ZIP_DIGITS]
    return NOT_ALPHANUMERIC.sub("", raw.lower())


@lru_cache(REMEMBERED)
def name_hash(raw: str | None) -> str:
    """SHA-256 of `name`."""
    return sha256(name(raw))


@lru_cache(REMEMBERED)
def place_hash(raw: str | None) -> str:
    """SHA-256 of `place`."""
    return sha256(place(raw))


@lru_cache(REMEMBERED)
def country_hash(code: str) -> str:
    """SHA-256 of what `country` gives."""
    return sha256(code)


_remembered = lru_cache(REMEMBERED)(sha256)


def zip_hash(raw: str | None, country_code: str) -> str:
    """SHA-256 of `zip_code`."""
    return _remembered(zip_code(raw, country_code))  # not by what was written: nine digits hardly come again
