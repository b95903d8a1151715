"""`python -m bench.vast`: the client's memory for one object of 100 GB, into a folder and out of one.

The sandbox gives bytes that it makes up, and keeps of an upload one part, as all of a hole are the same. The file that
is fetched is a hole too: what is written of it is thrown away (`bench/loops/vast.py`), all else is done and proven. The
one that is sent is a hole of that length. Without TLS for the download; with it for the upload, where without it the
body would be hashed a second time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from bench.measure import run
from bench.peers import HOME, LOOPS
from bench.running import BUCKET, CLIENT_CORE, SOURCE, TARGET, _served

TIMEOUT_S = 7200.0


@click.command(help=__doc__)
@click.option("--gb", default=100, show_default=True, help="Size of the object.")
@click.option("--job", "jobs", multiple=True, default=("download", "upload"), type=click.Choice(("download", "upload")))
def main(gb: int, jobs: tuple[str, ...]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        with _served(job == "upload") as (sandbox, place), tempfile.TemporaryDirectory(dir=HOME) as name:
            folder = Path(name)
            sandbox.control("bucket", {"name": BUCKET})
            file, there = folder / "vast.bin", f"s3://{BUCKET}/{TARGET if job == 'upload' else SOURCE}00000000.bin"
            if job == "upload":
                with file.open("wb") as made:
                    os.truncate(made.fileno(), gb * 10**9)
            else:
                sandbox.control("fill", {"bucket": BUCKET, "prefix": SOURCE, "count": 1, "size": gb * 10**9})
            ends = (str(file), there) if job == "upload" else (there, str(file))
            argv = (sys.executable, str(LOOPS / "vast.py"), "cp", *ends, "--yes", "--json", "--assume", "aws")
            unsynced = ("--durability", "none") if job == "download" else ()
            environment = place.environment() | {"PYTHONPATH": os.pathsep.join(sys.path[:1])}
            usage = run((*argv, *unsynced), environment, core=CLIENT_CORE, folder=folder, timeout_s=TIMEOUT_S)
            if usage.exit_code != 0:
                raise click.ClickException(f"{job} ended with {usage.exit_code}: {usage.output[-500:]}")
            click.echo(
                f"{job} of {gb} GB: {usage.peak_bytes / 1e6:.0f} MB, {usage.processor_s / gb:.2f} s of processor a GB, "
                f"{usage.wall_s:.0f} s"
            )


if __name__ == "__main__":
    main()
