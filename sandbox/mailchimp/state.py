"""What the Mailchimp stand-in remembers: audiences, members with their status, tags, merge fields.

A member's status is its consent. `upsert` is the one place that writes it, and only when the call
names a status; adding to a tag or removing from it leaves it alone, as in the real service.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from sandbox.mailchimp import rules
from sandbox.standin.base import Refused
from sandbox.standin.database import Database

AUDIENCE = "Encore demo shop"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT, double_optin INTEGER, created TEXT);
CREATE TABLE IF NOT EXISTS members (
    n INTEGER PRIMARY KEY AUTOINCREMENT, list_id TEXT, hash TEXT, email TEXT, status TEXT,
    merge_fields TEXT, language TEXT, vip INTEGER DEFAULT 0, compliance INTEGER DEFAULT 0,
    forgotten INTEGER DEFAULT 0, created TEXT, changed TEXT, UNIQUE (list_id, hash));
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, list_id TEXT, name TEXT COLLATE NOCASE, created TEXT,
    updated TEXT, UNIQUE (list_id, name));
CREATE TABLE IF NOT EXISTS tagged (
    n INTEGER PRIMARY KEY AUTOINCREMENT, segment_id INTEGER, hash TEXT, UNIQUE (segment_id, hash));
CREATE TABLE IF NOT EXISTS merge_fields (
    list_id TEXT, merge_id INTEGER, tag TEXT, name TEXT, type TEXT, required INTEGER, doc TEXT,
    PRIMARY KEY (list_id, merge_id), UNIQUE (list_id, tag));
CREATE TABLE IF NOT EXISTS batches (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, operations BLOB, total INTEGER,
    errored INTEGER DEFAULT 0, submitted TEXT, due TEXT, taken INTEGER DEFAULT 0, done TEXT);
"""
_TABLES = ("lists", "members", "segments", "tagged", "merge_fields", "batches")
_DEFAULT_FIELDS = (
    ("FNAME", "First Name", "text"),
    ("LNAME", "Last Name", "text"),
    ("ADDRESS", "Address", "address"),
    ("PHONE", "Phone Number", "phone"),
)
# Which members a tag shows unless the others are asked for. There is no flag for pending ones, so
# they are always shown; a read-back could not find them otherwise.
_ALWAYS_SHOWN = ("subscribed", "pending")
_ON_REQUEST = ("cleaned", "transactional", "unsubscribed")


@dataclass(frozen=True)
class Lenient:
    """What a batch call asked to be waived."""

    merge_fields: bool
    duplicates: bool


@dataclass
class Upserted:
    """What a batch did."""

    created: list[sqlite3.Row] = field(default_factory=list)
    updated: list[sqlite3.Row] = field(default_factory=list)
    problems: list[tuple[str, rules.MemberProblem]] = field(default_factory=list)


@dataclass
class Tagged:
    """What a change of a tag did: members added and removed, addresses that no member has."""

    added: list[sqlite3.Row]
    removed: list[sqlite3.Row]
    unknown: list[str]


