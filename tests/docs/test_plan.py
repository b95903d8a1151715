"""docs/plan.md has every key of the plan file, as the schema reads it."""

from __future__ import annotations

import re

from msgspec import structs

from docs.build_plan import SECTIONS, page
from engine.plan import schema
from tests.docs.pages import DOCS, sections, table_rows

PAGE = (DOCS / "plan.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_schema_says() -> None:
    assert page() == PAGE, "docs/plan.md is out of date: python docs/build_plan.py"


def test_every_key_that_is_read_is_on_the_page_and_no_other() -> None:
    shown = dict(sections(PAGE, 2))
    for table, heading in SECTIONS.items():
        keys = [field.encode_name for field in structs.fields(getattr(schema, table))]
        rows = table_rows(shown[heading])
        assert [re.sub("`", "", row[0]) for row in rows] == keys
        assert all(len(row) == 4 and row[3].endswith(".") for row in rows), heading
