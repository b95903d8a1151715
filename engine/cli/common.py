"""What every command shares: flags, listeners, and the map from errors to exit codes (docs/exit-codes.md)."""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import anyio
import click

from engine.api.assembly import Options, StoreKind
from engine.api.opening import StopSignal
from engine.cli.ending import error_values, explain
from engine.errors import EngineError, StoreError
from engine.events import Event, ignore
from engine.listing.nearest import ADVICE
from engine.plan.document import Plan
from engine.report.bar import ProgressBar
from engine.report.ndjson import NdjsonWriter
from engine.report.text import safe

DONE, FATAL, USAGE, ASIDE, DIFFERENT, GATE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

Result = TypeVar("Result")
Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The flags that every command takes."""

    options: Options
    json: bool
    quiet: bool
    progress: bool

    @property
    def connection_flags(self) -> tuple[str, ...]:
        """What the command line said of the connection, as it was given."""
        options = self.options
        named = {"--endpoint-url": options.endpoint_url, "--region": options.region, "--profile": options.profile}
        flags = [word for flag, value in named.items() if value is not None for word in (flag, value)]
        return (*flags, "--request-payer") if options.request_payer else tuple(flags)

    def plan(self, file: Path) -> Plan:
        """The plan in a file. Raises `UsageError`, `PlanError`."""
        return self.named(Plan.load(file))

    def named(self, plan: Plan) -> Plan:
        """A plan whose commands, where they are shown, go to the same place as this one."""
        return replace(plan, flags=self.connection_flags)

    def say(self, text: str = "") -> None:
        """A line for people on stdout; nothing under `--json` and `--quiet`."""
        if not self.json and not self.quiet:
            click.echo(text)


def shared_flags(command: Command) -> Command:
    """The flags that every command takes, as one `Invocation`."""

    @click.option("--endpoint-url", metavar="URL", help="An S3-compatible server instead of AWS.")
    @click.option("--region", metavar="NAME", help="The buckets' region.")
    @click.option("--profile", metavar="NAME", help="A profile of the AWS configuration.")
    @click.option("--request-payer", is_flag=True, help="Pay for requests to a bucket that has its requesters pay.")
    @click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), help="The ledger's file.")
    @click.option("--store", type=click.Choice(["wire", "boto"]), default=None, help="How to speak to S3.")
    @click.option(
        "--give-up-after",
        type=click.FloatRange(min=0),
        default=300.0,
        metavar="SECONDS",
        show_default=True,
        help="How long S3 may be out of reach.",
    )
    @click.option("--json", "as_json", is_flag=True, help="NDJSON on stdout: events, then one summary line.")
    @click.option("--quiet", "-q", is_flag=True, help="Only errors.")
    @click.option("--progress/--no-progress", default=None, help="A progress bar on stderr; by default on a terminal.")
    @functools.wraps(command)
    def with_flags(
        *,
        endpoint_url: str | None,
        region: str | None,
        profile: str | None,
        request_payer: bool,
        ledger: Path | None,
        store: StoreKind | None,
        give_up_after: float,
        as_json: bool,
        quiet: bool,
        progress: bool | None,
        **rest: Any,
    ) -> Any:
        options = Options(
            ledger=ledger,
            endpoint_url=endpoint_url,
            region=region,
            profile=profile,
            request_payer="requester" if request_payer else None,
            give_up_after_s=give_up_after,
        )
        if store is not None:
            options = replace(options, store=store)
        draw = sys.stderr.isatty() and not as_json if progress is None else progress
        invocation = Invocation(options, as_json, quiet, draw and not quiet)
        try:
            return command(invocation=invocation, **rest)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            end(error, str(click.get_current_context().info_name), as_json=as_json)

    return with_flags


def assume_flag(command: Command) -> Command:
    """`--assume aws`, laid over the invocation's options."""

    @click.option(
        "--assume",
        type=click.Choice(["aws"]),
        help="Take the server for one that honours all that AWS does, without trying it.",
    )
    @functools.wraps(command)
    def with_flag(*, invocation: Invocation, assume: Literal["aws"] | None, **rest: Any) -> Any:
        options = replace(invocation.options, assume=assume or "")
        return command(invocation=replace(invocation, options=options), **rest)

    return with_flag


def empty_flag(command: Command) -> Command:
    """`--allow-empty`, laid over the invocation's options."""

    @click.option("--allow-empty", is_flag=True, help="It is no mistake where there is nothing.")
    @functools.wraps(command)
    def with_flag(*, invocation: Invocation, allow_empty: bool, **rest: Any) -> Any:
        options = replace(invocation.options, allow_empty=allow_empty)
        return command(invocation=replace(invocation, options=options), **rest)

    return with_flag


def say_empty(command: str, empty: Sequence[str]) -> None:
    """The sources that hold nothing, and what to do about it."""
    for sentence in empty:
        click.echo(f"cartage {command}: {safe(sentence)}", err=True)
    if empty:
        click.echo(f"  {ADVICE}", err=True)


