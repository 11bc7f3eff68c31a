"""`encore predict`: a file of order lines in, a file of predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from app.cli_predict import predict
from app.services import predict_file

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "customer_id,order_id,ordered_at,product_id,quantity,unit_price"
ROWS = [
    "007,1,2026-01-01,0A,1,2.5",
    "007,2,2026-02-01T10:00:00+02:00,0A,1,2.5",
    "8,3,2026-02-01 10:00:00,NA,2,0",
    "8,3,2026-02-01 10:00:00,NA,2,0",
]


def csv(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


class Desk:
    """A folder, and the command run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out.parquet"

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, lines: Path, *more: str, as_of: str = "2026-03-01", out: Path | None = None) -> Result:
        arguments = ["--lines", str(lines), "--as-of", as_of, "--horizon-days", "30", "--out", str(out or self.out)]
        return CliRunner().invoke(predict, [*arguments, *more])

    def predictions(self, lines: Path, *more: str, as_of: str = "2026-03-01") -> pd.DataFrame:
        result = self.run(lines, *more, as_of=as_of)
        assert result.exit_code == 0, result.stderr
        return pd.read_parquet(self.out)

    def refusal(self, lines: Path, *more: str, as_of: str = "2026-03-01") -> str:
        """The one line of a run that must be refused and must leave nothing behind."""
        before = sorted(self.folder.iterdir())
        result = self.run(lines, *more, as_of=as_of)
        assert result.exit_code == 2, result.output
        assert sorted(self.folder.iterdir()) == before
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        return result.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class TestResult:
    def test_has_the_agreed_columns_and_types(self, desk: Desk) -> None:
        desk.predictions(desk.file("l.csv", csv(*ROWS)))
        assert pq.read_schema(desk.out).equals(predict_file.OUTPUT)

    def test_ids_come_back_as_they_were_written(self, desk: Desk) -> None:
        found = desk.predictions(desk.file("l.csv", csv(*ROWS)))
        assert list(zip(found["customer_id"], found["product_id"], found["kind"], strict=True)) == [
            ("007", "0A", "repurchase"),
            ("007", "NA", "cross_sell"),
            ("8", "0A", "cross_sell"),
            ("8", "NA", "repurchase"),
        ]

    def test_each_kind_fills_its_own_columns(self, desk: Desk) -> None:
        found = desk.predictions(desk.file("l.csv", csv(*ROWS))).set_index(["customer_id", "product_id"])
        again, new = found.loc[("007", "0A")], found.loc[("007", "NA")]
        assert pd.Timestamp("2026-02-28", tz="UTC") < again["expected_at"] < pd.Timestamp("2026-03-10", tz="UTC")
        assert pd.isna(again["lift"])
        assert pd.isna(again["because_product_id"])
        assert pd.isna(new["expected_at"])
        assert new["because_product_id"] == "0A"
        assert new["lift"] > 0

    def test_whoever_is_overdue_is_expected_now_and_never_in_the_past(self, desk: Desk) -> None:
        found = desk.predictions(desk.file("l.csv", csv(*ROWS)), as_of="2026-12-01").set_index("customer_id")
        assert found.loc["007"].query("kind == 'repurchase'")["expected_at"].iloc[0] == pd.Timestamp(
            "2026-12-01", tz="UTC"
        )

    def test_csv_and_parquet_say_the_same(self, desk: Desk) -> None:
        lines = desk.file("l.csv", csv(*ROWS))
        from_parquet = desk.predictions(lines)
        assert desk.run(lines, out=desk.folder / "out.csv").exit_code == 0
        from_csv = pd.read_csv(desk.folder / "out.csv", dtype={"customer_id": str}, keep_default_na=False)
        assert from_csv["customer_id"].tolist() == from_parquet["customer_id"].tolist()
        assert from_csv["product_id"].tolist() == from_parquet["product_id"].tolist()
        assert from_csv["probability"].tolist() == from_parquet["probability"].tolist()

    def test_progress_goes_to_stderr_only(self, desk: Desk) -> None:
        result = desk.run(desk.file("l.csv", csv(*ROWS)))
        assert result.stdout == ""
        assert "4 lines" in result.stderr

    def test_rows_at_or_after_as_of_change_nothing(self, desk: Desk) -> None:
        alone = desk.predictions(desk.file("l.csv", csv(*ROWS)))
        later = [*ROWS, "new,9,2026-03-01,0A,1,1", "007,10,2026-05-01,NA,1,1"]
        pd.testing.assert_frame_equal(alone, desk.predictions(desk.file("m.csv", csv(*later))))

    def test_a_line_without_quantity_or_with_a_negative_price_is_no_purchase(self, desk: Desk) -> None:
        alone = desk.predictions(desk.file("l.csv", csv(*ROWS)))
        noise = [*ROWS, "9,9,2026-02-01,0A,0,1", "9,10,2026-02-01,0A,-1,1", "9,11,2026-02-01,0A,1,-0.5"]
        pd.testing.assert_frame_equal(alone, desk.predictions(desk.file("m.csv", csv(*noise))))

    def test_the_window_starts_at_as_of_in_utc(self, desk: Desk) -> None:
        lines = desk.file("l.csv", csv("1,1,2026-01-01T00:30:00+01:00,a,1,1", "2,2,2026-01-01T00:30:00,a,1,1"))
        assert desk.predictions(lines, as_of="2026-01-01")["customer_id"].tolist() == ["1"]


