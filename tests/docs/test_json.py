"""docs/json.md: every event and every field of it is described, and every summary is as the page says."""

from __future__ import annotations

import dataclasses
import re
import shutil
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engine.events
from engine.events import Event, ObjectAside, Progress
from engine.report.ndjson import event_line
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Ended, Terminal
from tests.docs.pages import DOCS, REPOSITORY, sections, table_rows
from tests.servers import Endpoint

PAGE = (DOCS / "json.md").read_text(encoding="utf-8")
BUCKET = "pokemon-card-training-us-east-2"
TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "int | None": "whole number or null",
    "dict[str, int]": "object",
    "dict[str, int] | None": "object or null",
}


def events() -> list[type[Event]]:
    found = [item for item in vars(engine.events).values() if isinstance(item, type) and issubclass(item, Event)]
    return [item for item in found if item is not Event and not item.for_people]


def test_every_event_and_field_is_described_and_no_other() -> None:
    described = {
        heading.strip("`"): {row[0].strip("`"): row[1] for row in table_rows(body)}
        for heading, body in sections(PAGE, 3)
        if heading.startswith("`")
    }
    actual = {
        item.event: {field.name: TYPES[str(field.type)] for field in dataclasses.fields(item)} for item in events()
    }
    assert described == actual


def test_an_event_is_one_line_of_ascii_that_gives_its_key_back() -> None:
    import json

    line = event_line(ObjectAside("raw", "ü\n\x1b[31m\u202e\U0001f600", "failed", "AccessDenied", "why"))
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["key"] == "ü\n\x1b[31m\u202e\U0001f600"
    fields: dict[str, Any] = {field.name: 0 for field in dataclasses.fields(Progress)}
    assert set(json.loads(event_line(Progress(**fields)))) == {"event", *fields}


# --- summaries ----------------------------------------------------------------------------------------------

KNOWN_EVERYWHERE = {"event", "command", "exit_code"}


def summaries() -> dict[str, set[str]]:
    body = PAGE.split("Else it has the fields of its command:")[1]
    found: dict[str, set[str]] = {}
    for commands, fields, *_ in table_rows(body):
        named = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", fields)))
        for command in re.findall(r"`(\w+)`", commands):
            found[command] = named
    return found


class Played:
    """The reference migration at a small scale, and the commands as a user calls them on it."""

    def __init__(self, terminal: Terminal, plan: Path) -> None:
        self.terminal = terminal
        self.plan = plan

    def call(self, *arguments: Any) -> Ended:
        return self.terminal.call(*arguments, "--json")


@pytest.fixture
def played(terminal: Terminal) -> Iterator[Played]:
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("reference", {"scale": 0.001})
        terminal.on(Endpoint.of(sandbox))
        plan = terminal.folder / "pokemon.toml"
        shutil.copy(REPOSITORY / "examples" / "pokemon.toml", plan)
        yield Played(terminal, plan)


def deletions(played: Played) -> dict[str, Ended]:
    """What deletes, deleting."""
    small = played.plan.with_name("small.toml")
    small.write_text(
        f'name = "small"\nbucket = "{BUCKET}"\n[[routes]]\nname = "all"\nfrom = "/copy/"\nto = "/again/"\n'
        '[cleanup]\nhold = "0s"\n'
    )
    played.call("run", small)
    reverted = played.call("revert", small, "--delete", "--confirm", "small")
    for command in ("run", "verify"):
        played.call(command, small)
    again = f"s3://{BUCKET}/again/"
    return {
        "revert": reverted,
        "cleanup": played.call("cleanup", small, "--delete", "--confirm", "small"),
        "delete": played.call("delete", again, "--confirm", again),
    }


def test_every_summary_has_the_fields_that_the_page_names_and_no_other(played: Played) -> None:
    call, plan, under = played.call, played.plan, f"s3://{BUCKET}/"
    ended = {
        "check": call("check", f"{under}data/"),
        "plan": call("plan", plan),
        "run": call("run", plan),
        "cp": call("cp", f"{under}data/reference/", f"{under}copy/", "--yes"),
        "set": call("set", f"{under}copy/", "--tags", "team=cards", "--yes"),
        "sync": call("sync", f"{under}data/reference/", f"{under}copy/", "--yes"),
        "status": call("status", plan, "--failed"),
        "verify": call("verify", plan),
        "accept": call("accept", plan, "raw.objects", "--found", "18", "--because", "a small scale"),
        "export": call("export", plan, "--output", "ledger.csv"),
        "fingerprint": call("fingerprint", f"{under}data/raw/"),
        "manifest": call("manifest", plan),
        "rewrite": call("rewrite", plan),
        "cleanup": call("cleanup", plan),
        "revert": call("revert", plan),
        "ls": call("ls", under, "--summarize"),
        "delete": call("delete", f"{under}copy/"),
        "receipt": call("receipt", plan),
        "lifecycle": call("lifecycle", f"{under}data/reference/", "--abort-uploads", "7d"),
        "share": call("share", f"{under}data/reference/", "--list", "links.txt", "-o", "page.html"),
        "restore": call("restore", f"{under}data/reference/"),
        "policy": call("policy", under, "--read", "arn:aws:iam::123456789012:user/ana"),
    }
    checked = call("receipt", plan, "--check", "pokemon-consolidation.receipt.json")
    codes = {command: end.code for command, end in ended.items()}
    assert codes == dict.fromkeys(ended, 0) | {"cleanup": 5}
    described = summaries()
    assert sorted(described) == sorted(ended)
    found = {command: set(end.summary) - KNOWN_EVERYWHERE for command, end in ended.items()}
    found["ls"] |= set(call("ls", under, "--by", "class").summary) - KNOWN_EVERYWHERE
    found["receipt"] |= set(checked.summary) - KNOWN_EVERYWHERE
    found["plan"] |= set(call("plan", plan, "--policy", "run").summary) - KNOWN_EVERYWHERE
    found["accept"] |= set(call("accept", plan, "--list").summary) - KNOWN_EVERYWHERE
    found["accept"] |= set(call("accept", plan, "--remove", "raw.objects").summary) - KNOWN_EVERYWHERE
    for flag in ("--apply", "--undo"):
        found["rewrite"] |= set(call("rewrite", plan, flag).summary) - KNOWN_EVERYWHERE
    for command, end in deletions(played).items():
        found[command] |= set(end.summary) - KNOWN_EVERYWHERE
    assert found == described
    kinds = {item.event: item for item in events()}
    for end in [*ended.values(), checked]:
        for line in end.lines[:-1]:
            fields = {field.name: field for field in dataclasses.fields(kinds[line["event"]])}
            assert set(line) == {"event", *fields}
            for name, field in fields.items():
                assert_type(line[name], TYPES[str(field.type)])
    told = {command: [line for line in end.lines if line["event"] == "progress"] for command, end in ended.items()}
    still_listing = [command for command, lines in told.items() if lines and not lines[-1]["listing_done"]]
    assert not still_listing, "a command has ended, and its listing has not"


def assert_type(value: Any, described: str) -> None:
    if described.endswith(" or null") and value is None:
        return
    wanted = {"text": str, "whole number": int, "number": (int, float), "true or false": bool, "object": dict}
    kind = typing.cast(Any, wanted[described.removesuffix(" or null")])
    assert isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), (value, described)
