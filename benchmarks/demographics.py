"""How many people get a gender class from their first name, and how many of these rightly: `make bench-demographics`.

People: the 1990 US census's first names by sex with their frequencies, as the PyPI package `names` ships them (a test
dependency; the table of names is not made from them). Weighted by people. Exit 1 if the must is missed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from pathlib import Path

from ml import demographics

MUST = (0.93, 0.995)
AIM = (0.94, 0.997)
THRESHOLDS = (0.90, 0.93, 0.95, 0.97, 0.99)
NAMES = Path(demographics.__file__).parent / "data" / "first_names_us.csv.gz"


def census() -> list[tuple[str, float, float]]:
    """(name, share of women, share of men) of the 1990 census lists, in percent of each sex."""
    package = importlib.util.find_spec("names")
    if package is None or package.origin is None:
        raise SystemExit("The package `names` is missing: make .make/test installs it.")
    shares: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for position, sex in enumerate(("female", "male")):
        text = (Path(package.origin).parent / f"dist.{sex}.first").read_text(encoding="ascii")
        for line in text.splitlines():
            name, frequency, *_ = line.split()
            shares[name][position] += float(frequency)
    return [(name, women, men) for name, (women, men) in sorted(shares.items())]


def main() -> int:
    """Print the table; 1 if the must is missed at the threshold that is used."""
    table, people = demographics.read_names(NAMES.read_bytes()), census()
    print(f"{len(table):,} names, {NAMES.stat().st_size / 1024:.0f} KB; {len(people):,} names of the 1990 census")
    print("threshold   coverage   accuracy   accuracy expected from births")
    for threshold in THRESHOLDS:
        found = demographics.quality(people, table, threshold)
        used = " *" if threshold == demographics.THRESHOLD else ""
        print(
            f"{threshold:9.2f}   {found.coverage:8.4f}   {found.accuracy:8.4f}   {found.expected_accuracy:8.4f}{used}"
        )
    found = demographics.quality(people, table)
    reached = found.coverage >= MUST[0] and found.accuracy >= MUST[1]
    aimed = found.coverage >= AIM[0] and found.accuracy >= AIM[1]
    print(f"must {MUST[0]} at {MUST[1]}: {'reached' if reached else 'MISSED'}", end="; ")
    print(f"aim {AIM[0]} at {AIM[1]}: {'reached' if aimed else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