class TestInput:
    def test_a_byte_order_mark_and_carriage_returns_do_no_harm(self, desk: Desk) -> None:
        plain = desk.predictions(desk.file("l.csv", csv(*ROWS)))
        marked = desk.file("m.csv", b"\xef\xbb\xbf" + csv(*ROWS).replace("\n", "\r\n").encode())
        pd.testing.assert_frame_equal(plain, desk.predictions(marked))

    def test_parquet_with_other_types_says_the_same_as_csv(self, desk: Desk) -> None:
        rows = [row.replace("007", "7").replace("0A", "10").replace("NA", "20").split(",") for row in ROWS]
        plain = desk.predictions(desk.file("l.csv", csv(*(",".join(row) for row in rows))))
        table = pa.table(
            {
                "extra": ["ignored"] * len(rows),
                "customer_id": pa.array([float(row[0]) for row in rows]),
                "order_id": pa.array([row[1] for row in rows]).dictionary_encode(),
                "ordered_at": pa.array([pd.Timestamp(row[2]).tz_localize(None) if "+" not in row[2]
                                        else pd.Timestamp(row[2]).tz_convert("UTC").tz_localize(None) for row in rows],
                                       pa.timestamp("ns")),
                "product_id": pa.array([int(row[3]) for row in rows], pa.int64()),
                "quantity": pa.array([int(row[4]) for row in rows], pa.int32()),
                "unit_price": pa.array([row[5] for row in rows]).cast(pa.decimal128(10, 2)),
                "discount": pa.array([None] * len(rows), pa.float64()),
            }
        )  # fmt: skip
        pq.write_table(table, desk.folder / "l.parquet")
        pd.testing.assert_frame_equal(plain, desk.predictions(desk.folder / "l.parquet"))

    @pytest.mark.parametrize(
        ("row", "cell"),
        [
            (",5,2026-02-01,0A,1,1", "column customer_id, row 5: is empty"),
            ("8,5,2026-02-01,,1,1", "column product_id, row 5: is empty"),
            ("8,,2026-02-01,0A,1,1", "column order_id, row 5: is empty"),
            ("8,5,,0A,1,1", "column ordered_at, row 5: is empty"),
            ("8,5,yesterday,0A,1,1", 'column ordered_at, row 5: "yesterday" is not a time'),
            ("8,5,2026-02-31,0A,1,1", 'column ordered_at, row 5: "2026-02-31" is not a time'),
            ("8,5,2026-02-01,0A,two,1", 'column quantity, row 5: "two" is not a number'),
            ("8,5,2026-02-01,0A,NaN,1", 'column quantity, row 5: "NaN" is not a number'),
            ("8,5,2026-02-01,0A,1,inf", 'column unit_price, row 5: "inf" is not a number'),
            ("8,5,2026-02-01,0A,1,", "column unit_price, row 5: is empty"),
            ("8,5,2026-02-01,0A,1", "row 5 has 5 columns, not 6"),
        ],
    )
    def test_a_bad_cell_is_named_by_column_and_row(self, desk: Desk, row: str, cell: str) -> None:
        assert cell in desk.refusal(desk.file("l.csv", csv(*ROWS, row, "8,6,2026-02-01,0A,1,1")))

    @pytest.mark.parametrize(
        ("column", "values", "cell"),
        [
            ("quantity", pa.array([1.0, float("nan")]), 'quantity, row 2: "nan" is not a number'),
            ("quantity", pa.array([1, None]), "quantity, row 2: is empty"),
            ("customer_id", pa.array(["1", None]), "customer_id, row 2: is empty"),
            ("customer_id", pa.array([1.0, 1.5]), 'customer_id, row 2: "1.5" is not an id'),
            ("ordered_at", pa.array([1, 2]), "ordered_at holds int64, not times"),
            ("product_id", pa.array([[1], [2]]), "product_id holds list"),
            ("unit_price", pa.array([True, False]), "unit_price holds bool, not numbers"),
        ],
    )
    def test_a_bad_cell_in_parquet_too(self, desk: Desk, column: str, values: pa.Array, cell: str) -> None:
        good: dict[str, Any] = {
            "customer_id": ["1", "2"], "order_id": [1, 2], "ordered_at": [pd.Timestamp("2026-01-01")] * 2,
            "product_id": ["a", "b"], "quantity": [1, 1], "unit_price": [1.0, 1.0],
        }  # fmt: skip
        pq.write_table(pa.table(good | {column: values}), desk.folder / "l.parquet")
        assert cell in desk.refusal(desk.folder / "l.parquet")

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("l.csv", "", "l.csv is empty"),
            ("l.csv", HEADER + "\n", "l.csv has no rows"),
            ("l.csv", csv(*ROWS).replace("unit_price", "price"), "l.csv lacks the column unit_price"),
            (
                "l.csv",
                csv(*ROWS).replace("order_id", "o").replace("quantity", "q"),
                "lacks the columns order_id, quantity",
            ),
            ("l.csv", csv(*ROWS).replace("order_id", "quantity"), "lacks the column order_id"),
            ("l.csv", csv(*ROWS).replace(",", ";"), "lacks the columns customer_id"),
            ("l.csv", csv(*ROWS).encode("utf-16"), "l.csv is not a readable CSV file"),
            ("l.csv", csv(*ROWS, "\u00e9,1,2026-01-01,a,1,1").encode("latin-1"), "l.csv is not a readable CSV file"),
            ("l.parquet", b"PAR1" + b"\0" * 100, "l.parquet is not a readable Parquet file"),
        ],
    )
    def test_a_file_that_is_not_what_it_should_be_is_refused(
        self, desk: Desk, name: str, content: str | bytes, said: str
    ) -> None:
        assert said in desk.refusal(desk.file(name, content))

    def test_a_parquet_file_cut_off_anywhere_is_refused(self, desk: Desk) -> None:
        whole = desk.folder.parent / "whole.parquet"
        rows = [row.split(",") for row in ROWS]
        frame = pd.DataFrame(rows, columns=HEADER.split(","))
        frame.to_parquet(whole)
        content = whole.read_bytes()
        for share in (0.01, 0.3, 0.9, 0.999):
            cut = desk.file("cut.parquet", content[: int(share * len(content))])
            assert "cut.parquet" in desk.refusal(cut)

    def test_a_file_that_is_not_there_is_named(self, desk: Desk) -> None:
        assert "nowhere.csv can't be read: No such file" in desk.refusal(desk.folder / "nowhere.csv")

    def test_as_of_before_the_first_purchase_is_refused(self, desk: Desk) -> None:
        said = desk.refusal(desk.file("l.csv", csv(*ROWS)), as_of="2025-12-31")
        assert "no purchase before --as-of 2025-12-31" in said


