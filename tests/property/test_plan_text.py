"""Whatever a plan's text is, it is a plan or is refused with reasons; and every key of it has its line."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path as FilePath

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import PlanError
from engine.plan.document import Plan
from engine.plan.lines import Path, lines_of
from tests.faults.amount import examples

EXAMPLE = (FilePath(__file__).parents[2] / "examples" / "pokemon.toml").read_text(encoding="utf-8")

names = st.text("ab.\"' #]=\n\\", min_size=1, max_size=4)
scalars = st.one_of(
    names, st.integers(-9, 9), st.booleans(), st.sampled_from(["'''\n''", '"""', "[[x]]\n", "# no", "a = {b = 1}"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


def toml_value(value: object) -> str:
    """`value` as TOML, spread over lines where TOML allows it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[ # a comment, with ] in it\n" + "".join(f"  {toml_value(item)},\n" for item in value) + "]"
    if isinstance(value, str) and "\n" in value and "\\" not in value and '"' not in value:
        return f'"""\n{value}"""'
    return json.dumps(value)


def paths_of(value: object, path: Path) -> list[Path]:
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths_of(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += paths_of(item, (*path, index))
    return found


@given(st.lists(st.dictionaries(names, values, max_size=3), min_size=1, max_size=3))
def test_every_key_of_a_toml_text_has_its_line(tables: list[dict[str, object]]) -> None:
    text = ""
    starts: dict[tuple[str | int, ...], int] = {}
    for index, table in enumerate(tables):
        starts[("t", index)] = text.count("\n") + 1
        text += "[[t]]\n"
        for key, value in table.items():
            starts[("t", index, key)] = text.count("\n") + 1
            text += f"{json.dumps(key)} = {toml_value(value)} # end\n"
    data = tomllib.loads(text)
    lines = lines_of(text)
    for path, line in starts.items():
        assert lines[path] == line
    expected = {path for index, table in enumerate(data["t"]) for path in paths_of(table, ("t", index))}
    assert set(lines) == expected | {("t",)}


@settings(max_examples=examples(200))
@given(
    st.integers(0, len(EXAMPLE)),
    st.integers(0, 12),
    st.sampled_from(
        ["", "x", '"', "'", "[", "]", "[[", "{", "}", "=", "\n", ",", "1", "-1", "true", "[routes]", "\x00", "/"]
    ),
)
def test_a_damaged_plan_is_refused_with_reasons_or_still_a_plan(at: int, length: int, put: str) -> None:
    with contextlib.suppress(PlanError):
        Plan.parse(EXAMPLE[:at] + put + EXAMPLE[at + length :])


@settings(max_examples=examples(200))
@given(st.data(), values)
def test_any_value_in_any_place_is_refused_with_reasons_or_taken(data: st.DataObject, value: object) -> None:
    tables = [line for line in EXAMPLE.split("\n") if " = " in line and not line.startswith("#")]
    line = data.draw(st.sampled_from(tables))
    key = line.split("=")[0].strip()
    with contextlib.suppress(PlanError):
        Plan.parse(EXAMPLE.replace(line, f"{key} = {toml_value(value)}"))
