"""What a result shows of itself: the names of `--json`, a table in a notebook, its objects in Arrow and pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import engine
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import Tally
from engine.report.ndjson import _VALUES
from engine.shown import LedgerResult, Result
from tests.cli.commands import Terminal
from tests.library.conftest import OBJECTS


class Cells(HTMLParser):
    """The texts of a page's cells and captions, as a reader sees them; and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def kinds(of: type[Any]) -> Iterator[type[Any]]:
    for name in engine.__all__:  # those of modules that nobody asked for yet as well
        getattr(engine, name)
    for kind in of.__subclasses__():
        yield from kinds(kind)
        yield kind


def test_every_result_has_the_names_of_the_command_s_summary(plan: engine.Plan, terminal: Terminal) -> None:
    found = {
        "plan": engine.sync.survey(plan),
        "run": engine.sync.migrate(plan),
        "verify": engine.sync.verify(plan),
        "cleanup": engine.sync.cleanup(plan),
        "revert": engine.sync.revert(plan),
        "status": engine.sync.status(engine.ledger_path(plan)),
        "ls": engine.sync.ls(plan.routes[0].source, sums=True),
        "check": engine.sync.check(plan.routes[0].source),
    }
    words = {"ls": [str(plan.routes[0].source), "--summarize"], "check": [str(plan.routes[0].source)]}
    more = {"ls": {"location", "unlisted"}, "status": {"otherwise"}}  # a ledger alone knows of no plan
    for command, result in found.items():
        assert isinstance(result, Result)
        values = result.to_dict()
        assert json.loads(json.dumps(values)) == values
        summary = terminal.call(command, *words.get(command, [plan.source]), "--json").summary
        extra = {"event", "command", "exit_code"} | more.get(command, set())
        assert set(values) == set(summary) - extra, command


def test_every_other_result_is_json_and_a_table_too(plan: engine.Plan, terminal: Terminal) -> None:
    (terminal.folder / "texts").mkdir()
    (terminal.folder / "texts" / "a.py").write_text(f'"{plan.routes[0].source}"')
    text = '[references]\nscan = ["./texts/"]\n[manifest]\nobject = "manifest.json"\n'
    text += 'set = { "project.version" = "2.0.0" }\n'
    path = Path(plan.source)
    path.write_text(path.read_text() + text)
    whole = engine.load_plan(path)
    results = [
        engine.sync.synchronize(plan),
        engine.sync.rewrite(whole),
        engine.sync.manifest(whole, create=True),
        engine.sync.acceptances(whole),
        engine.sync.delete(plan.routes[0].source),
        engine.sync.share(plan.routes[0].source),
        engine.sync.lifecycle(plan.routes[0].source),
        engine.sync.restore(plan.routes[0].source),
    ]
    for result in results:
        values = result.to_dict()
        assert values and json.loads(json.dumps(values)) == values
        assert type(result).__name__ in Cells(result._repr_html_()).texts
    assert {type(result).__name__ for result in results} | {
        "SurveyResult", "MigrationResult", "Verification", "CleanupResult", "RevertResult", "Status", "Summary",
        "CheckReport", "ReceiptCheck", "Report",
    } == {kind.__name__ for kind in kinds(Result)} - {"LedgerResult"}  # fmt: skip


def test_every_result_is_known_where_results_are_shown() -> None:
    """What has a place of its own there is a result, and what has none says its fields."""
    shown = {kind.__name__ for kind in kinds(Result)} - {"LedgerResult"}
    assert set(_VALUES) <= shown
    assert shown - set(_VALUES) == {"Acceptances", "ReceiptCheck"}


async def test_a_notebook_shows_a_small_table_and_runs_nothing_of_it(plan: engine.Plan) -> None:
    result = replace(await engine.migrate(plan), empty=["<script>alert(1)</script>\x1b[31m"] * 9)
    page = Cells(result._repr_html_())
    assert set(page.tags) == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "br"}
    assert "<script>alert(1)</script>\\x1b[31m" in page.texts
    assert "and 4 more" in page.texts
    assert {"MigrationResult", "copied", "30", "routes", "raw"} <= set(page.texts)
    assert len(Cells((await engine.cleanup(plan))._repr_html_()).texts) > 10


async def test_a_notebook_shows_what_is_counted_by_name(plan: engine.Plan) -> None:
    result = await engine.migrate(plan)
    assert "<th>aside</th><td></td>" in result._repr_html_()
    failed = replace(result, tallies=[Tally("raw", State.FAILED, Proof.NONE, False, 2, 20)])
    assert "<th>aside</th><td>failed: 2</td>" in failed._repr_html_()


async def test_the_objects_of_a_result_are_a_stream_of_typed_rows(plan: engine.Plan) -> None:
    result = await engine.migrate(plan)
    await engine.verify(plan)
    reader = result.to_arrow()
    moment = pa.timestamp("us", tz="UTC")
    assert {field.name: field.type for field in reader.schema if field.type != pa.string()} == {
        "size": pa.int64(), "found": pa.bool_(), "attempts": pa.int32(), "source_modified": moment, "copied": moment,
        "size_proven": moment, "digest_proven": moment, "bytes_proven": moment,
    }  # fmt: skip
    rows = reader.read_all().to_pylist()
    async with await LedgerReader.open_to_read(result.ledger) as ledger:
        records = [record async for batch in ledger.records() for record in batch]
    assert [(row["key"], row["size"], row["state"]) for row in rows] == [
        (record.key, record.size, "verified") for record in records
    ]
    assert [row["copied"] for row in rows] == [moment_of(record.copied_ms) for record in records]
    assert rows[0]["bytes_proven"] is None
    assert rows[0]["source"] == f"{plan.routes[0].source}{records[0].key}"
    assert abs((rows[0]["source_modified"] - datetime.now(UTC)).total_seconds()) < 3 * 366 * 86_400


def moment_of(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


async def test_the_objects_of_a_result_as_a_data_frame(plan: engine.Plan) -> None:
    result = await engine.migrate(plan)
    frame = result.to_pandas()
    assert len(frame) == OBJECTS and frame["size"].sum() == OBJECTS * 100
    assert set(frame["state"]) == {"copied"} and frame["bytes_proven"].isna().all()


@pytest.mark.parametrize(
    ("package", "extra", "call"), [("pyarrow", "parquet", "to_arrow"), ("pandas", "notebook", "to_pandas")]
)
async def test_a_package_that_is_missing_is_named(
    plan: engine.Plan, monkeypatch: pytest.MonkeyPatch, package: str, extra: str, call: str
) -> None:
    result = await engine.migrate(plan)
    hide(monkeypatch, package)
    with pytest.raises(engine.ExtraMissing, match=rf"this needs {package}.*pip install 'cartage-s3\[{extra}\]'"):
        getattr(result, call)()


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if it were not installed."""
    import sys

    class Hidden:
        def find_spec(self, name: str, *_: Any) -> None:
            if name.partition(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])


def test_a_ledger_that_is_not_there_is_said_at_once(plan: engine.Plan) -> None:
    class Result(LedgerResult):
        ledger = engine.ledger_path(plan)

    with pytest.raises(engine.LedgerMissing):
        Result().to_arrow()