class TestArguments:
    @pytest.mark.parametrize("days", ["0", "91", "-3", "thirty"])
    def test_a_horizon_outside_1_to_90_is_refused(self, desk: Desk, days: str) -> None:
        assert "--horizon-days" in desk.refusal(desk.file("l.csv", csv(*ROWS)), "--horizon-days", days)

    def test_an_as_of_that_is_no_time_is_refused(self, desk: Desk) -> None:
        assert '--as-of is "soon"' in desk.refusal(desk.file("l.csv", csv(*ROWS)), as_of="soon")

    def test_a_missing_option_is_one_line_too(self) -> None:
        result = CliRunner().invoke(predict, ["--as-of", "2026-01-01"])
        assert (result.exit_code, result.stderr) == (2, "Error: Missing option '--lines'.\n")

    def test_the_input_is_never_overwritten(self, desk: Desk) -> None:
        lines = desk.file("l.csv", csv(*ROWS))
        result = desk.run(lines, out=lines)
        assert result.exit_code == 2
        assert lines.read_text() == csv(*ROWS)

    def test_an_output_folder_that_does_not_exist_is_named(self, desk: Desk) -> None:
        result = desk.run(desk.file("l.csv", csv(*ROWS)), out=desk.folder / "no" / "out.parquet")
        assert result.exit_code == 2
        assert "does not exist" in result.stderr

    def test_help_explains_input_output_and_limits(self) -> None:
        text = CliRunner().invoke(predict, ["--help"]).stdout
        for word in ("customer_id", "repurchase", "because_product_id", "50 million", "exit code 2"):
            assert word in text


