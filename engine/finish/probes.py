"""Probes: questions about the target whose answers must be right before anything is deleted.

Each gives a `ProbeResult`; what could not be found out is not ok. Only an error that stops every request (bad
credentials, a missing bucket) is raised.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from engine.errors import AttemptError, ExtraMissing, NotFound, ObjectError
from engine.finish.commands import CommandEnd, run_command
from engine.finish.npy import PREAMBLE_BYTES, NotNpy, NpyHeader, header_length, parse_header, same_dtype
from engine.finish.probing.answers import ProbeResult, judged
from engine.finish.probing.images import ask_images
from engine.finish.probing.index import ask_usearch
from engine.finish.probing.laying import NotLaidDown
from engine.finish.probing.ranges import pinned
from engine.finish.probing.tables import ask_csv, ask_parquet
from engine.finish.probing.told import ask_manifest
from engine.listing.ranges import listed_under
from engine.model import MIB, Location
from engine.plan import settings
from engine.plan.settings import Probe
from engine.store import ObjectStore

FIRST_READ_BYTES = 4096
"""Nearly every .npy header is 128 bytes; a longer one costs a second request."""
MAX_JSON_BYTES = 128 * MIB
"""A JSON object is parsed in memory, which takes several times its length; a larger one wants a command."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Commands:
    """How the user's own programs are run: without a shell in `folder` (None: the working folder), and only if they are
    `allowed`. Their environment is this process's with CARTAGE_TARGET ("s3://bucket/prefix/"), CARTAGE_BUCKET and
    CARTAGE_PREFIX, and `environment`, which may add CARTAGE_ENDPOINT_URL, CARTAGE_REGION and the like."""

    allowed: bool = False
    folder: Path | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def probed(probe: Probe) -> Location:
    """Where a probe looks."""
    return (probe.under if isinstance(probe, settings.MinObjectsProbe) else probe.at) or Location("", "")


async def run_probe(store: ObjectStore, probe: Probe, commands: Commands | None = None) -> ProbeResult:
    """Ask one of them. Raises only `StoreError` of scope run."""
    try:
        match probe:
            case settings.NpyProbe():
                return await _npy(store, probe)
            case settings.JsonProbe():
                return await _json(store, probe)
            case settings.UsearchProbe():
                return await ask_usearch(store, probe)
            case settings.ParquetProbe():
                return await ask_parquet(store, probe)
            case settings.CsvProbe():
                return await ask_csv(store, probe)
            case settings.ImageProbe():
                return await ask_images(store, probe)
            case settings.ManifestProbe():
                return await ask_manifest(store, probe)
            case settings.ExistsProbe() if probe.at.is_prefix:
                return await _min_objects(store, probe.name, probe.at, 1)
            case settings.ExistsProbe():
                size = (await pinned(store, probe.at)).size
                return ProbeResult(probe.name, True, f"{size} bytes", f"{probe.at} is there, {size:,} bytes")
            case settings.MinObjectsProbe():
                return await _min_objects(store, probe.name, probe.under, probe.objects)
            case settings.CommandProbe():
                return await _command(probe, commands or Commands())
    except NotFound as error:
        return ProbeResult(probe.name, False, "nothing", f"{error.ref or probe.name} does not exist")
    except (ObjectError, AttemptError, ExtraMissing, NotLaidDown) as error:
        return ProbeResult(
            probe.name, False, getattr(error, "code", "") or "no answer", f"it could not be found out: {error}"
        )


async def _npy(store: ObjectStore, probe: settings.NpyProbe) -> ProbeResult:
    found = await pinned(store, probe.at)
    try:
        if found.size < PREAMBLE_BYTES:
            raise NotNpy(f"it has only {found.size} bytes")
        data = await found.read(0, FIRST_READ_BYTES)
        if len(data) < (length := header_length(data)) <= found.size:
            data = await found.read(0, length)
        header = parse_header(data)
    except NotNpy as error:
        return ProbeResult(probe.name, False, "no npy array", f"{probe.at} cannot be read as a NumPy array: {error}")
    return judge_npy(probe, header, found.size)


