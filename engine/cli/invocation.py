"""One call of a command: what the shared flags said, whom it tells what goes on, and how it ends."""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import anyio
import click

from engine.api.commands import STATE, STATE_DIR
from engine.api.consent import Consent
from engine.api.load import load_plan
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.cli.codes import ASIDE, DONE, INTERRUPTED
from engine.cli.ending import end
from engine.cli.grammar.mistakes import nearest_example
from engine.cli.grammar.shared import AGREEING, SIDES
from engine.cli.grammar.words import Flag, Verb
from engine.cli.logs import heard, logging_command
from engine.cli.signals import Signals
from engine.errors import AccessDenied, BucketMissing, NothingThere, PlanError, StoreError, UsageError, each_error
from engine.events import Event, Listener, ObjectAside, OutOfReach
from engine.extras import loop_factory
from engine.plan.document import Plan
from engine.plan.starter import EXAMPLE
from engine.report.bar import TICK_S, Manner, ProgressBar
from engine.report.drawing import draw, look_at, writing_to
from engine.report.meter import Outage
from engine.report.ndjson import NdjsonWriter, values_of
from engine.report.page import Page, Table, wrong_of
from engine.report.text import UNLISTED_SHOWN, safe, unlisted_sentence

Result = TypeVar("Result")


DOING = {
    "verify": "verifying",
    "delete": "listing",
    "fingerprint": "reading",
    "ls": "listing",
    "lifecycle": "listing",
    "share": "listing",
    "rewrite": "scanning",
    "receipt": "reading the ledger",
    "report": "reading the ledger",
    "status": "reading the ledger",
    "export": "reading the ledger",
    "restore": "listing",
}
"""What a command begins with; the others begin with looking: what writes says so once it does."""
PATIENCE_S = {"check": 2.0, "receipt": 2.0, "accept": 2.0, "manifest": 2.0, "ls": 2.0}
"""How long it has to take before anything is drawn of it. Short commands are over before that."""
PATIENCE_OF_ALL_S = 0.5


@dataclass(slots=True)
class Left:
    """What lay in folders and cannot be an object, as `ls`, `fingerprint` and `delete` met it: how many, and the
    first."""

    count: int = 0
    first: list[ObjectAside] = field(default_factory=list)

    def hear(self, listener: Listener) -> Listener:
        """`listener`, listened to."""

        def heard(event: Event) -> None:
            if isinstance(event, ObjectAside) and event.is_unlisted:
                self.count += 1
                self.first += [event][: UNLISTED_SHOWN - len(self.first)]
            listener(event)

        return heard


@cache
def _freeze() -> None:
    """What the modules themselves hold is never looked at again. Once in a process: a second time would keep whatever
    the command before left to be collected, 20 MB each."""
    gc.freeze()


