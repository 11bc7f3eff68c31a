"""A shop through the months: import, refresh, promise, thirty days of orders, receipt, next promise."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap
from sqlalchemy import select

from app.services import look_back, receipts, receipts_views, runs
from app.services.refresh_shop import refresh
from app.store.models.customers import Customer
from app.store.models.segments import Membership, Segment
from tests.integration.receipts.conftest import CUSTOMERS

if TYPE_CHECKING:
    from app.store.models.promises import Promise
    from tests.integration.receipts.conftest import Merchant

MONTH = timedelta(days=30)
IMPORTED = timedelta(minutes=20)  # between the moment up to which an import is complete and the refresh


def members_of(merchant: Merchant, promise: Promise) -> set[int]:
    """The promise's members as the merchant numbers customers."""
    assert promise.members is not None
    with merchant.encore.rooms.store.reading(merchant.ctx) as session:
        rows = session.execute(select(Customer.customer_no, Customer.shopify_id))
        who = {number: (shopify_id or 0) - 1000 for number, shopify_id in rows}
    return {who[number] for number in BitMap.deserialize(promise.members)}


def buyers(merchant: Merchant, title: str, since: datetime, until: datetime) -> set[int]:
    """Who bought a tea in [since, until) and kept it, counted from the merchant's own list of orders."""
    return {
        who
        for who, at, what, state in merchant.orders
        if f"Tea {what}" == title and state == "paid" and since <= at < until
    }


def what_was_said(promise: Promise) -> dict[str, Any]:
    """All that a promise says beforehand, and all that its receipt says."""
    names = ("as_of", "due_at", "size", "expected", "variance", "low", "high", "threshold", "base_rate", "basis")
    kept = ("buyers", "mailed", "mailed_buyers", "gone", "settled_at", "watermark")
    return {name: getattr(promise, name) for name in (*names, *kept)}


def shown_product_segments(merchant: Merchant) -> dict[str, bytes]:
    """Key → members of the product segments that pages show now."""
    joined = select(Segment, Membership).join(Membership, Membership.id == Segment.membership_id)
    with merchant.encore.rooms.store.reading(merchant.ctx) as session:
        return {
            segment.key: membership.members
            for segment, membership in session.execute(joined)
            if segment.key is not None and segment.product_no is not None and segment.state == "ready"
        }


