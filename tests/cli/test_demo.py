"""`cartage demo` as a whole, small: it ends well, shows a clone that is proven, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import demo
from engine.ledger import LedgerReader
from engine.model import Proof
from tests.cli.commands import Terminal, assert_said_well
from tests.servers import REPOSITORY


def play(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli.main", "demo", "--scale", "0.001", *arguments],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


TELLS_AND_WAITS = """
import json, time
for copied in (0, 3, 7):
    print(json.dumps({"event": "progress", "listed": 10, "copied": copied, "done": copied}), flush=True)
time.sleep(600)
"""


def test_it_says_when_it_kills_and_how_far_that_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "CARTAGE", (sys.executable, "-c", TELLS_AND_WAITS))
    step = demo._step("run, killed half way", ["run", "it"], {}, "copying", 5)
    assert step.exit_code == -signal.SIGKILL
    said = capsys.readouterr().out
    assert said.startswith("\n$ cartage run it\nkilled with SIGKILL (kill -9) after ")
    assert ", 7 of 10 objects copied; the ledger has what is known\n" in said


def test_what_it_began_ends_with_it_where_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would else say that its ledger is gone, and its server, to whoever pressed Ctrl-C."""
    begun: list[subprocess.Popen[str]] = []

    def interrupted(process: subprocess.Popen[str], *_: object) -> None:
        begun.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "CARTAGE", (sys.executable, "-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(demo, "_follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo._step("run", ["run", "it"], {}, "copying")
    assert begun[0].returncode == -signal.SIGKILL


def test_it_says_what_differs_and_why_and_how_long_each_step_took(tmp_path: Path) -> None:
    said = play(tmp_path)
    assert "the figures DIFFER because the plan expects all of the migration" in said
    assert len(re.findall(r"^ended with 0 after [\d.]+ s$", said, re.MULTILINE)) >= 4
    assert re.search(r"^the demo took [\d.]+ s\nnext: cartage init$", said, re.MULTILINE)
    for run in ("run, resumed", "run again"):
        told = re.search(rf"^{run} +(\d+) +(\d+) +(\d+) +(\d+)$", said, re.MULTILINE)
        assert told is not None, said
        *parts, whole = map(int, told.groups())
        assert sum(parts) == whole > 0
    assert "the project's small parts are in a folder" in said
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("cartage-demo-")] == []


async def test_it_ends_with_a_clone_in_a_folder_which_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    said = play(tmp_path, "--keep")
    told = re.search(r"small parts are in a folder: (\d+) files, .*, each proven by digest", said)
    kept = re.search(r"plan, ledgers and the cloned folder are in (.*)", said)
    assert told is not None
    assert kept is not None
    clone = Path(kept[1]) / "clone"
    files = [path for path in clone.rglob("*") if path.is_file()]
    assert len(files) == int(told[1]) > 10
    assert (clone / "README.md").read_text("utf-8").startswith("# Pokémon card recognition")
    assert {path.relative_to(clone).parts[0] for path in files} >= {"pipelines", "metadata", "experiments"}
    async with await LedgerReader.open_to_read(clone.parent / "clone.ledger") as ledger:
        proofs = {row.key: row.proof async for batch in ledger.records() for row in batch}
    assert set(proofs.values()) == {Proof.DIGEST}
    assert {str(path.relative_to(clone)) for path in files} <= set(proofs)


def test_neither_the_users_settings_nor_what_lies_in_their_folder_lead_it_astray(tmp_path: Path) -> None:
    for name in ("engine", "queue"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the user has one of that name')")
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli.main", "demo", "--scale", "0.001"],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY),
            "AWS_PROFILE": "nobodys", "AWS_SESSION_TOKEN": "another's", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "CARTAGE_LEDGER": str(tmp_path / "the-users.ledger"), "CARTAGE_REGION": "nowhere-1",
            "HTTP_PROXY": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the demo took" in ended.stdout and not (tmp_path / "the-users.ledger").exists()


def test_a_clone_that_did_not_end_well_is_said_and_no_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied_but_not_proven = {"copied": 3, "routes": {"all": {"objects": 3, "proof": {"digest": 2, "size": 1}}}}
    monkeypatch.setattr(demo, "_step", lambda *_: demo.Step("clone", 1.0, 0, copied_but_not_proven))
    assert not demo._clone(tmp_path, "bucket", {}, [])
    assert "did not end as it should" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_what_only_the_sandbox_needs_is_named_with_its_extra(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "sortedcontainers", None)  # as if it were not installed
    ended = terminal.call(command)
    assert ended.code == 2
    assert ended.out == ""
    assert_said_well(ended, command)
    assert "this needs sortedcontainers, which is not installed: pip install 'cartage-s3[sandbox]'\n" in ended.err
