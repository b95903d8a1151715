"""Every command explains itself, quickly, and loads only what it needs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

import engine
from engine.cli.main import VERBS, cli
from tests.cli.commands import MODULE, Terminal, write_plan

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = ("--endpoint-url", "--region", "--profile", "--ledger", "--json", "--quiet", "--progress")
WITHOUT_FLAGS = {"demo", "init", "sandbox"}


def command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
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
    holding = {path.stem for path in folder.glob("*.py") if "_command(" in path.read_text() and path.stem != "main"}
    assert holding == set(VERBS)
    for verb in VERBS:
        assert hasattr(importlib.import_module(f"engine.cli.{verb}"), f"{verb}_command")


def test_no_command_is_help_and_the_version_is_the_packages(terminal: Terminal) -> None:
    bare = terminal.call()
    assert [verb for verb in VERBS if f"\n  {verb} " not in bare.out + bare.err] == []
    assert terminal.call("--version").out.strip() == f"cartage, version {engine.__version__}"


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


BOTO = {"botocore", "boto3", "aioboto3", "aiobotocore", "aiohttp"}


def test_help_loads_nothing_but_click(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--help")
    assert not modules & (BOTO | {"anyio", "asyncio", "sqlite3", "msgspec", "tqdm", "ssl"})


def test_status_asks_the_ledger_alone_and_loads_nothing_for_s3(terminal: Terminal) -> None:
    from tests.cli.canned import Listing, answering

    plan = write_plan(terminal.folder)
    with answering(lambda asked: Listing(("old/a",) if asked.prefix == "old/" else ())) as server:
        terminal.at(server.url)
        terminal.call("plan", plan)
    modules = loaded(terminal.folder, "status")
    assert not modules & (BOTO | {"msgspec", "tqdm", "httptools", "uvloop", "engine.sandbox"})
    modules = loaded(terminal.folder, "status", str(plan))
    assert not modules & (BOTO | {"tqdm", "httptools", "uvloop", "engine.sandbox"})
