"""What goes on, one line an event, by the standard `logging` under the name "engine": requests at DEBUG, what a command
meets at INFO and above. Silent until somebody asks for it: `writing_to`, or a handler of one's own.

    2026-11-28T16:01:31.123Z DEBUG request operation=CopyObject bucket=b key=k status=200 ms=31.2 request_id=8C1F

No record has a header, a query or a body of a request in it, so that no credential, signature or token can be."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from engine.errors import UsageError

LOG = logging.getLogger("engine")
LOG.addHandler(logging.NullHandler())
REQUESTS = logging.getLogger("engine.requests")

STDERR = 2
_PLAIN = re.compile(r"[!#-<>-~]+").fullmatch  # printable ASCII without space, quote and "="


def log(level: int, name: str, **fields: object) -> None:
    """One event, where anybody listens. A field that is None or empty text is left out."""
    if LOG.isEnabledFor(level):
        LOG.log(level, name, extra={"fields": fields})


def requests_are_logged() -> bool:
    """Whether a record of each request is wanted: asked when a store is opened, so that none pays for it otherwise."""
    return REQUESTS.isEnabledFor(logging.DEBUG)


def log_request(began_s: float, now_s: float, **fields: object) -> None:
    """One request, with what became of it."""
    REQUESTS.debug("request", extra={"fields": {**fields, "ms": round((now_s - began_s) * 1000, 1)}})


class Destination(NamedTuple):
    """Where lines go, stderr without a `file`, from which `level` on."""

    level: int
    file: Path | None = None


class LineHandler(logging.Handler):
    """A line a record, written at once and as a whole, so that several processes can share a file. `failure` is why
    one could not be; that stops nothing."""

    def __init__(self, destination: Destination, descriptor: int) -> None:
        super().__init__(destination.level)
        self.destination = destination
        self.failure: OSError | None = None
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self._descriptor, line_of(record).encode("ascii"))
        except OSError as error:
            self.failure = error


def line_of(record: logging.LogRecord) -> str:
    """A record as a line, with its end."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, object] = getattr(record, "fields", {})
    words = [f"{name}={_shown(value)}" for name, value in fields.items() if value is not None and value != ""]
    return " ".join([moment, record.levelname, _shown(record.getMessage()), *words]) + "\n"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if _PLAIN(text) else json.dumps(text)


@contextmanager
def writing_to(destination: Destination) -> Iterator[LineHandler]:
    """Have lines written while it is open. A file is made for its owner alone, and appended to.

    Raises `UsageError` for a file that cannot be written, and for a link."""
    descriptor = os.dup(STDERR) if destination.file is None else _opened(destination.file)
    handler = LineHandler(destination, descriptor)
    before = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(destination.level)
    try:
        yield handler
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(before)
        os.close(descriptor)


def destination() -> Destination | None:
    """Where lines go now; None where they go nowhere, or to handlers that are not ours."""
    return next((handler.destination for handler in LOG.handlers if isinstance(handler, LineHandler)), None)


def _opened(file: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(file, flags | getattr(os, "O_NONBLOCK", 0), 0o600)  # a pipe that nobody reads is refused
    except OSError as error:
        why = "it is a link, and nothing is written through one" if file.is_symlink() else error.strerror or str(error)
        raise UsageError(f"the log {file} cannot be written: {why}.", advice="Name another with --log-file.") from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.set_blocking(descriptor, True)
    return descriptor
