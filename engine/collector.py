"""The garbage collector of a process that does nothing but Cartage's work: a command, or one that carries shards."""

from __future__ import annotations

import atexit
import gc


def calm_collector() -> None:
    """Look for cycles less often: listed objects and imported modules live long and form none, and looking at them
    every 700 allocations costs a quarter of a copy's processor time, and a tenth of the start."""
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)  # nor look through everything once more before the process ends
