"""Ledgers at the command line: of another plan or endpoint, locked, damaged, missing, and on a disk that is full."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.canned import Asked, Copied, Listing, Owned, answering, holding
from tests.cli.commands import Terminal, assert_no_traceback, assert_said_well, write_plan

serving = holding("old/a", "old/b")


@pytest.fixture
def plan(terminal: Terminal) -> Path:
    """A plan that was run: two objects in its ledger."""
    plan = write_plan(terminal.folder)
    with answering(serving) as server:
        terminal.at("http://127.0.0.1:1")
        terminal.set(AWS_ENDPOINT_URL_S3=server.url)
        assert terminal.call("run", plan).code == 0
    return plan


def rows(ledger: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(ledger)) as connection:
        return connection.execute("SELECT key, state FROM objects ORDER BY key").fetchall()


def test_another_endpoint_is_refused_with_the_difference(terminal: Terminal, plan: Path) -> None:
    before = rows(plan.with_suffix(".ledger"))
    with answering(serving) as server:
        terminal.at(server.url)
        for verb in ("plan", "run", "verify"):
            ended = terminal.call(verb, plan)
            told = terminal.call(verb, plan, "--json")
            assert_said_well(ended, verb)
            assert (ended.code, told.code) == (1, 1)
            assert "is bound to something else:\n  - it was made on http://127.0.0.1:" in ended.err
            assert f"and this is {server.url}" in ended.err
            assert told.summary["error"] == "LedgerMismatch"
        assert server.writes == []
    assert rows(plan.with_suffix(".ledger")) == before == [("a", "copied"), ("b", "copied")]


def test_a_bucket_that_belongs_to_someone_else_now_is_refused(terminal: Terminal) -> None:
    owner = "a" * 64
    plan = write_plan(terminal.folder)
    with answering(lambda asked: Owned(owner) if "acl" in asked.query else serving(asked)) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan).code == 0
        owner, copies = "b" * 64, len(server.copies)
        for verb in ("plan", "run", "verify"):
            ended = terminal.call(verb, plan)
            assert_said_well(ended, verb)
            assert ended.code == 1
            assert f"the bucket bucket belonged to {'a' * 64}, and belongs to {'b' * 64} now" in ended.err
        assert len(server.copies) == copies


def test_another_plan_is_refused_with_every_difference(terminal: Terminal, plan: Path) -> None:
    other = write_plan(terminal.folder, name="other", source="/elsewhere/")
    with answering(serving) as server:
        terminal.at(server.url)
        ended = terminal.call("run", other, "--ledger", plan.with_suffix(".ledger"))
    assert_said_well(ended, "run")
    assert ended.code == 1
    assert "it belongs to the plan 'moving', not 'other'" in ended.err
    assert 'the source of "raw" was s3://bucket/old/, and is s3://bucket/elsewhere/ now' in ended.err


def test_a_ledger_that_is_none_or_damaged_is_refused_by_every_verb(terminal: Terminal, plan: Path) -> None:
    ledger = plan.with_suffix(".ledger")
    whole = ledger.read_bytes()
    damaged = {
        "cut short": whole[: len(whole) // 2],
        "empty": b"",
        "overwritten": whole[:100] + b"\xa5" * (len(whole) - 100),
        "another file": b"# a letter\n" * 50,
    }
    with answering(serving) as server:
        terminal.at(server.url)
        for what, content in damaged.items():
            ledger.write_bytes(content)
            for verb in ("plan", "run", "verify", "status"):
                ended = terminal.call(verb, plan)
                assert ended.code == 1, what
                assert_said_well(ended, verb)
                assert terminal.call(verb, plan, "--json").summary["error"] == "LedgerCorrupt", what
            assert ledger.read_bytes() == content
        assert server.writes == []


def test_a_folder_without_a_ledger_is_refused_before_anything_is_made(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    folder = terminal.folder / "letters"
    folder.mkdir(mode=0o755)
    (folder / "letter.txt").write_text("hello")
    with answering(serving) as server:
        terminal.at(server.url)
        for words in (("plan",), ("run",), ("run", "--processes", "2")):
            ended = terminal.call(words[0], plan, *words[1:], "--ledger", folder)
            assert_said_well(ended, words[0])
            assert ended.code == 2
            assert f"{folder} is a folder without a ledger." in ended.err
        assert server.writes == []
    assert [item.name for item in folder.iterdir()] == ["letter.txt"] and folder.stat().st_mode & 0o777 == 0o755


def test_a_missing_ledger(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(serving) as server:
        terminal.at(server.url)
        for verb in ("status", "verify"):
            ended = terminal.call(verb, plan)
            assert_said_well(ended, verb)
            assert ended.code == 1
            assert "there is no ledger at" in ended.err
    nothing = terminal.call("status")
    assert_said_well(nothing, "status")
    assert nothing.code == 2
    assert "there is no ledger here" in nothing.err


def test_a_ledger_in_a_folder_that_is_not_there(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(serving) as server:
        terminal.at(server.url)
        ended = terminal.call("run", plan, "--ledger", "no/such/folder/x.ledger")
    assert_said_well(ended, "run")
    assert ended.code == 1
    assert "No such file or directory" in ended.err


def test_a_second_run_is_refused_with_the_process_id_of_the_first(terminal: Terminal, plan: Path) -> None:
    from engine.ledger.locking import FileLock

    lock = FileLock(plan.with_suffix(".ledger"))
    lock.acquire()
    try:
        with answering(serving) as server:
            terminal.at(server.url)
            ended = terminal.call("run", plan)
        assert_said_well(ended, "run")
        assert ended.code == 1
        assert "another run is at work" in ended.err and "pid " in ended.err
        assert terminal.call("status", plan).code == 0
    finally:
        lock.release()


def test_a_full_disk_under_the_ledger_stops_the_run_and_the_next_one_goes_on(terminal: Terminal) -> None:
    """Enforced by the operating system: the process may not write files of more than 300 kB."""
    keys = [f"old/{page}/{number:03}-{'long' * 100}" for page in range(3) for number in range(200)]

    def answer(asked: Asked) -> Listing | Copied:
        if asked.method == "PUT":
            return Copied()
        if asked.prefix != "old/":
            return Listing()
        page = int(asked.query.get("continuation-token", "0"))
        return Listing(tuple(keys[page * 200 : page * 200 + 200]), str(page + 1) if page < 2 else "")

    plan = write_plan(terminal.folder)
    with answering(answer) as server:
        terminal.at(server.url)
        limit = 300_000
        with terminal.start(
            "run",
            plan,
            "--json",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        ) as process:
            out, err = process.communicate(timeout=60)
        summary = json.loads(out.splitlines()[-1])
        assert process.returncode == 1, err
        assert "Traceback" not in err
        assert "the disk under the ledger" in err and "run the same command again" in err
        assert (summary["event"], summary["exit_code"]) == ("summary", 1)
        ledger = plan.with_suffix(".ledger")
        kept = terminal.folder / "kept.ledger"
        shutil.copy(ledger, kept)
        before = len(server.copies)
        decided = terminal.call("status", plan, "--json").summary
        assert decided["routes"] == {} or decided["routes"]["raw"]["objects"] < len(keys)
        again = terminal.call("run", plan, "--json")
        assert again.code == 0
        assert again.summary["complete"] is True
        # What was copied and not committed is copied again, since this server's target listing stays empty.
        assert len(server.copies) <= before + len(keys)
        assert len(rows(ledger)) == len(keys)
        assert_no_traceback(again)


def test_status_says_what_is_under_way_and_what_was_deleted(terminal: Terminal, plan: Path) -> None:
    ledger = plan.with_suffix(".ledger")
    said = terminal.call("status", plan).out
    assert said.endswith(f"\n\nevery object is in place\nnext: cartage verify {plan}\n")
    for state, says in (
        ("planned", "1 object planned, and not known to be done"),
        ("deleting", "1 delete not confirmed: run the cleanup again"),
        ("deleted", "every object is in place; 1 source deleted"),
        ("failed", "not done: 1 failed\n"),
    ):
        with closing(sqlite3.connect(ledger)) as connection:
            connection.execute("UPDATE objects SET state = ? WHERE key = 'a'", (state,))
            connection.execute("DELETE FROM tallies")
            connection.execute(
                "INSERT INTO tallies SELECT route, state, proof, found, count(*), sum(size) FROM objects "
                "GROUP BY route, state, proof, found"
            )
            connection.commit()
        assert says in terminal.call("status", plan).out


def test_an_interrupted_copy_without_a_plan_file_is_to_be_typed_again(terminal: Terminal) -> None:
    """To verify it would end with 4: what is not copied differs."""
    (terminal.folder / "src").mkdir()
    for name in "ab":
        (terminal.folder / "src" / name).write_text(name)
    assert terminal.call("cp", "./src/", "./dst/", "--ledger", "copy.ledger").code == 0
    for change in ("UPDATE objects SET state = 'planned' WHERE key = 'a'", "UPDATE routes SET closed_ms = 0"):
        with closing(sqlite3.connect(terminal.folder / "copy.ledger")) as connection:
            connection.execute(change)
            connection.execute("DELETE FROM tallies")
            connection.execute(
                "INSERT INTO tallies SELECT route, state, proof, found, count(*), sum(size) FROM objects "
                "GROUP BY route, state, proof, found"
            )
            connection.commit()
        said = terminal.call("status", "--ledger", "copy.ledger").out
        assert said.endswith("\nnext: the same copy again\n")
    assert "listing not at its end" in said and "run the plan" not in said
    assert terminal.call("cp", "./src/", "./dst/", "--ledger", "copy.ledger").code == 0
    assert "next: cartage verify" in terminal.call("status", "--ledger", "copy.ledger").out


def test_of_several_ledgers_here_the_names_are_told(terminal: Terminal) -> None:
    for name in ("b", "a"):
        (terminal.folder / f"{name}.ledger").write_bytes(b"")
    ended = terminal.call("status")
    assert_said_well(ended, "status")
    assert ended.err.startswith("cartage status: there are 2 ledgers here: a.ledger, b.ledger.\n")
    for number in range(20):
        (terminal.folder / f"{number:02}.ledger").write_bytes(b"")
    assert "there are 22 ledgers here: 00.ledger, " in (err := terminal.call("status").err)
    assert err.splitlines()[0].endswith("09.ledger and 12 more.")


def test_an_export_of_nothing_begins_no_list(terminal: Terminal) -> None:
    """Whoever reads the list would take its first line for an empty one."""
    for form in ("csv", "ndjson"):
        ended = terminal.call("export", "--ledger", "none.ledger", "--format", form, "--output", "list")
        assert ended.code == 1
        assert not (terminal.folder / "list").exists()
    ended = terminal.call("export", "--ledger", "none.ledger")
    assert (ended.code, ended.out) == (1, "")


@pytest.mark.parametrize("ledger", [".", "..", "/", "held"])
def test_a_folder_of_other_things_becomes_no_ledger(terminal: Terminal, ledger: str) -> None:
    """It was shut to others and filled with shards, where a place in it was meant; "." was a mistake in Cartage."""
    for name in ("src", "held"):
        (terminal.folder / name).mkdir(mode=0o755)
        (terminal.folder / name / "a").write_bytes(b"a")
    ended = terminal.call("cp", "./src/", "./dst/", "--ledger", ledger)
    assert_said_well(ended, "cp")
    assert ended.code in (1, 2)
    assert "--ledger FOLDER/NAME.ledger, or --state-dir FOLDER" in ended.err
    assert [path.name for path in (terminal.folder / "held").iterdir()] == ["a"]
    assert (terminal.folder / "held").stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_becomes_the_ledger_and_is_gone_on_with(terminal: Terminal) -> None:
    for name in ("src", "held"):
        (terminal.folder / name).mkdir()
    (terminal.folder / "src" / "a").write_bytes(b"a")
    for _ in range(2):
        assert terminal.call("cp", "./src/", "./dst/", "--ledger", "held").code == 0
    assert (terminal.folder / "held" / "index.ledger").exists()


def test_a_ledger_in_a_folder_that_is_not_there_is_told_how_one_is_named(terminal: Terminal) -> None:
    (terminal.folder / "src").mkdir()
    ended = terminal.call("cp", "./src/", "./dst/", "--ledger", "nowhere/x.ledger")
    assert_said_well(ended, "cp")
    assert ended.code == 1 and "--ledger FOLDER/NAME.ledger, or --state-dir FOLDER" in ended.err