def judge_npy(probe: settings.NpyProbe, header: NpyHeader, size: int) -> ProbeResult:
    """Whether a header and the object's length are what the probe asks for."""
    shape = " × ".join(map(str, header.shape)) or "a single item"
    found = f"{shape} {header.dtype}, {size} bytes"
    wrong = []
    if probe.shape is not None and header.shape != probe.shape:
        wrong.append(f"its shape is {list(header.shape)}, not {list(probe.shape)}")
    if probe.dtype and not same_dtype(probe.dtype, header):
        wrong.append(f"its type is {header.dtype}, not {probe.dtype}")
    if size != header.total_bytes:
        wrong.append(f"it has {size:,} bytes where its header asks for {header.total_bytes:,}")
    rows = header.shape[0] if header.shape else None
    dims = header.shape[1] if len(header.shape) == 2 else None
    holds = f"is an array of {shape} {header.dtype}, as long as it must be"
    return judged(probe.name, probe.at, found, wrong, holds, rows, dims)


async def _json(store: ObjectStore, probe: settings.JsonProbe) -> ProbeResult:
    found = await pinned(store, probe.at)
    if found.size > MAX_JSON_BYTES:
        said = f"has {found.size:,} bytes, too many to be parsed in memory (at most {MAX_JSON_BYTES:,})"
        sentence = f"{probe.at} {said}; a command probe can look at it"
        return ProbeResult(probe.name, False, f"{found.size} bytes", sentence)
    if found.size == 0:
        return ProbeResult(probe.name, False, "empty", f"{probe.at} is empty, which is not JSON")
    return await anyio.to_thread.run_sync(judge_json, probe, await found.read(0, found.size))


def judge_json(probe: settings.JsonProbe, data: bytes) -> ProbeResult:
    """Whether the bytes parse, and hold as many items as the probe asks for."""
    try:
        value = json.loads(data)
    except RecursionError:
        return ProbeResult(probe.name, False, "not JSON", f"{probe.at} is nested too deeply to be parsed")
    except ValueError as error:
        return ProbeResult(probe.name, False, "not JSON", f"{probe.at} is not JSON: {error}")
    if not isinstance(value, list | dict):
        found = f"one {type(value).__name__}"
        ok = probe.items is None
        tail = "" if ok else f", not a list or object of {probe.items:,} items"
        return ProbeResult(probe.name, ok, found, f"{probe.at} is JSON and holds {found}{tail}")
    found = f"{len(value)} items"
    rows = len(value)
    if probe.items is not None and rows != probe.items:
        return ProbeResult(probe.name, False, found, f"{probe.at} has {rows:,} items, not {probe.items:,}", rows)
    return ProbeResult(probe.name, True, found, f"{probe.at} is JSON with {rows:,} items", rows)


async def _min_objects(store: ObjectStore, name: str, under: Location, objects_asked: int) -> ProbeResult:
    count, seen, whole = 0, 0, False
    async with listed_under(store, under) as batches:
        async for objects in batches:
            count += sum(1 for item in objects if item.size or not item.key.endswith("/"))
            seen += len(objects)
            if count >= objects_asked and seen >= PAGE:  # what one request shows is counted to its end
                break
        else:
            whole = True
    found = f"{count} objects" if whole else f"at least {count} objects"
    ok = count >= objects_asked
    tail = "" if ok else f", fewer than {objects_asked:,}"
    return ProbeResult(name, ok, found, f"{under} holds {found}{tail}")


async def _command(probe: settings.CommandProbe, commands: Commands) -> ProbeResult:
    if not commands.allowed:
        sentence = f"{probe.name}: a command of the plan's own is run only where --allow-commands says so"
        return ProbeResult(probe.name, False, "not run", sentence)
    at = probe.at or Location("", "")
    added = {
        "CARTAGE_TARGET": str(at),
        "CARTAGE_BUCKET": at.bucket,
        "CARTAGE_PREFIX": at.key,
        **dict(commands.environment),
    }
    argv = (probe.command, *probe.args)
    end = await run_command(argv, added, limit_s=probe.timeout_s, folder=commands.folder)
    return ProbeResult(probe.name, end.code == 0, _found(end), f"{probe.name}: {_told(end, probe)}")


def _found(end: CommandEnd) -> str:
    if end.failure:
        return end.failure
    return f"ended with {end.code}" if end.code is not None else "stopped"


def _told(end: CommandEnd, probe: settings.CommandProbe) -> str:
    if end.failure:
        return f"{probe.command!r} could not be started: {end.failure}"
    if end.code is None:
        return f"{probe.command!r} took longer than {probe.timeout_s:g} s and was stopped"
    said = f": {end.output}" if end.output else ""
    return f"{probe.command!r} ended with {end.code}{said}"
