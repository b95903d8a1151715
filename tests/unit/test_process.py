"""What a process of Cartage's own asks of the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.process import OPEN_FILES

resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("soft", "hard", "then"), [(200, 300, 300), (200, OPEN_FILES + 1, OPEN_FILES), (OPEN_FILES + 1, OPEN_FILES + 2, 0)]
)
def test_as_many_files_may_be_open_as_the_system_lets_and_connections_need(soft: int, hard: int, then: int) -> None:
    """A connection is a file, and a shell of macOS begins with 256 of them. What is more already stays."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("fewer are allowed here")
    code = (
        "import resource; from engine.process import open_many_files\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "open_many_files(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.split() == [str(then or soft), str(hard)]


def test_that_no_more_files_can_be_opened_is_found_out_and_nothing_is_left_open() -> None:
    code = (
        "import os, resource; from engine.process import lacks_files\n"
        "next_one = os.open(os.devnull, os.O_RDONLY); os.close(next_one)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (next_one + 2, next_one + 2))\n"
        "print(lacks_files(2), lacks_files(3), lacks_files(2))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.split() == ["False", "True", "False"]
