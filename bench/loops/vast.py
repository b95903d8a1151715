"""`cartage` with a disk that takes everything and keeps nothing: what is written of a file becomes a hole.

For `python -m bench.vast`: no disk need hold the object. All else is done, hashing and proof too."""

from __future__ import annotations

import os
from typing import Any

from engine.cli.main import main
from engine.folder import system

DISCARDED_FROM = 64 << 10
kept: Any = os.pwrite


def discard(descriptor: int, data: Any, offset: int, /) -> int:
    if len(data) < DISCARDED_FROM:  # the list of parts, and what the engine notes for itself
        return int(kept(descriptor, data, offset))
    return len(data)


os.pwrite = discard
system.free_bytes = lambda place: 1 << 60
system.allocate = system.cut
main()
