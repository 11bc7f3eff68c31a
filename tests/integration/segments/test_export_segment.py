from __future__ import annotations

import csv
import hashlib
import io
import unicodedata
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Conflict
from app.services import erase, export_segment, segments
from app.services.export_segment import guarded
from app.services.export_segment_meta import MetaRefusal, meta_row
from app.store.crypto import customer_subject
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop


def everybody(shop: SmallShop) -> int:
    rule = {"v": 1, "match": {"did": "ordered", "count": {"op": "gte", "n": 0}}}
    return segments.create(shop.rooms, shop.ctx, "Everybody", rule)


def download(shop: SmallShop, segment: int, file_format: str, **options: Any) -> tuple[dict[str, Any], list[list[str]]]:
    export = export_segment.create(shop.rooms, shop.ctx, segment, file_format=file_format, **options)
    _, lines = export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
    raw = b"".join(lines)
    assert raw.startswith(b"\xef\xbb\xbf") == (file_format == "plain")  # the mark is for spreadsheets alone
    return export, list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def change_contact(shop: SmallShop, no: int, **fields: Any) -> None:
    with shop.rooms.store.session(shop.ctx) as session:
        customer = session.get_one(Customer, (shop.ctx.shop_id, no))
        subject = customer_subject(no)
        contact = shop.rooms.vault.open(shop.ctx.shop_id, subject, customer.contact)
        customer.contact = shop.rooms.vault.seal(shop.ctx.shop_id, subject, {**contact, **fields})


class TestPlain:
    def test_it_has_one_row_per_member_with_the_consent_beside(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "plain")
        assert export["rows"] == export["members"] == len(rows) - 1 == 60
        first = dict(zip(rows[0], rows[1], strict=True))
        assert first["customer_id"] == "9001"
        assert first["email"] == "c1@example.com"
        assert first["email_consent"] == "unsubscribed"
        assert first["can_be_mailed"] == "no"
        assert first["orders"] == "2"
        assert first["total_spend"] == "18.00"
        assert first["last_order"] == "2026-11-19"

    def test_no_cell_is_a_formula(self, shop: SmallShop) -> None:
        for no, evil in enumerate(['=HYPERLINK("x")', "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"], start=1):
            change_contact(shop, no, first_name=evil, city=evil)
        _, rows = download(shop, everybody(shop), "plain")
        cells = [cell for row in rows[1:] for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert '\'=HYPERLINK("x")' in cells

    def test_a_name_with_quotes_and_newlines_survives(self, shop: SmallShop) -> None:
        change_contact(shop, 5, last_name='O"Hara,\nJr.')
        _, rows = download(shop, everybody(shop), "plain")
        assert rows[5][3] == 'O"Hara,\nJr.'


class TestMeta:
    def test_only_members_who_can_be_mailed_and_the_rest_itemised(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "meta")
        assert {row["reason"]: row["count"] for row in export["exclusions"]} == {
            "unsubscribed": 1, "pending_confirmation": 1, "invalid_email": 1, "no_email": 1, "not_subscribed": 1
        }  # fmt: skip
        assert export["rows"] == len(rows) - 1 == 55
        assert export["members"] - sum(row["count"] for row in export["exclusions"]) == export["rows"]

    def test_cells_are_normalised_as_meta_asks(self, shop: SmallShop) -> None:
        change_contact(shop, 3, first_name=" Zoë-Marie ", city="Zürich 4", email=" C3@Example.COM ")
        _, rows = download(shop, everybody(shop), "meta")
        assert rows[0] == ["email", "phone", "fn", "ln", "ct", "st", "zip", "country"]
        assert rows[1] == ["c3@example.com", "12125550103", "zoëmarie", "ohara", "zurich", "ny", "10001", "us"]

    def test_hashed_cells_are_sha256_of_the_normalised_ones(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        _, raw = download(shop, segment, "meta")
        _, hashed = download(shop, segment, "meta", hashed=True)
        assert hashed[1] == [hashlib.sha256(cell.encode()).hexdigest() for cell in raw[1]]

    def test_no_cell_begins_with_a_formula_character(self, shop: SmallShop) -> None:
        evil = "=+-@1"
        change_contact(shop, 3, first_name=evil, last_name=evil, city=evil, zip=evil, province_code=evil)
        change_contact(shop, 5, email="=1+1@example.com")
        export, rows = download(shop, everybody(shop), "meta")
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert {"reason": "unsafe_email", "count": 1} in [
            {"reason": row["reason"], "count": row["count"]} for row in export["exclusions"]
        ]
        assert export["rows"] == 54

    def test_unsubscribed_members_come_only_when_asked_for(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "meta", include_unsubscribed=True)
        assert export["exclusions"] == []
        assert len(rows) - 1 == 60


class TestADownloadOfSomeTimeAgo:
    def downloads(self, shop: SmallShop, export: dict[str, Any]) -> list[bytes]:
        _, lines = export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])
        return list(lines)

    @pytest.mark.parametrize("file_format", ["plain", "meta"])
    def test_is_refused_before_its_first_byte_if_someone_in_it_was_erased(
        self, shop: SmallShop, file_format: str
    ) -> None:
        export = export_segment.create(shop.rooms, shop.ctx, everybody(shop), file_format=file_format)
        erase.erase_customer(shop.rooms, shop.ctx, 9030)
        with pytest.raises(Conflict, match=r"1 of its \d+ customers were erased .* make a new one"):
            export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])

    def test_is_refused_if_someone_in_it_unsubscribed(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = export_segment.create(shop.rooms, shop.ctx, segment, file_format="meta")
        asked_for = export_segment.create(shop.rooms, shop.ctx, segment, file_format="meta", include_unsubscribed=True)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 31)).email_consent = "UNSUBSCRIBED"
        with pytest.raises(Conflict):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
        assert len(self.downloads(shop, asked_for)) == 61

    def test_is_refused_if_an_address_became_one_that_it_cannot_hold(self, shop: SmallShop) -> None:
        export = export_segment.create(shop.rooms, shop.ctx, everybody(shop), file_format="meta")
        change_contact(shop, 31, email="=1+1@example.com")
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 31)).updated_at = shop.clock.now()
        with pytest.raises(Conflict):
            self.downloads(shop, export)

    def test_has_the_rows_that_its_log_says_if_nothing_changed(self, shop: SmallShop) -> None:
        export = export_segment.create(shop.rooms, shop.ctx, everybody(shop), file_format="meta")
        shop.clock.advance(timedelta(hours=23))
        assert len(self.downloads(shop, export)) - 1 == export["rows"]

    def test_is_not_cut_off_by_an_erasure_while_it_is_on_its_way(self, shop: SmallShop) -> None:
        export = export_segment.create(shop.rooms, shop.ctx, everybody(shop), file_format="meta")
        _, lines = export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])
        begun = [next(lines)]
        erase.erase_customer(shop.rooms, shop.ctx, 9030)
        assert len([*begun, *lines]) - 1 == export["rows"] - 1


