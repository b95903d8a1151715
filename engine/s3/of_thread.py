"""What a loop's connections share: memory that is used for a moment, between two turns of the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Generic, TypeVar

Shared = TypeVar("Shared")


class OfThread(threading.local, Generic[Shared]):
    """`shared` is made by `make` in each thread that asks for it, at its first asking: what is made at an import would
    be shared with what is forked off, too. (Each thread has attributes of its own: `threading.local`.) One for each
    connection would keep as much as has ever come at once, and be cold in the processor's cache."""

    def __init__(self, make: Callable[[], Shared]) -> None:
        self._make = make

    @cached_property
    def shared(self) -> Shared:
        return self._make()
