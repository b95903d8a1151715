"""`cartage report`: one page from the ledger alone, at any moment; kept current while a run goes on."""

from __future__ import annotations

import html
import json
import logging
import re
import signal
import stat
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import engine
from engine.api.report import kept_current
from engine.cli import keeping
from engine.cli.report import NO_LONGER, UNWRITTEN
from engine.errors import LedgerMissing
from engine.ledger import History, Worker, open_to_read
from engine.report import pictures
from engine.report.bar import TICK_S
from engine.report.standing import standing_of
from engine.report.text import safe
from engine.sandbox import Sandbox
from tests import forking
from tests.browser.scene import HOSTILE, Stage, made
from tests.cli.commands import MODULE, Terminal, write_plan
from tests.cli.finish_scene import Scene
from tests.servers import REPOSITORY, Endpoint

STANDING = {
    Stage.BEFORE: "Not begun",
    Stage.KILLED: "Interrupted",
    Stage.COPIED: "Copied",
    Stage.ASIDE: "Needs you",
    Stage.VERIFIED: "Verified",
    Stage.FINISHED: "Finished",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, which most of these tests do not need the pictures of."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(autouse=True)
def undrawn() -> None:
    """No picture is left over from a test before: one that was drawn is shown where nothing can be drawn."""
    for drawn in (pictures._bars, pictures._sizes):
        drawn.cache_clear()


def figures(page: str) -> list[int]:
    return [int(value) for value in re.findall(r'<data [^>]*value="(\d+)"', page)]


@pytest.mark.parametrize("stage", Stage)
async def test_a_page_at_every_moment_of_a_move(tmp_path: Path, stage: Stage, bare: None) -> None:
    plan = await made(tmp_path, stage)
    report = await engine.report_on(plan)
    page = report.html
    assert f"<title>pokemon-consolidation: {STANDING[stage]}</title>" in page
    assert report.to_dict()["standing"] == STANDING[stage]
    for route in plan.routes:
        assert route.name in page and str(route.target) in page
    assert [link for link in re.findall(r'(?:src|href)="([^"]*)"', page) if not link.startswith("#")] == []
    assert "<script" not in page and "style=" not in page


async def test_keys_are_text_on_the_page_whatever_they_say(tmp_path: Path, bare: None) -> None:
    page = (await engine.report_on(await made(tmp_path, Stage.ASIDE))).html
    for key in HOSTILE[-6:]:
        assert html.escape(safe(key), quote=False) in page
    assert "<script" not in page and "<img" not in page and "\x1b" not in page and "\u202e" not in page
    assert "one &lt;b&gt;card&lt;/b&gt;" in (await engine.report_on(await made(_new(tmp_path), Stage.VERIFIED))).html


def _new(folder: Path) -> Path:
    (folder / "again").mkdir()
    return folder / "again"


async def test_the_gate_says_what_opens_each_reason(tmp_path: Path, bare: None) -> None:
    plan = await made(tmp_path, Stage.VERIFIED)
    page = (await engine.report_on(plan)).html
    assert f"cartage accept {plan.source} references --found 3:ab --because WHY" in page
    assert "a duplicate" in page and "@" in page, "what was accepted, why and by whom"
    before = (await engine.report_on(await made(_new(tmp_path), Stage.KILLED))).html
    assert "the listing of raw never reached its end" in before
    assert f"cartage run {tmp_path / 'again' / 'plan.toml'}" in before


async def test_proof_that_is_too_low_is_raised_as_the_gate_itself_says(tmp_path: Path, bare: None) -> None:
    plan = await made(tmp_path, Stage.VERIFIED)
    text = Path(plan.source).read_text()
    Path(plan.source).write_text(text.replace("[cleanup]", '[cleanup]\nproof = "bytes"'))
    page = (await engine.report_on(engine.load_plan(plan.source))).html
    assert f"cartage verify {plan.source} --deep" in page


async def test_a_ledger_at_work_without_its_plan_is_watched_all_the_same(tmp_path: Path) -> None:
    report = await engine.report_on(await made(tmp_path, Stage.COPIED))
    at_work = replace(report.status, worker=Worker(1, "here", 0.0))
    standing = standing_of(replace(report, plan=None, status=at_work))
    assert standing.command == f"cartage status --ledger {report.ledger} --watch"


async def test_a_page_without_the_extra_has_the_tables_and_says_what_brings_pictures(
    tmp_path: Path, bare: None
) -> None:
    page = (await engine.report_on(await made(tmp_path, Stage.VERIFIED))).html
    assert "pip install &#x27;cartage-s3[report]&#x27;" in page or "pip install 'cartage-s3[report]'" in page
    assert 'class="wide"' not in page
    assert "Copying, by time of work" in page and "Objects by size" in page


async def test_a_machine_where_pictures_cannot_be_drawn_has_the_page_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose file system is read-only, where matplotlib finds no place for what it keeps."""

    def nowhere() -> None:
        raise OSError("Matplotlib requires access to a writable cache directory")

    pytest.importorskip("matplotlib")
    monkeypatch.setattr(pictures, "_tools", nowhere)
    page = (await engine.report_on(await made(tmp_path, Stage.VERIFIED))).html
    assert "Pictures are left out" in page and "MPLCONFIGDIR" in page
    assert 'class="wide"' not in page and "Objects by size" in page


def test_matplotlib_is_silent_while_it_looks_for_its_places(caplog: pytest.LogCaptureFixture) -> None:
    with pictures._silent():
        logging.getLogger("matplotlib").warning("mkdir -p failed for path /.config/matplotlib")
    assert not caplog.records


async def test_pictures_are_drawn_for_both_widths_and_have_no_style_of_their_own(tmp_path: Path) -> None:
    page = (await engine.report_on(await made(tmp_path, Stage.COPIED))).html
    assert page.count('class="wide" role="img"') == page.count('class="narrow" role="img"') == 3
    assert "style=" not in page and page.count("<style>") == 1
    assert not re.search(r"#0[0-9a]0[0-9a]0[0-9a]", page), "a colour that the style sheet does not name"
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_command_writes_a_file_of_its_own_and_says_what_status_says(
    terminal: Terminal, sandbox: Endpoint, bare: None
) -> None:
    plan = anyio.run(made, terminal.folder, Stage.ASIDE)
    ended = terminal.call("report", plan.source, "--json")
    page = terminal.folder / "pokemon-consolidation.report.html"
    assert ended.code == 0 and ended.summary["file"] == str(page)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    status = terminal.call("status", plan.source, "--json").summary
    assert {name: ended.summary[name] for name in status if name != "command"} == {
        name: value for name, value in status.items() if name != "command"
    }
    shown = figures(page.read_text())
    for route in status["routes"].values():
        assert route["objects"] in shown and route["bytes"] in shown
        assert set(route["states"].values()) <= set(shown)
    by_ledger = terminal.call(
        "report", "--ledger", str(engine.ledger_path(plan)), "-o", str(terminal.folder / "x.html")
    )
    assert by_ledger.code == 0 and (terminal.folder / "x.html").exists()
    assert "written: " in by_ledger.out


def test_a_place_that_cannot_be_written_is_refused(terminal: Terminal, sandbox: Endpoint, bare: None) -> None:
    plan = anyio.run(made, terminal.folder, Stage.BEFORE)
    ended = terminal.call("report", plan.source, "--output", str(terminal.folder / "no" / "where.html"))
    assert ended.code == 2 and "cannot be written" in ended.err


def test_no_page_is_replaced_by_one_of_a_ledger_that_is_not_there(
    terminal: Terminal, sandbox: Endpoint, bare: None
) -> None:
    plan = anyio.run(made, terminal.folder, Stage.VERIFIED)
    assert terminal.call("report", plan.source).code == 0
    page, ledger = terminal.folder / "pokemon-consolidation.report.html", engine.ledger_path(plan)
    before = page.read_text()
    other = terminal.folder / "x.html"
    ended = terminal.call("report", plan.source, "--ledger", "typo.ledger", "--output", other)
    assert (ended.code, other.exists()) == (1, False) and "there is no ledger at typo.ledger" in ended.err
    ledger.rename(terminal.folder / "away.ledger")
    ended = terminal.call("report", plan.source)
    assert (ended.code, page.read_text() == before) == (1, True) and f"there is no ledger at {ledger}" in ended.err
    assert "Not begun" in terminal.call("report", plan.source, "--output", other).out
    other.write_bytes(b"\xff\xfe\x00 is no text")
    ended = terminal.call("report", plan.source, "--output", other)
    assert ended.code == 1 and "may tell of one: it is left as it is" in ended.err


def test_it_is_kept_current_whatever_lies_in_the_users_folder(tmp_path: Path, served: Sandbox) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the user has one of that name')")
    served.control("fill", {"bucket": "kept-current", "prefix": "old/", "count": 3, "size": 10})
    ended = subprocess.run(
        [sys.executable, "-P", *MODULE[1:], "cp", "s3://kept-current/old/", "./new/", "--yes", "--report", "now.html"],
        cwd=tmp_path,
        env=Endpoint.of(served).clean_env() | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0 and "not kept current" not in ended.stderr, ended.stderr


def test_a_page_is_kept_current_until_stdin_ends(tmp_path: Path) -> None:
    plan = anyio.run(made, tmp_path, Stage.KILLED)
    page = tmp_path / "now.html"
    words = [*MODULE, "report", plan.source, "--follow", "--json", "-o", str(page)]
    with forking.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        said, _ = keeper.communicate()
    assert keeper.returncode == 0
    assert json.loads(said.splitlines()[-1])["standing"] == "Interrupted"
    assert "Interrupted</title>" in page.read_text() and 'http-equiv="refresh"' not in page.read_text()


def test_a_page_that_is_kept_current_is_not_replaced_by_one_of_no_ledger(tmp_path: Path) -> None:
    plan = anyio.run(made, tmp_path, Stage.KILLED)
    page, ledger = tmp_path / "now.html", engine.ledger_path(plan)
    words = [*MODULE, "report", plan.source, "--follow", "-o", str(page)]

    def followed() -> tuple[int, str]:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    assert followed()[0] == 0
    before = page.read_text()
    ledger.rename(tmp_path / "away.ledger")
    code, said = followed()
    assert (code, page.read_text() == before) == (1, True) and f"there is no ledger at {ledger}" in said
    page.unlink()
    assert followed()[0] == followed()[0] == 0, "that of a move that is not begun may be written again"
    assert "Not begun</title>" in page.read_text()


def test_a_page_that_is_kept_current_says_which_ledger_it_waits_for(tmp_path: Path) -> None:
    plan = anyio.run(made, tmp_path, Stage.KILLED)
    words = [*MODULE, "report", plan.source, "--follow", "-o", str(tmp_path / "now.html")]

    def said(*more: str) -> str:
        asked = [*words, *more]
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
        return done.stderr

    mistyped = ("--ledger", str(tmp_path / "mistyped.ledger"))
    assert f"there is no ledger at {tmp_path / 'mistyped.ledger'} yet: it is waited for" in said(*mistyped)
    assert said(*mistyped, "--quiet") == ""
    assert "waited for" not in said()  # how far it is it may say, where that takes long


async def test_a_ledger_that_goes_while_its_page_is_kept_current_ends_that(tmp_path: Path) -> None:
    plan = await made(tmp_path, Stage.KILLED)

    async def ended(wait_s: float) -> bool:
        return False

    pages = kept_current(plan, None, ended)
    assert (await anext(pages)).status.tallies
    engine.ledger_path(plan).rename(tmp_path / "away.ledger")
    with pytest.raises(LedgerMissing):
        await anext(pages)


@pytest.mark.parametrize(
    "words, reading, leaving",
    [
        (["report", "--progress"], "report.report_on", UNWRITTEN),
        (["status", "--progress"], "status.status", "interrupted"),
        (["export", "--format", "csv", "--output", "rows.csv", "--progress"], "export._write", "no file was written"),
        (["run", "--yes", "--report", "now.html", "--progress"], "keeping.report_on", "nothing was begun"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_who_reads_a_ledger_says_so_and_one_signal_ends_it(
    words: list[str], reading: str, leaving: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write_plan(terminal.folder)

    async def endless(*_: object) -> None:
        await anyio.sleep(2 * TICK_S)
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(f"engine.cli.{reading}", endless)
    ended = terminal.call(words[0], plan, *words[1:])
    assert ended.code == 130
    assert leaving in ended.err
    assert "reading the ledger" in ended.err or words[0] == "run"
    assert not [path for path in terminal.folder.iterdir() if path.suffix in (".html", ".csv")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_page_is_kept_current_until_a_signal_at_a_terminal_where_nobody_types(
    tmp_path: Path, number: signal.Signals
) -> None:
    plan = anyio.run(made, tmp_path, Stage.KILLED)
    page = tmp_path / "now.html"
    words = [*MODULE, "report", plan.source, "--follow", "-o", str(page)]
    with forking.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as keeper:
        for _ in range(3_000):
            if page.exists():
                break
            time.sleep(0.01)
        keeper.send_signal(number)
        assert keeper.stderr is not None and keeper.wait(30) == 130  # stdin is open still
        assert keeper.stderr.read().endswith(f"{NO_LONGER}\n")
    assert "Interrupted</title>" in page.read_text()
    assert 'http-equiv="refresh"' not in page.read_text(), "nobody writes it any more"


HIT = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
sys.exit(sys.stdin.read() != "")
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal is blocked there")
@pytest.mark.parametrize("source", ["p.toml", ""])
def test_a_signal_to_all_of_a_service_leaves_the_page_to_whoever_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(keeping, "CARTAGE", (sys.executable, "-c", HIT))
    (ledger := tmp_path / "p.ledger").touch()
    plan = replace(engine.Plan.of("s3://source/", "s3://target/"), source=source)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert keeping._Keeper(plan, ledger, tmp_path / "now.html").end() == ""
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_run_keeps_its_page_and_the_last_one_is_of_its_end(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    page = tmp_path / "now.html"
    ledger = tmp_path / "named.ledger"  # which the run makes
    said = scene.cartage("run", "--yes", "--report", str(page), "--ledger", str(ledger)).output
    assert f"report: {page}, kept current" in said
    assert "<title>cards: Copied</title>" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert scene.cartage("run", "--yes", "--report", str(tmp_path / "no" / "x.html"), code=2)


@pytest.mark.parametrize(("verb", "more"), [("cp", ()), ("sync", ()), ("cp", ("--processes", "2"))])
def test_a_copy_without_a_plan_file_keeps_its_page_too(
    served: Sandbox, terminal: Terminal, verb: str, more: tuple[str, ...]
) -> None:
    """What it is of is known to its ledger alone, which is made in the middle."""
    bucket = f"reported-{uuid.uuid4().hex[:12]}"
    served.control("fill", {"bucket": bucket, "prefix": "old/", "count": 20, "size": 100})
    terminal.on(Endpoint.of(served))
    page, ends = terminal.folder / "now.html", (f"s3://{bucket}/old/", f"s3://{bucket}/new/")
    done = terminal.call(verb, *ends, "--yes", "--report", page, *more)
    assert (done.code, "not kept current" in done.err) == (0, False), done.err
    assert ": Copied</title>" in page.read_text() and ends[1] in page.read_text()
    assert "cartage cleanup" not in page.read_text(), "it has no plan file, so that this is refused"

    page.unlink()
    refused = terminal.call(verb, "s3://nowhere-at-all/old/", ends[1], "--yes", "--report", page)
    assert refused.code == 1 and "not kept current" not in refused.err
    assert "Not begun</title>" in page.read_text()


def test_the_history_of_a_run_is_what_it_did(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    copied = scene.summary("run", "--yes")["copied"]
    scene.summary("verify")
    run, verify = anyio.run(_history, tmp_path / "cards.ledger").runs
    assert (run.command, run.ended, run.last.done) == ("run", "done", copied)
    assert run.last.done_bytes > 0 and run.last.requests > 0
    assert (verify.command, verify.ended) == ("verify", "done")
    assert verify.last.done >= copied


def test_what_an_earlier_run_did_is_none_of_a_later_ones_work(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path).moved()
    scene.cartage("run")
    first, _, later = anyio.run(_history, tmp_path / "cards.ledger").runs
    assert first.last.done == first.last.listed == later.last.listed
    assert (later.last.done, later.last.done_bytes) == (0, 0)


def test_a_run_is_told_by_what_it_copied_and_what_it_set_aside_by_itself(sandbox: Endpoint, terminal: Terminal) -> None:
    bucket, s3 = f"told-{uuid.uuid4().hex[:12]}", sandbox.client()
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    plan = write_plan(terminal.folder, bucket)
    terminal.on(sandbox)
    for key, size in (("large", 1_000_000), ("small", 100), ("taken", 500)):
        s3.put_object(Bucket=bucket, Key=f"old/{key}", Body=b"x" * size)
    assert terminal.call("run", plan).code == 0
    s3.delete_object(Bucket=bucket, Key="new/raw/small")
    s3.put_object(Bucket=bucket, Key="new/raw/taken", Body=b"another")
    assert terminal.call("run", plan).code == 3
    first, second = anyio.run(_history, plan.with_suffix(".ledger")).runs
    assert (first.last.done, first.last.done_bytes, first.last.aside) == (3, 1_000_600, 0)
    assert (second.last.done, second.last.done_bytes, second.last.aside) == (1, 100, 1)


def test_nothing_is_vouched_for_that_the_plan_says_otherwise_now(sandbox: Endpoint, terminal: Terminal) -> None:
    bucket, s3 = f"otherwise-{uuid.uuid4().hex[:12]}", sandbox.client()
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    s3.put_object(Bucket=bucket, Key="old/card", Body=b"a card")
    plan = write_plan(terminal.folder, bucket)
    terminal.on(sandbox)
    assert terminal.call("run", plan).code == terminal.call("verify", plan).code == 0
    as_it_was = plan.read_text()
    plan.write_text(f'{as_it_was}\n[[routes]]\nname = "more"\nfrom = "/more/"\nto = "more/"\n')
    status, report = terminal.call("status", plan), terminal.call("report", plan)
    told = terminal.call("status", plan, "--json").summary
    said = 'the plan says otherwise now: the route "more" is in the plan and not in the ledger'
    assert status.out.startswith(f"{said}\n") and "next: " not in status.out
    assert report.out.startswith(f"Another plan: T{said[1:]}.") and "cartage cleanup" not in report.out
    assert told["otherwise"] == [said.removeprefix("the plan says otherwise now: ")]
    page = (terminal.folder / "moving.report.html").read_text()
    assert "Another plan</title>" in page and "cartage cleanup" not in page
    plan.write_text(as_it_was)
    assert terminal.call("status", plan, "--failed", "--json").summary["otherwise"] == []
    assert terminal.call("status", plan).out.endswith(f"next: cartage cleanup {plan}\n")


async def _history(ledger: Path) -> History:
    async with await open_to_read(ledger) as reader:
        return await reader.history()


def test_a_page_that_cannot_be_kept_names_the_flag_that_was_given(terminal: Terminal) -> None:
    (terminal.folder / "src").mkdir()
    (terminal.folder / "src" / "a").write_bytes(b"a")
    ended = terminal.call("cp", "./src/", "./dst/", "--report", str(terminal.folder / "nowhere" / "x.html"))
    assert ended.code == 2
    assert ended.err.endswith("  Choose a file with --report.\n")


def test_a_page_is_beside_the_ledger_wherever_that_is(terminal: Terminal) -> None:
    plan = terminal.folder / "plans" / "p.toml"
    plan.parent.mkdir()
    plan.write_text('name = "p"\n[[routes]]\nname = "r"\nfrom = "s3://bucket/a/"\nto = "s3://bucket/b/"\n')
    assert terminal.call("report", str(plan), "--state-dir", "ledgers").code == 0
    assert terminal.call("report", str(plan)).code == 0
    pages = {str(path.relative_to(terminal.folder)) for path in terminal.folder.rglob("*.html")}
    assert pages == {"ledgers/p.report.html", "plans/p.report.html"}
