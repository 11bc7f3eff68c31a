"""The files of downloads: sealed on disk as they are made, opened as they are fetched, gone after a day.

Made once and kept, because a download is counted before it is fetched: opening and writing a million contacts
twice would double the wait. They hold personal data, so nothing of them lies on disk in the clear.

Layout: blocks of four bytes of length and a sealed piece, each bound to its place; an empty piece ends the
file, so that a cut one is not taken for a whole one.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

from pyroaring import BitMap
from sqlalchemy import select

from app.errors import Conflict
from app.store.crypto import CannotUnseal
from app.store.models.exports import SegmentExport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

GOOD_FOR = timedelta(hours=24)
LENGTH_BYTES = 4
GONE = "The file of this download is no longer here; make a new one."


@dataclass(frozen=True)
class Written:
    """What a file came to: its bytes in the clear, and their SHA-256 in hex."""

    size: int
    sha256: str


def write(rooms: Rooms, ctx: ShopContext, export_id: int, pieces: Iterable[bytes]) -> Written:
    """Seal a file piece by piece; it stands under its name only once it is whole. Repeating it replaces it."""
    final = _path(rooms, ctx, export_id)
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = final.with_suffix(".part")
    digest, size, count = hashlib.sha256(), 0, 0
    with part.open("wb") as file:
        for piece in pieces:
            if piece:
                digest.update(piece)
                size += len(piece)
                _put(file, rooms.vault.seal_bytes(ctx.shop_id, _subject(export_id, count), piece))
                count += 1
        _put(file, rooms.vault.seal_bytes(ctx.shop_id, _subject(export_id, count), b""))
    part.replace(final)
    return Written(size, digest.hexdigest())


def read(rooms: Rooms, ctx: ShopContext, export_id: int) -> Iterator[bytes]:
    """The pieces of a file in the clear. Raises Conflict: at once if it is not there, later if it is not whole."""
    pieces = _pieces(rooms, ctx, export_id)
    # Opened before the first byte goes out: a file that is removed from now on can still be read.
    return itertools.chain([next(pieces, b"")], pieces)


def _pieces(rooms: Rooms, ctx: ShopContext, export_id: int) -> Iterator[bytes]:
    path = _path(rooms, ctx, export_id)
    if not path.exists():
        raise Conflict(GONE)
    with path.open("rb") as file:
        for count in itertools.count():
            piece = _take(rooms, ctx, export_id, file, count)
            if not piece:
                return
            yield piece


def remove(rooms: Rooms, ctx: ShopContext, export_id: int) -> None:
    """Take a file away; one that is not there is away already."""
    _path(rooms, ctx, export_id).unlink(missing_ok=True)


def forget(session: Session, rooms: Rooms, ctx: ShopContext, numbers: set[int]) -> None:
    """Take away every file that holds one of these customers; the log of its download stays."""
    mine = select(SegmentExport.id, SegmentExport.included).where(SegmentExport.shop_id == ctx.shop_id)
    recent = mine.where(SegmentExport.created_at >= rooms.clock.now() - GOOD_FOR)
    for export_id, included in session.execute(recent):
        # One that is being prepared does not say yet who is in it.
        if not included or BitMap.deserialize(included) & BitMap(numbers):
            remove(rooms, ctx, export_id)


def tidy(session: Session, rooms: Rooms, ctx: ShopContext) -> int:
    """Take away files of downloads that can't be fetched any more, and what unfinished ones left; how many."""
    recent = SegmentExport.created_at >= rooms.clock.now() - GOOD_FOR
    kept = {str(number) for number in session.scalars(
        select(SegmentExport.id).where(SegmentExport.shop_id == ctx.shop_id, recent)
    )}  # fmt: skip
    old = [path for path in folder(rooms, ctx).glob("*.*") if path.stem not in kept]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def folder(rooms: Rooms, ctx: ShopContext) -> Path:
    """Where a shop's files lie."""
    return rooms.settings.kept_exports_dir / f"shop_{ctx.shop_id}"


def _path(rooms: Rooms, ctx: ShopContext, export_id: int) -> Path:
    return folder(rooms, ctx) / f"{export_id}.sealed"


def _subject(export_id: int, count: int) -> str:
    return f"export:{export_id}:{count}"


def _put(file: BinaryIO, sealed: bytes) -> None:
    file.write(len(sealed).to_bytes(LENGTH_BYTES, "big"))
    file.write(sealed)


def _take(rooms: Rooms, ctx: ShopContext, export_id: int, file: BinaryIO, count: int) -> bytes:
    length = int.from_bytes(file.read(LENGTH_BYTES), "big")
    try:
        return rooms.vault.open_bytes(ctx.shop_id, _subject(export_id, count), file.read(length))
    except CannotUnseal as fault:
        raise Conflict(GONE) from fault
