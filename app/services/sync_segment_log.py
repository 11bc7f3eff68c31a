"""The log of one sync run: every member's outcome and reason, and the counts that have to add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pyroaring import BitMap
from sqlalchemy import select

from app.store.models.connections import SyncOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

OutcomeName = Literal["added", "updated", "removed", "unchanged", "skipped", "failed", "removal_failed"]
OF_MEMBERS = ("added", "updated", "unchanged", "skipped", "failed")
OF_LEAVERS = ("removed", "removal_failed")
SENT = ("added", "updated")


class RunLog:
    """Outcomes of a run in memory; `save` writes the groups that changed since it was last called."""

    def __init__(self, ctx: ShopContext, run_id: int) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._groups: dict[tuple[str, str, str], BitMap] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._changed: set[tuple[str, str, str]] = set()

    def put(self, outcome: OutcomeName, customers: Iterable[int], code: str = "", message: str = "") -> None:
        """Note one outcome for these customer numbers."""
        members = BitMap(customers)
        if not members:
            return
        key = (outcome, code, message)
        group = self._groups.setdefault(key, BitMap())
        group |= members
        self._numbers.setdefault(key, len(self._numbers) + 1)
        self._changed.add(key)

    def save(self, session: Session) -> None:
        """Write what changed, in the caller's transaction."""
        for key in self._changed:
            outcome, code, message = key
            members = self._groups[key]
            session.merge(
                SyncOutcome(
                    shop_id=self._ctx.shop_id,
                    run_id=self._run_id,
                    number=self._numbers[key],
                    outcome=outcome,
                    code=code,
                    message=message,
                    members=members.serialize(),
                    count=len(members),
                )
            )
        self._changed.clear()

    def count(self, *outcomes: str) -> int:
        """How many members had one of these outcomes."""
        return sum(len(members) for (outcome, _, _), members in self._groups.items() if outcome in outcomes)

    def covered(self) -> BitMap:
        """The members who have an outcome."""
        groups = [members for (outcome, _, _), members in self._groups.items() if outcome in OF_MEMBERS]
        return BitMap.union(BitMap(), *groups)

    def covers(self, queried: BitMap) -> bool:
        """Whether every queried member has exactly one outcome."""
        return self.covered() == queried and self.count(*OF_MEMBERS) == len(queried)


def outcomes_of(session: Session, ctx: ShopContext, run_id: int) -> list[SyncOutcome]:
    """The groups of a run, in the order in which they came up."""
    query = select(SyncOutcome).where(SyncOutcome.shop_id == ctx.shop_id, SyncOutcome.run_id == run_id)
    return list(session.scalars(query.order_by(SyncOutcome.number)))
