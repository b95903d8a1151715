"""Measuring the user's own S3: objects are made under a prefix of theirs, copied, verified and removed again.

What it costs is shown and asked about before the first request that writes. Only keys that this run made are deleted,
by name; a prefix that holds anything is refused.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path

import anyio
import click

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import EngineError, PlanError, StoreError, UsageError
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.locations import parse_location
from engine.plan.prices import STANDARD
from engine.plan.settings import Connection
from engine.report.text import size_text
from engine.sites.opening import open_site
from engine.sites.site import Site
from engine.store import DeleteObjects, ListPage, PutObject

PUTS_AT_ONCE = 64
KEYS_A_BATCH = 1000


def dollars(objects: int) -> float:
    """What a run costs in requests at list prices: a put and a copy an object, and the pages of five listings."""
    pages = 5 * (objects // KEYS_A_BATCH + 2)
    return (2 * objects + pages) / 1000 * STANDARD.writes_per_1000


def bench_endpoint(text: str, objects: int, size_bytes: int, *, ask: bool) -> int:
    """Measure at `text` ("s3://bucket/prefix/"); gives the exit code."""
    try:
        where = parse_location(text)
        if not where.is_prefix:
            raise UsageError(f"{text} names one key; a place to work in ends in a slash")
        click.echo(
            f"{objects:,} objects of {size_text(size_bytes)} will be made under {where}, copied, verified and removed: "
            f"about ${dollars(objects):.2f} in requests, and storage for the few minutes between."
        )
        if ask:
            click.confirm("Go on?", abort=True)
        anyio.run(_measure, where, objects, size_bytes)
    except (StoreError, PlanError, UsageError) as error:
        click.echo(f"bench: {error}", err=True)
        if error.advice:
            click.echo(f"  {error.advice}", err=True)
        return error.exit_code
    return 0


async def _measure(where: Location, objects: int, size_bytes: int) -> None:
    root = f"{where.key}cartage-bench-{secrets.token_hex(4)}/"
    source, target = Location(where.bucket, f"{root}source/"), Location(where.bucket, f"{root}target/")
    keys = [f"{number:08d}.bin" for number in range(objects)]
    options = Options()
    async with open_site(Connection(), options) as opened:
        try:
            began = time.perf_counter()
            await _make(opened, source, keys, size_bytes)
            _say("put", objects, time.perf_counter() - began)
            with tempfile.TemporaryDirectory(prefix="cartage-bench-") as folder:
                await _copy_and_verify(source, target, Path(folder), objects)
            began = time.perf_counter()
            listed = await _count(opened, source)
            _say("list, one range", listed, time.perf_counter() - began)
        finally:
            with anyio.CancelScope(shield=True):
                for place in (source, target):
                    await _remove(opened, place, keys)


async def _copy_and_verify(source: Location, target: Location, folder: Path, objects: int) -> None:
    plan = Plan.of(source, target, name="bench")
    began = time.perf_counter()
    result = await migrate(plan, Options(ledger=folder / "bench.ledger"))
    wall_s = time.perf_counter() - began
    _say("copy", result.copied, wall_s)
    click.echo(f"  {result.requests:,} requests, {result.throttled:,} of them answered SlowDown")
    if not result.complete or result.copied != objects:
        raise UsageError(f"{result.copied:,} of {objects:,} objects were copied; see the errors above")
    began = time.perf_counter()
    report = await verify(plan, Options(ledger=folder / "bench.ledger"))
    _say("verify", objects, time.perf_counter() - began)
    click.echo(f"  {'everything agrees' if report.agrees else f'{report.differing:,} objects differ'}")


async def _make(opened: Site, where: Location, keys: list[str], size_bytes: int) -> None:
    body = bytes(size_bytes)
    waiting = iter(keys)

    async def put() -> None:
        for key in waiting:
            await opened.store.put_object(PutObject(ObjectRef(where.bucket, where.key + key), body))

    async with anyio.create_task_group() as group:
        for _ in range(PUTS_AT_ONCE):
            group.start_soon(put)


async def _count(opened: Site, where: Location) -> int:
    count, token = 0, None
    while True:
        page = await opened.store.list_page(ListPage(where.bucket, where.key, token=token))
        count += len(page.objects)
        token = page.next_token
        if token is None:
            return count


async def _remove(opened: Site, where: Location, keys: list[str]) -> None:
    for first in range(0, len(keys), KEYS_A_BATCH):
        batch = tuple((where.key + key, None) for key in keys[first : first + KEYS_A_BATCH])
        try:
            report = await opened.store.delete_objects(DeleteObjects(where.bucket, batch))
        except EngineError as error:
            click.echo(f"bench: objects are left under {where}: {error}", err=True)
            return
        for failure in report.failed:
            click.echo(f"bench: {failure.key} is left there: {failure.message}", err=True)


def _say(what: str, count: int, seconds: float) -> None:
    click.echo(f"{what:18} {count:>9,} in {seconds:6.1f} s = {count / seconds:8,.0f} a second")
