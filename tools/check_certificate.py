"""Check a certificate of Encore's weekly cap. Needs Python 3.9 or newer and nothing else; opens no network.

    python3 check_certificate.py certificate.json

A certificate lists every hand-over of a shop's campaign e-mail: when, to which customer and address (as keyed
hashes: nobody can be named from them), and a hash over that and the hash before. The check computes every hash
again and measures the time between any two e-mails to one customer and to one address. Exit status 1 if an
entry was changed, dropped or put in, or if two e-mails lie closer than the window (168 hours).

Entries that are "taken back" count as no e-mail: the mail server surely did not accept them, as Encore wrote down.
With --strict they count as well.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

FORMAT = "encore-send-ledger/1"
START = "0" * 64
FIELDS = ("stamped_at", "customer_hash", "email_hash", "message_id", "kind", "prev_hash")


def read(file: TextIO) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """(what stands before the entries, the entries one by one): line by line, as a shop's list may be long."""
    opening = file.readline()
    try:
        about = json.loads(opening.rstrip() + "]}")
    except ValueError:  # written in another layout: read it whole
        about = json.loads(opening + file.read())
        return about, iter(about.pop("entries"))
    about.pop("entries")
    return about, entries_of(file)


def entries_of(file: TextIO) -> Iterator[dict[str, Any]]:
    """The entries of the lines that follow; raises ValueError where the file ends before its end."""
    for line in file:
        text = line.strip()
        if text == "]}":
            return
        if text:
            yield json.loads(text.rstrip(","))
    raise ValueError("the certificate is cut off")


def hash_of(shop_id: int, entry: dict[str, Any]) -> str:
    """SHA-256 over an entry's fields and the hash before it, one a line."""
    parts = [str(shop_id), str(entry["seq"])] + [str(entry[name]) for name in FIELDS]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def in_words(length: timedelta) -> str:
    """A duration as days, hours and minutes."""
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"


class Check:
    """What is found as the entries are read, in order."""

    def __init__(self, about: dict[str, Any], *, strict: bool) -> None:
        if about.get("format") != FORMAT:
            raise ValueError(f"this is no certificate of the format {FORMAT}")
        self.about = about
        self.window = timedelta(seconds=about["window_seconds"])
        self.taken_back = set() if strict else set(about["taken_back"])
        self.findings: list[str] = []
        self.mails = self.count = self.end = 0
        self.hash = START
        self.shortest: timedelta | None = None
        self.last: dict[str, tuple[int, datetime]] = {}
        if self.window < timedelta(hours=168):
            self.findings.append(f"BROKEN: the certificate claims a window of only {self.window}")

    def run(self, entries: Iterable[dict[str, Any]]) -> None:
        """Read all entries."""
        for entry in entries:
            self.count += 1
            self.link(entry)
            if entry["kind"] == "mail" and entry["seq"] not in self.taken_back:
                self.mails += 1
                self.measure(entry)
        named = self.about["end"]
        if named["seq"] != self.end:
            self.findings.append(f"BROKEN: the chain should end at entry {named['seq']}, but it ends at {self.end}")
        elif named["hash"] != self.hash:
            kept = "its hash is not the one that was kept"
            self.findings.append(f"BROKEN: the chain should end with another entry {self.end}: {kept}")

    def link(self, entry: dict[str, Any]) -> None:
        """Whether an entry is as it was written, and follows the one before it."""
        seq, expected = entry["seq"], self.end + 1
        if seq != expected:
            self.findings.append(f"BROKEN: entry {expected} is missing: the next one is {seq}")
        if entry["prev_hash"] != self.hash:
            self.findings.append(f"BROKEN: entry {seq} does not follow the entry before it")
        if entry["hash"] != hash_of(self.about["shop_id"], entry):
            self.findings.append(f"BROKEN: entry {seq} was changed: its hash is not that of its content")
        self.end, self.hash = seq, entry["hash"]

    def measure(self, entry: dict[str, Any]) -> None:
        """The time since the last e-mail to the same customer, and to the same address."""
        at = datetime.fromisoformat(entry["stamped_at"])
        for key in ("c:" + entry["customer_hash"], "e:" + entry["email_hash"]):
            before = self.last.get(key)
            self.last[key] = (entry["seq"], at)
            if before is None:
                continue
            gap = at - before[1]
            self.shortest = gap if self.shortest is None else min(self.shortest, gap)
            if gap < self.window:
                pair = f"entries {before[0]} and {entry['seq']} went to one person ({key[:14]}...)"
                self.findings.append(f"TOO SHORT: {pair} {in_words(gap)} apart")


def main(arguments: list[str]) -> int:
    """Check the file that is named; returns the exit status."""
    say = sys.stdout.write
    names = [one for one in arguments if one != "--strict"]
    if len(names) != 1 or names[0].startswith("-"):
        say(__doc__)
        return 2
    try:
        with Path(names[0]).open(encoding="utf-8") as file:
            about, entries = read(file)
            found = Check(about, strict="--strict" in arguments)
            found.run(entries)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        say(f"This can't be checked: {fault}\n")
        return 2
    gap = f"shortest gap {in_words(found.shortest)}" if found.shortest is not None else "no one was mailed twice"
    say(f"{about['shop']}, as of {about['as_of']}: ")
    say(f"{found.mails:,} hand-overs in {found.count:,} ledger entries, {gap}\n")
    if about.get("unlocked"):
        at, how = about["unlocked"]["at"], about["unlocked"]["how"]
        say(f"The store was unlocked at {at} ({how}) after a restore; what it had lost is not in here.\n")
    for finding in found.findings:
        say(f"{finding}\n")
    say("The weekly cap does NOT hold.\n" if found.findings else "The weekly cap holds.\n")
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
