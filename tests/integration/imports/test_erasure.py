"""Erasing a person: every row that was this person here, the lake, and copies of the address beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.services import upload_segment_report
from app.services.erase import erase_customer
from app.services.merge import merge_customers
from app.services.tidy import tidy
from app.store.models.connections import Connection, Sync, SyncMember
from app.store.models.customers import Customer, Suppression
from app.store.models.segments import Segment, SegmentUpload
from app.store.models.shops import Job
from tests.integration.imports.conftest import START, customer, line, order, product

if TYPE_CHECKING:
    from tests.integration.imports.conftest import World

SHOP: dict[str, list[dict[str, Any]]] = {
    "customers": [customer(7, tags=["vip"]), customer(8), customer(9)],
    "products": [product(1)],
    "orders": [order(1, shopify_customer_id=7), order(2, email="guest@example.com", city="Salem")],
    "lines": [line(1), line(2)],
}
GUEST = 4


@pytest.fixture
def filled(world: World) -> World:
    world.bring(full=True, **SHOP)
    return world


def segment(shop_id: int) -> Segment:
    return Segment(
        shop_id=shop_id, id=1, name="List", description="", category="custom", source="upload", state="ready",
        definition="", created_at=START, updated_at=START,
    )  # fmt: skip


def connection(shop_id: int) -> Connection:
    return Connection(
        shop_id=shop_id, id=1, vendor="klaviyo", account_id="a", account_name="A", sealed=b"", state="connected",
        created_at=START, checked_at=START,
    )  # fmt: skip


def sync(shop_id: int, number: int) -> Sync:
    return Sync(
        shop_id=shop_id, id=number, segment_id=1, connection_id=1, target_id=f"t{number}", target_name="T",
        schedule="manual", without_consent="skip", state="active", started_by_merchant=True, faults_in_a_row=0,
        created_at=START,
    )  # fmt: skip


def erased(world: World) -> list[int]:
    with world.rooms.store.reading(world.ctx) as session:
        rows = session.scalars(select(Customer).order_by(Customer.customer_no)).all()
    for row in rows:
        if row.erased_at is not None:
            assert (row.email_hash, row.mail_provider) == (None, None)
            assert world.contact(row.customer_no) == {}
    return [row.customer_no for row in rows if row.erased_at is not None]


class TestAnErasedCustomer:
    def test_takes_along_whoever_was_merged_into_them(self, filled: World) -> None:
        merge_customers(filled.rooms, filled.ctx, kept=8, deleted=7)
        erase_customer(filled.rooms, filled.ctx, 8)
        assert erased(filled) == [1, 2]

    def test_takes_along_a_guest_with_an_address_of_theirs(self, filled: World) -> None:
        filled.bring(full=False, customers=[customer(8, email="guest@example.com", updated_at=START + timedelta(1))])
        assert filled.customer(GUEST).merged_into == 2
        erase_customer(filled.rooms, filled.ctx, 8)
        assert erased(filled) == [2, GUEST]

    def test_leaves_everybody_else(self, filled: World) -> None:
        filled.bring(full=False, customers=[customer(7, email="c7@aol.com", updated_at=START + timedelta(1))])
        erase_customer(filled.rooms, filled.ctx, 9)
        assert erased(filled) == [3]
        assert [filled.customer(number).mail_provider for number in (1, 2, 3, GUEST)] == [
            "yahoo",
            "other",
            None,
            "other",
        ]
        assert filled.contact(1)["email"] == "c7@aol.com"

    def test_suppresses_every_address_of_theirs(self, filled: World) -> None:
        merge_customers(filled.rooms, filled.ctx, kept=8, deleted=7)
        erase_customer(filled.rooms, filled.ctx, 8)
        with filled.rooms.store.reading(filled.ctx) as session:
            hashes = set(session.scalars(select(Suppression.email_hash)))
        assert hashes == {filled.rooms.vault.email_hash(f"c{n}@example.com") for n in (7, 8)}

    @pytest.mark.parametrize("full", [False, True])
    def test_has_no_attributes_in_the_lake_after_the_next_import(self, filled: World, full: bool) -> None:
        erase_customer(filled.rooms, filled.ctx, 7)
        with filled.rooms.store.reading(filled.ctx) as session:
            assert [job.job for job in session.scalars(select(Job))] == ["import_changes"]
        again = {"customers": [customer(7, updated_at=START + timedelta(1))]}
        filled.bring(full=full, **(SHOP if full else again))
        assert filled.lake("SELECT customer_no FROM customers ORDER BY 1") == [(2,), (3,), (GUEST,)]
        assert filled.lake("SELECT customer_no FROM orders WHERE order_id = 1") == [(1,)]

    def test_does_not_come_back_as_a_guest_by_an_order_that_still_names_the_address(self, filled: World) -> None:
        filled.bring(full=False, customers=[customer(8, email="guest@example.com", updated_at=START + timedelta(1))])
        erase_customer(filled.rooms, filled.ctx, 8)
        filled.bring(full=True, **SHOP)
        with filled.rooms.store.reading(filled.ctx) as session:
            assert len(session.scalars(select(Customer)).all()) == 4
        assert filled.lake("SELECT customer_no FROM orders WHERE order_id = 2") == [(None,)]


class TestCopiesOfTheAddress:
    @pytest.fixture
    def copied(self, filled: World) -> World:
        """Customer 7 stands in an upload's report and in two syncs, at the vendor of one."""
        rooms, ctx = filled.rooms, filled.ctx
        with rooms.store.session(ctx) as session:
            session.add(segment(ctx.shop_id))
            session.add(connection(ctx.shop_id))
            session.flush()
            session.add_all(sync(ctx.shop_id, number) for number in (1, 2))
            rows = upload_segment_report.Report(
                [2, 3], ["C7@Example.com ", "other@example.com"],
                bytearray([upload_segment_report.MATCHED, upload_segment_report.UNMATCHED]),
            )  # fmt: skip
            session.add(
                SegmentUpload(
                    shop_id=ctx.shop_id, id=1, segment_id=1, mode="replace", filename="f.csv", column="Email",
                    identifier="email", encoding="utf-8", delimiter=",", rows=2, matched=1, unmatched=1, duplicate=0,
                    invalid=0, size_before=0, size_after=1, at=START,
                    report=upload_segment_report.seal(rooms.vault, ctx, 1, rows),
                )
            )  # fmt: skip
            session.flush()
            session.add_all(
                SyncMember(
                    shop_id=ctx.shop_id, sync_id=number, email_hash=rooms.vault.email_hash("c7@example.com"),
                    customer_no=1, state="present", at_vendor=number == 2, payload_hash="", consent="none",
                    version="", sealed_address=b"sealed", code="", message="", changed_at=START,
                )
                for number in (1, 2)
            )  # fmt: skip
        return filled

    def report(self, world: World) -> list[tuple[int, str, str]]:
        with world.rooms.store.reading(world.ctx) as session:
            record = session.get_one(SegmentUpload, (world.ctx.shop_id, 1))
        opened = upload_segment_report.open_report(world.rooms.vault, world.ctx, 1, record.report)
        return list(opened.rows())

    def test_leave_the_reports_of_uploads(self, copied: World) -> None:
        erase_customer(copied.rooms, copied.ctx, 7)
        assert self.report(copied) == [(2, "(erased)", "matched"), (3, "other@example.com", "unmatched")]

    def test_stay_with_a_sync_only_until_the_vendor_was_told(self, copied: World) -> None:
        erase_customer(copied.rooms, copied.ctx, 7)
        with copied.rooms.store.reading(copied.ctx) as session:
            rows = session.execute(select(SyncMember.sync_id, SyncMember.sealed_address).order_by(SyncMember.sync_id))
            assert [tuple(row) for row in rows] == [(1, None), (2, b"sealed")]

    def test_in_reports_are_kept_for_thirty_days(self, copied: World) -> None:
        copied.later(days=29)
        assert tidy(copied.rooms, copied.ctx)["reports"] == 0
        copied.later(days=2)
        assert tidy(copied.rooms, copied.ctx)["reports"] == 1
        assert self.report(copied) == []
        assert tidy(copied.rooms, copied.ctx)["reports"] == 0
