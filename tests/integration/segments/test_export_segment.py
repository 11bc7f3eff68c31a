from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import Conflict, Unavailable
from app.services import erase, export_segment, export_segment_contents, segments, tidy
from app.services.export_segment_files import folder
from app.services.export_segment_platforms import PLATFORMS, warnings
from app.store.crypto import customer_subject
from app.store.models.customers import Customer
from app.store.models.shops import Job

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def everybody(shop: SmallShop) -> int:
    rule = {"v": 1, "match": {"did": "ordered", "count": {"op": "gte", "n": 0}}}
    return segments.create(shop.rooms, shop.ctx, "Everybody", rule)


def made(shop: SmallShop, segment: int, file_format: str, **options: Any) -> dict[str, Any]:
    return export_segment.create(shop.rooms, shop.ctx, segment, export_segment.options(file_format, **options))


def download(shop: SmallShop, segment: int, file_format: str, **options: Any) -> tuple[dict[str, Any], list[list[str]]]:
    export = made(shop, segment, file_format, **options)
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


PLATFORM_CELLS = {
    ("meta", False): ["c3@example.com", "12125550103", "annmarie", "ohara", "newyork", "ny", "10001", "us"],
    ("google", False): ["c3@example.com", "+12125550103", "annmarie", "ohara", "US", "10001"],
    ("tiktok", False): ["c3@example.com", "12125550103"],
    ("pinterest", False): ["c3@example.com"],
    ("google", True): [sha("c3@example.com"), sha("+12125550103"), sha("annmarie"), sha("ohara"), "US", "10001"],
    ("tiktok", True): [sha("c3@example.com"), sha("+12125550103")],
    ("pinterest", True): [sha("c3@example.com")],
}


