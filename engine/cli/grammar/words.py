"""`Verb`, `Flag` and `Place`: a command, its flags and its arguments, with all that help, completion and the reference
say of them; and how help is laid out."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[Any]]"]

WHAT, WRITTEN, ENDS = "What", "How it is written", "Where the two are"
SAFETY, SPEED = "Safety", "How fast"
CONNECTION, OUTPUT = "Connection and ledger", "Output"
GROUPS = (WHAT, WRITTEN, ENDS, SAFETY, SPEED, CONNECTION, OUTPUT)
"""The groups of flags, in the order in which help shows them."""
SHARED = (CONNECTION, OUTPUT)
"""Groups that nearly every command has: its help only names what is in them."""
WITH_VARIABLES = (SPEED, *SHARED)
"""Groups whose flags a variable may stand for."""

PREFIX = "CARTAGE_"
"""How the variables begin that stand for flags."""

WIDEST = 140
PROSE = 100
"""How wide a paragraph gets at most, in columns: longer lines are hard to read."""
FLAGS_AT_MOST = 34
"""Where the column of what flags mean begins at the latest; a longer flag has a line to itself."""


def as_given(value: Any) -> Any:
    return value


class Flag(click.Option):
    """A flag. `spelled` is how it is typed, with what stands for its value: "--output -o FILE"; `to` is the parameter
    that it fills, where that is not named like it. `field` is the one of `Options` that it sets, by way of `read`;
    empty for what is the command's own.

    `group` is where help shows it. `by_variable`: a variable (CARTAGE_REGION for --region) may stand for it, as for all
    of some groups. None does for what says which objects are meant, what is deleted, set or written over, what is not
    asked, or which of the server's promises are done without: these hold for one command and have to be seen on its
    line."""

    def __init__(
        self,
        spelled: str,
        text: str,
        group: str = WHAT,
        *,
        to: str = "",
        field: str = "",
        read: Callable[[Any], Any] = as_given,
        by_variable: bool | None = None,
        complete: Complete | None = None,
        **attributes: Any,
    ) -> None:
        names, value = _parted(spelled)
        has_variable = group in WITH_VARIABLES if by_variable is None else by_variable
        self.variable = PREFIX + _parameter(names[0]).upper() if has_variable else ""
        super().__init__(
            [*names, *filter(None, [to or field])],
            help=text,
            metavar=value,
            envvar=self.variable or None,
            shell_complete=complete,
            **attributes,
        )
        self.group, self.field, self.read = group, field, read

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Names the variable too: a value that nobody typed has to be found."""
        hint = super().get_error_hint(ctx) if ctx is not None else self.opts[-1]
        source = ctx.get_parameter_source(self.name) if ctx is not None and self.name else None
        return f"{hint} (by {self.variable})" if source is click.core.ParameterSource.ENVIRONMENT else hint

    @property
    def spelling(self) -> str:
        """The flag as help and reference show it: "-y, --yes", "--region NAME", "--progress / --no-progress"."""
        names = ", ".join(sorted(self.opts, key=lambda name: name.startswith("--")))
        if self.secondary_opts:
            names += f" / {', '.join(self.secondary_opts)}"
        if self.is_flag or self.count:
            return names
        if isinstance(self.type, click.Choice) and self.metavar is None:
            return f"{names} {'|'.join(map(str, self.type.choices))}"
        joint = "" if (self.metavar or "").startswith("[=") else " "
        return f"{names}{joint}{self.metavar or self.type.name.upper()}"

    @property
    def meaning(self) -> str:
        """What it says, with its default where that is shown."""
        default = self.default
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        return f"{self.help}  [default: {shown}]" if self.show_default else str(self.help)


def _parted(spelled: str) -> tuple[list[str], str | None]:
    words = spelled.split()
    names = [word for word in words if word.startswith("-")]
    return names, next((word for word in words if word not in names), None)


def _parameter(name: str) -> str:
    return name.partition("/")[0].lstrip("-").replace("-", "_")


class Switch(Flag):
    """A flag without a value."""

    def __init__(self, spelled: str, text: str, group: str = WHAT, **attributes: Any) -> None:
        super().__init__(spelled, text, group, is_flag=True, **attributes)


class Setting(Flag):
    """A flag that sets the field of `Options` which it is named like, unless `field` names another."""

    def __init__(self, spelled: str, text: str, group: str = CONNECTION, *, field: str = "", **attributes: Any) -> None:
        super().__init__(spelled, text, group, field=field or _parameter(spelled.split()[0]), **attributes)


