"""The table of a project's data in its README: between its marks, and nowhere else."""

from __future__ import annotations

import pytest

from engine.references.telling import BEGIN, END, NoMarks, Row, with_table

ROWS = [
    Row("raw", "s3://b/p/data/raw/", 17_592, "13.0 GB", "Card images"),
    Row("reference", "s3://b/p/data/reference/", 4, "109 MB"),
]
TABLE = """\
| data | path | files | size | description |
|---|---|--:|--:|---|
| raw | `s3://b/p/data/raw/` | 17,592 | 13.0 GB | Card images |
| reference | `s3://b/p/data/reference/` | 4 | 109 MB |  |
"""
TEXT = f"# Cards\n\n{BEGIN}\n{END}\n\nMore, and a | of its own.\n"


def test_the_table_stands_between_its_marks_and_everything_else_stays() -> None:
    after = with_table(TEXT, ROWS)
    assert after == TEXT.replace(f"{BEGIN}\n", f"{BEGIN}\n\n{TABLE}\n")
    assert with_table(after, ROWS) == after
    fewer = with_table(after, ROWS[1:])
    assert "raw" not in fewer and "description" not in fewer
    assert fewer.partition(BEGIN)[0] == TEXT.partition(BEGIN)[0] and fewer.partition(END)[2] == TEXT.partition(END)[2]


def test_line_ends_stay_those_of_the_file() -> None:
    after = with_table(TEXT.replace("\n", "\r\n"), ROWS)
    assert after == with_table(TEXT, ROWS).replace("\n", "\r\n")


def test_what_would_break_the_table_or_be_markup_is_escaped() -> None:
    after = with_table(TEXT, [Row("a|b", "s3://b/`x`|y/", 1, "1 byte", "<b>*x*\ny</b> [z](http://q)")])
    line = next(line for line in after.splitlines() if "a\\|b" in line)
    assert line == r"| a\|b | ``s3://b/`x`\|y/`` | 1 | 1 byte | \<b\>\*x\* y\</b\> \[z\](http://q) |"


@pytest.mark.parametrize(
    "text",
    [
        "# Cards\n",
        "",
        f"{BEGIN}\n",
        f"{END}\n{BEGIN}\n",
        f"{BEGIN}\n{BEGIN}\n{END}\n",
        f"{TEXT}{TEXT}",
        f"Write {BEGIN} and {END} where it belongs.\n",
    ],
)
def test_without_one_pair_of_marks_nothing_is_written(text: str) -> None:
    with pytest.raises(NoMarks, match="stands between the lines"):
        with_table(text, ROWS)
