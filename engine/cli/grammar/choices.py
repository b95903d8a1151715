"""What completion offers where a word is a user's own: plan files, ledgers, profiles, names out of the plan and the
ledger on the line. It reads files of this machine alone and asks no server; what cannot be read offers nothing."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

STORAGE_CLASSES = (
    "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW",
)  # fmt: skip
"""What x-amz-storage-class takes (API reference, CopyObject)."""

MOST_BYTES = 1 << 20
"""Of a plan or a configuration: what is larger is not looked into while somebody waits for a key stroke."""
BUSY_S = 0.2
"""How long a ledger that is being written is waited for."""

Items = list[CompletionItem[Any]]


def beginning(words: Iterable[str], incomplete: str) -> Items:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_storage_classes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    return beginning(STORAGE_CLASSES, incomplete.upper())


def complete_by(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """What `ls` sums up by (`engine.finish.grouping.BY`); a tag's name is the user's own."""
    return beginning(("prefix", "class", "age", "suffix", "tag="), incomplete)


def complete_plans(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Plan files, and folders by the shell's own completion where no plan begins so."""
    return _files(incomplete, ".toml")


def complete_ledgers(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    return _files(incomplete, ".ledger")


def complete_tables(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Any file; a place in S3 is left to the user."""
    return [] if incomplete.startswith("s3:") else [CompletionItem(incomplete, type="file")]


complete_places = complete_tables
"""A location: a local path, or one in S3."""


def complete_topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    commands = ctx.find_root().command
    assert isinstance(commands, click.Group)
    return beginning([*commands.list_commands(ctx), "flags", "variables"], incomplete)


def complete_profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    named = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    texts = [_text(Path(os.environ.get(name) or usual).expanduser()) for name, usual in named]
    found = re.findall(r"^\[(?:profile )?([^\]\s]+)\]", "\n".join(texts), flags=re.MULTILINE)
    return beginning(sorted(set(found)), incomplete)


def complete_sites(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The sites of the plan on the line."""
    return beginning(["connection", *_plan(ctx).get("sites", {})], incomplete)


def complete_acceptable(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """What the ledger found last to differ, with its figure."""
    found = _figures(ctx)
    return [CompletionItem(name, help=str(found[name])) for name in found if name.startswith(incomplete)]


def complete_figures(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The figure that was found of what is accepted on the line."""
    found = _figures(ctx)
    what = _argument(ctx, "what")
    return beginning([str(found[what])] if what in found else [], incomplete)


def complete_accepted(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    rows = _rows(ctx, "SELECT DISTINCT name FROM acceptances ORDER BY name")
    return beginning((str(name) for (name,) in rows), incomplete)


def _files(incomplete: str, suffix: str) -> Items:
    head, name = os.path.split(incomplete)
    try:
        with os.scandir(Path(head or ".").expanduser()) as entries:
            found = sorted(item.name for item in entries if item.name.startswith(name) and item.name.endswith(suffix))
    except OSError:
        found = []
    if not found or any(shlex.quote(item) != item for item in found):
        return [CompletionItem(incomplete, type="file")]  # the shell quotes what it completes by itself, and only that
    return [CompletionItem(os.path.join(head, item)) for item in found]  # noqa: PTH118 (as it was typed)


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return ""


def _argument(ctx: click.Context, name: str) -> str:
    """An argument on the line. Click knows none of them by name while the value of a flag is still to come."""
    names = [param.name for param in ctx.command.params if isinstance(param, click.Argument)]
    return str(ctx.params.get(name) or dict(zip(names, ctx.args, strict=False)).get(name, ""))


def _plan_file(ctx: click.Context) -> Path:
    return Path(_argument(ctx, "file")).expanduser()


def _plan(ctx: click.Context) -> dict[str, Any]:
    """The plan's own tables, as far as they can be read."""
    import tomllib

    try:
        return tomllib.loads(_text(_plan_file(ctx)))
    except tomllib.TOMLDecodeError:
        return {}


def _figures(ctx: click.Context) -> dict[str, Any]:
    """What was found, by the name it is accepted under (`engine.finish.acceptances.found_figures`)."""
    import json

    rows = _rows(ctx, "SELECT value FROM notes WHERE key = 'found'")
    found = json.loads(rows[0][0]) if rows else {}
    return found if isinstance(found, dict) else {}


def _rows(ctx: click.Context, query: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger on the line, or of its plan's; none where there is no ledger."""
    import sqlite3

    path = ctx.params.get("ledger")
    if path is None:
        file = _plan_file(ctx)
        path = (ctx.params.get("state_dir") or file.parent) / f"{_plan(ctx).get('name') or file.stem}.ledger"
    try:
        connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError):
        return []
