"""`python -m bench.durable`: how many small files a second reach this disk, each of them safe from a power cut.

In turn, on the disk that `--folder` lies on: a plain loop (write, fsync, rename), the same with a sync of the directory
after each, which is what makes the name safe too, and the engine's publisher as a download uses it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from bench.peers import HOME
from engine.bodies import SYNCS
from engine.folder.publishing import Publisher
from engine.folder.roots import Root
from engine.model import ABSENT

DATA = os.urandom(100_000)


def plain(folder: Path, count: int, *, names: bool = False) -> None:
    above = os.open(folder, os.O_RDONLY)
    for number in range(count):
        with (folder / "temporary").open("xb", buffering=0) as file:
            file.write(DATA)
            os.fsync(file.fileno())
        (folder / "temporary").rename(folder / f"{number}")
        if names:
            os.fsync(above)
    os.close(above)


def with_names(folder: Path, count: int) -> None:
    plain(folder, count, names=True)


def published(folder: Path, count: int) -> None:
    publisher = Publisher(Root(str(folder)), "object")

    def put(number: int) -> None:
        publisher.put(f"{number:08d}", DATA, condition=ABSENT, mtime_ns=10**18)

    with ThreadPoolExecutor(SYNCS) as threads:
        list(threads.map(put, range(count)))


WAYS: dict[str, Callable[[Path, int], None]] = {
    "a plain loop": plain,
    "the same, names synced": with_names,
    "cartage": published,
}


@click.command(help=__doc__)
@click.option("--folder", type=click.Path(path_type=Path), default=HOME, show_default=True, help="Where to write.")
@click.option("--files", default=400, show_default=True, help="How many files of 100 KB each turn writes.")
@click.option("--runs", default=5, show_default=True, help="How often each takes its turn.")
def main(folder: Path, files: int, runs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(runs):
        for name, way in WAYS.items():
            place = Path(tempfile.mkdtemp(dir=folder))
            os.sync()
            began = time.monotonic()
            way(place, files)
            rates[name].append(files / (time.monotonic() - began))
            shutil.rmtree(place)
    for name, found in rates.items():
        shown = ", ".join(f"{rate:.0f}" for rate in found)
        click.echo(f"{name:24} {statistics.median(found):7.0f} files a second ({shown})")


if __name__ == "__main__":
    main()
