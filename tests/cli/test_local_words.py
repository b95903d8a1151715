"""What is said of local files and folders: by their paths, in words for files, with nothing of S3's in it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.ending import UnexpectedError, explain
from engine.folder import system
from tests.cli.commands import Ended, Terminal, assert_said_well

OF_S3 = ("bucket", "object with", "GetBucketLocation", "PutObject", "ListObjectsV2", "FolderMissing", "AccessDenied")


@pytest.fixture
def here(terminal: Terminal) -> Path:
    """A folder with `src/`, an empty `empty/`, and a file `afile`."""
    for name in ("src", "empty"):
        (terminal.folder / name).mkdir()
    (terminal.folder / "src" / "a.txt").write_bytes(b"a")
    (terminal.folder / "afile").write_bytes(b"f")
    return terminal.folder


def said(ended: Ended, verb: str, code: int) -> str:
    """The refusal, which is well said and in words for files."""
    assert ended.code == code, ended.err
    assert_said_well(ended, verb)
    assert not any(word in ended.err for word in OF_S3), ended.err
    return ended.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("cp", "./nope", "./dst/nope"), 2, "there is no file {here}/nope\n"),
        (("cp", "./nope/", "./dst/"), 1, "the folder {here}/nope does not exist\n  Mend the path"),
        (("ls", "./my%20src/"), 1, "{here}/my%20src does not exist (%20 is taken as it stands: nothing in a location"),
        (("ls", "./my%20src"), 2, "there is no file {here}/my%20src (%20 is taken as it stands: "),
        (("ls", "./nope"), 2, "there is no file {here}/nope\n"),
        (("ls", "./afile/"), 1, "{here}/afile is a file, not a folder\n  Name a folder"),
        (("ls", "./afile/x/"), 1, "{here}/afile is a file, not a folder\n"),
        (("sync", "./empty/", "./dst/"), 2, "the folder {here}/empty is empty\n"),
        (("cp", "./src/", "./afile/x/y/"), 1, "{here}/afile is a file, not a folder\n"),
        (("cp", "./src/", "./lost/x/"), 1, "{here}/lost is a link that leads nowhere\n"),
    ],
)
def test_a_local_place_is_told_of_as_one(
    terminal: Terminal, here: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    (here / "lost").symlink_to("nowhere")
    assert sentence.format(here=here) in said(terminal.call(*words), words[0], code)


@pytest.mark.parametrize("verb", ["cp", "sync"])
@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("./src", "s3://bucket/n/", "one problem:\n  - SOURCE: ./src is a folder: write ./src/ for everything in it\n"),
        ("./src", "s3://bucket/n", "  - SOURCE: ./src is a folder: write ./src/ for everything in it\n"),
        ("./src", "s3://bucket/n", '"./src/" is everything in that folder: write "s3://bucket/n/"\n'),
        ("./src/", "./dst", '"./dst" is one file, and "./src/" is everything in that folder: write "./dst/"\n'),
        ("s3://b/x/", "./dst/", 'has one problem:\n  - SOURCE: "b" is not a bucket name'),
        ("./src/", "dst/", 'has one problem:\n  - TARGET: "dst/" is not a complete location'),
    ],
)
def test_a_slash_that_was_forgotten_and_a_location_that_is_none(
    terminal: Terminal, here: Path, verb: str, source: str, target: str, sentence: str
) -> None:
    ended = terminal.call(verb, source, target)
    assert ended.code == 2 and sentence in ended.err, ended.err


@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_who_wrote_no_plan_is_not_told_of_one(terminal: Terminal, here: Path, verb: str) -> None:
    err = said(terminal.call(verb, "./src/", "./src/x/"), verb, 2)
    assert f"cartage {verb}: What was asked for has one problem:\n  - its target {here}/src/x/ is inside" in err
    assert "The plan" not in err and 'route "' not in err


def test_ledgers_of_our_own_are_not_what_begins_alike(terminal: Terminal, here: Path) -> None:
    """A copy's ledger is named after it, so that the very command that is refused has left one."""
    (here / "nopes").write_bytes(b"")
    err = said(terminal.call("cp", "./nope", "./dst/nope"), "cp", 2)
    assert list(here.glob("nope-to-nope-*.ledger"))
    assert "1 only begin alike, such as 'nopes', and are not meant by it" in err


def test_a_target_of_a_ledger_that_is_gone_may_be_begun_anew(terminal: Terminal, here: Path) -> None:
    copy = ("cp", "./src/", "./dst/")
    assert terminal.call(*copy).code == 0
    shutil.rmtree(here / "dst")
    err = said(terminal.call(*copy), "cp", 1)
    assert f"the folder {here}/dst does not exist" in err
    assert "Mount or restore it" in err and "or start anew with another ledger, by --ledger" in err
    assert terminal.call(*copy, "--ledger", "anew.ledger").code == 0


def test_a_target_that_may_not_be_made_is_named_whole(
    terminal: Terminal, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system is asked below a descriptor, by a name in bytes: it tells no more of the path than that."""

    def refuse(directory: int, name: bytes) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr(system, "make_directory", refuse)
    err = said(terminal.call("cp", "./src/", "./closed/deep/"), "cp", 1)
    assert f"permission denied: user {os.geteuid()} may not write {here}/closed/deep" in err
    assert "b'" not in err


def test_a_name_that_the_system_tells_in_bytes_is_text() -> None:
    error = explain(PermissionError(errno.EACCES, "Permission denied", b"caf\xc3\xa9"))
    assert error is not None and error.message == "caf\u00e9: Permission denied."


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.EMFILE, "Too many open files", "/proc/mounts"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "ulimit -u"),
        (MemoryError(), "goes on"),
    ],
    ids=["files", "threads", "processes", "memory"],
)
def test_what_the_system_bounds_is_no_mistake_of_ours(error: Exception, advice: str) -> None:
    known = explain(error)
    assert known is not None and not isinstance(known, UnexpectedError)
    assert advice in known.advice


def test_of_a_thread_that_cannot_begin_python_says_what_is_looked_for() -> None:
    if sys.platform != "linux":
        pytest.skip("no bound that hinders a thread is known here")
    code = (
        "import resource, threading\nfrom engine.cli.ending import NO_THREAD\n"
        "threading.stack_size(64 << 20)\nresource.setrlimit(resource.RLIMIT_AS, (48 << 20, 48 << 20))\n"
        "try: threading.Thread(target=print).start()\nexcept RuntimeError as error: print(str(error) == NO_THREAD)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
