"""What a shell does with the three streams before a command begins: one closed, one on a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import MODULE, Ended, Terminal

CLOSED = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


def led(where: str, *words: str) -> Ended:
    """A command whose streams a shell leads there."""
    shell = ["sh", "-c", f'exec "$@" {where}', "sh"]
    held_back = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [*shell, *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=held_back
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def source(terminal: Terminal) -> Path:
    folder = terminal.folder / "src"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"a")
    return folder


@pytest.mark.parametrize("where", CLOSED)
def test_a_closed_stream_changes_nothing_but_what_is_heard(source: Path, where: str) -> None:
    """The next socket or ledger would have its number, and Python has None in its place."""
    ended = led(where, *MODULE, "cp", "./src/", "./dst/")
    assert ended.code == 0, ended.err
    assert (source.parent / "dst" / "a.txt").read_bytes() == b"a"
    assert ("every object is in place" in ended.out) is (">&-" not in where.split())
    assert ended.err == ""


@full
@pytest.mark.parametrize("words", [("cp", "./src/", "./dst/", "--json"), ("cp", "./src/", "./dst/"), ("ls", "./src/")])
def test_a_stdout_that_takes_nothing_is_one_sentence(source: Path, words: tuple[str, ...]) -> None:
    ended = led(f"> {FULL}", *MODULE, *words)
    assert ended.code == 1
    said = f"cartage {words[0]}: stdout: No space left on device.\n  Mend that and run the same command again.\n"
    assert ended.err == said


@full
def test_a_plan_that_is_written_while_stdout_takes_nothing_is_not_to_be_written_again(terminal: Terminal) -> None:
    ended = led(f"> {FULL}", *MODULE, "init", "n.toml")
    assert ended.code == 1 and (terminal.folder / "n.toml").exists()
    assert ended.err.startswith("cartage init: n.toml is written; stdout takes nothing: No space left on device.\n")
    assert "cartage plan n.toml" in ended.err and "same command again" not in ended.err


@full
def test_an_export_that_stdout_does_not_take_says_that_it_is_stdout(source: Path) -> None:
    assert led("", *MODULE, "cp", "./src/", "./dst/", "--ledger", "x.ledger").code == 0
    ended = led(f"> {FULL}", *MODULE, "export", "--ledger", "x.ledger")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "cartage export: stdout: No space left on device.")


@full
def test_a_refusal_stays_what_it_is_on_a_stdout_that_takes_nothing(source: Path) -> None:
    """The summary of `--json` cannot be written then, and the sentence on stderr says the same."""
    for words in (("ls", "./nowhere/", "--json"), ("ls", "--nonsense", "--json")):
        ended = led(f"> {FULL}", *MODULE, *words)
        assert ended.code in (1, 2)
        assert ended.err.count("cartage ls: ") == 1
        assert "Traceback" not in ended.err and "No space" not in ended.err


@full
@pytest.mark.parametrize("flags", [(), ("--progress",), ("-v",), ("--progress", "--quiet")], ids=" ".join)
def test_a_stderr_that_takes_nothing_changes_nothing_but_what_is_heard(source: Path, flags: tuple[str, ...]) -> None:
    (source / "a link").symlink_to("a.txt")  # something to be told of
    ended = led(f"2> {FULL}", *MODULE, "cp", "./src/", "./dst/", *flags)
    assert (source.parent / "dst" / "a.txt").read_bytes() == b"a"
    assert ended.code == 3
    assert ("copied 1 object" in ended.out) is ("--quiet" not in flags)
    assert led(f"2> {FULL}", *MODULE, "ls", "--nonsense").code == 2


def test_a_stderr_that_nobody_reads_any_more_ends_nothing(source: Path) -> None:
    (source / "a link").symlink_to("a.txt")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*MODULE, "cp", "./src/", "./dst/"], stderr=write, stdout=subprocess.PIPE, timeout=60)
    os.close(write)
    assert done.returncode == 3
    assert (source.parent / "dst" / "a.txt").read_bytes() == b"a"


@full
def test_what_is_first_refused_at_the_last_flush_is_said_as_well() -> None:
    code = (
        "import sys\nfrom engine.cli import main\n"
        "main.cli.main = lambda **_: sys.stdout.write('held back') and 0\nmain.main()"
    )
    ended = led(f"> {FULL}", sys.executable, "-c", code)
    assert (ended.code, ended.err.splitlines()[0]) == (1, "cartage: stdout: No space left on device.")
    assert "Exception ignored" not in ended.err
