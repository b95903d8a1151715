"""What draws for a person is imported where a person looks, and nowhere else: a pipe does not pay for it. Nor does a
look at a ledger for what copies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.api.commands import typed
from tests.cli.commands import write_plan

COSTLY = ("rich", "tqdm", "pyte")
ASKED = "import sys; from engine.cli.main import main; sys.argv = {words!r}\ntry: main()\nexcept SystemExit: pass\n"
TELL = "print([name for name in {costly!r} if name in sys.modules], file=sys.stderr)"


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("status", "moving.toml"),
        ("plan", "moving.toml", "--policy", "run"),
        ("run", "moving.toml", "--yes", "--endpoint-url", "http://127.0.0.1:1", "--give-up-after", "0"),
    ],
    ids=lambda words: typed(*words),
)
def test_a_pipe_does_not_pay_for_what_a_person_sees(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert loaded(tmp_path, words, COSTLY) == "[]"


def test_a_look_at_a_ledger_does_not_pay_for_what_copies(tmp_path: Path) -> None:
    assert loaded(tmp_path, ("status", "moving.toml"), ("engine.transfer.migration", "engine.s3.places")) == "[]"


def loaded(tmp_path: Path, words: tuple[str, ...], costly: tuple[str, ...]) -> str:
    """Which of these modules a command has imported when it ends."""
    write_plan(tmp_path)
    program = ASKED.format(words=["cartage", *words]) + TELL.format(costly=costly)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr.splitlines()[-1]