@dataclass(slots=True)
class Invocation:
    """A command and the flags that every command takes; of one that deletes, those that agree to what that may meet
    (`agreed`). `progress` None draws where a terminal is. `took_s` is how long the last `run` took."""

    verb: str
    options: Options
    json: bool
    quiet: bool
    progress: bool | None
    agreed: tuple[Flag, ...] = ()
    took_s: float = 0.0
    left: Left = field(default_factory=Left)
    unsaid: list[str | Table] = field(default_factory=list)
    """What was to be said under --quiet: of a command that does not end with 0 its part is."""

    def having(self, **options: Any) -> Invocation:
        """The same, but for these fields of its options."""
        return replace(self, options=replace(self.options, **options))

    @property
    def connection_flags(self) -> tuple[str, ...]:
        """What the command line said of the connection, as it was given."""
        options = self.options
        named = {"--endpoint-url": options.endpoint_url, "--region": options.region, "--profile": options.profile}
        named |= {STATE_DIR: str(options.state_dir) if options.state_dir is not None else None}
        named |= {STATE: options.state}
        named |= {"--links": options.links} if options.links != "skip" else {}
        flags = [word for flag, value in named.items() if value is not None for word in (flag, value)]
        flags += ["--no-sign-request"] if options.credentials else []
        return (*flags, "--request-payer") if options.request_payer else tuple(flags)

    @property
    def place_flags(self) -> tuple[str, ...]:
        """The same with `--ledger`: for the commands that have no plan, and keep what they know in a file of it."""
        ledger = self.options.ledger
        return (*(("--ledger", str(ledger)) if ledger is not None else ()), *self.connection_flags)

    @property
    def consent(self) -> Consent:
        """What the command line said yes to beforehand."""
        return Consent(**{str(flag.name): True for flag in self.agreed})

    @property
    def consent_flags(self) -> tuple[str, ...]:
        """The same as it was given: a deletion that is shown to be typed says it again."""
        flags = tuple(flag.opts[0] for flag in self.agreed)
        return (*flags, "--assume", self.options.assume) if self.options.assume else flags

    def plan(self, file: Path) -> Plan:
        """The plan in a file. Raises `UsageError`, `PlanError`."""
        return self.named(load_plan(file))

    def named(self, plan: Plan) -> Plan:
        """A plan whose commands, where they are shown, go to the same place as this one."""
        return replace(plan, flags=self.connection_flags)

    def run(
        self,
        work: Callable[[Options, StopSignal], Awaitable[Result]],
        *,
        asides: bool = True,
        offline: bool = False,
        leaving: str = "interrupted: run the same command again to resume",
    ) -> Result:
        """Run `work` on an event loop and tell what goes on: as NDJSON, or by a bar and notes on stderr, the objects
        set aside among them unless `asides` is False. Two Ctrl-C end it: the first gently, the second at once; a third
        waits for nothing. Work that does not listen to `StopSignal` has nothing to end gently, nor has any while S3 is
        out of reach: it ends at the first. `leaving` is said then. `offline`: it asks no server, and need not load a
        loop that is quick at that.

        What the work raises comes out as it is, for `call` to end the process with."""
        bar: ProgressBar | None = None
        listener: Callable[[Event], None]
        if self.json:
            listener = NdjsonWriter(sys.stdout)
        else:
            listener = bar = self._bar(asides=asides)
        results: list[Result] = []
        outage = Outage()

        def told(event: Event) -> None:
            if isinstance(event, OutOfReach):
                outage.add(event, time.monotonic())
            listener(event)

        def stopping() -> None:
            if not self.quiet and bar is not None:
                bar.answer("stopping: finishing what is in flight (again to leave at once)")

        def left() -> None:
            if bar is not None:
                bar.answer(leaving)
            else:
                click.echo(leaving, err=True)
            with suppress(SystemExit):
                self.end(INTERRUPTED, {"interrupted": True})
            sys.stdout.flush()

        signals = Signals(stopping, left)

        async def main() -> None:
            stop = StopSignal()
            async with anyio.create_task_group() as group:
                await group.start(signals.watch, stop, group.cancel_scope, outage)
                if bar is not None:
                    group.start_soon(_tick, bar)
                results.append(await work(replace(self.options, listener=heard(self.left.hear(told))), stop))
                group.cancel_scope.cancel()

        began_s = time.monotonic()
        _freeze()
        try:
            anyio.run(main, backend_options={"loop_factory": None if offline else loop_factory()})
        except KeyboardInterrupt:
            results = []
        finally:
            signals.close()
            self.took_s = time.monotonic() - began_s
            if bar is not None:
                bar.close()
        if not results:  # a signal cancelled the work
            left()
            raise SystemExit(INTERRUPTED)
        return results[0]

    def _bar(self, *, asides: bool) -> ProgressBar:
        look = look_at(sys.stderr, os.environ)
        asked = self.progress is True
        manner = Manner.SILENT if self.quiet or self.progress is False else Manner.LINES
        if asked or (manner is Manner.LINES and look.moves):
            manner = Manner.BAR
        return ProgressBar(
            sys.stderr,
            what=DOING.get(self.verb, "looking"),
            manner=manner,
            look=look,
            patience_s=0.0 if asked else PATIENCE_S.get(self.verb, PATIENCE_OF_ALL_S),
            say=not self.quiet,
            asides=asides,
        )

    def say(self, page: Page | str) -> None:
        """A page for people on stdout; nothing under `--json` and `--quiet`. A string is written as it is: a line of a
        list, of which there may be millions."""
        if self.quiet and not isinstance(page, str):
            self.unsaid.extend(page)
        if not self.quiet:
            self.give(page)

    def give(self, page: Page | str) -> None:
        """What was asked for, such as a list: on stdout under `--quiet` too; nothing under `--json`."""
        if self.json or page == []:
            return
        if isinstance(page, str):
            with writing_to(sys.stdout):
                click.echo(page)
        else:
            self.show(page)

    def show(self, page: Page) -> None:
        """A page on stdout, whatever the flags: what a person is asked about."""
        draw(page, sys.stdout)

    def say_empty(self, empty: Sequence[str]) -> None:
        """The sources that hold nothing, and what to do about it."""
        said_by = "--allow-empty (or allow_empty = true on the route)"
        if self.verb not in ("plan", "run", "verify"):
            said_by, empty = "--allow-empty", [_ROUTE.sub("", sentence) for sentence in empty]
        self._object(empty, NothingThere.advice_of(said_by))

    def say_no_room(self, no_room: Sequence[str]) -> None:
        """The disks that have too little left."""
        self._object(no_room, "Make room there, or copy less at a time.")

    def _object(self, sentences: Sequence[str], advice: str) -> None:
        for sentence in sentences:
            click.echo(f"cartage {self.verb}: {safe(sentence)}", err=True)
        if sentences:
            click.echo(f"  {advice}", err=True)
            self.unsaid.clear()

    def done(self) -> int:
        """The exit code of a command that did all of its work: not all of it was, where something in a folder had to
        be left, which is said."""
        if not self.left.count:
            return DONE
        if not self.json:
            click.echo(unlisted_sentence(self.left.count, self.left.first), err=True)
        return ASIDE

    def end(self, code: int, result: object, **more: Any) -> NoReturn:
        """End with an exit code. The summary line of `--json` has beside it what is to be said of the result (or these
        values), and what `more` there is. What is wrong is said on stderr under `--quiet` too."""
        if code not in (DONE, INTERRUPTED) and not self.json and (wrong := wrong_of(self.unsaid)):
            draw(wrong, sys.stderr)
        if self.json:
            NdjsonWriter(sys.stdout).summary(self.verb, code, values_of(result) | more)
        raise SystemExit(code)

    def end_interrupted(self, result: object, **more: Any) -> NoReturn:
        """End a command that was asked to stop and did."""
        click.echo("interrupted: everything known is committed; run the same command again to resume", err=True)
        self.end(INTERRUPTED, {"interrupted": True, **values_of(result)}, **more)


