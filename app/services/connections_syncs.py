"""Syncs as the merchant sees them: make, change, pause, look at runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms


@dataclass(frozen=True)
class NewSync:
    """A sync to make; exactly one of target_id and target_name is given."""

    segment_id: str
    connection_id: str
    target_id: str | None
    target_name: str | None
    container_id: str | None
    schedule: str
    without_consent: str


def list_syncs(
    rooms: Rooms, ctx: ShopContext, segment_id: str | None, connection_id: str | None
) -> list[Any]:
    """The shop's syncs."""
    raise NotImplementedError


def create(rooms: Rooms, ctx: ShopContext, new: NewSync) -> dict[str, Any]:
    """Make a sync."""
    raise NotImplementedError


def get(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """One sync."""
    raise NotImplementedError


def change(
    rooms: Rooms, ctx: ShopContext, sync_id: str, schedule: str | None, without_consent: str | None
) -> dict[str, Any]:
    """Change a sync."""
    raise NotImplementedError


def delete(rooms: Rooms, ctx: ShopContext, sync_id: str) -> str:
    """Forget a sync."""
    raise NotImplementedError


def pause(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """Stop scheduled runs."""
    raise NotImplementedError


def resume(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """Let it run again."""
    raise NotImplementedError


def preview(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """What a run would do."""
    raise NotImplementedError


def request_run(rooms: Rooms, ctx: ShopContext, sync_id: str, *, approve_removals: bool) -> None:
    """Queue a run."""
    raise NotImplementedError


def runs(rooms: Rooms, ctx: ShopContext, sync_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Runs of a sync."""
    raise NotImplementedError


def run(rooms: Rooms, ctx: ShopContext, sync_id: str, run_id: int) -> dict[str, Any]:
    """One run."""
    raise NotImplementedError


def outcomes(
    rooms: Rooms,
    ctx: ShopContext,
    sync_id: str,
    run_id: int,
    *,
    outcome: str | None,
    code: str | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """Members' outcomes."""
    raise NotImplementedError


def outcomes_csv(
    rooms: Rooms, ctx: ShopContext, sync_id: str, run_id: int, *, outcome: str | None, code: str | None
) -> Iterator[str]:
    """Members' outcomes as CSV."""
    raise NotImplementedError
