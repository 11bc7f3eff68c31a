"""What a first name says of gender, and what a ZIP area's published median income says of the area.

Both are statements about groups. A name that is not clear, a person who gives none and an area without a published
figure are `unknown`; nobody is guessed. What serves whom, and that it is off until asked for, is not decided here.

Sources: births by first name and sex of the US Social Security Administration; American Community Survey, table
B19013 (median household income), by ZIP Code Tabulation Area. Both are works of the US government, public domain.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Gender = Literal["female", "male", "unknown"]

THRESHOLD = 0.95
"""Below it a name is no evidence; coverage and accuracy over other thresholds: `make bench-demographics`."""
LEAST_BIRTHS = 100
PRIOR = 0.5  # births of either sex that every name gets in advance: no share of a sample is exactly 0 or 1
ACCURACY_STEPS = (0.955, 0.965, 0.975, 0.985, 0.9925, 0.9965, 0.9985, 0.9995)
_STEP_ENDS = (0.96, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)

FIFTHS = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
UNKNOWN = "unknown"
US = frozenset({"US", "PR", "VI", "GU", "AS", "MP"})
"""Country codes whose postcodes are US ZIP codes."""
STANDARD_ERRORS_IN_MARGIN = 1.645  # the survey's margins span 90% (Census Bureau, "Understanding ... ACS Data", 2020)

_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir"})
_TWO_PEOPLE = re.compile(r"[&+/;,]|\b(?:and|und|et|y)\b", re.IGNORECASE)
_APOSTROPHES = "'`\u2018\u2019\u02bc"
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", ".": " "}
    | dict.fromkeys(_APOSTROPHES, "")
)
_HYPHENS = re.compile("[-\u2010\u2011\u2013]")
_MOST_CHARACTERS = 200  # a longer text in a name field is no name
_ZIP = re.compile(r"(\d{3,5})(?:\.0+)?|(\d{4,5})[- ](\d{4})|(\d{8,9})")


@dataclass(frozen=True)
class Births:
    """How many children of a sex got a name."""

    female: int
    male: int


NameTable = dict[str, Births]
"""By name, in the spelling of `spelling`."""


@dataclass(frozen=True)
class GenderEstimate:
    """What a first name says.

    probability: of the likelier gender among people of that name, 0.5 if nobody is known to have it.
    births:      that the probability rests on.
    """

    gender: Gender
    probability: float
    births: int


NOBODY = GenderEstimate("unknown", 0.5, 0)


def read_names(packed: bytes) -> NameTable:
    """Read a table of births: gzipped CSV with the columns name, female, male.

    Raises ValueError naming the row of a broken table.
    """
    rows = csv.reader(io.StringIO(gzip.decompress(packed).decode("ascii")))
    if next(rows, None) != ["name", "female", "male"]:
        raise ValueError("a table of names has the columns name, female, male")
    table: NameTable = {}
    for number, row in enumerate(rows, start=2):
        try:
            name, female, male = row
            births = Births(int(female), int(male))
        except ValueError as fault:
            raise ValueError(f"row {number} of the table of names can't be read") from fault
        if name in table or spelling(name) != name or min(births.female, births.male) < 0:
            raise ValueError(f"row {number} of the table of names repeats a name, or is none")
        table[name] = births
    return table


def spelling(word: str) -> str:
    """The one spelling of a word of a name: lower case, without accents and apostrophes.

    Empty if anything but Latin letters is left.
    """
    folded = word.casefold().translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return plain if plain.isascii() and plain.isalpha() else ""


def gender_of(first_name: str | None, table: NameTable, threshold: float = THRESHOLD) -> GenderEstimate:
    """What a first-name field says of the gender.

    The first word counts, unless the table has the first two as one name (“Mary Ann”). The parts of a hyphenated
    name must agree. An initial, two people, and whatever is no name in Latin letters say nothing.

    threshold: at least this probability, 0.5 < threshold <= 1, makes a class.
    """
    text = (first_name or "").strip()
    if not text or len(text) > _MOST_CHARACTERS or _TWO_PEOPLE.search(text):
        return NOBODY
    words = text.translate(_LETTERS).split()
    while words and spelling(words[0]) in _TITLES:
        words = words[1:]
    if not words:
        return NOBODY
    first, *others = words
    second = spelling(others[0]) if others else ""
    pair = spelling(first) + second
    if min(len(spelling(first)), len(second)) > 1 and pair in table:  # “Mari A.” is no Maria
        return _judged(table[pair], threshold)
    parts = [spelling(part) for part in _HYPHENS.split(first)]
    joined = "".join(parts)
    if not all(parts) or len(joined) == 1:
        return NOBODY
    if joined in table:
        return _judged(table[joined], threshold)
    found = [_judged(table[part], threshold) if part in table else NOBODY for part in parts]
    weakest = min(found, key=lambda estimate: estimate.probability)
    return weakest if len({estimate.gender for estimate in found}) == 1 else NOBODY


def _judged(births: Births, threshold: float) -> GenderEstimate:
    total = births.female + births.male
    female = (births.female + PRIOR) / (total + 2 * PRIOR)
    probability = max(female, 1 - female)
    clear = probability >= threshold and total >= LEAST_BIRTHS
    likelier: Gender = "female" if female > 1 - female else "male"
    return GenderEstimate(likelier if clear else "unknown", probability, total)


def rounded_accuracy(probability: float) -> float:
    """One of eight values near a class's probability: enough to add up an error, too little to tell a name by."""
    return ACCURACY_STEPS[sum(probability >= end for end in _STEP_ENDS)]


