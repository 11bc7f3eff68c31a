"""What the Klaviyo stand-in remembers: lists, profiles with their consent, memberships, import jobs.

Consent and suppression are columns of a profile that only `seed_profile` writes: no list operation
and no import can touch them, as in the real service.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sandbox.klaviyo.filters import Condition
from sandbox.klaviyo.rows import BadRow, merged, read_row
from sandbox.standin.base import Refused
from sandbox.standin.database import Database, short_id, ulid

SEEDED_LISTS = ("Newsletter", "Loyalty programme")
CONSENTS = ("SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT, opt_in_process TEXT,
    created TEXT, updated TEXT, gone INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS profiles (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, email TEXT UNIQUE, phone_number TEXT UNIQUE,
    external_id TEXT UNIQUE, attributes TEXT, consent TEXT, consent_at TEXT, suppressions TEXT,
    created TEXT, updated TEXT);
CREATE TABLE IF NOT EXISTS memberships (
    n INTEGER PRIMARY KEY AUTOINCREMENT, list_id TEXT, profile_id TEXT, joined TEXT,
    UNIQUE (list_id, profile_id));
CREATE TABLE IF NOT EXISTS jobs (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, list_ids TEXT, rows BLOB, total INTEGER,
    completed INTEGER DEFAULT 0, failed INTEGER DEFAULT 0, created TEXT, due TEXT, done TEXT);
CREATE TABLE IF NOT EXISTS job_errors (
    n INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT, code TEXT, title TEXT, detail TEXT,
    pointer TEXT, original TEXT);
CREATE TABLE IF NOT EXISTS job_profiles (
    n INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT, profile_id TEXT, UNIQUE (job_id, profile_id));
"""
_TABLES = ("lists", "profiles", "memberships", "jobs", "job_errors", "job_profiles")
_PROFILE_COLUMNS = {
    "id": "p.id",
    "email": "p.email",
    "phone_number": "p.phone_number",
    "external_id": "p.external_id",
    "created": "p.created",
    "updated": "p.updated",
    "joined_group_at": "m.joined",
}
_LIST_COLUMNS = {"id": "id", "name": "name", "created": "created", "updated": "updated"}


@dataclass(frozen=True)
class Page:
    """Rows of one page and the cursor of the next, None on the last."""

    rows: list[sqlite3.Row]
    cursor: str | None


