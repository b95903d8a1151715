"""The example notebook, in a kernel as a browser has it: its loop runs, bars are widgets, results are tables."""

from __future__ import annotations

import re
from typing import Any

import nbclient
import nbformat
import pytest

import engine
from tests.docs.pages import REPOSITORY
from tests.library.conftest import OBJECTS

EXAMPLE = REPOSITORY / "examples" / "notebook.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"

INTERRUPTED = """
import signal
again = engine.Options(ledger=options.ledger.with_name("again.ledger"))
other = engine.Plan.of("s3://cards/raw/", "s3://cards/again/raw/", name="again")
def press_stop(event):
    if isinstance(event, engine.RunStarted):
        os.kill(os.getpid(), signal.SIGINT)
try:
    engine.sync.migrate(other, engine.Options(ledger=again.ledger, listener=press_stop))
except KeyboardInterrupt:
    print("stopped in good order")
"""
GOES_ON = """
print(engine.sync.migrate(other, engine.Options(ledger=again.ledger, progress=False)).complete)
print(type(asyncio.get_running_loop()).__module__)
"""


def cells() -> Any:
    notebook = nbformat.read(EXAMPLE, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_what_is_kept_of_the_example_is_its_cells_alone() -> None:
    assert [cell.outputs for cell in cells().cells if cell.cell_type == "code" and cell.outputs] == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a kernel has run it, and two cells more before the last."""
    notebook = cells()
    more = [nbformat.v4.new_code_cell(text) for text in (INTERRUPTED, "import asyncio\n" + GOES_ON)]
    notebook.cells[-1:-1] = more
    folder = str(tmp_path_factory.mktemp("notebook"))
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    return notebook


def outputs(run: Any, begins: str) -> list[Any]:
    """What the cell gave that has this in it."""
    (found,) = [cell.outputs for cell in run.cells if cell.cell_type == "code" and begins in cell.source]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("begins", "kind"),
    [("engine.survey", "SurveyResult"), ("sync.migrate(plan", "MigrationResult"), ("verify", "Verification")],
)
def test_results_are_tables(run: Any, begins: str, kind: str) -> None:
    (table,) = [item.data["text/html"] for item in outputs(run, begins) if "text/html" in item.get("data", {})]
    assert f"<caption>{kind}</caption>" in table and "1,000" in table


def test_progress_is_a_widget_by_itself(run: Any) -> None:
    for begins in ("sync.migrate(plan", "verify"):
        shown = [item.data[WIDGET]["model_id"] for item in outputs(run, begins) if WIDGET in item.get("data", {})]
        assert len(shown) == 1, begins
    states = run.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    said = [state["state"]["value"] for state in states if state["model_name"] == "HTMLModel"]
    assert any(text.startswith("copying") for text in said)
    assert any("1,000 of 1,000 objects" in re.sub(r"\s", " ", text) for text in said)
    bars = [state["state"] for state in states if state["model_name"] == "FloatProgressModel"]
    assert {(bar["value"], bar["max"], bar["bar_style"]) for bar in bars} == {(1.0, 1.0, "success")}


def test_nothing_is_written_to_stderr(run: Any) -> None:
    given = [item for cell in run.cells if cell.cell_type == "code" for item in cell.outputs]
    assert [item.text for item in given if item.get("name") == "stderr"] == []


def test_objects_are_a_data_frame_and_the_gate_s_reasons_sentences(run: Any) -> None:
    (frame,) = outputs(run, "groupby")
    sums = re.findall(r"(bytes|digest) +(\d+) +(\d+)", frame.data["text/plain"])
    assert sum(int(count) for _, count, _ in sums) == 1_000 and sum(int(size) for *_, size in sums) == 30_000_000
    assert {proof for proof, *_ in sums} == {"bytes", "digest"}
    assert "by the server's clock" in outputs(run, "engine.cleanup")[-1].data["text/plain"]


def test_the_stop_button_ends_a_call_in_good_order_and_the_next_goes_on(run: Any) -> None:
    (said,) = outputs(run, "press_stop")
    assert said.text == "stopped in good order\n"
    (went_on,) = outputs(run, "get_running_loop")
    assert went_on.text.splitlines()[0] == "True"


def test_elsewhere_a_bar_is_drawn_where_it_is_asked_for(plan: engine.Plan, capfd: pytest.CaptureFixture[str]) -> None:
    engine.sync.migrate(plan)
    assert capfd.readouterr() == ("", "")
    engine.sync.verify(plan, engine.Options(progress=True))
    out, err = capfd.readouterr()
    assert out == "" and f"{OBJECTS} of {OBJECTS} objects" in err


def test_a_listener_hears_all_of_it_beside_the_bar(plan: engine.Plan) -> None:
    heard: list[str] = []
    engine.sync.migrate(plan, engine.Options(progress=True, listener=lambda event: heard.append(event.event)))
    assert {"started", "progress", "snapshot"} <= set(heard)
