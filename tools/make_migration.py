"""Write a migration for what the models say and the migrations don't yet.

Usage: python tools/make_migration.py "add a column"
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from app.store.migrate import MIGRATIONS, config, upgrade
from app.store.session import make_engine


def main(message: str) -> None:
    """Compare a freshly migrated database with the models; number the revision after the last one."""
    number = 1 + sum(1 for _ in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'x.sqlite3'}"
        upgrade(url)
        engine = make_engine(url)
        with engine.connect() as connection:
            command.revision(config(connection), message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
