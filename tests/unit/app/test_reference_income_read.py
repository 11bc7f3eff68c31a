"""Files of table B19013 in the forms that the Census Bureau gives them, and files that only look like it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import Invalid
from app.services.reference_income_read import Area, read_income

if TYPE_CHECKING:
    from pathlib import Path

DOWNLOAD = """"GEO_ID","NAME","B19013_001E","B19013_001M",
"Geography","Geographic Area Name","Estimate!!Median household income in the past 12 months","Margin of Error!!Median",
"0100000US","United States","75149","178",
"860Z200US00601","ZCTA5 00601","17526","1600",
"860Z200US10001","ZCTA5 10001","106,509","13,404",
"860Z200US10002","ZCTA5 10002","-","**",
"860Z200US90210","ZCTA5 90210","250,000+","***",
"860Z200US99999","ZCTA5 99999","2,500-","***",
"""
READ = [
    Area("00601", 17_526, 1_600),
    Area("10001", 106_509, 13_404),
    Area("90210", 250_001, 0),
    Area("99999", 2_499, 0),
]


def file(folder: Path, text: str | bytes, name: str = "incomes.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


class TestFormsOfTheTable:
    def test_the_download_of_data_census_gov(self, tmp_path: Path) -> None:
        found = read_income(file(tmp_path, "\ufeff" + DOWNLOAD, "ACSDT5Y2022.B19013-Data.csv"))
        assert found.areas == READ
        assert (found.unpublished, found.elsewhere, found.vintage) == (1, 1, "2018-2022")

    def test_windows_line_ends_and_empty_lines_change_nothing(self, tmp_path: Path) -> None:
        assert read_income(file(tmp_path, DOWNLOAD.replace("\n", "\r\n") + "\r\n\r\n")).areas == READ

    def test_area_codes_of_before_2020(self, tmp_path: Path) -> None:
        assert read_income(file(tmp_path, DOWNLOAD.replace("860Z200US", "8600000US"))).areas == READ

    def test_american_fact_finder(self, tmp_path: Path) -> None:
        text = (
            "GEO.id,GEO.id2,GEO.display-label,HD01_VD01,HD02_VD01\n"
            "Id,Id2,Geography,Estimate; Median household income,Margin of Error; Median\n"
            "8600000US00601,00601,ZCTA5 00601,17526,1600\n"
        )
        found = read_income(file(tmp_path, text, "ACS_16_5YR_B19013_with_ann.csv"))
        assert (found.areas, found.vintage) == ([READ[0]], "2012-2016")

    def test_the_summary_file_has_areas_of_every_kind(self, tmp_path: Path) -> None:
        text = (
            "GEO_ID|B19013_E001|B19013_M001\n0100000US|75149|178\n1400000US36061007600|90000|9000\n"
            "860Z200US00601|17526|1600\n860Z200US10002|-666666666|-222222222\n860Z200US90210|250001|-333333333\n"
        )
        found = read_income(file(tmp_path, text, "acsdt5y2022-b19013.dat"))
        assert found.areas == [READ[0], READ[2]]
        assert (found.unpublished, found.elsewhere, found.vintage) == (1, 2, "2018-2022")

    def test_the_answer_of_the_api(self, tmp_path: Path) -> None:
        rows = [
            ["NAME", "B19013_001E", "B19013_001M", "zip code tabulation area"],
            ["ZCTA5 00601", "17526", "1600", "00601"],
            ["ZCTA5 10002", "-666666666", "-222222222", "10002"],
        ]
        found = read_income(file(tmp_path, json.dumps(rows)))
        assert (found.areas, found.unpublished) == ([READ[0]], 1)

    def test_parquet_and_csv_with_plain_names(self, tmp_path: Path) -> None:
        table = pa.table({"zcta": ["00601"], "median_household_income": [17_526], "capped": [False]})
        pq.write_table(table, tmp_path / "incomes.parquet")
        assert read_income(tmp_path / "incomes.parquet").areas == [Area("00601", 17_526, None)]
        text = "zcta;median_household_income;margin\n00601;17526;1600\n"
        assert read_income(file(tmp_path, text)).areas == [READ[0]]

    def test_names_of_areas_alone_are_enough(self, tmp_path: Path) -> None:
        assert read_income(file(tmp_path, 'NAME,B19013_001E\n"ZCTA5 00601",17526\n')).areas == [
            Area("00601", 17_526, None)
        ]


HEADER = "zcta,median_household_income,margin\n"


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "no column GEO_ID"),
            ("a,b\n1,2\n", "no column GEO_ID .*its columns are: a, b"),
            ("zcta,zcta,median_household_income\n", "column zcta twice"),
            ("zcta,income\n00601,1\n", "no column B19013_001E"),
            (HEADER + "00601,17526,1\n601,17526,1\n", "Row 3, column zcta: .*“601”.* Leading zeros"),
            (HEADER + "860Z200US0060,17526,1\n", "Row 2, column zcta"),
            (HEADER + "\u0660\u0660\u0666\u0660\u0661,17526,1\n", "Row 2, column zcta"),
            (HEADER + "=cmd(),17526,1\n", "Row 2, column zcta"),
            (HEADER + "00601,17526,1\n00602,abc,1\n", "Row 3, column median_household_income: .*“abc”"),
            (HEADER + "00601,1e9,1\n", "Row 2, column median_household_income"),
            (HEADER + '00601,"17,52",1\n', "Row 2, column median_household_income"),
            (HEADER + "00601,-17526,1\n", "Row 2, column median_household_income"),
            (HEADER + "00601,100,1\n", "between 2,499 and 250,001"),
            (HEADER + f"00601,{'9' * 400},1\n", "between 2,499 and 250,001"),
            (HEADER + "00601,17526,x\n", "Row 2, column margin"),
            (HEADER + "00601,17526,1\n00601,17526,1\n", "Row 3, column zcta: names 00601, which row 2 has already"),
            (HEADER + "00601,17526\n", "Row 2, column margin: is missing"),
            (HEADER + '00601,"17526\n', "row 2 can't be read"),
            (HEADER.encode() + b"00601,\xff,1\n", "row 2 has a byte that is none"),
            (HEADER + "00601,\0,1\n", "row 2 has a NUL"),
            (b"PK\x03\x04...", "zip archive"),
            (b"PAR1 and no more", "damaged Parquet"),
            ("[[1, 2", "not whole JSON"),
            ('[{"zcta": 1}]', "row 1 is no list"),
            ("[" * 100_000, "not whole JSON"),
        ],
    )
    def test_the_first_fault_is_named_and_nothing_read(self, tmp_path: Path, text: str | bytes, fault: str) -> None:
        with pytest.raises(Invalid, match=fault):
            read_income(file(tmp_path, text))

    def test_row_numbers_are_those_of_the_file_after_a_cell_with_a_line_end(self, tmp_path: Path) -> None:
        text = 'name,median_household_income\n"ZCTA5 00601",17526\n"ZCTA5 00602\n",1\n'
        with pytest.raises(Invalid, match="Row 3, column median_household_income"):
            read_income(file(tmp_path, text))
