"""A runner in a process of its own, until it is killed. Arguments: store, folder for marks."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

if __name__ == "__main__":
    from app.jobs.runner import Runner
    from tests.integration.jobs.worker_build import builder, rooms_on

    Runner(rooms_on(sys.argv[1]), builder(sys.argv[1], Path(sys.argv[2])), workers=1).start()
    threading.Event().wait()
