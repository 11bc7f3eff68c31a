"""What sending costs, beside what it must: every module here that measures something, one after the other.

    python -m benchmarks.mail.run [send decisions ...]

Exit code 1 if a figure misses its must.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

from benchmarks import mail


def parts() -> list[str]:
    """The modules that measure, by name."""
    found = [module.name for module in pkgutil.iter_modules(mail.__path__)]
    return [name for name in found if hasattr(importlib.import_module(f"benchmarks.mail.{name}"), "measure")]


def main() -> int:
    """Print the table; 1 if a figure misses its must."""
    known = parts()
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*", choices=[[], *known], help="only these")
    wanted = asked.parse_args().parts or known
    print(f"{'figure':<60} {'measured':>12} {'must':>14}")
    missed = 0
    for name in wanted:
        for figure in importlib.import_module(f"benchmarks.mail.{name}").measure():
            missed += not figure.holds
            must = f"{'<=' if figure.at_most else '>='} {figure.must:,g}"
            held = "" if figure.holds else "  MISSED"
            print(f"{figure.what:<60} {figure.value:>12,.2f} {must:>14}{held}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
