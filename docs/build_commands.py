"""Writes docs/commands.md from the definitions of the commands: `python docs/build_commands.py`.

A test holds the page equal to what `page` gives here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.cli.grammar.reference import reference, shared_flags, variables
from engine.cli.grammar.words import Flag, Verb
from engine.cli.main import GROUPS

WRITTEN = "<!-- written by docs/build_commands.py from engine/cli/grammar: change that -->"
HEAD = """`cartage COMMAND --help` says the same in the terminal, and `cartage completion SHELL` has it completed. What
a command ends with is in [exit codes](exit-codes.md), what `--json` writes in [JSON](json.md)."""
VARIABLES = """A variable stands for a flag wherever that is not given; a flag on the line goes before it. None stands
for what says which objects are meant, what is deleted, set or written over, what is not asked, or which promise of a
server is done without: what stands in an environment is forgotten, and these have to be seen on the command's own
line."""


def page() -> str:
    """The whole of docs/commands.md."""
    parts = ["# Commands", WRITTEN, one_line(HEAD)]
    for group in GROUPS:
        shorts = ((f"[`{name}`](#{name})", short) for name, short in group.verbs.items())
        parts += [f"## {group.title}", table(("command", ""), shorts)]
        for verb in reference():
            if verb.name in group.verbs:
                parts += command(verb)
    parts += ["## Flags of nearly every command", "Those without are " + ", ".join(without()) + "."]
    for title, flags in shared_flags():
        parts += [f"**{title}**", flag_table(flags)]
    rows = ((f"`{flag.variable}`", f"`{flag.opts[0]}`") for flag in variables())
    parts += ["## Variables", one_line(VARIABLES), table(("variable", "flag"), rows)]
    return "\n\n".join(parts) + "\n"


def command(verb: Verb) -> Iterator[str]:
    """A command's own section."""
    yield f"### {verb.name}"
    yield f"```text\n{verb.usage}\n```"
    yield from map(quoted, verb.paragraphs)
    width = max(len(example.line) for example in verb.examples)
    lines = (f"{example.line:<{width}}  # {example.does}" for example in verb.examples)
    yield "```sh\n" + "\n".join(lines) + "\n```"
    for title, flags in verb.own:
        yield f"**{title}**"
        yield flag_table(flags)
    if not verb.bare:
        yield "And the [flags of nearly every command](#flags-of-nearly-every-command)."


def flag_table(flags: Iterable[Flag]) -> str:
    return table(("flag", ""), ((f"`{flag.spelling}`", flag.meaning) for flag in flags))


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *((escaped(one), quoted(escaped(other))) for one, other in rows)]
    return "\n".join(f"| {one} | {other} |" for one, other in lines)


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


def quoted(text: str) -> str:
    """Angle brackets as text: Markdown takes them for tags. Stars of patterns are none of its emphasis."""
    return text.replace("<", "&lt;")


def one_line(text: str) -> str:
    return " ".join(text.split())


def without() -> list[str]:
    return [f"`{verb.name}`" for verb in reference() if verb.bare]


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(page(), encoding="utf-8")