class TestCells:
    @pytest.mark.parametrize("name", ["प्रिया", "สมชาย", "கீதா", "ngọc"])
    def test_a_name_of_any_script_stays_whole(self, name: str) -> None:
        cells = meta_row({"email": "a@example.com", "first_name": f" {name}-1 "}, hashed=False)
        assert cells[2] == unicodedata.normalize("NFC", name)

    contacts = st.fixed_dictionaries(
        {name: st.none() | st.text(max_size=12) for name in ("phone", "first_name", "last_name", "city", "zip")}
        | {"email": st.text(min_size=1, max_size=20), "province_code": st.text(max_size=4),
           "country_code": st.sampled_from(["US", "DE", None, "=1"])}
    )  # fmt: skip

    @given(contacts, st.booleans())
    def test_no_cell_of_a_platform_file_begins_with_a_formula_character(
        self, contact: dict[str, Any], hashed: bool
    ) -> None:
        try:
            cells = meta_row(contact, hashed=hashed)
        except MetaRefusal:
            return
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]

    @given(st.text(max_size=20))
    def test_no_cell_of_a_spreadsheet_file_is_a_formula_and_the_text_survives(self, text: str) -> None:
        cell = guarded(text)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell.removeprefix("'") == text.removeprefix("'")


class TestLog:
    def test_every_download_is_logged_with_its_numbers(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        download(shop, segment, "meta")
        download(shop, segment, "plain")
        found = export_segment.log(shop.rooms, shop.ctx, segment)
        assert [(row["format"], row["rows"]) for row in found] == [("plain", 60), ("meta", 55)]

    def test_an_empty_segment_has_nothing_to_download(self, shop: SmallShop) -> None:
        rule = {"v": 1, "match": {"attr": "country", "op": "is", "value": "DE"}}
        number = segments.create(shop.rooms, shop.ctx, "Nobody", rule)
        with pytest.raises(Conflict):
            export_segment.create(shop.rooms, shop.ctx, number, file_format="plain")

    def test_a_day_old_download_is_made_anew(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = export_segment.create(shop.rooms, shop.ctx, segment, file_format="plain")
        shop.clock.advance(timedelta(hours=25))
        with pytest.raises(Conflict, match="make a new one"):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
