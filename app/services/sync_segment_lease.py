"""One process per sync: a lease in the store, renewed while the work goes on."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from sqlalchemy import select, update

from app.errors import Conflict
from app.store.models.connections import Sync

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

# Longer than one call with all its repeats may take: the lease is renewed after every call.
LEASE = timedelta(minutes=15)


class LeaseLostError(Exception):
    """Another process took the sync over; what this one has not written yet must not be written."""


class Lease:
    """Holds a sync for as long as the `with` block runs. Raises Conflict if another process holds it."""

    def __init__(self, rooms: Rooms, ctx: ShopContext, sync_id: int) -> None:
        self._rooms = rooms
        self._ctx = ctx
        self._sync_id = sync_id
        self._owner = f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> Self:
        now = self._rooms.clock.now()
        with self._rooms.store.session(self._ctx) as session:
            held = session.execute(
                select(Sync.lease_owner, Sync.lease_until).where(*self._mine()).with_for_update()
            ).one_or_none()
            if held and held.lease_owner and held.lease_until and held.lease_until > now:  # noqa: SIM102
                if not _owner_died(held.lease_owner):
                    raise Conflict("This sync is running already.")
            self._take(session)
        return self

    def renew(self, session: Session) -> None:
        """Hold on for longer, in the caller's transaction. Raises LeaseLostError."""
        held = session.scalar(select(Sync.lease_owner).where(*self._mine()).with_for_update())
        if held != self._owner:
            raise LeaseLostError
        self._take(session)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._rooms.store.session(self._ctx) as session:
            session.execute(
                update(Sync)
                .where(*self._mine(), Sync.lease_owner == self._owner)
                .values(lease_owner=None, lease_until=None)
            )

    def _take(self, session: Session) -> None:
        until = self._rooms.clock.now() + LEASE
        session.execute(update(Sync).where(*self._mine()).values(lease_owner=self._owner, lease_until=until))

    def _mine(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return (Sync.shop_id == self._ctx.shop_id, Sync.id == self._sync_id)


def _owner_died(owner: str) -> bool:
    """Whether the holder was a process of this machine that is gone: then nobody has to wait."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname()[:20] or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