class TestProducts:
    def test_only_the_named_products_are_scored(self, desk: Desk) -> None:
        names = desk.file("p.txt", "NA\n\nNA\n")
        found = desk.predictions(desk.file("l.csv", csv(*ROWS)), "--products", str(names))
        assert set(found["product_id"]) == {"NA"}

    def test_all_pairs_scores_every_recent_customer_on_every_named_product(self, desk: Desk) -> None:
        names = desk.file("p.txt", b"\xef\xbb\xbf0A\r\nNA\r\nunsold\r\n")
        rows = [*ROWS, "old,5,2024-01-01,0A,1,1"]
        result = desk.run(desk.file("l.csv", csv(*rows)), "--products", str(names), "--all-pairs")
        found = pd.read_parquet(desk.out)
        assert list(zip(found["customer_id"], found["product_id"], strict=True)) == [
            (customer, product) for customer in ("007", "8") for product in ("0A", "NA", "unsold")
        ]
        assert found.loc[found["product_id"] == "unsold", "probability"].max() < 0.1
        assert "1 of 3 products in --products have no sale before --as-of, first: unsold" in result.stderr

    def test_a_list_without_a_product_is_refused(self, desk: Desk) -> None:
        names = desk.file("p.txt", "\n\n")
        assert "names no product" in desk.refusal(desk.file("l.csv", csv(*ROWS)), "--products", str(names))

    def test_more_than_50_million_pairs_are_refused_before_any_work(self, desk: Desk) -> None:
        size = 8_000
        frame = pd.DataFrame(
            {
                "customer_id": np.arange(size).astype(str), "order_id": np.arange(size).astype(str),
                "ordered_at": "2026-02-01", "product_id": np.arange(size).astype(str), "quantity": 1, "unit_price": 1.0,
            }
        )  # fmt: skip
        frame.to_parquet(desk.folder / "l.parquet")
        said = desk.refusal(desk.folder / "l.parquet", "--all-pairs")
        assert "8000 customers x 8000 products = 64000000 pairs, more than 50000000" in said