class MailchimpState:
    """All data of one account, in SQLite. Times are ISO 8601 in UTC."""

    def __init__(self, state_dir: Path) -> None:
        self.db = Database(state_dir / "mailchimp.sqlite3", _SCHEMA)

    def plant(self, now: datetime) -> None:
        """The audience that a fresh account has, and none twice; batches cut off by a kill start anew."""
        with self.db.writing() as db:
            db.execute("UPDATE batches SET taken = 0 WHERE done IS NULL")
        if not self.db.number("SELECT count(*) FROM lists"):
            self.save_audience(AUDIENCE, now, double_optin=False)

    def clear(self) -> None:
        """Delete everything; ids start anew."""
        with self.db.writing() as db:
            for table in (*_TABLES, "sqlite_sequence"):
                db.execute(f"DELETE FROM {table}")

    # Audiences and merge fields

    def save_audience(self, name: str, now: datetime, *, double_optin: bool) -> sqlite3.Row:
        """Make an audience with the default merge fields, or change the one of that name."""
        list_id = hashlib.sha256(name.encode()).hexdigest()[:10]
        with self.db.writing() as db:
            new = db.execute(
                "INSERT OR IGNORE INTO lists (id, name, created) VALUES (?, ?, ?)", (list_id, name, now.isoformat())
            ).rowcount
            db.execute("UPDATE lists SET double_optin = ? WHERE id = ?", (double_optin, list_id))
            for tag, title, kind in _DEFAULT_FIELDS if new else ():
                self.add_merge_field(list_id, {"tag": tag, "name": title, "type": kind})
        return self.audience(list_id)

    def audience(self, list_id: str) -> sqlite3.Row:
        """One audience. Raises Refused (404)."""
        return _found(self.db.row("SELECT * FROM lists WHERE id = ?", list_id))

    def merge_fields(self, list_id: str) -> list[sqlite3.Row]:
        """The merge fields of an audience, in their order."""
        return self.db.rows(
            "SELECT * FROM merge_fields WHERE list_id = ? ORDER BY merge_id", self.audience(list_id)["id"]
        )

    def add_merge_field(self, list_id: str, given: dict[str, Any]) -> sqlite3.Row:
        """Add a merge field. Raises Refused (400) if the tag is taken."""
        with self.db.writing() as db:
            sql = "SELECT coalesce(max(merge_id), 0) + 1 FROM merge_fields WHERE list_id = ?"
            merge_id = self.db.number(sql, list_id)
            tag = str(given.get("tag") or f"MMERGE{merge_id}").upper()
            if self.db.row("SELECT 1 FROM merge_fields WHERE list_id = ? AND tag = ?", list_id, tag):
                raise rules.invalid("tag", f'A Merge Field with the tag "{tag}" already exists.', kind="")
            db.execute(
                "INSERT INTO merge_fields VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    list_id,
                    merge_id,
                    tag,
                    given["name"],
                    given["type"],
                    bool(given.get("required")),
                    orjson.dumps(given).decode(),
                ),
            )
        return self.merge_fields(list_id)[-1]

    # Members

    def member(self, list_id: str, key: str) -> sqlite3.Row:
        """A member by hash or address. Raises Refused (404); a forgotten one is not found either."""
        sql = "SELECT * FROM members WHERE list_id = ? AND hash = ? AND NOT forgotten"
        return _found(self.db.row(sql, self.audience(list_id)["id"], as_hash(key)))

    def members(self, list_id: str, status: str | None, offset: int, count: int) -> tuple[list[sqlite3.Row], int]:
        """One page of an audience's members, and how many there are."""
        where = "list_id = ?1 AND NOT forgotten AND (?2 IS NULL OR status = ?2)"
        total = self.db.number(f"SELECT count(*) FROM members WHERE {where}", list_id, status)
        sql = f"SELECT * FROM members WHERE {where} ORDER BY n LIMIT ?3 OFFSET ?4"
        return self.db.rows(sql, list_id, status, count, offset), total

    def upsert(
        self,
        list_id: str,
        given: dict[str, Any],
        now: datetime,
        *,
        status_if_new: str | None,
        update_existing: bool = True,
        required_too: bool = True,
    ) -> tuple[sqlite3.Row, bool]:
        """Write one contact; returns it and whether it is new. Raises rules.MemberProblem."""
        email = str(given.get("email_address") or "").strip()
        rules.check_address(email)
        key = as_hash(email)
        with self.db.writing() as db:
            stored = self.db.row("SELECT * FROM members WHERE list_id = ? AND hash = ?", list_id, key)
            if stored is not None and not stored["forgotten"] and not update_existing:
                detail = (
                    f"{email} is already a list member, do you want to update? "
                    "please provide update_existing:true in the request body"
                )
                raise rules.MemberProblem("Member Exists", detail, code="ERROR_CONTACT_EXISTS")
            wanted = given.get("status") or (status_if_new if stored is None else None)
            rules.check_standing(email, stored, wanted)
            if stored is None and not wanted:
                detail = "A new contact needs a status."
                raise rules.MemberProblem("Invalid Resource", detail, field="status", message=detail)
            values = {
                **(orjson.loads(stored["merge_fields"]) if stored else {}),
                **(given.get("merge_fields") or {}),
            }
            fields = self.merge_fields(list_id)
            rules.check_merge_fields(fields, values, required_too=required_too)
            known = {f["tag"]: values[f["tag"]] for f in fields if f["tag"] in values}
            if stored is None:
                db.execute(
                    "INSERT INTO members (list_id, hash, email, created) VALUES (?, ?, ?, ?)",
                    (list_id, key, email, now.isoformat()),
                )
            db.execute(
                "UPDATE members SET status = ?, merge_fields = ?, language = coalesce(?, language, ''), "
                "vip = coalesce(?, vip), changed = ? WHERE list_id = ? AND hash = ?",
                (
                    wanted or (stored["status"] if stored else None),
                    orjson.dumps(known).decode(),
                    given.get("language"),
                    given.get("vip"),
                    now.isoformat(),
                    list_id,
                    key,
                ),
            )
        return self.member(list_id, key), stored is None

    def upsert_batch(self, list_id: str, body: dict[str, Any], now: datetime, *, lenient: Lenient) -> Upserted:
        """Write up to 500 contacts at once; each either counts or has its problem."""
        done, seen = Upserted(), set()
        for given in body["members"]:
            email = str(given.get("email_address") or "")
            try:
                if as_hash(email) in seen and lenient.duplicates:
                    continue
                rules.check_first(email, first=as_hash(email) not in seen)
                row, new = self.upsert(
                    list_id,
                    given,
                    now,
                    status_if_new=None,
                    update_existing=bool(body.get("update_existing")),
                    required_too=not lenient.merge_fields,
                )
            except rules.MemberProblem as problem:
                done.problems.append((email, problem))
                continue
            finally:
                seen.add(as_hash(email))
            self._tag_as_given(list_id, row, given.get("tags"), now, replace=bool(body.get("sync_tags")))
            (done.created if new else done.updated).append(row)
        return done

    def _tag_as_given(
        self, list_id: str, member: sqlite3.Row, tags: Iterable[str] | None, now: datetime, *, replace: bool
    ) -> None:
        """Tags of a batch row. With sync_tags a row without tags loses all that it had."""
        with self.db.writing() as db:
            if replace:
                db.execute(
                    "DELETE FROM tagged WHERE hash = ? AND segment_id IN (SELECT id FROM segments WHERE list_id = ?)",
                    (member["hash"], list_id),
                )
            for name in tags or ():
                sql = "SELECT * FROM segments WHERE list_id = ? AND name = ?"
                segment = self.db.row(sql, list_id, name) or self.create_tag(list_id, name, now)
                self.change_tag(segment, [member["email"]], [], now)

    def seed_member(self, given: dict[str, Any], now: datetime) -> sqlite3.Row:
        """Make or change a member as the person or the merchant would, at Mailchimp itself.

        given: email, status (one of rules.STATUSES), optional list_id, merge_fields, tags (names),
               compliance (default: true for unsubscribed and cleaned), forgotten.
        Raises ValueError for an unknown status or a malformed address.
        """
        status = str(given.get("status", "subscribed")).lower()
        if status not in rules.STATUSES:
            raise ValueError(f"status must be one of {', '.join(rules.STATUSES)}")
        list_id = given.get("list_id") or str(self.db.rows("SELECT id FROM lists ORDER BY n")[0]["id"])
        compliance = bool(given.get("compliance", status in ("unsubscribed", "cleaned")))
        key = as_hash(str(given.get("email", "")))
        with self.db.writing() as db:
            flags = "UPDATE members SET compliance = ?, forgotten = ? WHERE list_id = ? AND hash = ?"
            db.execute(flags, (False, False, list_id, key))
            contact = {"email_address": given.get("email"), "status": status}
            try:
                row, _ = self.upsert(list_id, {**given, **contact}, now, status_if_new=status, required_too=False)
            except rules.MemberProblem as problem:
                raise ValueError(problem.detail) from problem
            self._tag_as_given(list_id, row, given.get("tags"), now, replace=False)
            db.execute(flags, (compliance, bool(given.get("forgotten")), list_id, key))
            if given.get("forgotten"):
                db.execute("DELETE FROM tagged WHERE hash = ?", (key,))
        found = self.db.row("SELECT * FROM members WHERE list_id = ? AND hash = ?", list_id, key)
        return _found(found)

    # Tags

    def create_tag(self, list_id: str, name: str, now: datetime) -> sqlite3.Row:
        """A new static segment. Raises Refused (400) if the name is taken."""
        stamp = now.isoformat()
        with self.db.writing() as db:
            try:
                number = db.execute(
                    "INSERT INTO segments (list_id, name, created, updated) VALUES (?, ?, ?, ?)",
                    (self.audience(list_id)["id"], name, stamp, stamp),
                ).lastrowid
            except sqlite3.IntegrityError as error:
                detail = "Sorry, that tag already exists."
                raise Refused(400, "exists", "Bad Request", detail) from error
        return self.tag(list_id, str(number))

    def tag(self, list_id: str, segment_id: str) -> sqlite3.Row:
        """One static segment. Raises Refused (404)."""
        sql = "SELECT * FROM segments WHERE list_id = ? AND id = ?"
        return _found(self.db.row(sql, self.audience(list_id)["id"], segment_id))

    def tags(self, list_id: str) -> list[sqlite3.Row]:
        """All static segments of an audience."""
        return self.db.rows("SELECT * FROM segments WHERE list_id = ? ORDER BY id", self.audience(list_id)["id"])

    def tags_of(self, member: sqlite3.Row) -> list[sqlite3.Row]:
        """The tags that a member has."""
        return self.db.rows(
            "SELECT s.id, s.name FROM tagged t JOIN segments s ON s.id = t.segment_id "
            "WHERE t.hash = ? AND s.list_id = ? ORDER BY s.id",
            member["hash"],
            member["list_id"],
        )

    def delete_tag(self, segment: sqlite3.Row) -> None:
        """Delete a static segment; its members stay."""
        with self.db.writing() as db:
            db.execute("DELETE FROM segments WHERE id = ?", (segment["id"],))
            db.execute("DELETE FROM tagged WHERE segment_id = ?", (segment["id"],))

    def change_tag(self, segment: sqlite3.Row, add: Sequence[str], remove: Sequence[str], now: datetime) -> Tagged:
        """Add and remove members by address; status stays. Doing it twice changes nothing more."""
        with self.db.writing() as db:
            to_add, unknown = self._known(segment["list_id"], add)
            to_remove, unknown_too = self._known(segment["list_id"], remove)
            put = "INSERT OR IGNORE INTO tagged (segment_id, hash) VALUES (?, ?)"
            take = "DELETE FROM tagged WHERE segment_id = ? AND hash = ?"
            added = [m for m in to_add if db.execute(put, (segment["id"], m["hash"])).rowcount]
            removed = [m for m in to_remove if db.execute(take, (segment["id"], m["hash"])).rowcount]
            db.execute("UPDATE segments SET updated = ? WHERE id = ?", (now.isoformat(), segment["id"]))
        return Tagged(added, removed, [*unknown, *unknown_too])

    def _known(self, list_id: str, emails: Sequence[str]) -> tuple[list[sqlite3.Row], list[str]]:
        members, unknown = [], []
        sql = "SELECT * FROM members WHERE list_id = ? AND hash = ? AND NOT forgotten"
        for email in emails:
            row = self.db.row(sql, list_id, as_hash(email))
            if row is None:
                unknown.append(email)
            else:
                members.append(row)
        return members, unknown

    def tagged(
        self, segment: sqlite3.Row, include: Iterable[str], offset: int, count: int
    ) -> tuple[list[sqlite3.Row], int]:
        """One page of a tag's members and how many there are; `include` names more statuses."""
        shown = [*_ALWAYS_SHOWN, *(status for status in _ON_REQUEST if status in set(include))]
        where = (
            "FROM tagged t JOIN members m ON m.hash = t.hash AND m.list_id = ? "
            f"WHERE t.segment_id = ? AND m.status IN ({', '.join('?' * len(shown))})"
        )
        values = (segment["list_id"], segment["id"], *shown)
        total = self.db.number(f"SELECT count(*) {where}", *values)
        sql = f"SELECT m.* {where} ORDER BY t.n LIMIT ? OFFSET ?"
        return self.db.rows(sql, *values, count, offset), total

    # Batches of calls

    def queue_batch(self, operations: list[Any], now: datetime, seconds: float) -> sqlite3.Row:
        """Accept a batch of calls, due `seconds` later."""
        with self.db.writing() as db:
            number = db.execute(
                "INSERT INTO batches (operations, total, submitted, due) VALUES (?, ?, ?, ?)",
                (
                    orjson.dumps(operations),
                    len(operations),
                    now.isoformat(),
                    (now + timedelta(seconds=seconds)).isoformat(),
                ),
            ).lastrowid
            batch_id = hashlib.sha256(f"batch:{number}".encode()).hexdigest()[:10]
            db.execute("UPDATE batches SET id = ? WHERE n = ?", (batch_id, number))
        return self.batch(batch_id)

    def batch(self, batch_id: str) -> sqlite3.Row:
        """One batch. Raises Refused (404)."""
        return _found(self.db.row("SELECT * FROM batches WHERE id = ?", batch_id))

    def take_batch(self, now: datetime) -> sqlite3.Row | None:
        """The next batch that is due, taken so that nobody else runs it."""
        with self.db.writing() as db:
            sql = "SELECT * FROM batches WHERE NOT taken AND due <= ? ORDER BY n LIMIT 1"
            row = self.db.row(sql, now.isoformat())
            if row is not None:
                db.execute("UPDATE batches SET taken = 1 WHERE n = ?", (row["n"],))
        return row

    def finish_batch(self, batch: sqlite3.Row, errored: int, now: datetime) -> None:
        """Note that a batch was carried out."""
        with self.db.writing() as db:
            sql = "UPDATE batches SET errored = ?, done = ?, operations = NULL WHERE n = ?"
            db.execute(sql, (errored, now.isoformat(), batch["n"]))


def as_hash(key: str) -> str:
    """The member id of an address: MD5 of its lower-case form. A hash is taken as it is."""
    text = key.strip().lower()
    return text if "@" not in text else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _found(row: sqlite3.Row | None) -> sqlite3.Row:
    if row is None:
        detail = "The requested resource could not be found."
        raise Refused(404, "not_found", "Resource Not Found", detail)
    return row