class TestTheMonthsOfAShop:
    def test_promise_receipt_promise(self, merchant_on_both: Merchant) -> None:
        merchant = merchant_on_both
        rooms = merchant.encore.rooms
        merchant.imports()
        ctx = merchant.ctx
        merchant.clock.advance(IMPORTED)
        first_run = refresh(rooms, ctx)
        assert (ctx.shop_id, "receipts", "") in merchant.encore.jobs.asked

        # Each product segment that is shown has one promise, about exactly its members.
        first = merchant.promises
        assert first
        assert {one.key: one.members for one in first} == shown_product_segments(merchant)
        for one in first:
            assert (one.as_of, one.due_at) == (first_run.as_of, first_run.as_of + MONTH)
            assert not one.back_dated
            assert one.settled_at is None
            assert one.low <= one.expected + 1
            assert one.threshold <= one.expected / one.size <= 1
        said = {one.key: (what_was_said(one), members_of(merchant, one)) for one in first}

        # Days go by: more refreshes neither add a promise nor touch one, and nothing is due.
        merchant.live_for(15)
        merchant.imports()
        assert receipts.settle(rooms, ctx) == 0
        refresh(rooms, ctx)
        now = {one.key: what_was_said(one) for one in merchant.promises if one.as_of == first_run.as_of}
        assert now == {key: what for key, (what, _) in said.items()}

        # The day has come, but the history does not cover it: a receipt now would miss the last days' orders.
        merchant.live_for(15.2)
        assert receipts.settle(rooms, ctx) == 0
        merchant.imports()
        written = receipts.settle(rooms, ctx)
        assert written == len(first)
        settled = {one.key: one for one in merchant.promises if one.as_of == first_run.as_of}
        for key, (what, members) in said.items():
            one = settled[key]
            assert one.buyers == len(members & buyers(merchant, one.title, one.as_of, one.due_at))
            assert one.members is None
            assert one.settled_at == merchant.clock.now()
            kept = ("as_of", "due_at", "size", "expected", "low", "high")
            assert {name: getattr(one, name) for name in kept} == {name: what[name] for name in kept}
        assert sum(one.buyers or 0 for one in settled.values()) > 0

        # Written once. A refund that comes later changes the history, and not what was said of the month.
        receipt = {key: what_was_said(one) for key, one in settled.items()}
        merchant.orders = [
            (who, at, what, "refunded" if first_run.as_of <= at < first_run.as_of + MONTH else state)
            for who, at, what, state in merchant.orders
        ]
        merchant.live_for(0.1)
        merchant.imports()
        assert receipts.settle(rooms, ctx) == 0
        assert {
            one.key: what_was_said(one) for one in merchant.promises if one.key in receipt and one.settled_at
        } == receipt

        # The next refresh promises again, for days that the first promise did not count.
        merchant.clock.advance(IMPORTED)
        second_run = refresh(rooms, ctx)
        second = [one for one in merchant.promises if one.as_of == second_run.as_of]
        assert second
        assert all(one.as_of >= first_run.as_of + MONTH for one in second)
        per_key: dict[str, list[Promise]] = {}
        for one in merchant.promises:
            per_key.setdefault(one.key, []).append(one)
        for chain in per_key.values():
            assert all(later.as_of >= earlier.due_at for earlier, later in pairwise(chain))

    def test_what_is_no_longer_news_is_not_promised(self, merchant: Merchant) -> None:
        rooms = merchant.encore.rooms
        merchant.imports()
        refresh(rooms, merchant.ctx)
        with rooms.store.session(merchant.ctx) as session:
            for one in merchant.promises:
                session.delete(session.merge(one))
        merchant.live_for(0.3)
        refresh(rooms, merchant.ctx, force=False)
        assert merchant.promises == []
        # New predictions, but the orders of the last two days are not there: that is not now.
        merchant.live_for(2)
        refresh(rooms, merchant.ctx)
        assert merchant.promises == []

    def test_a_refresh_as_of_an_earlier_day_promises_nothing(self, merchant: Merchant) -> None:
        merchant.imports()
        refresh(merchant.encore.rooms, merchant.ctx, merchant.clock.now() - timedelta(days=40))
        assert merchant.promises == []