class KlaviyoState:
    """All data of one account, in SQLite. Times are ISO 8601 in UTC."""

    def __init__(self, state_dir: Path) -> None:
        self.db = Database(state_dir / "klaviyo.sqlite3", _SCHEMA)

    def plant(self, now: datetime) -> None:
        """The lists that a fresh account has; does nothing to an account that has any."""
        if not self.db.number("SELECT count(*) FROM lists"):
            for name in SEEDED_LISTS:
                self.create_list(name, "single_opt_in", now)

    def clear(self) -> None:
        """Delete everything; ids start anew."""
        with self.db.writing() as db:
            for table in (*_TABLES, "sqlite_sequence"):
                db.execute(f"DELETE FROM {table}")

    # Lists

    def create_list(self, name: str, opt_in_process: str | None, now: datetime) -> sqlite3.Row:
        """A new list. Names need not differ: an id is what tells lists apart."""
        with self.db.writing() as db:
            stamp = now.isoformat()
            number = db.execute(
                "INSERT INTO lists (name, opt_in_process, created, updated) VALUES (?, ?, ?, ?)",
                (name, opt_in_process or "double_opt_in", stamp, stamp),
            ).lastrowid
            list_id = short_id("list", number or 0)
            db.execute("UPDATE lists SET id = ? WHERE n = ?", (list_id, number))
        return self.one_list(list_id)

    def one_list(self, list_id: str) -> sqlite3.Row:
        """One list. Raises Refused (404) if there is none, or it was deleted."""
        row = self.db.row("SELECT * FROM lists WHERE id = ? AND NOT gone", list_id)
        if row is None:
            detail = f"A list with id {list_id} does not exist."
            raise Refused(404, "not_found", "Not found.", detail, parameter="id")
        return row

    def lists(self, conditions: Sequence[Condition], cursor: str | None, size: int) -> Page:
        """Lists in the order of their creation."""
        where, values = _where(conditions, _LIST_COLUMNS)
        sql = f"SELECT * FROM lists WHERE NOT gone AND n > ?{where} ORDER BY n LIMIT ?"
        return self._page(sql, values, cursor, size)

    def delete_list(self, list_id: str) -> None:
        """What a merchant does by hand: the list is gone, its profiles stay."""
        with self.db.writing() as db:
            db.execute("UPDATE lists SET gone = 1 WHERE id = ?", (self.one_list(list_id)["id"],))
            db.execute("DELETE FROM memberships WHERE list_id = ?", (list_id,))

    def member_count(self, list_id: str) -> int:
        """How many profiles are on a list."""
        return self.db.number("SELECT count(*) FROM memberships WHERE list_id = ?", list_id)

    def members(
        self,
        list_id: str,
        conditions: Sequence[Condition],
        cursor: str | None,
        size: int,
        *,
        newest_first: bool = False,
    ) -> Page:
        """Profiles on a list, with `joined`, in the order in which they joined."""
        where, values = _where(conditions, _PROFILE_COLUMNS)
        beyond, order = ("m.n < ?", "DESC") if newest_first else ("m.n > ?", "ASC")
        # SQLite keeps the order of a CROSS JOIN: a few addresses are looked up first, not the whole list.
        by_address = any(condition.field in ("email", "phone_number") for condition in conditions)
        tables = "profiles p CROSS JOIN memberships m" if by_address else "memberships m JOIN profiles p"
        sql = (
            f"SELECT p.*, m.joined, m.n AS at FROM {tables} ON p.id = m.profile_id "
            f"WHERE {beyond}{where} AND m.list_id = ? ORDER BY m.n {order} LIMIT ?"
        )
        return self._page(sql, [*values, self.one_list(list_id)["id"]], cursor, size, newest_first=newest_first)

    def add_members(self, list_id: str, profile_ids: Sequence[str], now: datetime) -> None:
        """Put profiles on a list; twice is once. Raises Refused (404) naming an unknown profile."""
        self._check_profiles(profile_ids)
        with self.db.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO memberships (list_id, profile_id, joined) VALUES (?, ?, ?)",
                [(self.one_list(list_id)["id"], profile, now.isoformat()) for profile in profile_ids],
            )

    def remove_members(self, list_id: str, profile_ids: Sequence[str]) -> None:
        """Take profiles off a list; consent stays. Raises Refused (404) naming an unknown profile."""
        self._check_profiles(profile_ids)
        with self.db.writing() as db:
            db.executemany(
                "DELETE FROM memberships WHERE list_id = ? AND profile_id = ?",
                [(self.one_list(list_id)["id"], profile) for profile in profile_ids],
            )

    def _check_profiles(self, profile_ids: Sequence[str]) -> None:
        known = {
            row["id"]
            for row in self.db.rows(
                f"SELECT id FROM profiles WHERE id IN ({', '.join('?' * len(profile_ids))})", *profile_ids
            )
        }
        for index, profile_id in enumerate(profile_ids):
            if profile_id not in known:
                detail = f"A profile with id {profile_id} does not exist."
                raise Refused(404, "not_found", "Not found.", detail, pointer=f"/data/{index}/id")

    # Profiles

    def profiles(self, conditions: Sequence[Condition], cursor: str | None, size: int) -> Page:
        """Profiles in the order of their creation."""
        where, values = _where(conditions, _PROFILE_COLUMNS)
        sql = f"SELECT p.*, p.n AS at FROM profiles p WHERE p.n > ?{where} ORDER BY p.n LIMIT ?"
        return self._page(sql, values, cursor, size)

    def seed_profile(self, given: dict[str, Any], now: datetime) -> sqlite3.Row:
        """Make or change a profile as its owner or the merchant would: consent, suppressions, lists.

        given: email, optional attributes, consent (one of CONSENTS), suppressions (list of reasons),
               lists (ids). Raises ValueError for an unknown consent or a malformed row.
        """
        consent = str(given.get("consent", "NEVER_SUBSCRIBED")).upper()
        if consent not in CONSENTS:
            raise ValueError(f"consent must be one of {', '.join(CONSENTS)}")
        own = {"consent", "suppressions", "lists"}
        try:
            row = read_row({"type": "profile", "attributes": {k: v for k, v in given.items() if k not in own}})
        except BadRow as bad:
            raise ValueError(bad.detail) from bad
        reasons = [{"reason": r, "timestamp": now.isoformat()} for r in given.get("suppressions", [])]
        with self.db.writing() as db:
            profile_id = self._upsert(db, row, now)
            db.execute(
                "UPDATE profiles SET consent = ?, consent_at = ?, suppressions = ? WHERE id = ?",
                (consent, now.isoformat(), orjson.dumps(reasons).decode(), profile_id),
            )
            for list_id in given.get("lists", []):
                self.add_members(list_id, [profile_id], now)
        found = self.db.row("SELECT * FROM profiles WHERE id = ?", profile_id)
        assert found is not None  # noqa: S101 - it was written two lines above
        return found

    def _upsert(self, db: sqlite3.Connection, row: dict[str, Any], now: datetime) -> str:
        """Match by id, external id, e-mail, then phone; make a profile if none fits."""
        found = None
        for key in ("id", "external_id", "email", "phone_number"):
            if row.get(key) and found is None:
                found = db.execute(f"SELECT * FROM profiles WHERE {key} = ?", (row[key],)).fetchone()
        stamp = now.isoformat()
        if found is None:
            if row.get("id"):
                raise BadRow("A profile with this id does not exist.", "id", code="not_found")
            cursor = db.execute(
                "INSERT INTO profiles (attributes, consent, suppressions, created, updated) "
                "VALUES ('{}', 'NEVER_SUBSCRIBED', '[]', ?, ?)",
                (stamp, stamp),
            )
            number = cursor.lastrowid or 0
            db.execute("UPDATE profiles SET id = ? WHERE n = ?", (ulid("profile", number), number))
            found = db.execute("SELECT * FROM profiles WHERE n = ?", (number,)).fetchone()
        try:
            db.execute(
                "UPDATE profiles SET email = ?, phone_number = ?, external_id = ?, attributes = ?, "
                "updated = ? WHERE id = ?",
                (
                    row.get("email") or found["email"],
                    row.get("phone_number") or found["phone_number"],
                    row.get("external_id") or found["external_id"],
                    orjson.dumps(merged(orjson.loads(found["attributes"]), row)).decode(),
                    stamp,
                    found["id"],
                ),
            )
        except sqlite3.IntegrityError as error:
            raise BadRow("Another profile has this identifier.", "", code="duplicate_profile") from error
        return str(found["id"])

    # Import jobs

    def queue_import(self, rows: Sequence[Any], list_ids: Sequence[str], now: datetime, seconds: float) -> sqlite3.Row:
        """Accept a bulk import; `settle` carries it out `seconds` later."""
        for list_id in list_ids:
            self.one_list(list_id)
        with self.db.writing() as db:
            number = db.execute(
                "INSERT INTO jobs (list_ids, rows, total, created, due) VALUES (?, ?, ?, ?, ?)",
                (
                    orjson.dumps(list(list_ids)).decode(),
                    orjson.dumps(rows),
                    len(rows),
                    now.isoformat(),
                    (now + timedelta(seconds=seconds)).isoformat(),
                ),
            ).lastrowid
            db.execute("UPDATE jobs SET id = ? WHERE n = ?", (ulid("job", number or 0), number))
        return self.one_job(ulid("job", number or 0))

    def one_job(self, job_id: str) -> sqlite3.Row:
        """One job. Raises Refused (404)."""
        row = self.db.row("SELECT * FROM jobs WHERE id = ?", job_id)
        if row is None:
            detail = f"A bulk profile import job with id {job_id} does not exist."
            raise Refused(404, "not_found", "Not found.", detail, parameter="id")
        return row

    def settle(self, now: datetime) -> None:
        """Carry out the imports that are due."""
        sql = "SELECT * FROM jobs WHERE done IS NULL AND due <= ? ORDER BY n"
        if not self.db.rows(sql, now.isoformat()):
            return
        with self.db.writing():  # asked again: another call may have carried them out meanwhile
            for job in self.db.rows(sql, now.isoformat()):
                self._carry_out(job, now)

    def _carry_out(self, job: sqlite3.Row, now: datetime) -> None:
        failed = 0
        with self.db.writing() as db:
            list_ids = [x for x in orjson.loads(job["list_ids"]) if self._exists(x)]
            for index, original in enumerate(orjson.loads(job["rows"])):
                try:
                    profile_id = self._upsert(db, read_row(original), now)
                except BadRow as bad:
                    failed += 1
                    pointer = f"/data/attributes/profiles/data/{index}{bad.pointer}"
                    db.execute(
                        "INSERT INTO job_errors (job_id, code, title, detail, pointer, original) "
                        "VALUES (?, ?, ?, ?, ?, ?)",
                        (
                            job["id"],
                            bad.code,
                            bad.title,
                            bad.detail,
                            pointer,
                            orjson.dumps(original).decode(),
                        ),
                    )
                    continue
                db.execute(
                    "INSERT OR IGNORE INTO job_profiles (job_id, profile_id) VALUES (?, ?)",
                    (job["id"], profile_id),
                )
                db.executemany(
                    "INSERT OR IGNORE INTO memberships (list_id, profile_id, joined) VALUES (?, ?, ?)",
                    [(list_id, profile_id, now.isoformat()) for list_id in list_ids],
                )
            db.execute(
                "UPDATE jobs SET completed = ?, failed = ?, done = ?, rows = NULL WHERE id = ?",
                (job["total"] - failed, failed, now.isoformat(), job["id"]),
            )

    def _exists(self, list_id: str) -> bool:
        return self.db.row("SELECT 1 FROM lists WHERE id = ? AND NOT gone", list_id) is not None

    def job_errors(self, job_id: str, cursor: str | None, size: int) -> Page:
        """The rows of a job that failed."""
        sql = "SELECT *, n AS at FROM job_errors WHERE n > ? AND job_id = ? ORDER BY n LIMIT ?"
        return self._page(sql, [self.one_job(job_id)["id"]], cursor, size)

    def job_profiles(self, job_id: str, cursor: str | None, size: int) -> Page:
        """The profiles that a job made or changed."""
        sql = (
            "SELECT p.*, j.n AS at FROM job_profiles j JOIN profiles p ON p.id = j.profile_id "
            "WHERE j.n > ? AND j.job_id = ? ORDER BY j.n LIMIT ?"
        )
        return self._page(sql, [self.one_job(job_id)["id"]], cursor, size)

    def _page(self, sql: str, values: list[str], cursor: str | None, size: int, *, newest_first: bool = False) -> Page:
        start = cursor_number(cursor) if cursor else (2**62 if newest_first else 0)
        rows = self.db.rows(sql, start, *values, size + 1)
        if len(rows) <= size:
            return Page(rows, None)
        last = rows[size - 1]
        return Page(rows[:size], cursor_text(last["at"] if "at" in last.keys() else last["n"]))  # noqa: SIM118