@dataclass(frozen=True)
class Quality:
    """How a table of names does on people whose gender is known. Shares 0..1, by people, not by names."""

    coverage: float
    accuracy: float
    expected_accuracy: float


def quality(people: Iterable[tuple[str, float, float]], table: NameTable, threshold: float = THRESHOLD) -> Quality:
    """Hold the table against a population.

    people: (first name, women, men), in any one unit.
    Raises ValueError for a population without people, or none of which gets a class.
    """
    everybody = classed = right = expected = 0.0
    for name, women, men in people:
        everybody += women + men
        estimate = gender_of(name, table, threshold)
        if estimate.gender != "unknown":
            classed += women + men
            right += women if estimate.gender == "female" else men
            expected += (women + men) * estimate.probability
    if not everybody or not classed:
        raise ValueError("nobody in this population gets a class")
    return Quality(classed / everybody, right / classed, expected / classed)


def zcta_of(zip_code: str | None, country: str | None) -> str | None:
    """The five digits of a US ZIP code, or None.

    ZIP+4 gives its first part. Spreadsheets drop leading zeros: three and four digits get them back. Without a
    country it is nobody's ZIP code, because most of Europe writes five digits too.
    """
    if (country or "").strip().upper() not in US:
        return None
    found = _ZIP.fullmatch(unicodedata.normalize("NFKC", zip_code or "").strip())
    if found is None:
        return None
    alone, first, _, both = found.groups()
    digits = alone or first or both[:-4]
    return digits.zfill(5) if digits.isascii() else None


def fifths(incomes: Sequence[float]) -> tuple[float, ...]:
    """The four limits between fifths of areas, each counted once however many people live there.

    An area on a limit belongs to the fifth above. Raises ValueError if the limits are not four different amounts.
    """
    ordered = sorted(incomes)
    limits = tuple(ordered[math.ceil(len(ordered) * k / 5)] for k in range(1, 5)) if len(ordered) >= len(FIFTHS) else ()
    if len(set(limits)) != len(FIFTHS) - 1:
        raise ValueError("the areas' incomes are too few, or too much alike, to make five classes")
    return limits


def fifth_of(income: float, limits: Sequence[float]) -> str:
    """The name of the fifth that an area's income lies in."""
    return FIFTHS[sum(income >= limit for limit in limits)]


def chance_in_fifth(income: float, margin: float | None, limits: Sequence[float]) -> float | None:
    """P(the area's true median lies in the fifth of its estimate); None without a published margin of error.

    income, margin: the survey's estimate and its 90% margin, in the same currency as the limits. The error is taken
    as normal, as the Census Bureau does for its margins.
    """
    if margin is None:
        return None
    position = sum(income >= limit for limit in limits)
    low = limits[position - 1] if position else -math.inf
    high = limits[position] if position < len(limits) else math.inf
    error = margin / STANDARD_ERRORS_IN_MARGIN
    if error <= 0:
        return 1.0
    return _normal((high - income) / error) - _normal((low - income) / error)


def _normal(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


MERCHANT_WORDS: Mapping[str, Gender] = {
    **dict.fromkeys(("f", "female", "woman", "women", "girl", "w", "weiblich", "frau", "femme", "mujer"), "female"),
    **dict.fromkeys(("m", "male", "man", "men", "boy", "männlich", "mann", "homme", "hombre"), "male"),
    **dict.fromkeys(("unknown", "n/a", "none", "not specified", "prefer not to say", "not disclosed"), "unknown"),
}


def stated_gender(value: str | None) -> str | None:
    """The class of what a merchant's own field says: female, male, unknown, or other; None for an empty field."""
    folded = " ".join((value or "").casefold().replace("_", " ").split())
    return MERCHANT_WORDS.get(folded, "other") if folded else None