class TestLookingBack:
    def test_gives_a_new_shop_three_months_of_receipts(self, merchant_on_both: Merchant) -> None:
        merchant = merchant_on_both
        rooms = merchant.encore.rooms
        merchant.imports()
        ctx, complete_at = merchant.ctx, merchant.clock.now()
        merchant.clock.advance(IMPORTED)
        assert not look_back.wanted(rooms, ctx)  # nothing is published yet
        live_run = refresh(rooms, ctx)
        assert look_back.wanted(rooms, ctx)
        made = look_back.look_back(rooms, ctx)
        dated = [one for one in merchant.promises if one.back_dated]
        assert len(dated) == made > 0
        assert sorted({one.as_of for one in dated}) == [complete_at - back * MONTH for back in (3, 2, 1)]
        for one in dated:
            assert one.settled_at is not None
            assert one.buyers is not None
            assert one.buyers <= one.size
            assert one.due_at <= live_run.as_of
            assert one.size >= 25
        inside = sum(one.low <= (one.buyers or 0) <= one.high for one in dated)
        assert inside >= 0.5 * len(dated)
        # Asked again, also after another import of the same history, nothing is made.
        merchant.live_for(1)
        merchant.imports()
        assert look_back.look_back(rooms, ctx) == 0

        page = receipts_views.of_shop(rooms, ctx)
        assert page["back_dated"]["receipts"] == page["totals"]["receipts"] == made
        assert page["live"]["receipts"] == 0
        assert page["totals"]["inside"] + page["totals"]["above"] + page["totals"]["below"] == made
        assert sum(month["receipts"] for month in page["months"]) == made
        assert sum(segment["buyers"] for segment in page["segments"]) == page["totals"]["buyers"]
        assert page["look_back"] == {"state": "done", "done": 3, "wanted": 3, "moments": 3}

    def test_nothing_after_the_moment_changes_what_is_said_of_it(self, merchant: Merchant) -> None:
        rooms = merchant.encore.rooms
        moment = merchant.clock.now() - MONTH
        merchant.imports()
        refresh(rooms, merchant.ctx)
        look_back.look_back(rooms, merchant.ctx)
        honest = {one.key: what_was_said(one) for one in merchant.promises if one.as_of == moment}

        # In a second shop everybody bought tea 1 right after the moment.
        other = [*merchant.orders, *((who, moment + timedelta(hours=1), 1, "paid") for who in range(CUSTOMERS))]
        merchant.orders = sorted(other, key=lambda order: order[1])
        with rooms.store.session(merchant.ctx) as session:
            for one in merchant.promises:
                session.delete(session.merge(one))
            for run in session.scalars(select(runs.Run).where(runs.Run.kind == "look_back")):
                session.delete(run)
        merchant.imports()
        look_back.look_back(rooms, merchant.ctx)
        seen = {one.key: what_was_said(one) for one in merchant.promises if one.as_of == moment}
        promised = ("size", "expected", "variance", "low", "high", "threshold", "base_rate", "basis")
        assert honest
        assert {key: [what[name] for name in promised] for key, what in seen.items()} == {
            key: [what[name] for name in promised] for key, what in honest.items()
        }
        tea = next(key for key in honest if seen[key]["buyers"] != honest[key]["buyers"])
        assert seen[tea]["buyers"] == seen[tea]["size"]  # the receipt sees them all

    def test_goes_on_where_it_was_stopped(self, merchant: Merchant, monkeypatch: Any) -> None:
        rooms = merchant.encore.rooms
        merchant.imports()
        refresh(rooms, merchant.ctx)
        real = look_back._promise
        calls: list[datetime] = []

        def dies_at_the_second(*arguments: Any) -> int:
            calls.append(arguments[3].moment)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(look_back, "_promise", dies_at_the_second)
        with suppress(KeyboardInterrupt):
            look_back.look_back(rooms, merchant.ctx)
        half = {(one.key, one.as_of) for one in merchant.promises if one.back_dated}
        assert {as_of for _, as_of in half} == {merchant.clock.now() - 3 * MONTH}
        merchant.live_for(0.5)
        assert look_back.wanted(rooms, merchant.ctx)
        look_back.look_back(rooms, merchant.ctx)
        assert len(calls) == 4  # the moment that was done is not done again
        whole = [(one.key, one.as_of) for one in merchant.promises if one.back_dated]
        assert len(whole) == len(set(whole))
        assert len({as_of for _, as_of in whole}) == 3

    def test_a_shop_too_young_gets_fewer_and_says_so(self, merchant: Merchant) -> None:
        rooms = merchant.encore.rooms
        start = merchant.clock.now() - timedelta(days=95)
        merchant.orders = [order for order in merchant.orders if order[1] >= start]
        merchant.imports()
        refresh(rooms, merchant.ctx)
        look_back.look_back(rooms, merchant.ctx)
        dated = {one.as_of for one in merchant.promises if one.back_dated}
        assert dated == {merchant.clock.now() - MONTH}
        found = receipts_views.of_shop(rooms, merchant.ctx)["look_back"]
        assert (found["state"], found["wanted"], found["moments"]) == ("done", 3, 1)
