"""The library as a Python user has it: a folder, an AWS environment, and a plan of thirty objects in a sandbox."""

from __future__ import annotations

from itertools import count

import pytest

import engine
from engine.sandbox import Sandbox
from tests.cli.commands import Terminal, write_plan
from tests.cli.conftest import terminal
from tests.servers import Endpoint

__all__ = ["terminal"]

OBJECTS = 30
NUMBERS = count()


@pytest.fixture
def plan(served: Sandbox, terminal: Terminal) -> engine.Plan:
    """Objects under old/, in a bucket of the test's own."""
    bucket = f"library-{next(NUMBERS)}"
    served.control("fill", {"bucket": bucket, "prefix": "old/", "count": OBJECTS, "size": 100})
    terminal.on(Endpoint.of(served))
    return engine.load_plan(write_plan(terminal.folder, bucket))
