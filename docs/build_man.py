"""Writes docs/man/cartage.1 and docs/completion/ from what can be typed: `python docs/build_man.py`. A test holds the
files equal to what `files` gives here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.cli.completion import script
from engine.cli.grammar.reference import reference, shared_flags, variables
from engine.cli.grammar.words import Flag, Verb
from engine.cli.main import GROUPS, cli
from engine.version import __version__

DOCS = Path(__file__).resolve().parent
COMPLETION = {"bash": "completion/cartage", "zsh": "completion/_cartage", "fish": "completion/cartage.fish"}
"""Each shell's file, by the name under which it looks for one."""

FILES = (
    ("PLAN.ledger", "What was decided and done, for every object; beside the plan unless --ledger names another."),
    ("~/.aws/config, ~/.aws/credentials", "Profiles, regions, endpoints, credentials: the AWS command line's."),
)
ENVIRONMENT = (
    ("AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE …", "As the AWS command line has them."),
    ("HTTPS_PROXY, NO_PROXY", "As everywhere."),
    (
        "CARTAGE_TLS",
        "python has Python's own ssl do TLS, also where the extra tls brings an OpenSSL that is no older.",
    ),
    ("CARTAGE_TRACEBACK", "1 shows the traceback of an error that Cartage did not expect, for a report."),
)


def escaped(text: str) -> str:
    """Text as roff takes it: in ASCII, backslashes and hyphens as themselves, no line that begins like a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text)
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def entry(term: str, text: str) -> str:
    """A paragraph under a term in bold."""
    return f".TP\n\\fB{escaped(term)}\\fR\n{escaped(text)}"


def entries(flags: Iterable[tuple[str, list[Flag]]]) -> Iterator[str]:
    for _, group in flags:
        yield from (entry(flag.spelling, flag.meaning) for flag in group)


def section(verb: Verb) -> Iterator[str]:
    """A command: how it is called, what it does, examples, its own flags."""
    yield f".SS {escaped(verb.usage)}"
    yield from (f".PP\n{escaped(text)}" for text in verb.paragraphs)
    for example in verb.examples:
        yield f".PP\n{escaped(example.does[:1].upper() + example.does[1:])}:\n.PP\n.RS 4\n{escaped(example.line)}\n.RE"
    yield from entries(verb.own)


def exit_codes() -> Iterator[str]:
    """The table of docs/exit-codes.md, as it is there."""
    text = (DOCS / "exit-codes.md").read_text("utf-8")
    for code, meaning in re.findall(r"^\| (\d+) \| ([^|]+?) \|", text, flags=re.MULTILINE):
        yield entry(code, re.sub(r"[`*]", "", meaning))


def page() -> str:
    """The manual page."""
    parts = [
        '.\\" Written by docs/build_man.py from what can be typed: change that.',
        f'.TH CARTAGE 1 "" "Cartage {__version__}" "User Commands"',
        ".SH NAME",
        "cartage \\- moves objects in S3 in bulk and proves that nothing was lost",
        ".SH SYNOPSIS",
        ".B cartage\n.I COMMAND\n.RI [ FLAGS ]",
        ".SH DESCRIPTION",
        escaped(" ".join((cli.help or "").split())),
        ".SH COMMANDS",
    ]
    for group in GROUPS:
        parts += [f".SS {escaped(group.title)}", *(entry(*named) for named in group.verbs.items())]
    parts.append(".SH THE COMMANDS ONE BY ONE")
    for verb in reference():
        parts += section(verb)
    standing_for = [(flag.variable, f"Stands for {flag.opts[0]}: {flag.meaning}") for flag in variables()]
    parts += [".SH FLAGS OF NEARLY EVERY COMMAND", *entries(shared_flags())]
    parts += [".SH EXIT STATUS", *exit_codes()]
    parts += [".SH ENVIRONMENT", *(entry(*item) for item in [*ENVIRONMENT, *standing_for])]
    parts += [".SH FILES", *(entry(*item) for item in FILES)]
    return "\n".join(parts) + "\n"


def files() -> dict[Path, str]:
    """What is written, by where."""
    return {DOCS / "man" / "cartage.1": page()} | {DOCS / name: script(shell) for shell, name in COMPLETION.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
