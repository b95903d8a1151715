"""What the processes of one run tell each other, through files in a folder beside the shards.

A process writes how far it is, whole, a few times a second; what happens to objects it appends, a line each. Nothing of
it is needed: whoever misses it misses a figure on a screen. That all are to stop is a file too, so that it is heard
however a process was begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.events import Event, Notice, ObjectAside, ObjectTook, Progress

STOP = "stop"
PASSED_ON: dict[str, type[Event]] = {kind.event: kind for kind in (ObjectAside, ObjectTook, Notice)}


@dataclass(frozen=True, slots=True)
class Told:
    """What a process told last: which one it is, how far, and what its requests came to where that is counted."""

    pid: int
    progress: Progress
    measured: dict[str, Any] | None = None


class Board:
    """The folder of one run. Made empty by who coordinates it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """Forget what earlier runs told."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for item in self.folder.iterdir():
            item.unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        """Have every process finish what is in flight and end."""
        (self.folder / STOP).touch(mode=0o600)

    def is_stop_asked(self) -> bool:
        return (self.folder / STOP).exists()

    def tell(self, number: int, told: Told) -> None:
        """Say how far the process of a shard is."""
        new = self.folder / f"{number}.new"
        new.write_text(json.dumps(asdict(told)), encoding="utf-8")
        new.replace(self.folder / f"{number}.json")

    def told(self, number: int) -> Told | None:
        """What the process of a shard told last; None where it told nothing yet."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads((self.folder / f"{number}.json").read_bytes())
            return Told(values["pid"], Progress(**values["progress"]), values["measured"])
        return None

    def passing_on(self, number: int) -> Callable[[Event], None]:
        """A listener that passes on what happens to objects."""
        path = self.folder / f"{number}.events"

        def listen(event: Event) -> None:
            if event.event in PASSED_ON:
                with path.open("a", encoding="utf-8", errors="surrogatepass") as file:
                    file.write(json.dumps([event.event, asdict(event)]) + "\n")

        return listen

    def events(self, number: int) -> Iterator[Event]:
        """What was passed on until now; asked for once, when a shard has ended."""
        with suppress(OSError):
            for line in (self.folder / f"{number}.events").read_text("utf-8", "surrogatepass").splitlines():
                with suppress(ValueError):  # cut short when its process was killed
                    kind, values = json.loads(line)
                    yield PASSED_ON[kind](**values)
            (self.folder / f"{number}.events").unlink()