async def _tick(bar: ProgressBar) -> None:
    while True:
        bar.tick()
        await anyio.sleep(TICK_S)


# --- from a line that was read ---------------------------------------------------------------------------------------


def call(verb: Verb, given: dict[str, Any]) -> Any:
    """Carry out a command. What it raises ends it, with a sentence and an exit code."""
    name = str(verb.name)
    as_json, quiet, progress = given.pop("as_json"), given.pop("quiet"), given.pop("progress")
    verbose, log_file = given.pop("verbose"), given.pop("log_file")
    if verbose and log_file is None and progress is None:
        progress = False  # a bar would be drawn over the lines
    try:
        with logging_command(name, verbose, log_file):
            agreed = tuple(flag for flag in verb.flags if flag in AGREEING and given.pop(str(flag.name)))
            invocation = Invocation(name, options_of(verb, given), as_json, quiet, progress, agreed)
            return _carried_out(verb, invocation, given)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:  # the log itself
        end(error, name, as_json=as_json)


def _carried_out(verb: Verb, invocation: Invocation, given: dict[str, Any]) -> Any:
    try:
        return verb.function(invocation=invocation, **given)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if isinstance(error, PlanError) and not {"file", "what"} & given.keys():
            flags = {str(flag.name): flag.opts[0] for flag in verb.flags}
            error = _of_no_plan(error, flags | (SIDES if "source" in given else dict.fromkeys(SIDES, "LOCATION")))
        for known in each_error(error):
            if isinstance(known, BucketMissing | AccessDenied) and (told := _untouched(known, given.get("file"))):
                known.advice = told
        example = nearest_example(verb.examples, sys.argv[1:])
        end(error, invocation.verb, as_json=invocation.json, example=f"As in: {example.line}")


def _untouched(error: StoreError, file: Path | None) -> str:
    """What is said of a plan as `init` wrote it, whose example of a bucket is refused; empty of any other."""
    if file is None or error.ref.removeprefix("s3://").partition("/")[0] != EXAMPLE:
        return ""
    with suppress(OSError, UnicodeDecodeError):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if EXAMPLE in line:
                return f"{file} still names {EXAMPLE}, the example's: put your own bucket into line {number}."
    return ""


_ROUTE = re.compile(r'^route "[^"]*": ')
"""What whoever wrote no plan knows nothing of."""


def _of_no_plan(error: PlanError, names: Mapping[str, str]) -> PlanError:
    """The same for whoever wrote no plan, and gave its one route no name; `names` are what was typed for its keys."""
    problems = [_ROUTE.sub("", problem) for problem in error.problems]
    problems = [re.sub(r"^(\w+)([.:])", lambda key: _typed_for(key, names), problem) for problem in problems]
    return PlanError([*dict.fromkeys(problems)], advice=error.advice, subject="What was asked for")


def _typed_for(key: re.Match[str], names: Mapping[str, str]) -> str:
    name, end = key.groups()
    return f"{names[name]}{end.replace('.', ' ')}" if name in names else key[0]


def options_of(verb: Verb, given: dict[str, Any]) -> Options:
    """The options that the flags chose, taken out of what was given; a flag that was not given leaves the options'
    own."""
    values = [(flag, given.pop(flag.field)) for flag in verb.flags if flag.field]
    options = Options(**{flag.field: flag.read(value) for flag, value in values if value is not None})
    if options.ledger is not None and options.ledger.name in ("", ".."):
        from engine.ledger.files import IN_ANOTHER  # not every command has a ledger

        raise UsageError(f"--ledger {options.ledger} is no name for a ledger.", advice=f"Name one: {IN_ANOTHER}")
    if options.state_dir is not None:
        options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return options
