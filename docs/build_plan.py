"""Writes docs/plan.md from the tables of engine/plan/schema.py: `python docs/build_plan.py`.

A test holds the page equal to what `page` gives here. Each key's type and default stand as they are read, its sentence
is the docstring under it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from engine.plan import schema

WRITTEN = "<!-- written by docs/build_plan.py from engine/plan/schema.py: change that -->"
HEAD = (
    """A plan is a file in TOML. `cartage init` writes one with comments to start from,
    [examples/pokemon.toml](../examples/pokemon.toml) is a whole one. A key that is not here is refused, with its line
    and the nearest that there is; all mistakes are listed at once.""",
    """Sizes are decimal (`"734 MB"`) or binary (`"64 MiB"`); a duration has its unit (`"24h"`, `"1d 12h"`), and is 100
    years at most; a date is TOML's (`2026-01-31`) or text, in UTC. Hold, probes, expectations and the rest that does
    not decide what is copied may be changed while a ledger is in use; routes may not
    ([ledger](ledger.md#what-it-is-bound-to)).""",
)

LOCATIONS = """\
| written | means |
|---|---|
| `s3://bucket/key` | complete; at the site that the route names, else the `[connection]` |
| `/key` | in the plan's `bucket`, likewise (for `cp`, which has no plan: a local path) |
| `data/raw/` | under the plan's `prefix`, likewise; not for `from` |
| `./x/` `../x/` | a local folder, beside the plan (for `cp`: in the working folder) |
| `~/x/` `file:///x/` | a local folder in the home folder, or by its absolute path; nothing in it is decoded |"""
MORE = (
    """With a slash at the end a location is everything under it, without one that one key or file. A prefix without its
    slash that also has neighbours (`data/raw` beside `data/raw2/`) is one exact key, and the message for "no such key"
    says so. `.` and `..` are taken out of a local path by name, whatever is a link there.""",
    """What probes, `[manifest]` and `[references]` name in S3 is where the routes' targets are; where those are at
    several sites, the table says `site = "NAME"` (`""` for the `[connection]`). A list of keys in S3 is where its
    route's source is.""",
)

SECTIONS = {
    "PlanTable": "The file",
    "ConnectionTable": "`[connection]` and `[sites.NAME]`",
    "RouteTable": "`[[routes]]`",
    "ExpectTable": "`expect` of a route",
    "TotalTable": "`[[expect]]`",
    "PropertiesTable": "`properties` of a route",
    "HeadersTable": "`properties.content_headers`",
    "EncryptionTable": "`properties.encryption`",
    "RedirectTable": "`properties.website_redirect`",
    "LockTable": "`properties.lock`",
    "AclTable": "`properties.acl`",
    "ProbeTable": "`[[probes]]`",
    "ImagesTable": "`images` of a probe",
    "ManifestTable": "`[manifest]`",
    "DatasetTable": "`datasets` of the manifest",
    "ReferencesTable": "`[references]`",
    "CleanupTable": "`[cleanup]`",
}
"""Every table of the schema, in the order of the page."""

WORDS = {
    "str": "text",
    "Name": "text",
    "bool": "true or false",
    "Count": "whole number",
    "Annotated[int, Meta(ge=1)]": "whole number",
    "Annotated[int, Meta(ge=0, le=9223372036854775807)]": "whole number",
    "SizeBytes": "size",
    "Seconds": "duration",
    "Moment": "date or time",
    "Patterns": "list of patterns",
    "ToleranceText": "share or size",
    "KeepOrTable": "rule or table",
    "PropertyRule": "rule",
    "Payer": '`"requester"`, true or false',
    "Tables": "tables",
    "dict[str, Any]": "table",
    "dict[str, str]": "table of text",
    "dict[str, dict[str, Any]]": "tables by name",
    "list[str]": "list of text",
    "list[Name]": "list of text",
    "list[Count]": "list of whole numbers",
}
NOTHING = ("''", "None", "[]", "{}", "0")


def page() -> str:
    """The whole of docs/plan.md."""
    parts = ["# The plan file", WRITTEN, *map(one_line, HEAD)]
    parts += ["## How locations are written", LOCATIONS, *map(one_line, MORE)]
    tables = {node.name: node for node in ast.parse(inspect.getsource(schema)).body if isinstance(node, ast.ClassDef)}
    assert tables.keys() == SECTIONS.keys(), tables.keys() ^ SECTIONS.keys()
    for name, heading in SECTIONS.items():
        shared = keys_of(tables[base]) if (base := base_of(tables[name])) else ()
        parts += [f"## {heading}", one_line(ast.get_docstring(tables[name]) or "")]
        parts.append("\n".join(["| key | is | unless said | |", "|---|---|---|---|", *shared, *keys_of(tables[name])]))
    return "\n\n".join(parts) + "\n"


def base_of(table: ast.ClassDef) -> str:
    """The table whose keys this one has too; empty where it stands alone."""
    base = ast.unparse(table.bases[0])
    return "" if base == "Table" else base


def keys_of(table: ast.ClassDef) -> Iterator[str]:
    """A row for each key."""
    for item, said in zip(table.body, table.body[1:], strict=False):
        if not isinstance(item, ast.AnnAssign):
            continue
        assert isinstance(said, ast.Expr), f"{table.name}.{ast.unparse(item.target)} has no docstring"
        sentence = one_line(str(ast.literal_eval(said.value)))
        yield f"| `{name_of(item)}` | {words(ast.unparse(item.annotation))} | {default_of(item)} | {sentence} |"


def name_of(item: ast.AnnAssign) -> str:
    given = {word.arg: word.value for word in item.value.keywords} if isinstance(item.value, ast.Call) else {}
    return str(ast.literal_eval(given["name"])) if "name" in given else ast.unparse(item.target)


def words(annotation: str) -> str:
    """A type, as a reader of the page knows it."""
    plain = annotation.removesuffix(" | None")
    if plain.startswith("Literal["):
        return " or ".join(f'`"{value}"`' for value in ast.literal_eval(f"[{plain[8:-1]}]") if value)
    return WORDS[plain]


def default_of(item: ast.AnnAssign) -> str:
    value = item.value
    if isinstance(value, ast.Call):
        value = next((word.value for word in value.keywords if word.arg == "default"), None)
    if value is None:
        return "*needed*"
    text = ast.unparse(value)
    if text in NOTHING:
        return ""
    if "Seconds" in ast.unparse(item.annotation):
        return f'`"{int(ast.literal_eval(value)) // 3600}h"`'
    return f"`{text.lower()}`" if text in ("True", "False") else f"`{text}`".replace("'", '"')


def one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    (Path(__file__).parent / "plan.md").write_text(page(), encoding="utf-8")
