from __future__ import annotations

import csv
import io
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap
from sqlalchemy import func, select

from app.errors import Conflict, Invalid
from app.services import segments, upload_segment
from app.services.evaluate_segments import membership
from app.store.models.customers import Customer
from app.store.models.segments import SegmentUpload
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop


def upload(shop: SmallShop, content: str | bytes, **options: Any) -> dict[str, Any]:
    given = {"filename": "friends.csv", "name": None, "segment_id": None, "mode": "replace", "column": None,
             "identifier": None, **options}  # fmt: skip
    raw = content.encode() if isinstance(content, str) else content
    return upload_segment.upload(shop.rooms, shop.ctx, content=raw, **given)


def members(shop: SmallShop, report: dict[str, Any]) -> BitMap:
    return membership(shop.rooms, shop.ctx, report["segment_id"]).members


def counts(report: dict[str, Any]) -> tuple[int, int, int, int, int]:
    return tuple(report[name] for name in ("rows", "matched", "unmatched", "duplicate", "invalid"))  # type: ignore[return-value]


class TestUpload:
    def test_every_row_ends_in_one_outcome(self, shop: SmallShop) -> None:
        report = upload(
            shop, "Email,Name\nC3@Example.com ,Ann\nc3@example.com,Ann\nnobody@x.com,Bo\nnonsense,Cy\n,Di\n"
        )
        assert counts(report) == (5, 1, 1, 1, 2)
        assert members(shop, report) == BitMap([3])

    @pytest.mark.parametrize(
        ("content", "encoding", "delimiter"),
        [
            (b"\xef\xbb\xbfemail\r\nc3@example.com\r\nc5@example.com", "utf-8-sig", ","),
            ("email;name\nc3@example.com;Zoë\nc5@example.com;x\n".encode("utf-16"), "utf-16", ";"),
            ("email\tname\nc3@example.com\tx\nc5@example.com\tx".encode("utf-16-le"), "utf-16-le", "\t"),
            ("email;name\nc3@example.com;Zoë\nc5@example.com;x\n".encode("cp1252"), "cp1252", ";"),
            (b'email,note\nc3@example.com,"two\nlines, ""quoted"""\nc5@example.com,x', "utf-8", ","),
            (b"email,note\nc3@exam\x00ple.com,\x00\nc5@example.com,x\n", "utf-8", ","),
            (b"c3@example.com\nc5@example.com", "utf-8", ","),
            (b"name|e-mail\nx|c3@example.com\n\n\ny|c5@example.com|more|cells\n", "utf-8", "|"),
        ],
    )
    def test_any_usual_file_is_read(self, shop: SmallShop, content: bytes, encoding: str, delimiter: str) -> None:
        report = upload(shop, content)
        assert members(shop, report) == BitMap([3, 5])
        assert (report["encoding"], report["delimiter"], report["rows"]) == (encoding, delimiter, 2)

    def test_customer_ids_are_recognised_in_their_forms(self, shop: SmallShop) -> None:
        report = upload(shop, "Customer ID,x\n9003,1\n'9005,2\ngid://shopify/Customer/9007,3\n0,4\n")
        assert counts(report) == (4, 3, 0, 0, 1)
        assert members(shop, report) == BitMap([3, 5, 7])

    def test_a_named_column_wins_over_the_detected_one(self, shop: SmallShop) -> None:
        report = upload(shop, "email,other\nc3@example.com,c5@example.com\n", column="other")
        assert members(shop, report) == BitMap([5])

    def test_replace_add_remove(self, shop: SmallShop) -> None:
        first = upload(shop, "email\nc3@example.com\nc5@example.com\n")
        number = segments.number(first["segment_id"])
        upload(shop, "email\nc7@example.com\n", segment_id=number, mode="add")
        assert members(shop, first) == BitMap([3, 5, 7])
        upload(shop, "email\nc3@example.com\n", segment_id=number, mode="remove")
        assert members(shop, first) == BitMap([5, 7])
        last = upload(shop, "email\nc9@example.com\n", segment_id=number, mode="replace")
        assert members(shop, first) == BitMap([9])
        assert (last["size_before"], last["size_after"]) == (2, 1)

    def test_the_same_file_twice_changes_nothing(self, shop: SmallShop) -> None:
        content = "email\nc3@example.com\nc5@example.com\n"
        first = upload(shop, content)
        for mode in ("replace", "add"):
            again = upload(shop, content, segment_id=segments.number(first["segment_id"]), mode=mode)
            assert counts(again) == counts(first)
            assert members(shop, first) == BitMap([3, 5])

    def test_unmatched_rows_never_become_customers(self, shop: SmallShop) -> None:
        upload(shop, "email\n" + "\n".join(f"new{i}@example.com" for i in range(50)))
        with shop.rooms.store.reading(shop.ctx) as session:
            assert session.scalar(select(func.count()).select_from(Customer)) == 60

    def test_a_list_stays_as_it_is_over_a_refresh_but_for_the_erased_and_merged(self, shop: SmallShop) -> None:
        report = upload(shop, "email\nc3@example.com\nc5@example.com\nc7@example.com\n")
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 5)).erased_at = shop.clock.now()
            session.get_one(Customer, (shop.ctx.shop_id, 7)).merged_into = 11
        refresh_segments(shop)
        assert members(shop, report) == BitMap([3, 11])

    def test_the_report_names_every_row_and_is_safe_to_open(self, shop: SmallShop) -> None:
        made = upload(shop, "email\nc3@example.com\n=1+1\n")
        number = segments.number(made["segment_id"])
        _, lines = upload_segment.report(shop.rooms, shop.ctx, number, made["id"])
        rows = list(csv.reader(io.StringIO(b"".join(lines).decode())))
        assert rows == [["row", "value", "outcome"], ["2", "c3@example.com", "matched"], ["3", "'=1+1", "invalid"]]

    def test_addresses_are_kept_sealed(self, shop: SmallShop) -> None:
        upload(shop, "email\nc3@example.com\n")
        with shop.rooms.store.reading(shop.ctx) as session:
            record = session.scalars(select(SegmentUpload)).one()
        assert b"c3@example.com" not in record.report

    def test_what_cannot_identify_anybody_is_refused(self, shop: SmallShop) -> None:
        with pytest.raises(Invalid, match="No column"):
            upload(shop, "name,city\nAnn,Rome\n")
        with pytest.raises(Invalid, match="no rows"):
            upload(shop, "email\n")
        with pytest.raises(Invalid, match="no column"):
            upload(shop, "email\nc3@example.com\n", column="mail")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('email,name\nc3@example.com,Ann\nc5@example.com,"Bo\n{rows}', r"^Line 3: .* lines 3 to 13 can't"),
            ('email,name\nc3@example.com,Ann\nc5@example.com,"Bo\n{rows}c9@example.com,"Cy"\n', r"^Line 3: "),
            ('email,name\nc5@example.com,"Bo\n{rows}c9@example.com,Cy"\n', r"^Line 2: .* ends only on line 13"),
            ('email\n"c5@example.com\nc9@example.com"\n', r"^Line 2: .* ends only on line 3"),
            ('email,name\nc5@example.com,"Bo" by\n', r"^Line 2: .* this line can't be read"),
        ],
    )
    def test_a_quote_too_many_swallows_no_rows(self, shop: SmallShop, content: str, message: str) -> None:
        rows = "".join(f"c{number}@example.com,x\n" for number in range(10, 20))
        with pytest.raises(Invalid, match=message):
            upload(shop, content.format(rows=rows))

    def test_a_note_of_several_lines_may_name_an_address(self, shop: SmallShop) -> None:
        report = upload(shop, 'email,note\nc3@example.com,"moved\nfrom bob@example.com"\nc5@example.com,x\n')
        assert members(shop, report) == BitMap([3, 5])

    def test_only_a_list_can_be_changed_by_a_file(self, shop: SmallShop) -> None:
        number = segments.create(shop.rooms, shop.ctx, "Rule", {"v": 1, "match": {"did": "ordered"}})
        with pytest.raises(Conflict):
            upload(shop, "email\nc3@example.com\n", segment_id=number)


