"""Cells of platform files and of files for people: normal forms, the two phone hashes, and no formula anywhere."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
import subprocess
import unicodedata
from typing import TYPE_CHECKING, Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services import export_segment_normal as normal
from app.services.csv_cells import BOM, csv_lines, guarded
from app.services.export_segment_normal import FORMULA_STARTS
from app.services.export_segment_platforms import PLATFORMS, Refusal

if TYPE_CHECKING:
    from pathlib import Path

HEX = re.compile(r"[0-9a-f]{64}")
CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
EVIL = st.text(max_size=20) | st.sampled_from(["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", '=HYPERLINK("x")', " =1"])
contacts = st.fixed_dictionaries(
    {name: st.none() | EVIL for name in ("phone", "first_name", "last_name", "city", "zip", "province_code")}
    | {"email": st.none() | EVIL | st.emails(), "country_code": st.sampled_from(["US", "DE", None, "=1"])}
)
cells = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", ",", '"', "\r\n", "a"])
tables = st.lists(st.lists(cells, min_size=1, max_size=3), max_size=4)
phones = st.builds(
    lambda code, rest, mark, at: f"+{code}{rest[:at]}{mark}{rest[at:]}",
    st.sampled_from(CALLING_CODES), st.from_regex(r"[0-9]{3,13}", fullmatch=True),
    st.sampled_from(["", " ", "-", ".", " ("]), st.integers(0, 5),
)  # fmt: skip


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestPlatformFiles:
    @given(contacts, st.booleans(), st.sampled_from(sorted(PLATFORMS)))
    def test_no_cell_begins_with_a_formula_character(self, contact: dict[str, Any], hashed: bool, name: str) -> None:
        try:
            cells = PLATFORMS[name].row(contact, hashed)
        except Refusal:
            return
        if name == "google" and not hashed and cells[1]:
            # The one that Google asks for; the page warns of opening it in a spreadsheet.
            assert re.fullmatch(r"\+[1-9][0-9]+", cells.pop(1))
        assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]

    @given(contacts, st.booleans(), st.sampled_from(sorted(PLATFORMS)))
    def test_every_row_fits_its_headers(self, contact: dict[str, Any], hashed: bool, name: str) -> None:
        platform = PLATFORMS[name]
        try:
            cells = platform.row(contact, hashed)
        except Refusal:
            return
        assert len(cells) == (len(platform.hashed_headers if hashed else platform.headers) or 1)

    @given(contacts, st.sampled_from(["meta", "google", "tiktok", "pinterest"]))
    def test_a_hash_is_that_of_the_normal_form_and_nothing_stays_nothing(
        self, contact: dict[str, Any], name: str
    ) -> None:
        try:
            plain, hashed = PLATFORMS[name].row(contact, False), PLATFORMS[name].row(contact, True)
        except Refusal:
            return
        if name == "tiktok" and plain[1]:
            plain[1] = f"+{plain[1]}"
        kept = {"google": {4, 5}}.get(name, set())
        assert hashed == [cell if at in kept or not cell else sha(cell) for at, cell in enumerate(plain)]

    def test_the_headers_are_those_of_the_platforms(self) -> None:
        assert {name: (one.headers, one.hashed_headers) for name, one in PLATFORMS.items()} == {
            "meta": (("email", "phone", "fn", "ln", "ct", "st", "zip", "country"),) * 2,
            "google": (("Email", "Phone", "First Name", "Last Name", "Country", "Zip"),) * 2,
            "tiktok": (("Email", "Phone"), ("Email_SHA256", "Phone_SHA256")),
            "pinterest": ((), ()),
        }


class TestPhones:
    @given(phones)
    def test_have_two_hashes_that_differ(self, raw: str) -> None:
        contact = {"email": None, "phone": raw, "country_code": None}
        try:
            meta, google, tiktok = (PLATFORMS[name].row(contact, True)[1] for name in ("meta", "google", "tiktok"))
        except Refusal:
            return
        parsed = phonenumbers.parse(raw)
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        assert meta == sha(e164.removeprefix("+"))
        assert google == tiktok == sha(e164)
        assert meta != google
        assert HEX.fullmatch(meta)

    @given(phones, st.sampled_from(["", "us", "de", "ru", "gb", "it"]))
    def test_the_short_way_gives_what_the_parser_gives(self, raw: str, country: str) -> None:
        found = normal.PLAIN_E164.fullmatch(raw)
        short = normal._plain_digits(normal.NOT_DIGITS.sub("", found[1])) if found else None
        assert short in {None, normal._parsed_digits(raw, country)}

    @pytest.mark.parametrize(
        ("raw", "country", "digits"),
        [
            ("+1 (212) 555-0103", "", "12125550103"),
            ("(212) 555-0103", "us", "12125550103"),
            ("030 901820", "de", "4930901820"),
            ("+49 (0)30 901820", "de", "4930901820"),
            ("0039 06 698 12345", "de", "390669812345"),
            ("12", "us", ""),
            ("none", "us", ""),
        ],
    )
    def test_are_digits_with_the_country_s_code(self, raw: str, country: str, digits: str) -> None:
        assert normal.phone_digits(raw, country) == digits


class TestNormalForms:
    @pytest.mark.parametrize("name", ["प्रिया", "สมชาย", "கீதா", "ngọc"])
    def test_a_name_of_any_script_stays_whole(self, name: str) -> None:
        assert normal.name(f" {name}-1 ") == unicodedata.normalize("NFC", name)

    @pytest.mark.parametrize(
        ("raw", "plain", "tiktok"),
        [
            (" Ann+Shop@Gmail.com ", "ann+shop@gmail.com", "ann@gmail.com"),
            ("ann+shop@example.com.", "ann+shop@example.com", "ann+shop@example.com"),
            ("+ann@gmail.com", "+ann@gmail.com", "+ann@gmail.com"),
            ("a.nn@googlemail.com", "a.nn@googlemail.com", "a.nn@googlemail.com"),
        ],
    )
    def test_only_tiktok_drops_a_suffix_and_only_at_gmail(self, raw: str, plain: str, tiktok: str) -> None:
        assert normal.email(raw) == plain
        assert normal.email_without_suffix(raw) == tiktok
        assert PLATFORMS["tiktok"].row({"email": raw}, True)[0] == sha(tiktok)
        assert PLATFORMS["meta"].row({"email": raw}, True)[0] == sha(plain)

    def test_places(self) -> None:
        assert normal.place("Zürich 4") == "zurich"
        assert normal.zip_code("10001-1234", "us") == "10001"
        assert normal.zip_code("SW1A 1AA", "gb") == "sw1a1aa"


class TestFilesForPeople:
    @given(st.text(max_size=20))
    def test_no_cell_is_a_formula_and_the_text_survives(self, text: str) -> None:
        cell = guarded(text)
        assert not cell.startswith(FORMULA_STARTS)
        assert cell.removeprefix("'") == text.removeprefix("'")

    @given(tables, st.booleans())
    def test_lines_are_those_of_the_csv_module(self, rows: list[list[str]], quoted: bool) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(rows)
        assert csv_lines(rows, quoted=quoted).decode() == buffer.getvalue()

    @given(tables)
    def test_come_back_from_a_csv_reader_as_they_were(self, rows: list[list[str]]) -> None:
        cells = [[guarded(cell) for cell in row] for row in rows]
        content = csv_lines(cells, quoted=True).decode()
        assert list(csv.reader(io.StringIO(content, newline=""))) == cells

    @pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
    def test_come_back_from_a_spreadsheet_as_text(self, tmp_path: Path) -> None:
        evil = ["=1+1", "+12125550103", "-2", "@SUM(A1)", 'Zoë, "x"']
        (tmp_path / "in.csv").write_bytes(BOM.encode() + csv_lines([[guarded(cell) for cell in evil]], quoted=True))
        subprocess.run(
            ["soffice", "--headless", "--convert-to", "ods", "in.csv"],
            cwd=tmp_path,
            check=True,
            timeout=120,
        )
        subprocess.run(
            ["soffice", "--headless", "--convert-to", "csv", "in.ods"],
            cwd=tmp_path,
            check=True,
            timeout=120,
        )
        rows = list(csv.reader(io.StringIO((tmp_path / "in.csv").read_text("utf-8"))))
        assert [cell.removeprefix("'") for cell in rows[0]] == evil
