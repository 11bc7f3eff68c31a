"""What is known outside the store of how far sending has come: a store that fell behind it sends nothing.

A backup that is restored, a clone that is started beside the original, a replica that took over before it
had everything: each of them has forgotten stamps, and would mail the same customers again. So the folder of
the data keeps, per shop, the number and hash of the newest ledger entry whose message may have left. A
store whose ledger lacks that entry is not the one that sent, and is locked until a person says what to do.

The epoch is the second half: a word that the store and its installation share. An installation that has a
store without sharing its epoch (a clone, or a data folder that was lost) is locked as well.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import String, column, text

from app.store.base import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

INFO = "sending_marks"  # the session's key: whoever stamps in it is watched, whatever code that is
PENDING = "sending_marks_pending"
FIND_ENTRY = "SELECT hash FROM send_ledger WHERE shop_id = :shop AND seq = :seq"
FIND_EPOCH = text("SELECT epoch, not_before FROM sending_epochs WHERE shop_id = :shop").columns(
    column("epoch", String), column("not_before", UtcDateTime())
)
ADOPT = "INSERT INTO sending_epochs (shop_id, epoch) VALUES (:shop, :epoch) ON CONFLICT (shop_id) DO NOTHING"


@dataclass(frozen=True)
class Mark:
    """The newest ledger entry whose message may have been handed over."""

    seq: int
    hash: str
    at: datetime


class Marks:
    """Marks and epoch of this installation, in a folder that every process of it shares.

    epoch: given by the environment; otherwise made once, in the folder.
    """

    def __init__(self, folder: Path, epoch: str = "") -> None:
        self._folder = folder
        self._given = epoch

    def epoch(self) -> str:
        """The word of this installation. Made when it is first asked for; the first process to make it wins."""
        if self._given:
            return self._given
        file = self._folder / "epoch"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            made = self._folder / f"epoch.{os.getpid()}"
            made.write_text(secrets.token_hex(16), encoding="ascii")
            with suppress(FileExistsError):
                os.link(made, file)  # whole or not at all, and never over another's
            made.unlink()
        return file.read_text(encoding="ascii").strip()

    def read(self, shop_id: int) -> Mark | None:
        """The shop's mark; None if nothing was ever handed over from here. Raises ValueError if it can't be read."""
        try:
            kept = json.loads(self._file(shop_id).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        return Mark(int(kept["seq"]), str(kept["hash"]), datetime.fromisoformat(kept["at"]))

    def refusal(self, session: Session, shop_id: int, now: datetime, *, adopt: bool = False) -> str | None:
        """Why this store must not stamp for the shop at `now`, in words; None if it may.

        adopt: a store that belongs to no installation yet belongs to this one from now on.

        The mark is read before the ledger: in the other order another worker's stamp, committed and marked
        in between, would look like one that the store forgot.
        """
        try:
            mark = self.read(shop_id)
        except (ValueError, KeyError, TypeError) as fault:
            return f"the mark of the last e-mail can't be read ({type(fault).__name__})"
        shop = {"shop": shop_id}
        standing = session.execute(FIND_EPOCH, shop).first()
        if standing is not None and standing.epoch != self.epoch():
            return "the store belongs to another installation, or is a copy of its store"
        if mark is not None:
            found = session.execute(text(FIND_ENTRY), {**shop, "seq": mark.seq}).scalar()
            if found != mark.hash:
                return f"the store lacks e-mails that were sent up to {mark.at:%Y-%m-%d %H:%M} UTC: it is an older copy"
        if standing is not None and standing.not_before is not None and now < standing.not_before:
            return f"sending rests until {standing.not_before:%Y-%m-%d %H:%M} UTC, when everybody's week has passed"
        if standing is None and adopt:
            session.execute(text(ADOPT), {**shop, "epoch": self.epoch()})
        return None

    def note_on_commit(self, session: Session, shop_id: int, mark: Mark) -> None:
        """Keep the mark once this transaction is durable, before its caller can hand anything over.

        If it can't be kept, the commit's caller fails and hands nothing over.
        """
        session.info.setdefault(PENDING, {})[shop_id] = mark

    def note_pending(self, session: Session) -> None:
        """For the store, after the commit."""
        for shop_id, mark in session.info.pop(PENDING, {}).items():
            self.note(shop_id, mark)

    def note(self, shop_id: int, mark: Mark) -> None:
        """Keep a mark unless a later one is kept."""
        with self._locked(shop_id):
            kept = self.read(shop_id)
            if kept is None or kept.seq < mark.seq:
                self._keep(shop_id, mark)

    def start_anew(self, shop_id: int, mark: Mark | None) -> None:
        """Put this mark in the place of what is kept: a person decided that the store is right."""
        with self._locked(shop_id):
            if mark is None:
                self._file(shop_id).unlink(missing_ok=True)
            else:
                self._keep(shop_id, mark)

    def _keep(self, shop_id: int, mark: Mark) -> None:
        file = self._file(shop_id)
        made = file.with_suffix(".new")
        with made.open("w", encoding="ascii") as out:
            json.dump({**asdict(mark), "at": mark.at.isoformat()}, out)
            out.flush()
            os.fsync(out.fileno())  # an empty file after a power cut would lock the shop for nothing
        made.replace(file)

    @contextmanager
    def _locked(self, shop_id: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"shop-{shop_id}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def _file(self, shop_id: int) -> Path:
        return self._folder / f"shop-{shop_id}.json"


def marks_of(session: Session) -> Marks | None:
    """The marks that this session's store is held against; None where it is opened without (tests of its parts)."""
    found: Marks | None = session.info.get(INFO)
    return found
