"""NDJSON: one JSON object a line, events first, one `summary` last (docs/json.md); and what that says of a result."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any, TextIO

from engine.events import Event
from engine.report.drawing import writing_to
from engine.shown import asked_of_reports

_VALUES = {
    "CheckReport": "check.check_values",
    "CleanupResult": "cleanup.gate_values",
    "DeleteResult": "delete.delete_values",
    "LifecycleResult": "lifecycle.lifecycle_values",
    "ManifestResult": "manifest.manifest_values",
    "MigrationResult": "run.result_values",
    "Report": "report.report_values",
    "RestoreResult": "restore.restore_values",
    "RevertResult": "revert.revert_values",
    "RewriteResult": "rewrite.rewrite_values",
    "Shared": "share.share_values",
    "Status": "status.status_values",
    "Summary": "ls.summary_values",
    "SurveyResult": "plan.plan_values",
    "SyncResult": "sync.sync_values",
    "Verification": "verify.verification_values",
}
"""Whose values are not its fields: the report that says them."""


def event_line(event: Event) -> str:
    """One event as a line without its newline."""
    return json.dumps({"event": event.event, **plain(event)}, ensure_ascii=True)


def plain(value: Any) -> Any:
    """A value as JSON has it: enums by value, named tuples and dataclasses as objects, paths as text."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name.lower()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def picked(thing: object, names: str) -> dict[str, Any]:
    """These attributes of it, for a summary line that has them as they are (`plain`): "bytes" by its own name,
    "size=head.size" that of its `head` by another."""
    found = {}
    for word in names.split():
        name, _, path = word.rpartition("=")
        found[name or path] = attrgetter(path)(thing)
    return found


def rounded(thing: object, names: str) -> dict[str, float | None]:
    """The same of dollars, to a hundredth of a cent, and nothing below zero that comes to none. None stays None."""
    found = picked(thing, names)
    return {name: None if dollars is None else round(dollars, 4) + 0.0 for name, dollars in found.items()}


def values_of(result: object) -> dict[str, Any]:
    """What a command's summary line says of its result, but for the code that it ends with."""
    home, _, name = _VALUES.get(type(result).__name__, "").partition(".")
    values: dict[str, Any] = plain(asked_of_reports(home, name)(result) if home else result)
    return values


class NdjsonWriter:
    """A listener that writes every event as a line, flushed, and the summary at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        if not event.for_people:
            self._write(event_line(event))

    def summary(self, command: str, exit_code: int, values: dict[str, Any]) -> None:
        """The last line: what the command came to."""
        line = {"event": "summary", "command": command, "exit_code": exit_code, **plain(values)}
        self._write(json.dumps(line, ensure_ascii=True))

    def _write(self, line: str) -> None:
        with writing_to(self._stream):
            self._stream.write(line + "\n")
            self._stream.flush()
