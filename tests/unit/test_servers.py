"""The servers that the tests start end with the test run, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import REPOSITORY, _answers

STARTS = "from tests.servers import start_moto\nwith start_moto() as served: print(served.url, flush=True); input()"
ENDS_WITHIN_S = 60.0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="what waits for the tests' end is Linux's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_the_tests_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTS],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "CARTAGE_RUN_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert tests.stdout is not None
    url = f"{tests.stdout.readline().strip()}/moto-api/"
    assert _answers(url)
    tests.send_signal(number)
    tests.communicate()
    until = time.monotonic() + ENDS_WITHIN_S
    while _answers(url) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _answers(url)