rows = st.lists(
    st.sampled_from(["c3@example.com", "C3@example.com ", "c5@example.com", "c6@example.com", "x@y.com", "", "=1+1"])
    | st.integers(1, 70).map("c{}@example.com".format),
    min_size=1, max_size=12,
)  # fmt: skip


class TestAnyList:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(first=rows, second=rows, mode=st.sampled_from(["replace", "add", "remove"]))
    def test_rows_add_up_and_a_second_time_changes_nothing(
        self, shop: SmallShop, first: list[str], second: list[str], mode: str
    ) -> None:
        before = self.everybody(shop)
        made = upload(shop, self.file(first), name=f"List {uuid.uuid4()}", column="email", identifier="email")
        assert made["rows"] == sum(counts(made)[1:]) == len(first)
        number = segments.number(made["segment_id"])
        changed = upload(shop, self.file(second), segment_id=number, mode=mode, column="email", identifier="email")
        after = members(shop, made)
        again = upload(shop, self.file(second), segment_id=number, mode=mode, column="email", identifier="email")
        assert members(shop, made) == after
        assert counts(again) == counts(changed)
        assert changed["size_after"] == again["size_before"] == again["size_after"] == len(after)
        assert self.everybody(shop) == before  # nobody new, nobody's consent touched
        segments.delete(shop.rooms, shop.ctx, number)

    def file(self, rows: list[str]) -> str:
        return "email,n\n" + "".join(f"{text},x\n" for text in rows)

    def everybody(self, shop: SmallShop) -> list[Any]:
        with shop.rooms.store.reading(shop.ctx) as session:
            columns = (Customer.customer_no, Customer.email_hash, Customer.email_consent, Customer.sms_consent)
            return [tuple(row) for row in session.execute(select(*columns).order_by(Customer.customer_no))]

    @pytest.mark.parametrize("worth", [0, 1_000])
    @pytest.mark.parametrize("kind", ["email", "customer_id"])
    def test_is_matched_alike_by_looking_each_up_and_by_reading_all(
        self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch, worth: int, kind: str
    ) -> None:
        monkeypatch.setattr(upload_segment, "WORTH_READING_ALL", worth)
        with shop.rooms.store.session(shop.ctx) as session:
            for no, into in ((7, 11), (9, 3)):
                session.get_one(Customer, (shop.ctx.shop_id, no)).merged_into = into
            session.get_one(Customer, (shop.ctx.shop_id, 13)).erased_at = shop.clock.now()
            same = session.get_one(Customer, (shop.ctx.shop_id, 15)).email_hash
            session.get_one(Customer, (shop.ctx.shop_id, 14)).email_hash = same
        name = "c{}@example.com" if kind == "email" else "90{:02}"
        report = upload(shop, f"{kind}\n" + "\n".join(name.format(no) for no in (3, 7, 9, 13, 15)))
        assert members(shop, report) == BitMap([3, 11, 14 if kind == "email" else 15])
        assert counts(report) == (5, 3, 1, 1, 0)


class TestCheck:
    def test_the_mapping_step_sees_columns_and_the_guess(self) -> None:
        found = upload_segment.check(b"Name;E-Mail\nAnn;a@x.com\nBo;b@x.com\n")
        assert (found["column"], found["identifier"], found["rows"]) == ("E-Mail", "email", 2)
        assert found["columns"][1] == {"header": "E-Mail", "samples": ["a@x.com", "b@x.com"], "identifier": "email"}
