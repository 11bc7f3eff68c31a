"""Fakes, named for what they replace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from app.domain.context import ShopContext


class FakeClock:
    """A clock that stands still until told."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class FakeJobs:
    """A job queue that only remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, str]] = []

    def enqueue(self, ctx: ShopContext, job: str, key: str = "") -> int:
        self.asked.append((ctx.shop_id, job, key))
        return len(self.asked)


class FakeConsentWriter:
    """Remembers which customers' consent was written back."""

    def __init__(self) -> None:
        self.written: list[tuple[int, int]] = []

    def write(self, ctx: ShopContext, customer_no: int) -> None:
        self.written.append((ctx.shop_id, customer_no))
