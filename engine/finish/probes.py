"""Probes: questions about the target whose answers must be right before anything is deleted.

Each gives a `ProbeResult`; what could not be found out is not ok. Only an error that stops every request (bad
credentials, a missing bucket) is raised.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread

from engine.errors import AttemptError, NotFound, ObjectError
from engine.finish.commands import CommandEnd, run_command
from engine.finish.npy import PREAMBLE_BYTES, NotNpy, NpyHeader, header_length, parse_header, same_dtype
from engine.listing.whole import listed_under
from engine.model import MIB, Location, ObjectRef
from engine.plan import settings
from engine.store import Body, GetRange, HeadObject, ObjectStore

FIRST_READ_BYTES = 4096
"""Nearly every .npy header is 128 bytes; a longer one costs a second request."""
MAX_JSON_BYTES = 128 * MIB
"""A JSON object is parsed in memory, which takes several times its length; a larger one wants a command."""
DEFAULT_COMMAND_LIMIT_S = 600.0
PAGE = 1000


class ProbeResult(NamedTuple):
    """`name` says which probe, `found` what was there in a few words, `sentence` all of it for a reader."""

    name: str
    ok: bool
    found: str
    sentence: str


@dataclass(frozen=True, slots=True)
class NpyProbe:
    """A NumPy array: shape and type as its header says, and exactly as long as header and items ask for.

    `dtype` is a name ("float32") or a description ("<f4"); None leaves shape or type open."""

    ref: ObjectRef
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class JsonProbe:
    """A JSON text that parses as Python parses it (so NaN is let through); `items` is the length of its outermost
    list or object."""

    ref: ObjectRef
    items: int | None = None


@dataclass(frozen=True, slots=True)
class ExistsProbe:
    """An object that is there, whatever its length."""

    ref: ObjectRef


@dataclass(frozen=True, slots=True)
class MinObjectsProbe:
    """At least `count` objects under a prefix; placeholders (empty, ending in "/") do not count."""

    location: Location
    count: int


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """The user's own program, run without a shell in `folder` (None: the working folder), ok when it ends with 0.

    Its environment is this process's with CARTAGE_TARGET ("s3://bucket/prefix/"), CARTAGE_BUCKET and CARTAGE_PREFIX,
    and `environment`, which may add CARTAGE_ENDPOINT_URL, CARTAGE_REGION and the like."""

    argv: tuple[str, ...]
    location: Location
    limit_s: float = DEFAULT_COMMAND_LIMIT_S
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    folder: Path | None = None


Probe = NpyProbe | JsonProbe | ExistsProbe | MinObjectsProbe | CommandProbe


def probe_of(wanted: settings.Probe, folder: Path, environment: tuple[tuple[str, str], ...] = ()) -> Probe:
    """A plan's probe as it is asked. `folder` is the plan's, where its commands are started with `environment`."""
    match wanted:
        case settings.NpyProbe():
            return NpyProbe(ObjectRef(wanted.at.bucket, wanted.at.key), wanted.shape, wanted.dtype or None)
        case settings.JsonProbe():
            return JsonProbe(ObjectRef(wanted.at.bucket, wanted.at.key), wanted.items)
        case settings.ExistsProbe():
            if wanted.at.is_prefix:
                return MinObjectsProbe(wanted.at, 1)
            return ExistsProbe(ObjectRef(wanted.at.bucket, wanted.at.key))
        case settings.MinObjectsProbe():
            return MinObjectsProbe(wanted.under, wanted.objects)
        case settings.CommandProbe():
            argv = (wanted.command, *wanted.args)
            at = wanted.at or Location("", "")
            return CommandProbe(argv, at, float(wanted.timeout_s), environment, folder)


def name_of(probe: Probe) -> str:
    """How a probe is called in the gate and the receipt."""
    match probe:
        case NpyProbe(ref):
            return f"npy {ref}"
        case JsonProbe(ref):
            return f"json {ref}"
        case ExistsProbe(ref):
            return f"exists {ref}"
        case MinObjectsProbe(location):
            return f"min_objects {location}"
        case CommandProbe(argv):
            return f"command {' '.join(argv)}"


async def run_probe(store: ObjectStore, probe: Probe, *, allow_commands: bool = False) -> ProbeResult:
    """Ask one of them. Raises only `StoreError` of scope run."""
    name = name_of(probe)
    try:
        match probe:
            case NpyProbe():
                return await _npy(store, probe, name)
            case JsonProbe():
                return await _json(store, probe, name)
            case ExistsProbe():
                size = (await store.head_object(HeadObject(probe.ref))).size
                return ProbeResult(name, True, f"{size} bytes", f"{probe.ref} is there, {size:,} bytes")
            case MinObjectsProbe():
                return await _min_objects(store, probe, name)
            case CommandProbe():
                return await _command(probe, name, allowed=allow_commands)
    except NotFound as error:
        return ProbeResult(name, False, "nothing", f"{error.ref or name} does not exist")
    except (ObjectError, AttemptError) as error:
        return ProbeResult(name, False, error.code or "no answer", f"it could not be found out: {error}")


async def _npy(store: ObjectStore, probe: NpyProbe, name: str) -> ProbeResult:
    try:
        body = await _first_bytes(store, probe.ref)
        length = header_length(body.data)
        if length > len(body.data) and length <= body.size:
            body = await store.get_range(GetRange(probe.ref, 0, length - 1, body.etag, body.size))
        header = parse_header(body.data)
    except NotNpy as error:
        return ProbeResult(name, False, "no npy array", f"{probe.ref} cannot be read as a NumPy array: {error}")
    return judge_npy(probe, header, body.size, name)


async def _first_bytes(store: ObjectStore, ref: ObjectRef) -> Body:
    head = await store.head_object(HeadObject(ref))
    if head.size < PREAMBLE_BYTES:
        raise NotNpy(f"it has only {head.size} bytes")  # an empty object answers a range with 416
    return await store.get_range(GetRange(ref, 0, min(FIRST_READ_BYTES, head.size) - 1, head.etag, head.size))


def judge_npy(probe: NpyProbe, header: NpyHeader, size: int, name: str) -> ProbeResult:
    """Whether a header and the object's length are what the probe asks for."""
    shape = " × ".join(map(str, header.shape)) or "a single item"
    found = f"{shape} {header.dtype}, {size} bytes"
    wrong = []
    if probe.shape is not None and header.shape != probe.shape:
        wrong.append(f"its shape is {list(header.shape)}, not {list(probe.shape)}")
    if probe.dtype is not None and not same_dtype(probe.dtype, header):
        wrong.append(f"its type is {header.dtype}, not {probe.dtype}")
    if size != header.total_bytes:
        wrong.append(f"it has {size:,} bytes where its header asks for {header.total_bytes:,}")
    if wrong:
        return ProbeResult(name, False, found, f"{probe.ref}: {', and '.join(wrong)}")
    return ProbeResult(name, True, found, f"{probe.ref} is an array of {shape} {header.dtype}, as long as it must be")