class TestCrash:
    def test_a_failure_while_writing_leaves_no_file(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = desk.file("l.csv", csv(*ROWS))

        def full(*_arguments: object) -> pa.Table:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(predict_file, "_output", full)
        result = desk.run(lines)
        assert result.exit_code == 2
        assert "No space left on device" in result.stderr
        assert list(desk.folder.iterdir()) == [lines]


class TestLeftOut:
    NOISE = (
        "9,9,2026-02-01,0A,0,1",
        "9,10,2026-02-01,0A,-2,1",
        "9,11,2026-02-01,0A,1,-0.5",
        "9,12,2027-01-01,0A,1,1",
        "9,13,1900-01-01,0A,1,1",
        "8,14,2026-02-02,NA,1,1e300",
    )

    def test_is_counted_by_reason_at_the_end(self, desk: Desk) -> None:
        result = desk.run(desk.file("l.csv", csv(*ROWS, *self.NOISE)))
        assert result.exit_code == 0
        assert result.stdout == ""
        said = [" ".join(line.split()) for line in result.stderr.splitlines()]
        assert said[said.index("left out of 10 lines:") : -1] == [
            "left out of 10 lines:",
            "1 at or after the as-of moment",
            "1 more than 20 years before the as-of moment",
            "2 with a quantity of zero or less (a return)",
            "1 with a price below zero (a refund or a correction)",
            "changed:",
            "1 with more than 1,000,000 pieces or 1,000,000,000,000 of money: cut to that",
            "1 of the same order and product as another: one purchase with the sum of both",
        ]

    def test_is_silent_where_every_line_is_a_purchase(self, desk: Desk) -> None:
        said = desk.run(desk.file("l.csv", csv(*ROWS[:3]))).stderr
        assert "left out" not in said
        assert "changed" not in said

    def test_is_named_when_no_purchase_is_left(self, desk: Desk) -> None:
        said = desk.refusal(desk.file("l.csv", csv(*self.NOISE[:4])))
        assert "no purchase before --as-of 2026-03-01" in said
        assert "left out: 1 at or after the as-of moment, 2 with a quantity of zero or less (a return), 1 with" in said


class TestEdges:
    @pytest.mark.parametrize(
        "rows",
        [
            ["1,1,2026-02-01,a,1,1"],
            ["1,1,2026-02-01,a,1,1", "1,2,2026-02-03,a,1,1", "1,3,2026-02-09,b,1,1"],
            [f"{customer},{customer},2026-02-01,a,1,0" for customer in range(30)],
            [f"{customer},{customer},2026-02-01T12:00:00Z,{product},1,1" for customer in range(9) for product in "abc"],
            [f"1,{order},2026-02-{1 + order % 28:02},{'ab'[order % 2]},1,1" for order in range(10_000)],
            [*ROWS, "9,9,2006-03-02,0A,1,1", "9,9,2026-02-28 23:59:59.999999,0A,1e-300,1e300"],
        ],
        ids=["one order", "one customer", "one product", "one moment", "10,000 orders", "extremes"],
    )
    def test_have_chances_strictly_between_0_and_1_and_the_same_ones_however_rows_come(
        self, desk: Desk, rows: list[str]
    ) -> None:
        found = desk.predictions(desk.file("l.csv", csv(*rows)))
        assert found["probability"].between(0, 1, inclusive="neither").all()
        assert set(found["customer_id"]) == {row.split(",", maxsplit=1)[0] for row in rows}
        pd.testing.assert_frame_equal(found, desk.predictions(desk.file("m.csv", csv(*reversed(rows)))))

    def test_ids_that_differ_in_case_or_spaces_alone_are_kept_apart_and_said(self, desk: Desk) -> None:
        rows = ["a,1,2026-02-01,x,1,1", " a,2,2026-02-01,X,1,1", "A,3,2026-02-01,y,1,1"]
        result = desk.run(desk.file("l.csv", csv(*rows)))
        assert "2 of 3 customer ids differ from another in case or spaces alone; kept apart" in result.stderr
        assert "1 of 3 product ids differ" in result.stderr
        assert sorted(set(pd.read_parquet(desk.out)["customer_id"])) == [" a", "A", "a"]

    @pytest.mark.parametrize("as_of", ["2100-01-01", "9999-12-31"])
    def test_a_moment_far_ahead_finds_no_one_who_still_buys(self, desk: Desk, as_of: str) -> None:
        result = desk.run(desk.file("l.csv", csv(*ROWS)), as_of=as_of)
        assert result.exit_code == 2
        assert "more than 20 years before the as-of moment" in result.stderr