class TestPlatforms:
    @pytest.mark.parametrize(("file_format", "hashed"), PLATFORM_CELLS)
    def test_each_has_its_own_cells(self, shop: SmallShop, file_format: str, hashed: bool) -> None:
        export, rows = download(shop, everybody(shop), file_format, hashed=hashed)
        headers = PLATFORMS[file_format].hashed_headers if hashed else PLATFORMS[file_format].headers
        body = rows
        if headers:
            assert rows[0] == list(headers)
            body = rows[1:]
        assert body[0] == PLATFORM_CELLS[file_format, hashed]
        assert len(body) == export["rows"] == 55
        assert export["filename"].endswith(f"-{file_format}.csv")

    def test_google_is_hashed_if_nothing_is_said(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        assert [made(shop, segment, name)["hashed"] for name in PLATFORMS] == [False, True, False, False]

    def test_who_has_no_address_is_left_out_of_a_list_of_addresses(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "pinterest", include_unsubscribed=True)
        assert [(row["reason"], row["count"]) for row in export["exclusions"]] == [("no_email", 1)]
        assert len(rows) == 59

    def test_metas_value_is_the_predicted_sales_of_who_has_one(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "meta", with_value=True)
        assert rows[0][-1] == "value"
        assert rows[1][0] == "c3@example.com"
        assert rows[1][-1] == "3.00"
        assert {"reason": "no_value", "label": "Has no predicted value", "count": 10} in export["exclusions"]
        assert export["members"] - sum(row["count"] for row in export["exclusions"]) == export["rows"] == len(rows) - 1

    def test_a_list_that_is_too_small_for_its_platform_says_so(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        said = {name: made(shop, segment, name)["warnings"] for name in ("plain", *PLATFORMS)}
        assert said["plain"] == said["google"] == []
        assert said["meta"] == ["Meta needs at least 100 people in a list; this file has 55."]
        assert "at least 1,000" in said["tiktok"][0]
        assert "at least 100" in said["pinterest"][0]

    @pytest.mark.parametrize(
        ("name", "warned"), [("Income 50-74K", 1), ("Diabetes care", 1), ("Coffee lovers", 0), ("Richmond", 0)]
    )
    def test_meta_alone_is_warned_of_names_about_health_and_finances(self, name: str, warned: int) -> None:
        assert len(warnings("meta", 5_000, name, "x")) == warned
        assert warnings("tiktok", 5_000, name, "x") == []


class TestFilters:
    def in_countries(self, shop: SmallShop) -> int:
        """3 lives in Germany, 5 in Britain, 7 nowhere known, all others in the US."""
        for no, code in ((3, "DE"), (5, "GB"), (7, None)):
            change_contact(shop, no, country_code=code)
        return everybody(shop)

    def reasons(self, export: dict[str, Any]) -> dict[str, int]:
        return {row["reason"]: row["count"] for row in export["exclusions"]}

    def test_without_the_eea_and_the_uk(self, shop: SmallShop) -> None:
        export, rows = download(shop, self.in_countries(shop), "plain", countries_mode="without", countries=("EEA_UK",))
        assert self.reasons(export) == {"other_country": 2, "country_unknown": 1}
        assert export["rows"] == len(rows) - 1 == 57

    def test_only_some_countries(self, shop: SmallShop) -> None:
        export, rows = download(
            shop, self.in_countries(shop), "meta", countries_mode="only", countries=("EEA_UK", "FR")
        )
        assert [row[0] for row in rows[1:]] == ["c3@example.com", "c5@example.com"]
        assert export["members"] - sum(self.reasons(export).values()) == export["rows"] == 2

    def test_a_plain_file_can_hold_only_who_can_be_mailed(self, shop: SmallShop) -> None:
        export, rows = download(shop, everybody(shop), "plain", include_unsubscribed=False)
        assert export["rows"] == len(rows) - 1 == 55
        assert sum(self.reasons(export).values()) == 5

    @pytest.mark.parametrize("file_format", ["plain", *PLATFORMS])
    @pytest.mark.parametrize("mode", ["all", "only", "without"])
    def test_the_count_before_is_the_count_after(self, shop: SmallShop, file_format: str, mode: str) -> None:
        segment = self.in_countries(shop)
        chosen = export_segment.options(file_format, countries_mode=mode, countries=("EEA_UK",))
        counted = export_segment.count(shop.rooms, shop.ctx, segment, chosen)
        export = export_segment.create(shop.rooms, shop.ctx, segment, chosen)
        assert {name: export[name] for name in ("members", "rows", "exclusions", "warnings")} == {
            name: counted[name] for name in ("members", "rows", "exclusions", "warnings")
        }
        assert counted["exact"]
        assert len(export_segment.log(shop.rooms, shop.ctx, segment)) == 1  # counting is not logged


class TestALargeSegment:
    @pytest.fixture(autouse=True)
    def from_ten_members(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_segment, "AT_ONCE", 10)
        monkeypatch.setattr(export_segment, "SAID_EVERY", 10)
        monkeypatch.setattr(export_segment_contents, "CHUNK", 7)

    def test_is_prepared_by_a_job_and_then_fetched(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta")
        assert (export["state"], export["rows"], export["can_be_fetched"]) == ("preparing", 0, False)
        assert shop.rooms.jobs.asked == [(shop.ctx.shop_id, "export", f"exp_{export['id']}")]  # type: ignore[attr-defined]
        with pytest.raises(Conflict, match="still being made"):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
        export_segment.prepare(shop.rooms, shop.ctx, export["id"])
        ready = export_segment.get(shop.rooms, shop.ctx, segment, export["id"])
        assert (ready["state"], ready["rows"], ready["looked_at"]) == ("ready", 55, 60)
        _, pieces = export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
        content = b"".join(pieces)
        assert len(content.splitlines()) == 56
        assert ready["sha256"] == hashlib.sha256(content).hexdigest()
        assert ready["file_bytes"] == len(content)

    def test_prepared_twice_is_made_once(self, shop: SmallShop) -> None:
        export = made(shop, everybody(shop), "meta")
        for _ in range(2):
            export_segment.prepare(shop.rooms, shop.ctx, export["id"])
        assert len(list(folder(shop.rooms, shop.ctx).iterdir())) == 1

    def test_says_how_far_it_is(self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta")
        seen: list[int] = []
        note = export_segment._note

        def noted(*place: Any, **values: Any) -> None:
            note(*place, **values)
            seen.append(export_segment.get(shop.rooms, shop.ctx, segment, export["id"])["looked_at"])

        monkeypatch.setattr(export_segment, "_note", noted)
        export_segment.prepare(shop.rooms, shop.ctx, export["id"])
        assert seen == sorted(seen)
        assert len(seen) > 3
        assert seen[-1] == 60

    def test_that_fails_says_why_in_the_log(self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta", with_value=True)
        monkeypatch.setattr(export_segment_contents, "published", lambda *_: None)
        with pytest.raises(Unavailable):
            export_segment.prepare(shop.rooms, shop.ctx, export["id"])
        failed = export_segment.get(shop.rooms, shop.ctx, segment, export["id"])
        assert failed["state"] == "failed"
        assert "no predictions yet" in failed["problem"]
        with pytest.raises(Conflict, match="could not be made"):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])

    def test_whose_job_was_killed_for_good_is_not_waited_for(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta")
        with shop.rooms.store.session(shop.ctx) as session:
            session.add(Job(shop_id=shop.ctx.shop_id, id=1, job="export", key=f"exp_{export['id']}", state="failed",
                            queued_at=shop.clock.now(), attempts=3))  # fmt: skip
        assert export_segment.get(shop.rooms, shop.ctx, segment, export["id"])["state"] == "failed"

    def test_erasure_while_it_is_made_makes_it_fail(self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta")
        written = export_segment.files.write

        def erasing(*given: Any) -> Any:
            made = written(*given)
            erase.erase_customer(shop.rooms, shop.ctx, 9030)
            return made

        monkeypatch.setattr(export_segment.files, "write", erasing)
        with pytest.raises(Conflict, match="erased while"):
            export_segment.prepare(shop.rooms, shop.ctx, export["id"])
        assert list(folder(shop.rooms, shop.ctx).iterdir()) == []

    def test_is_counted_by_consent_alone_beforehand(self, shop: SmallShop) -> None:
        counted = export_segment.count(
            shop.rooms, shop.ctx, everybody(shop), export_segment.options("pinterest", include_unsubscribed=True)
        )
        assert (counted["exact"], counted["rows"]) == (False, 60)


class TestADownloadOfSomeTimeAgo:
    def downloads(self, shop: SmallShop, export: dict[str, Any]) -> list[bytes]:
        _, lines = export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])
        return b"".join(lines).splitlines()

    @pytest.mark.parametrize("file_format", ["plain", "meta"])
    def test_is_refused_before_its_first_byte_if_someone_in_it_was_erased(
        self, shop: SmallShop, file_format: str
    ) -> None:
        export = made(shop, everybody(shop), file_format)
        erase.erase_customer(shop.rooms, shop.ctx, 9030)
        with pytest.raises(Conflict, match=r"1 of its \d+ customers were erased .* make a new one"):
            export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])

    def test_is_refused_if_someone_in_it_unsubscribed(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "meta")
        asked_for = made(shop, segment, "meta", include_unsubscribed=True)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 31)).email_consent = "UNSUBSCRIBED"
        with pytest.raises(Conflict):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
        assert len(self.downloads(shop, asked_for)) == 61

    def test_is_refused_if_an_address_became_one_that_it_cannot_hold(self, shop: SmallShop) -> None:
        export = made(shop, everybody(shop), "meta")
        change_contact(shop, 31, email="=1+1@example.com")
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 31)).updated_at = shop.clock.now()
        with pytest.raises(Conflict):
            self.downloads(shop, export)

    def test_has_the_rows_that_its_log_says_if_nothing_changed(self, shop: SmallShop) -> None:
        export = made(shop, everybody(shop), "meta")
        shop.clock.advance(timedelta(hours=23))
        assert len(self.downloads(shop, export)) == 1 + export["rows"]

    def test_is_not_cut_off_by_an_erasure_while_it_is_on_its_way(self, shop: SmallShop) -> None:
        export = made(shop, everybody(shop), "meta")
        _, pieces = export_segment.stream(shop.rooms, shop.ctx, segments.number(export["segment_id"]), export["id"])
        begun = [next(pieces)]
        erase.erase_customer(shop.rooms, shop.ctx, 9030)
        assert len(b"".join([*begun, *pieces]).splitlines()) - 1 == export["rows"]

    def test_lies_sealed_and_leaves_with_an_erased_customer_or_after_a_day(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        holds, holds_not = made(shop, segment, "meta"), made(shop, segment, "meta", countries_mode="only",
                                                             countries=("DE",))  # fmt: skip
        lies = {path.name: path.read_bytes() for path in folder(shop.rooms, shop.ctx).iterdir()}
        assert set(lies) == {f"{holds['id']}.sealed", f"{holds_not['id']}.sealed"}
        assert b"example.com" not in b"".join(lies.values())
        erase.erase_customer(shop.rooms, shop.ctx, 9030)
        assert [path.name for path in folder(shop.rooms, shop.ctx).iterdir()] == [f"{holds_not['id']}.sealed"]
        shop.clock.advance(timedelta(hours=25))
        tidy.tidy(shop.rooms, shop.ctx)
        assert list(folder(shop.rooms, shop.ctx).iterdir()) == []

    def test_is_refused_if_its_file_is_not_whole(self, shop: SmallShop) -> None:
        export = made(shop, everybody(shop), "meta")
        file = folder(shop.rooms, shop.ctx) / f"{export['id']}.sealed"
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(Conflict, match="no longer here"):
            self.downloads(shop, export)


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
            made(shop, number, "plain")

    def test_a_day_old_download_is_made_anew(self, shop: SmallShop) -> None:
        segment = everybody(shop)
        export = made(shop, segment, "plain")
        shop.clock.advance(timedelta(hours=25))
        with pytest.raises(Conflict, match="make a new one"):
            export_segment.stream(shop.rooms, shop.ctx, segment, export["id"])
