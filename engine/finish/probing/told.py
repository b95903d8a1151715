"""The project's manifest, held against what is there.

Whatever the file tells of a place is compared: every table in it that has a path and a number of files, a size or a
digest. A size is as exact as it is written (13.0 GB: within 50 MB).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import anyio.to_thread

from engine.errors import BucketMissing, NotFound
from engine.finish.probing.answers import ProbeResult
from engine.finish.probing.ranges import pinned
from engine.listing.ranges import listed_under
from engine.model import MIB, Location, ObjectRef
from engine.plan.locations import problem_of_bucket, problem_of_key
from engine.plan.manifest_text import NotParsed, form_of, named_place, parse
from engine.plan.settings import ManifestProbe
from engine.store import HeadObject, ObjectStore

MAX_MANIFEST_BYTES = 16 * MIB
MAX_NAMED = 1000
"""How many tables are compared: each costs a listing."""
LONGEST_REASON = 400
"""Characters: what is said of a place quotes what the file says of it."""
_FIRST = 3
_PATHS = ("path", "uri", "location")
_ALSO_NAMES = ("files", "objects")
"""As many manifests list them by name under these as count them."""
_COUNTS = ("num_files", "num_objects", *_ALSO_NAMES)
_SIZES = {
    "size_bytes": 1, "bytes": 1, "size_kb": 10**3, "size_mb": 10**6, "size_gb": 10**9, "size_tb": 10**12,
    "size_kib": 1 << 10, "size_mib": 1 << 20, "size_gib": 1 << 30, "size_tib": 1 << 40,
}  # fmt: skip
_HASHED = ("md5", "sha1", "sha256")
_DIGESTS = ("etag", "crc64nvme", *_HASHED)


class Named(NamedTuple):
    """A table of the manifest that names a place: where it stands in the file, and what it says of it."""

    where: str
    path: str
    said: Mapping[str, Any]


class There(NamedTuple):
    """What is at a place. `files` leaves out the empty objects that stand for folders."""

    objects: int
    files: int
    bytes: int


async def ask_manifest(store: ObjectStore, probe: ManifestProbe) -> ProbeResult:
    """Read it, and look at every place that it names. Raises `ExtraMissing` for YAML."""
    found = await pinned(store, probe.at)
    if found.size > MAX_MANIFEST_BYTES:
        said = f"{probe.at} has {found.size:,} bytes, and at most {MAX_MANIFEST_BYTES:,} are read"
        return ProbeResult(probe.name, False, f"{found.size} bytes", said)
    form = form_of(probe.at.key)
    try:
        text = (await found.read(0, found.size)).decode("utf-8-sig")
        value = await anyio.to_thread.run_sync(parse, form, text)
        named = [item for item, _ in zip(named_in(value), range(MAX_NAMED + 1), strict=False)]
    except (NotParsed, UnicodeDecodeError, RecursionError) as error:
        return ProbeResult(probe.name, False, f"not {form}", f"{probe.at} is not {form}: {error}")
    if not named or len(named) > MAX_NAMED:
        said = f"names more than {MAX_NAMED:,} places" if named else "tells no number, size or digest of any place"
        return ProbeResult(probe.name, False, "nothing to compare", f"{probe.at} {said}")
    wrong: list[str] = []
    for item in named:
        for why in await _compared(store, item, probe.base):
            reason = f"{item.where}: {why}"[:LONGEST_REASON]
            wrong.append(reason.encode("utf-8", "backslashreplace").decode())  # JSON can say what no text holds
    if wrong:
        more = f"; and {len(wrong) - _FIRST} more" if len(wrong) > _FIRST else ""
        said = f"{probe.at} does not agree with what is there: {'; '.join(wrong[:_FIRST])}{more}"
        return ProbeResult(probe.name, False, f"{len(wrong)} wrong", said)
    said = f"{probe.at} agrees with what is there, in each of {len(named):,} places that it names"
    return ProbeResult(probe.name, True, f"{len(named)} places", said)


def named_in(value: Any, where: str = "") -> Iterator[Named]:
    """Every table in a manifest that tells something of a place that can be compared."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from named_in(item, f"{where}.{index}" if where else str(index))
    if not isinstance(value, dict):
        return
    path = next((value[name] for name in _PATHS if isinstance(value.get(name), str) and value[name]), None)
    said = {name: value[name] for name in (*_COUNTS, *_SIZES, *_DIGESTS) if value.get(name) is not None}
    for name in _ALSO_NAMES:
        if isinstance(said.get(name), list | dict):
            del said[name]
    if path is not None and said:
        yield Named(where or "the file", path, said)
    for name, item in value.items():
        yield from named_in(item, f"{where}.{name}" if where else str(name))