def cursor_text(number: int) -> str:
    """An opaque cursor."""
    return f"bz{number:x}"


def cursor_number(cursor: str) -> int:
    """The position of a cursor. Raises Refused (400) for one that we never gave."""
    # The vendor's library takes a whole `links.next` and cuts it at "page[cursor]", so that "=" stays;
    # from an http:// address, which only a stand-in has, it cuts nothing.
    if "://" in cursor:
        cursor = parse_qs(urlsplit(cursor).query).get("page[cursor]", [""])[0]
    try:
        return int(cursor.removeprefix("=").removeprefix("bz"), 16)
    except ValueError as error:
        detail = "The cursor is not one that this API gave."
        raise Refused(400, "invalid", "Invalid input.", detail, parameter="page[cursor]", kind="limit") from error


def _where(conditions: Sequence[Condition], columns: dict[str, str]) -> tuple[str, list[str]]:
    """The conditions as SQL, each led by AND, and their values in the form in which we store them."""
    values = []
    for condition in conditions:
        for value in condition.values:
            if condition.field == "email":
                values.append(value.strip().lower())
            elif condition.field in ("created", "updated", "joined_group_at"):
                values.append(_moment(value))
            else:
                values.append(value)
    return "".join(f" AND {condition.sql(columns)}" for condition in conditions), values


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        detail = f"{text} is not an ISO 8601 time."
        raise Refused(400, "invalid", "Invalid input.", detail, parameter="filter", kind="limit") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