class Place(click.Argument):
    """An argument. `complete` says what may stand there."""

    def __init__(self, name: str, *, complete: Complete | None = None, **attributes: Any) -> None:
        super().__init__([name], shell_complete=complete, **attributes)


class Example(NamedTuple):
    """A line that can be typed as it stands, and what it does."""

    line: str
    does: str


class Verb(click.Command):
    """A command. `examples` come with its help, and a test types each. `bare`: it takes none of the shared flags and is
    no `Invocation`. `preparing` may change the words of its line before they are read."""

    def __init__(
        self,
        name: str,
        text: str,
        *params: click.Parameter,
        examples: Sequence[Example],
        bare: bool = False,
        preparing: Callable[[list[str]], list[str]] | None = None,
    ) -> None:
        super().__init__(name, params=list(params), callback=self._carry_out, help=text, options_metavar="[FLAGS]")
        self.examples = tuple(examples)
        self.bare = bare
        self._preparing = preparing

    @property
    def function(self) -> Callable[..., Any]:
        """What carries it out, in the module of its name."""
        found: Callable[..., Any] = getattr(importlib.import_module(f"engine.cli.{self.name}"), f"{self.name}_command")
        return found

    def _carry_out(self, **given: Any) -> Any:
        if self.bare:
            return self.function(**given)
        from engine.cli.invocation import call  # loads all that the command needs, which its help does not

        return call(self, given)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self._preparing(args) if self._preparing is not None else args)
        except click.BadOptionUsage as error:
            error.ctx = error.ctx or ctx  # click does not say whose the flag is that lacks a value
            raise

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """What it does."""
        return tuple(" ".join(text.split()) for text in (self.help or "").split("\n\n"))

    @property
    def usage(self) -> str:
        """How it is called: "cartage run [FLAGS] FILE"."""
        return " ".join(["cartage", str(self.name), *self.collect_usage_pieces(click.Context(self))])

    @property
    def flags(self) -> list[Flag]:
        return [param for param in self.params if isinstance(param, Flag)]

    def grouped(self) -> Iterator[tuple[str, list[Flag]]]:
        """Its flags by group, in the order in which help shows them."""
        for group in GROUPS:
            if found := [flag for flag in self.flags if flag.group == group]:
                yield group, found

    @property
    def own(self) -> list[tuple[str, list[Flag]]]:
        """The same without those that nearly every command has."""
        return [(title, flags) for title, flags in self.grouped() if title not in SHARED]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Prose in lines that can be read, then examples, then the flags by group. The groups that nearly every command
        has are only named; `cartage help flags` says what they mean."""
        self.format_usage(ctx, formatter)
        for paragraph in self.paragraphs:
            formatter.write_paragraph()
            with formatter.indentation():
                write_prose(formatter, paragraph)
        write_examples(formatter, self.examples)
        for title, flags in self.own:
            write_flags(formatter, title, flags)
        named = [flag for flag in self.flags if flag.group in SHARED]
        if named:
            with formatter.section("Connection, ledger, output (cartage help flags)"):
                write_prose(formatter, ", ".join(flag.spelling.replace(" ", "\0") for flag in named), widest=WIDEST)


# --- how help is laid out ---------------------------------------------------------------------------------------------


def write_prose(formatter: click.HelpFormatter, text: str, *, widest: int = PROSE) -> None:
    """A paragraph; what NUL joins stays on one line."""
    indent = " " * formatter.current_indent
    width = min(formatter.width, widest)
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    formatter.write("\n".join(lines).replace("\0", " ") + "\n")


def write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    """Each with what it does beside it where all fit, else above it, as a comment."""
    longest = max((len(example.line) for example in examples), default=0)
    beside = all(longest + len(example.does) + 6 <= formatter.width for example in examples)
    with formatter.section("Examples"):
        for example in examples:
            indent = " " * formatter.current_indent
            if beside:
                formatter.write(f"{indent}{example.line:<{longest}}  # {example.does}\n")
            else:
                formatter.write(f"{indent}# {example.does}\n{indent}{example.line}\n")


def write_flags(formatter: click.HelpFormatter, title: str, flags: Iterable[Flag]) -> None:
    """One group, what each flag means beside it."""
    with formatter.section(title):
        formatter.write_dl([(flag.spelling, flag.meaning) for flag in flags], col_max=FLAGS_AT_MOST)