async def _compared(store: ObjectStore, named: Named, base: Location) -> list[str]:
    """What a table says that is not so. Raises what the store raises."""
    at = named_place(named.path, base)
    if at is None:
        return [f'"{named.path}" is no place in S3']
    if at.bucket != base.bucket and (problem := problem_of_bucket(at.bucket)):
        return [f'"{at.bucket}" {problem}']
    if problem := problem_of_key(at.key):
        return [f'"{at.key}" {problem}, as a key has to be']
    try:
        there, at = await _there(store, at)
    except BucketMissing:
        return [f"there is no bucket {at.bucket}"]
    if not there.objects:
        return [f"nothing is at {at}"]
    wrong = [
        f"{at} holds {there.files:,} files, not {named.said[name]}"
        for name in _COUNTS
        if name in named.said and not same_number(named.said[name], there)
    ]
    for name, unit in _SIZES.items():
        if name in named.said and not same_size(named.said[name], there.bytes, unit):
            wrong.append(f"{at} has {there.bytes:,} bytes, which is not {name} {named.said[name]}")
    digests = [name for name in _DIGESTS if name in named.said]
    if digests and at.is_prefix:
        return [*wrong, f"a digest ({digests[0]}) is of one object, and {at} is a prefix"]
    for name in digests:
        if (why := await _digest_differs(store, at, name, str(named.said[name]))) is not None:
            wrong.append(why)
    return wrong


async def _there(store: ObjectStore, at: Location) -> tuple[There, Location]:
    """What is at a place: one object, or all under it. A path of a folder may be written without its slash."""
    if not at.is_prefix:
        try:
            head = await store.head_object(HeadObject(ObjectRef(at.bucket, at.key)))
            return There(1, 1, head.size), at
        except NotFound:
            at = at.at(f"{at.key}/")
    objects = files = size = 0
    async with listed_under(store, at) as batches:
        async for batch in batches:
            objects += len(batch)
            files += sum(1 for item in batch if item.size or not item.key.endswith("/"))
            size += sum(item.size for item in batch)
    return There(objects, files, size), at


def same_number(said: Any, there: There) -> bool:
    """Whether it is a number, and that of the files; placeholders may be among them."""
    return not isinstance(said, bool) and said in (there.files, there.objects)


def same_size(said: Any, there_bytes: int, unit: int) -> bool:
    """Whether a size in a unit is that of what is there, as exactly as it is written: 13.0 is what rounds to it."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return False
    try:
        written = Decimal(str(said))
        last_place = Decimal(1).scaleb(min(int(written.as_tuple().exponent), 0))
        slack = last_place / 2 if unit > 1 else 0
        return abs(Decimal(there_bytes) / unit - written) <= slack
    except (ArithmeticError, ValueError):
        return False  # no number, or one that no size comes near


async def _digest_differs(store: ObjectStore, at: Location, name: str, said: str) -> str | None:
    """What a digest is instead of what is said of it; None where it is that."""
    ref = ObjectRef(at.bucket, at.key)
    if name == "etag":
        has = (await store.head_object(HeadObject(ref))).etag.strip('"')
        same = has == said.strip('"')
    elif name in _HASHED:
        found = await pinned(store, at)
        running = hashlib.new(name, usedforsecurity=False)
        async for piece in found.pieces():
            await anyio.to_thread.run_sync(running.update, piece)
        has, same = running.hexdigest(), running.hexdigest() == said.lower()
    else:
        checksums = (await store.head_object(HeadObject(ref, checksums=True))).checksums
        values = [item.value for item in checksums if item.algorithm.lower() == name and item.type == "FULL_OBJECT"]
        if not values:
            return f"{at} has no {name} that it could be compared with"
        has, same = values[0], values[0] in (said, _base64(said))
    return None if same else f"{at} has the {name} {has}, not {said}"


def _base64(hexadecimal: str) -> str:
    """A checksum in hexadecimal as S3 writes it; empty where it is none."""
    try:
        return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
    except ValueError:
        return ""
