"""The library as a Python user has it: a folder, an AWS environment, and a plan of thirty objects in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

import engine
from engine.sandbox import Sandbox, SandboxSettings, start_sandbox
from tests.cli.commands import Terminal, write_plan
from tests.cli.conftest import terminal
from tests.servers import Endpoint

__all__ = ["terminal"]

OBJECTS = 30
NUMBERS = count()


@pytest.fixture(scope="session")
def library_sandbox() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings()) as started:
        yield started


@pytest.fixture
def plan(library_sandbox: Sandbox, terminal: Terminal) -> engine.Plan:
    """Objects under old/, in a bucket of the test's own."""
    bucket, server = f"library-{next(NUMBERS)}", library_sandbox
    server.control("fill", {"bucket": bucket, "prefix": "old/", "count": OBJECTS, "size": 100})
    terminal.on(Endpoint("sandbox", server.url, server.access_key, server.secret_key, server.region))
    return engine.load_plan(write_plan(terminal.folder, bucket))
