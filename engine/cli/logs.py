"""What a command logs under -v and --log-file: how it began and ended, and the events of its work."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from engine.events import Event, Listener, Looking, Notice, ObjectAside, Progress, SnapshotClosed
from engine.logs import Destination, destination, log, writing_to
from engine.version import __version__

PROGRESS_S = 10.0
"""How far apart lines about progress are, at least."""
LEVELS: dict[type[Event], int] = {
    **dict.fromkeys((Notice, ObjectAside), logging.WARNING),
    **dict.fromkeys((SnapshotClosed, Progress, Looking), logging.INFO),
}
"""The events that are logged. Others are what a command shows, of which there may be millions."""


@contextmanager
def logging_command(verb: str, verbose: int, file: Path | None) -> Iterator[None]:
    """Log a command where that is asked for: what it meets, with `verbose` above 1 each request too; to `file`, or to
    stderr. Raises `UsageError` for a file that cannot be written, or is one of ours."""
    if not verbose and file is None:
        yield
        return
    if file is not None:
        from engine.references.local_files import refuse_ours  # what it needs is loaded for a log file alone

        refuse_ours(file)
    began_s = time.monotonic()
    ended: int | str | None = None
    with writing_to(Destination(logging.DEBUG if verbose > 1 else logging.INFO, file)) as handler:
        log(logging.INFO, "began", command=verb, version=__version__, pid=os.getpid())
        try:
            yield
            ended = 0
        except SystemExit as done:
            ended = done.code or 0
            raise
        finally:
            log(logging.INFO, "ended", command=verb, exit_code=ended, seconds=round(time.monotonic() - began_s, 3))
            if handler.failure is not None:
                why = handler.failure.strerror or handler.failure
                click.echo(f"cartage {verb}: the log lacks lines: {why}", err=True)


def heard(listener: Listener) -> Listener:
    """The listener, with what it hears in the log too; itself where nothing is logged."""
    if destination() is None:
        return listener
    last_s = time.monotonic() - PROGRESS_S

    def hear(event: Event) -> None:
        nonlocal last_s
        listener(event)
        level = LEVELS.get(type(event))
        if level is None:
            return
        if isinstance(event, Progress):
            if time.monotonic() - last_s < PROGRESS_S:
                return
            last_s = time.monotonic()
        log(level, event.event, **asdict(event))

    return hear
