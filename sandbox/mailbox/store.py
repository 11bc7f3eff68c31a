"""What arrived: raw bytes on disk, an index in SQLite, and the faults still to come.

The SMTP server and the web inbox each open their own store on the same folder, so faults lie in the
database too: the inbox scripts them, the SMTP server acts them out.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sandbox.mailbox.messages import summary_headers
from sandbox.standin.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    n INTEGER PRIMARY KEY AUTOINCREMENT, received TEXT, mail_from TEXT, from_header TEXT,
    to_header TEXT, subject TEXT, message_id TEXT, bytes INTEGER, unsubscribe TEXT);
CREATE TABLE IF NOT EXISTS recipients (
    message INTEGER, address TEXT COLLATE NOCASE, PRIMARY KEY (message, address));
CREATE INDEX IF NOT EXISTS recipients_by_address ON recipients (address);
CREATE TABLE IF NOT EXISTS faults (
    n INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT, stage TEXT, kind TEXT, count INTEGER);
CREATE TABLE IF NOT EXISTS refusals (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, recipient TEXT, kind TEXT);
"""
# kind -> at which stage it can happen. Besides these a kind is an SMTP code from 400 to 599.
DROPS = {
    "drop": "the message is taken in, thrown away, and the connection closes without an answer",
    "answer_lost": "the message is stored, and the connection closes without an answer",
}


class MailStore:
    """The messages of one mailbox, newest last. Times are ISO 8601 in UTC."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "mailbox"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.db = Database(state_dir / "mailbox.sqlite3", _SCHEMA)

    def add(self, mail_from: str, recipients: Sequence[str], content: bytes, now: datetime) -> int:
        """Keep a message exactly as it came; returns its number."""
        headers = summary_headers(content)
        with self.db.writing() as db:
            number = db.execute(
                "INSERT INTO messages (received, mail_from, from_header, to_header, subject, message_id, bytes)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    now.isoformat(),
                    mail_from,
                    headers["From"],
                    headers["To"],
                    headers["Subject"],
                    headers["Message-ID"],
                    len(content),
                ),
            ).lastrowid
            db.executemany(
                "INSERT OR IGNORE INTO recipients VALUES (?, ?)", [(number, address) for address in recipients]
            )
            # Before the commit: a message in the index always has its bytes.
            self._file(number or 0).write_bytes(content)
        return number or 0

    def find(
        self, *, to: str | None = None, text: str | None = None, after: int = 0, before: int = 0, limit: int = 200
    ) -> list[sqlite3.Row]:
        """Messages, newest first, with `recipients`.

        to: one address; text: a part of an address or subject; after and before: message numbers, 0 = none.
        """
        return self.db.rows(
            "SELECT m.*, (SELECT group_concat(r.address, ', ') FROM recipients r WHERE r.message = m.n)"
            " AS recipients FROM messages m WHERE m.n > ?1"
            " AND (?2 IS NULL OR m.n IN (SELECT message FROM recipients WHERE address = ?2))"
            " AND (?3 IS NULL OR m.subject LIKE ?3 OR m.from_header LIKE ?3"
            "      OR m.n IN (SELECT message FROM recipients WHERE address LIKE ?3))"
            " AND (?4 = 0 OR m.n < ?4) ORDER BY m.n DESC LIMIT ?5",
            after,
            to.strip() if to else None,
            f"%{text.strip()}%" if text else None,
            before,
            limit,
        )

    def one(self, number: int) -> sqlite3.Row | None:
        """One message's row, or None."""
        return self.db.row(
            "SELECT m.*, (SELECT group_concat(r.address, ', ') FROM recipients r WHERE r.message = m.n)"
            " AS recipients FROM messages m WHERE m.n = ?",
            number,
        )

    def content(self, number: int) -> bytes:
        """The bytes of a message as they came."""
        return self._file(number).read_bytes()

    def count(self) -> int:
        """How many messages there are."""
        return self.db.number("SELECT count(*) FROM messages")

    def note_unsubscribe(self, number: int, outcome: str) -> None:
        """Remember what the one-click unsubscribe of a message answered."""
        with self.db.writing() as db:
            db.execute("UPDATE messages SET unsubscribe = ? WHERE n = ?", (outcome, number))

    def delete(self, number: int | None = None) -> int:
        """Delete one message, or all; returns how many."""
        rows = [row["n"] for row in self.db.rows("SELECT n FROM messages WHERE ?1 IS NULL OR n = ?1", number)]
        with self.db.writing() as db:
            for one in rows:
                db.execute("DELETE FROM messages WHERE n = ?", (one,))
                db.execute("DELETE FROM recipients WHERE message = ?", (one,))
        for one in rows:
            self._file(one).unlink(missing_ok=True)
        return len(rows)

    # Faults

    def add_fault(self, given: dict[str, Any]) -> None:
        """Script a fault: {recipient: "*", kind, stage: "rcpt" | "data", count: 1}. Raises ValueError."""
        kind, stage = str(given.get("kind", "")), str(given.get("stage", "data"))
        if kind not in DROPS and not (kind.isdecimal() and kind[0] in "45" and len(kind) == len("550")):
            raise ValueError(f"kind must be an SMTP code from 400 to 599 or one of {sorted(DROPS)}")
        if kind.isdecimal() and "stage" not in given:
            stage = "rcpt"
        if stage not in ("rcpt", "data") or (kind in DROPS and stage == "rcpt"):
            raise ValueError("stage must be rcpt or data, and drops happen at data")
        count = int(given.get("count", 1))
        if count < 1:
            raise ValueError("count must be at least 1")
        with self.db.writing() as db:
            db.execute(
                "INSERT INTO faults (recipient, stage, kind, count) VALUES (?, ?, ?, ?)",
                (str(given.get("recipient", "*")).lower(), stage, kind, count),
            )

    def take_fault(self, stage: str, recipients: Sequence[str], now: datetime) -> str | None:
        """The kind of the fault for these recipients, counted down; None if mail may pass."""
        with self.db.writing() as db:
            for row in self.db.rows("SELECT * FROM faults WHERE stage = ? ORDER BY n", stage):
                hit = next((r for r in recipients if fnmatchcase(r.lower(), row["recipient"])), None)
                if hit is None:
                    continue
                db.execute("UPDATE faults SET count = count - 1 WHERE n = ?", (row["n"],))
                db.execute("DELETE FROM faults WHERE count < 1")
                db.execute(
                    "INSERT INTO refusals (at, recipient, kind) VALUES (?, ?, ?)",
                    (now.isoformat(), hit, row["kind"]),
                )
                return str(row["kind"])
        return None

    def faults(self) -> list[dict[str, Any]]:
        """The faults still to come."""
        sql = "SELECT recipient, stage, kind, count FROM faults ORDER BY n"
        return [dict(row) for row in self.db.rows(sql)]

    def refusals(self) -> list[dict[str, Any]]:
        """The faults that were acted out, newest first."""
        return [dict(row) for row in self.db.rows("SELECT at, recipient, kind FROM refusals ORDER BY n DESC LIMIT 200")]

    def clear_faults(self) -> None:
        """Forget the faults still to come."""
        with self.db.writing() as db:
            db.execute("DELETE FROM faults")

    def clear(self) -> None:
        """An empty mailbox."""
        self.delete()
        self.clear_faults()
        with self.db.writing() as db:
            db.execute("DELETE FROM refusals")

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:08d}.eml"