def copy_flags(command: Command) -> Command:
    """`--concurrency --max-rps --no-conditional-writes --assume`, laid over the invocation's options."""
    command = assume_flag(command)

    @click.option("--concurrency", type=click.IntRange(min=1), help="At most so many requests under way.")
    @click.option("--max-rps", type=click.FloatRange(min=0.1), help="At most so many requests a second.")
    @click.option(
        "--no-conditional-writes",
        is_flag=True,
        help="Leave out If-Match and If-None-Match on the target, for servers that answer 501 to them.",
    )
    @functools.wraps(command)
    def with_flags(
        *,
        invocation: Invocation,
        concurrency: int | None,
        max_rps: float | None,
        no_conditional_writes: bool,
        **rest: Any,
    ) -> Any:
        options = replace(
            invocation.options,
            concurrency=concurrency,
            max_rps=max_rps,
            conditional_writes=not no_conditional_writes,
        )
        return command(invocation=replace(invocation, options=options), **rest)

    return with_flags


class Teller:
    """Who listens to a command's events: the NDJSON writer, or the bar and notes on stderr."""

    def __init__(self, invocation: Invocation, verb: str, *, asides: bool = True) -> None:
        self._json = NdjsonWriter(sys.stdout) if invocation.json else None
        self._bar: ProgressBar | None = None
        if not invocation.json:
            self._bar = ProgressBar(
                sys.stderr, verb=verb, draw=invocation.progress, say=not invocation.quiet, asides=asides
            )
        self.listener: Callable[[Event], None] = self._json or self._bar or ignore

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def summary(self, command: str, exit_code: int, values: dict[str, Any]) -> None:
        if self._json is not None:
            self._json.summary(command, exit_code, values)


def run(
    invocation: Invocation,
    command: str,
    work: Callable[[Options, StopSignal], Awaitable[Result]],
    *,
    teller: Teller | None = None,
) -> Result:
    """Run `work` on an event loop, with two Ctrl-C: the first ends gently, the second at once. Work that does not
    listen to `StopSignal` has nothing to end gently, and ends at the first.

    What the work raises comes out as it is, for `shared_flags` to end the process with."""
    teller = teller or Teller(invocation, command)
    stop = StopSignal()
    options = replace(invocation.options, listener=teller.listener)

    async def main() -> list[Result]:
        results: list[Result] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_watch_signals, stop, group.cancel_scope, invocation)
            results.append(await work(options, stop))
            group.cancel_scope.cancel()
        return results  # empty where a signal cancelled the work

    gc.freeze()  # what the modules themselves hold is never looked at again
    try:
        results = anyio.run(main, backend_options={"use_uvloop": _has_uvloop()})
    except KeyboardInterrupt:
        results = []
    finally:
        teller.close()
    if results:
        return results[0]
    click.echo("interrupted: run the same command again to resume", err=True)
    teller.summary(command, INTERRUPTED, {"interrupted": True})
    raise SystemExit(INTERRUPTED)


def fail(error: EngineError, command: str, teller: Teller | None = None) -> NoReturn:
    """Say what went wrong and what to do, and end with the error's exit code."""
    if teller is not None:
        teller.close()
    click.echo(f"cartage {command}: {_sentence(error)}" if command else f"cartage: {_sentence(error)}", err=True)
    if error.advice:
        click.echo(f"  {safe(error.advice)}", err=True)
    if teller is not None:
        teller.summary(command, error.exit_code, error_values(error))
    raise SystemExit(error.exit_code)


def end(error: BaseException, command: str, *, as_json: bool) -> NoReturn:
    """`fail` for whatever was raised."""
    known = explain(error)
    if known is None:
        leave_pipe()
    options = Options()
    fail(known, command, Teller(Invocation(options, as_json, quiet=True, progress=False), command))


def leave_pipe() -> NoReturn:
    """End after the reader of stdout has gone: nobody is left to be told."""
    # Else the interpreter would flush what is left, and complain (Python's notes on SIGPIPE).
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(FATAL)


def _sentence(error: EngineError) -> str:
    if not isinstance(error, StoreError):
        return "\n".join(safe(line) for line in error.message.split("\n"))
    request = f" (request id {safe(error.request_id)})" if error.request_id else ""
    return safe(str(error)) + request


async def _watch_signals(stop: StopSignal, scope: anyio.CancelScope, invocation: Invocation) -> None:
    if os.name == "nt":  # pragma: no cover
        return  # asyncio has no signals there: Ctrl-C cancels the work
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            if stop.requested or not stop.heard:
                scope.cancel()
                return
            stop.request()
            if not invocation.quiet and not invocation.json:
                click.echo("\nstopping: finishing what is in flight (again to leave at once)", err=True)


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None


def interrupted(teller: Teller, command: str, values: dict[str, Any]) -> NoReturn:
    """End a command that was asked to stop and did."""
    click.echo("interrupted: everything known is committed; run the same command again to resume", err=True)
    teller.summary(command, INTERRUPTED, {"interrupted": True, **values})
    raise SystemExit(INTERRUPTED)
