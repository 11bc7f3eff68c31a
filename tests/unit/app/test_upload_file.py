"""Hostile files: whatever is called CSV is read whole, or refused with what to do."""

from __future__ import annotations

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.context import ShopContext
from app.errors import Invalid
from app.services import upload_segment
from app.services.upload_segment_file import cleaned, read_table
from app.services.upload_segment_report import Report, blanked, open_report, seal
from app.store.crypto import CannotUnseal, Vault

CTX = ShopContext(1, "a.myshopify.com", "USD", "America/New_York")
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
# No quotes of several lines that look like rows, which are refused on purpose; no controls, which make a file binary.
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="@\ufeff\ufffd"),
                max_size=10)  # fmt: skip
names = words | st.just("two\nlines") | st.just('a "quoted" word') | st.just("a;b,c\td")


def values(content: bytes, position: int = 0) -> list[str]:
    return [cells[position] for _, cells in read_table(content).rows()]


class TestReading:
    @given(
        st.lists(st.tuples(st.emails(), names), min_size=1, max_size=8), st.sampled_from(ENCODINGS),
        st.sampled_from([",", ";", "\t"]), st.sampled_from(["\r\n", "\n", "\r"]), st.booleans(),
    )  # fmt: skip
    def test_what_a_csv_writer_wrote_comes_back(
        self, rows: list[tuple[str, str]], encoding: str, delimiter: str, newline: str, last_newline: bool
    ) -> None:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
        writer.writerows([("email", "note"), *rows])
        text = buffer.getvalue() if last_newline else buffer.getvalue().removesuffix(newline)
        table = read_table(text.encode(encoding))
        assert table.headers == ["email", "note"]
        assert [tuple(cells) for _, cells in table.rows()] == rows
        assert table.detected() == (0, "email")

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"email\na@x.com\nb@x.com", ["a@x.com", "b@x.com"]),
            (b"email\ra@x.com\rb@x.com\r", ["a@x.com", "b@x.com"]),
            (b"sep=;\r\nemail;n\r\na@x.com;1\r\n", ["a@x.com"]),
            ("email;n\na@x.com;Zo\u00eb".encode("utf-16-be"), ["a@x.com"]),
            (b"\x00email,n\x00\na@x.c\x00om,1\n", ["a@x.com"]),
            (b'email,n\na@x.com,"=HYPERLINK(""http://x"",""y"")"\n', ["a@x.com"]),
            (b"email,n\na@x.com\nb@x.com,1,2,3\n\n,,\n", ["a@x.com", "b@x.com"]),
        ],
    )
    def test_odd_files_are_read(self, content: bytes, found: list[str]) -> None:
        assert values(content) == found

    def test_a_file_cut_within_its_last_character_keeps_its_accents(self) -> None:
        content = "email,name\na@x.com,Zoë\nb@x.com,José".encode()[:-1]
        table = read_table(content)
        assert (table.encoding, values(content, 1)[0]) == ("utf-8", "Zoë")

    def test_a_file_cut_within_a_row_or_a_wide_character_counts_the_row(self) -> None:
        assert values(b"name,email\nAnn,a@x.com\nBo", 0) == ["Ann", "Bo"]
        assert values("email\na@x.com\nb@x.com".encode("utf-16")[:-1])[0] == "a@x.com"

    def test_headers_that_come_again_or_are_missing_get_names_of_their_own(self) -> None:
        table = read_table(b"Email,Email,,Email\na@x.com,b@x.com,,c@x.com\n")
        assert table.headers == ["Email", "Email (2)", "Column 3", "Email (3)"]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"PK\x03\x04 and more", "Excel workbook or a ZIP"),
            (b"\xd0\xcf\x11\xe0 and more", "old Excel"),
            (b"\x89PNG\r\n\x1a\n", "an image"),
            (b"%PDF-1.7", "a PDF"),
            (b"\x1f\x8b\x08", "compressed"),
            (bytes(range(1, 32)) * 20, "holds no text"),
            (b'email,n\na@x.com,"Bo', "quotation mark"),
            (b"email,n\na@x.com," + b"x" * 200_000, "more than 131,072 characters"),
        ],
    )
    def test_what_is_no_list_is_refused_with_what_it_is(self, content: bytes, message: str) -> None:
        with pytest.raises(Invalid, match=message):
            list(read_table(content).rows())

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"\xef\xbb\xbf", "no rows"),
            (b"\n\n \n", "no rows"),
            (b"email,name\r\n", "no rows"),
        ],
    )
    def test_a_file_without_rows_is_refused(self, content: bytes, message: str) -> None:
        with pytest.raises(Invalid, match=message):
            upload_segment.check(content)

    def test_the_number_of_a_row_is_its_place_in_the_file(self) -> None:
        assert [number for number, _ in read_table(b"sep=,\nemail\n\na@x.com\nb@x.com\n").rows()] == [4, 5]

    def test_a_million_rows_are_never_rows_in_memory(self) -> None:
        table = read_table(b"email,n\n" + b"a@x.com,1\n" * 1_000_000)
        assert len(table.head) < 1_000
        assert sum(1 for _ in table.rows()) == 1_000_000

    @pytest.mark.parametrize("text", [" a@x.com ", "\ufeffa@x.com", "\u200ba@x.com\u200e", "a@x.com\u00a0"])
    def test_invisible_characters_around_a_value_are_no_part_of_it(self, text: str) -> None:
        assert cleaned(text) == "a@x.com"

    @given(st.text(max_size=20), st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, text: str, content: bytes) -> None:
        for given_bytes in (content, text.encode("utf-16", "surrogatepass"), b"email\n" + content):
            try:
                rows = list(itertools.islice(read_table(given_bytes).rows(), 1_000))
            except Invalid:
                continue
            assert all("".join(cells).strip() for _, cells in rows)


class TestReports:
    vault = Vault({1: b"k" * 32}, b"pepper-of-the-tests")

    @given(st.lists(st.tuples(st.integers(2, 50), st.text(max_size=5), st.integers(0, 3)), max_size=20))
    def test_come_back_as_they_were(self, rows: list[tuple[int, str, int]]) -> None:
        rows = sorted({row[0]: row for row in rows}.values())
        report = Report([n for n, _, _ in rows], [t for _, t, _ in rows], bytearray(o for _, _, o in rows))
        text_safe = all(text.encode("utf-8", "ignore").decode() == text for text in report.texts)
        if text_safe:
            assert open_report(self.vault, CTX, 7, seal(self.vault, CTX, 7, report)) == report

    def test_of_another_upload_or_shop_stay_closed(self) -> None:
        sealed = seal(self.vault, CTX, 7, Report([2], ["a@x.com"], bytearray([0])))
        assert b"a@x.com" not in sealed
        with pytest.raises(CannotUnseal):
            open_report(self.vault, CTX, 8, sealed)

    def test_of_before_are_read_too(self) -> None:
        rows = [[2, "a@x.com", "matched"], [4, "x", "invalid"]]
        old = self.vault.seal(1, "upload:7", {"rows": rows})
        assert [list(row) for row in open_report(self.vault, CTX, 7, old).rows()] == rows

    def test_lose_a_text_and_keep_its_row(self) -> None:
        report = Report([2, 3], ["a@x.com", "b@x.com"], bytearray([0, 1]))
        without = blanked(report, lambda text: text == "a@x.com", "(erased)")
        assert without is not None
        assert list(without.rows()) == [(2, "(erased)", "matched"), (3, "b@x.com", "unmatched")]
        assert blanked(without, lambda text: text == "a@x.com", "(erased)") is None
