"""Every command explains itself, quickly, and loads only what it needs."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from pathlib import Path

import click
import pytest

import engine
from engine.cli.grammar.look import BASES, EXPORTS
from engine.cli.grammar.move import POLICIES, WRITES_PER_S
from engine.cli.grammar.reference import reference, shared_flags
from engine.cli.grammar.words import PREFIX, SAFETY, WHAT, Verb
from engine.cli.main import GROUPS, VERBS, cli
from tests.cli.commands import MODULE, Terminal, write_plan

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = ("--endpoint-url", "--region", "--profile", "--ledger", "--json", "--quiet", "--progress")
WITHOUT_FLAGS = {verb.name for verb in reference() if verb.bare}
WIDTHS = (80, 140)


def command(verb: str) -> Verb:
    found = cli.get_command(click.Context(cli), verb)
    assert isinstance(found, Verb)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_a_sentence_and_the_shared_flags(terminal: Terminal, verb: str) -> None:
    ended = terminal.call(verb, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: cartage {verb} ")
    assert ended.err == ""
    assert len(command(verb).help or "") > 40
    assert verb in WITHOUT_FLAGS or [flag for flag in FLAGS if flag not in ended.out] == []
    assert [
        option.name for option in command(verb).params if isinstance(option, click.Option) and not option.help
    ] == []


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    assert {verb: command(verb).short_help for verb in VERBS} == VERBS
    assert [verb for verb, text in VERBS.items() if len(text) > 80] == []


def test_every_module_with_a_command_is_a_verb() -> None:
    folder = REPOSITORY / "engine" / "cli"
    holding = {path.stem for path in folder.glob("*.py") if f"def {path.stem}_command(" in path.read_text()}
    assert holding == set(VERBS)
    for verb in VERBS:
        assert hasattr(importlib.import_module(f"engine.cli.{verb}"), f"{verb}_command")


def test_no_command_is_help_and_the_version_is_the_packages(terminal: Terminal) -> None:
    bare = terminal.call()
    assert [verb for verb in VERBS if f"\n  {verb} " not in bare.out + bare.err] == []
    first, *others = terminal.call("--version").out.splitlines()
    assert first == f"cartage, version {engine.__version__}"
    said = " ".join(others)
    for what in ("python 3.", "botocore ", "sqlite 3.", "openssl ", platform.machine(), "[boto] aiobotocore "):
        assert what in said


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command imports, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *MODULE[1:], *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")}


def test_the_commands_stand_in_groups(terminal: Terminal) -> None:
    shown = terminal.call("--help").out
    at = [shown.index(f"\n{group.title}:\n") for group in GROUPS]
    assert at == sorted(at)
    assert list(GROUPS[0].verbs)[:4] == ["init", "plan", "run", "verify"]
    assert "\nExamples:\n  cartage " in shown


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_the_terminal(terminal: Terminal, verb: str, columns: int) -> None:
    terminal.set(COLUMNS=str(columns))
    shown = terminal.call(*([verb] if verb else []), "--help").out
    assert [line for line in shown.splitlines() if len(line) > columns] == []
    if not verb:  # a line a command, so that the list is read at a glance
        assert [text for text in VERBS.values() if f"{text}\n" not in shown] == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_what_matters_before_what_all_commands_have(terminal: Terminal, verb: str) -> None:
    shown = terminal.call(verb, "--help").out
    at = [shown.index("\nExamples:\n")]
    at += [shown.index(f"\n{title}:\n") for title, _ in next(item.own for item in reference() if item.name == verb)]
    at += [shown.index("\nConnection, ledger, output (")] if verb not in WITHOUT_FLAGS else []
    assert at == sorted(at)
    assert len(shown.splitlines()) < 80
    everywhere = [flag.meaning for _, flags in shared_flags() for flag in flags]
    assert verb in WITHOUT_FLAGS or [text for text in everywhere if text in " ".join(shown.split())] == []


def test_what_the_flags_of_all_commands_mean_is_shown_in_one_place(terminal: Terminal) -> None:
    shown = " ".join(terminal.call("help", "flags").out.split())
    flags = [flag for _, group in shared_flags() for flag in group]
    assert [flag.spelling for flag in flags if f"{flag.spelling} {' '.join(flag.meaning.split())}" not in shown] == []
    assert terminal.call("help", "run").out == terminal.call("run", "--help").out
    assert terminal.call("help").out == terminal.call("--help").out
    ended = terminal.call("help", "rnu")
    assert ended.code == 2 and "Did you mean 'run'?" in ended.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cp s3://one/ s3://two/ --overwrite", "requires an argument. There are never, if-different and always.\n"),
        ("verify plan.toml --deep sample:20", "\n  Write --deep=sample:20, with the equals sign.\n"),
        ("mv s3://one/ s3://two/", " A move is cp (or a plan), verify, cleanup: cartage help cleanup\n"),
    ],
)
def test_a_line_that_was_nearly_right_is_told_how_it_is_right(terminal: Terminal, line: str, said: str) -> None:
    ended = terminal.call(*line.split())
    assert ended.code == 2 and said in ended.err, ended.err


def test_the_choices_that_help_shows_are_those_that_there_are() -> None:
    """They are written again where nothing heavy is loaded."""
    from engine.cli.export import PARQUET
    from engine.plan import estimate
    from engine.plan.permissions import COMMANDS
    from engine.proof.fingerprint import Basis
    from engine.report.export import FORMATS

    assert (*COMMANDS,) == POLICIES
    assert tuple(basis.value for basis in Basis) == BASES
    assert (*FORMATS, PARQUET) == EXPORTS
    assert estimate.WRITES_PER_S == WRITES_PER_S


# --- variables ----------------------------------------------------------------------------------------------


def test_no_variable_says_what_is_meant_deleted_or_not_asked() -> None:
    """What stands in the environment is forgotten; what a command may delete has to be seen on its line."""
    for verb in VERBS:
        for flag in command(verb).flags:
            assert not flag.variable or flag.group not in (WHAT, SAFETY), (verb, flag.spelling)
            assert flag.variable in ("", PREFIX + flag.opts[0].lstrip("-").upper().replace("-", "_"))
    by_json = [flag for flag in command("run").flags if flag.name == "as_json"]
    assert [flag.variable for flag in by_json] == [""], "with --json nothing is asked"
    for verb, name in (("set", "storage_class"), ("delete", "links"), ("sync", "links")):
        assert [flag.variable for flag in command(verb).flags if flag.name == name] == [""], (verb, name)


def test_a_variable_stands_for_a_flag_that_is_not_given(terminal: Terminal) -> None:
    from tests.cli.canned import answering, holding

    plan = write_plan(terminal.folder)
    with answering(holding("old/a")) as server:
        terminal.at("http://127.0.0.1:1")
        terminal.set(CARTAGE_ENDPOINT_URL=server.url, CARTAGE_LEDGER="named.ledger", CARTAGE_QUIET="1")
        ended = terminal.call("plan", plan)
        assert (ended.code, ended.out) == (0, "")
        assert (terminal.folder / "named.ledger").exists()
        told = terminal.call("plan", plan, "--endpoint-url", "ftp://host")
        assert "the endpoint 'ftp://host' is not a URL" in told.err


def test_a_variable_that_makes_no_sense_is_named(terminal: Terminal) -> None:
    terminal.set(CARTAGE_CONCURRENCY="many")
    ended = terminal.call("run", write_plan(terminal.folder))
    assert ended.code == 2
    assert "--concurrency" in ended.err and "CARTAGE_CONCURRENCY" in ended.err


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pln", "plan"), ("verfy", "verify"), ("copy", "cp"), ("rm", "delete"), ("RUN", "run"), ("fingreprint", "finger")],
)
def test_a_command_that_was_mistyped_is_guessed(terminal: Terminal, typed: str, meant: str) -> None:
    ended = terminal.call(typed)
    assert ended.code == 2
    assert ended.err.startswith(f"cartage: There is no command '{typed}'. Did you mean '{meant}")


def test_nothing_is_guessed_where_nothing_is_alike(terminal: Terminal) -> None:
    ended = terminal.call("xyzzy")
    assert ended.code == 2 and "Did you mean" not in ended.err and "cartage --help" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says", "example"),
    [
        (["run", "plan.toml", "--max-rsp", "5"], "Did you mean '--max-rps'?", "run plan.toml --yes --max-rps 500"),
        (
            ["cleanup", "plan.toml", "--confrm", "x"],
            "Did you mean '--confirm'?",
            "plan.toml --delete --confirm cards",
        ),
        (["cp", "s3://bucket/a/"], "Missing argument 'TARGET'", "cp s3://"),
        (["verify", "plan.toml", "--deep=sample:1%", "more"], "unexpected extra argument", "--deep=sample:1%"),
        (["export", "--format", "xml"], "'xml' is not one of", "export plan.toml --format ndjson"),
    ],
)
def test_a_line_that_cannot_be_read_gets_a_sentence_and_the_nearest_example(
    terminal: Terminal, arguments: list[str], says: str, example: str
) -> None:
    ended = terminal.call(*arguments)
    sentence, *more = ended.err.splitlines()
    assert ended.code == 2
    assert sentence.startswith(f"cartage {arguments[0]}: ") and says in sentence
    assert more[1].startswith("  As in: cartage ") and example in more[1]
    told = terminal.call(*arguments, "--json").summary
    assert says in told["message"] and "As in: cartage" in told["advice"]


# --- what is loaded -----------------------------------------------------------------------------------------

BOTO = {"botocore", "boto3", "aioboto3", "aiobotocore", "aiohttp"}


LIGHT = {"engine.cli", "engine.cli.entry", "engine.cli.main", "engine.process", "engine.version", "engine.cli.help"}
GRAMMAR = {f"engine.cli.grammar.{path.stem}" for path in (REPOSITORY / "engine/cli/grammar").glob("*.py")} | {
    "engine.cli.grammar"
}


def test_help_loads_nothing_but_click(tmp_path: Path) -> None:
    for line in (["--help"], ["cp", "--help"], ["help", "flags"]):
        modules = loaded(tmp_path, *line)
        assert not {name for name in modules if name.startswith("engine.")} - LIGHT - GRAMMAR
        assert not modules & (BOTO | {"anyio", "asyncio", "sqlite3", "msgspec", "tqdm", "ssl"})


def test_status_asks_the_ledger_alone_and_loads_nothing_for_s3(terminal: Terminal) -> None:
    from tests.cli.canned import answering, holding

    plan = write_plan(terminal.folder)
    with answering(holding("old/a")) as server:
        terminal.at(server.url)
        terminal.call("plan", plan)
    for line in (["status"], ["status", str(plan)]):
        assert not loaded(terminal.folder, *line) & (BOTO | {"tqdm", "httptools", "uvloop", "engine.sandbox"})


@pytest.mark.parametrize("flag", ["--recursive", "-r"])
def test_a_flag_that_is_not_needed_is_told_how_to_do_without(terminal: Terminal, flag: str) -> None:
    ended = terminal.call("cp", "s3://bucket/a/", "./a/", flag)
    assert ended.code == 2
    assert ended.err.startswith(
        f"cartage cp: No such option '{flag}'.\n  A slash at the end of a location takes all below it.\n"
    )
    assert "--exclude" not in ended.err