async def _json(store: ObjectStore, probe: JsonProbe, name: str) -> ProbeResult:
    head = await store.head_object(HeadObject(probe.ref))
    if head.size > MAX_JSON_BYTES:
        return ProbeResult(
            name,
            False,
            f"{head.size} bytes",
            f"{probe.ref} has {head.size:,} bytes, too many to be parsed in memory (at most {MAX_JSON_BYTES:,}); "
            "a command probe can look at it",
        )
    if head.size == 0:
        return ProbeResult(name, False, "empty", f"{probe.ref} is empty, which is not JSON")
    body = await store.get_range(GetRange(probe.ref, if_match=head.etag, size=head.size))
    return await anyio.to_thread.run_sync(judge_json, probe, body.data, name)


def judge_json(probe: JsonProbe, data: bytes, name: str) -> ProbeResult:
    """Whether the bytes parse, and hold as many items as the probe asks for."""
    try:
        value = json.loads(data)
    except RecursionError:
        return ProbeResult(name, False, "not JSON", f"{probe.ref} is nested too deeply to be parsed")
    except ValueError as error:
        return ProbeResult(name, False, "not JSON", f"{probe.ref} is not JSON: {error}")
    if not isinstance(value, list | dict):
        found = f"one {type(value).__name__}"
        ok = probe.items is None
        tail = "" if ok else f", not a list or object of {probe.items:,} items"
        return ProbeResult(name, ok, found, f"{probe.ref} is JSON and holds {found}{tail}")
    found = f"{len(value)} items"
    if probe.items is not None and len(value) != probe.items:
        return ProbeResult(name, False, found, f"{probe.ref} has {len(value):,} items, not {probe.items:,}")
    return ProbeResult(name, True, found, f"{probe.ref} is JSON with {len(value):,} items")


async def _min_objects(store: ObjectStore, probe: MinObjectsProbe, name: str) -> ProbeResult:
    count, seen, whole = 0, 0, False
    async with listed_under(store, probe.location) as batches:
        async for objects in batches:
            count += sum(1 for item in objects if item.size or not item.key.endswith("/"))
            seen += len(objects)
            if count >= probe.count and seen >= PAGE:  # what one request shows is counted to its end
                break
        else:
            whole = True
    found = f"{count} objects" if whole else f"at least {count} objects"
    ok = count >= probe.count
    tail = "" if ok else f", fewer than {probe.count:,}"
    return ProbeResult(name, ok, found, f"{probe.location} holds {found}{tail}")


async def _command(probe: CommandProbe, name: str, *, allowed: bool) -> ProbeResult:
    if not allowed:
        return ProbeResult(
            name, False, "not run", "a command of the plan's own is run only where --allow-commands says so"
        )
    added = {
        "CARTAGE_TARGET": str(probe.location),
        "CARTAGE_BUCKET": probe.location.bucket,
        "CARTAGE_PREFIX": probe.location.key,
        **dict(probe.environment),
    }
    end = await run_command(probe.argv, added, limit_s=probe.limit_s, folder=probe.folder)
    return ProbeResult(name, end.code == 0, _found(end), _told(end, probe))


def _found(end: CommandEnd) -> str:
    if end.failure:
        return end.failure
    return f"ended with {end.code}" if end.code is not None else "stopped"


def _told(end: CommandEnd, probe: CommandProbe) -> str:
    if end.failure:
        return f"{probe.argv[0]!r} could not be started: {end.failure}"
    if end.code is None:
        return f"{probe.argv[0]!r} took longer than {probe.limit_s:g} s and was stopped"
    said = f": {end.output}" if end.output else ""
    return f"{probe.argv[0]!r} ended with {end.code}{said}"
