"""The files that a plan names for its references, read and looked through: S3 and local folders alike."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread

from engine.at_once import each
from engine.errors import AttemptError, NotFound, ObjectError
from engine.events import Doing, Listener, Looking, ignore
from engine.ledger import LedgerReader
from engine.ledger.files import files_of, is_of_a_ledger
from engine.listing.ranges import listed_under
from engine.model import MIB, ListedObject, Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.locations import covers, may_cover
from engine.plan.route import Route
from engine.plan.selection import Selection
from engine.references.binary import named_in
from engine.references.bodies import Bodies, KeptBody
from engine.references.filetext import read_text
from engine.references.judging import Moves
from engine.references.local_files import Skipped, walk
from engine.references.moved_keys import MovedKeys
from engine.references.packed import Part, Unreadable, packing_of, packing_said, unpacked
from engine.references.references import Finding, examine
from engine.references.replacing import read_listed
from engine.sites.sites import Sites
from engine.store import HeadObject
from engine.to_the_end import in_own_thread

Item = TypeVar("Item")

LONGEST_BYTES = 16 * MIB
"""A longer file is not read: it is reported, and never touched."""
TOO_LONG = f"longer than {LONGEST_BYTES // MIB} MiB"
READS_AT_ONCE = 8
WALKED_AT_ONCE = 64
"""Files whose names are asked for together: a thread is awaited for each such lot, not for each name."""
FIGURE_DIGITS = 12
OUR_OWN = (
    (".receipt.json", b'"receipt": "cartage-receipt/'),
    (".receipt.md", b", by Cartage "),
    ("-back.toml", b"# The way back of "),
)
"""How what Cartage writes itself is called, and what stands in it: it names old paths because it must."""


class Inside(NamedTuple):
    """A file is itself an object that a route moves: `source` says that it is on that side."""

    route: Route
    relative: str
    source: bool


class Contents(NamedTuple):
    """A whole file as it is, and as it has to be."""

    before: KeptBody
    after: KeptBody


@dataclass(frozen=True, slots=True)
class FileFound:
    """A file that names old paths. `name` is "s3://bucket/key" or a local path as the plan writes it; `etag` is S3's.

    `contents` is what an apply writes, None where it writes nothing; `held_back` is why, where its text could be
    changed."""

    name: str
    findings: tuple[Finding, ...]
    contents: Contents | None = None
    etag: str = ""
    inside: Inside | None = None
    held_back: str = ""

    @property
    def changes(self) -> bool:
        """Whether an apply writes it."""
        return self.contents is not None

    @property
    def before(self) -> bytes:
        """The whole file, read from disk; empty where nothing is written to it. Raises `UsageError`."""
        return self.contents.before.read() if self.contents is not None else b""

    @property
    def after(self) -> bytes:
        """The same of what it has to be."""
        return self.contents.after.read() if self.contents is not None else b""

    @property
    def mark(self) -> str:
        return self.contents.before.mark if self.contents is not None else ""

    @property
    def named(self) -> Named:
        """What it names, in short."""
        first = next((f"{self.name}:{item.line} {item.written}" for item in self.findings), "")
        return Named(self.name, len(self.findings), _digest(sorted(item.written for item in self.findings)), first)


class Named(NamedTuple):
    """How many places of a file name an old path, a digest of what stands there, and the first as "file:line what"."""

    name: str
    places: int
    digest: str
    first: str


@dataclass(slots=True)
class Scan:
    """What a scan found: the `files`, unless it only counted, and what is `named` in each. `unread` could not be looked
    into; `binary` counts files that are no text and name nothing."""

    files: list[FileFound] = field(default_factory=list)
    unread: list[Skipped] = field(default_factory=list)
    looked: int = 0
    binary: int = 0
    named: list[Named] = field(default_factory=list)

    @property
    def places(self) -> int:
        """Places that name an old path; a file that could not be looked into counts as one."""
        return sum(item.places for item in self.named) + len(self.unread)

    @property
    def figure(self) -> str:
        """The number of places and a digest of which they are: what each file names, and what could not be looked into
        and why. Not at which line: a place that only moved is the same."""
        named = [("named", item.name, item.digest) for item in self.named]
        unread = [("unread", item.name, item.why) for item in self.unread]
        return f"{self.places}:{_digest(sorted(named + unread))[:FIGURE_DIGITS]}"

    @property
    def first(self) -> str:
        """The first of the places, as "file:line what"; empty where there is none."""
        if self.named:
            return min(self.named).first
        return next((f"{item.name}: {item.why}" for item in self.unread), "")

    def left_after(self, written: Collection[str]) -> Scan:
        """What still names an old path once the changes of the files of these names are made."""
        files = []
        for file in self.files:
            kept = tuple(item for item in file.findings if item.why) if file.name in written else file.findings
            if kept:
                files.append(replace(file, findings=kept, contents=None))
        return Scan(files, self.unread, self.looked, self.binary, [file.named for file in files])


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


class Scanner:
    """Looks through everything that the plan's `[references]` name."""

    def __init__(
        self,
        sites: Sites,
        ledger: LedgerReader,
        plan: Plan,
        *,
        include_moved: bool = False,
        only_counted: bool = False,
        listener: Listener = ignore,
    ) -> None:
        """`only_counted` keeps nothing of the files but what is `named` in them."""
        self._sites = sites
        self._store = sites.store_of_all(plan.references.locations)
        self._ledger = ledger
        self._plan = plan
        self._include_moved = include_moved
        self._listener = listener
        self._moved_keys = MovedKeys(ledger)
        self._bodies = None if only_counted else Bodies(ledger.path.parent)
        self._chosen = Selection(exclude=plan.references.exclude)
        self._not_again = set(_own(plan, ledger.path))
        self._skipped: set[Skipped] = set()
        self._seen_inside: set[str] = set()
        self._moves = Moves(plan.routes)
        self.scan = Scan()

    async def run(self) -> Scan:
        """Read and examine every file. Raises errors of scope `run`, and what listings raise."""
        self._listener(Doing("scanning for old paths"))
        self._moves = await self._known_moves()
        for location in _outermost(self._plan.references.locations):
            await self._scan_s3(location)
        folders = {folder: Path(self._plan.local_path(folder)) for folder in self._plan.references.folders}
        overlap = await anyio.to_thread.run_sync(_overlap, folders.values())
        for folder, path in folders.items():
            await self._scan_folder(folder, path, overlap)
        self._listener(Looking.of_listing(self.scan.looked, ended=True))
        self.scan.files.sort(key=lambda file: file.name)
        return self.scan

    async def _known_moves(self) -> Moves:
        plan = self._plan
        endpoints = {plan.connection.endpoint_url, (await self._ledger.binding()).endpoint} - {""}
        regions: dict[str, str] = {}
        if any(route.source.bucket != route.target.bucket for route in plan.routes):
            regions = {item.bucket: item.region for item in (await self._sites.facts(plan.places)).values()}
        known = {bucket: region for bucket, region in regions.items() if region}
        return Moves(plan.routes, tuple(sorted(endpoints)), known)

    # --- S3 -----------------------------------------------------------------------------------------------

    async def _scan_s3(self, location: Location) -> None:
        found, before = False, len(self.scan.unread)
        cut = len(location.folder.key)
        limiter = anyio.CapacityLimiter(READS_AT_ONCE)
        scan = functools.partial(self._scan_object, location)
        async with listed_under(self._store, location) as batches:
            async for objects in batches:
                found = found or bool(objects)
                wanted = [item for item in objects if item.size and not self._is_left_out(item.key[cut:])]
                await each(wanted, scan, limiter)
                self._listener(Looking.of_listing(self.scan.looked))
        if not found:
            self._skip(str(location), "there is nothing there")
        self.scan.unread[before:] = sorted(self.scan.unread[before:])  # whichever range each was met in

    def _is_left_out(self, relative: str) -> bool:
        return not all(self._chosen.takes_key(name) for name in (relative, relative.rpartition("/")[2]))

    async def _scan_object(self, location: Location, item: ListedObject) -> None:
        ref = listed = ObjectRef(location.bucket, item.key)
        inside, held_back = await self._inside(location.at(item.key))
        if inside is not None and not inside.source and not held_back:
            # A copy that was changed would differ from its source for ever: the source is changed instead.
            ref = ObjectRef(inside.route.source.bucket, inside.route.source_key(inside.relative))
            inside = inside._replace(source=True)
        if inside is not None and self._include_moved:
            if str(ref) in self._seen_inside:
                return
            self._seen_inside.add(str(ref))
        self.scan.looked += 1
        if item.size > LONGEST_BYTES:
            self._skip(str(ref), TOO_LONG)
            return
        try:
            body = await read_listed(self._store, ref, item if ref == listed else None, LONGEST_BYTES)
        except NotFound:
            if ref != listed:
                self._skip(str(listed), f"its source, {ref}, is not there")
            return  # else gone since it was listed
        except (AttemptError, ObjectError) as error:
            self._skip(str(ref), f"{error.message} [{error.code}]")
            return
        if body is None:
            self._skip(str(ref), TOO_LONG)
            return
        await self._examine(str(ref), body.data, ref, body.etag, inside, held_back)

    def _skip(self, name: str, why: str) -> None:
        self.scan.unread.append(Skipped(name, why))

    async def _inside(self, at: Location) -> tuple[Inside | None, str]:
        """Whether the object there is one that a route moves, and why it is left alone then; empty where it is not
        left."""
        for route in self._plan.routes:
            for location, is_source in ((route.source, True), (route.target, False)):
                if not may_cover(location, at, self._sites.endpoints):
                    continue
                relative = at.key[len(location.key) :]
                row = await self._ledger.entry(route.name, relative)
                if row is None:
                    continue
                side = "moved" if is_source else "a copy made"
                why = f'it is itself {side} by route "{route.name}": --include-moved changes it too'
                if row.state in (State.DELETING, State.DELETED):
                    why = f'it is itself {side} by route "{route.name}", and its source is deleted: change it by hand'
                elif not is_source and route.source.site != at.site:
                    why = f'it is itself {side} by route "{route.name}", and its source is elsewhere: change it there'
                elif self._include_moved:
                    why = ""
                return Inside(route, relative, is_source), why
        return None, ""

    # --- disk ---------------------------------------------------------------------------------------------

    async def _scan_folder(self, folder: str, path: Path, overlap: bool) -> None:
        async for file in _in_thread(walk(folder, path)):
            if isinstance(file, Skipped):
                if file not in self._skipped:
                    self._skipped.add(file)
                    self.scan.unread.append(file)
                continue
            if self._is_left_out(file.relative) or file.real in self._not_again or is_of_a_ledger(file.path):
                continue
            if overlap:  # else none is met twice, and there may be millions
                self._not_again.add(file.real)
            self.scan.looked += 1
            self._listener(Looking.of_listing(self.scan.looked))
            if not file.name.isprintable() or file.size > LONGEST_BYTES:
                why = TOO_LONG if file.size > LONGEST_BYTES else "a name that is no text"
                self._skip(file.name.encode("utf-8", "backslashreplace").decode(), why)
                continue
            try:
                body = await anyio.to_thread.run_sync(file.path.read_bytes)
            except OSError as error:
                self._skip(file.name, error.strerror or "cannot be read")
                continue
            await self._examine(file.name, body)

    async def _examine(
        self,
        name: str,
        body: bytes,
        ref: ObjectRef | None = None,
        etag: str = "",
        inside: Inside | None = None,
        held_back: str = "",
    ) -> None:
        """Keep what a file names; `ref` where it is an object."""
        if any(name.endswith(ending) and said in body for ending, said in OUR_OWN):
            return
        text = None if packing_of(body) else read_text(body)
        if text is None:
            await self._examine_binary(name, body, ref)
            return
        result = await self._moved_keys.answering(functools.partial(examine, name, text, self._moves))
        contents = None
        if self._bodies is not None and result.after != text.text and not held_back:
            bodies = body, text.encode(result.after)
            contents = Contents(*[await anyio.to_thread.run_sync(self._bodies.keep, one) for one in bodies])
        self._keep(FileFound(name, result.findings, contents, etag if contents else "", inside, held_back))

    def _keep(self, found: FileFound) -> None:
        if found.findings:
            self.scan.named.append(found.named)
            if self._bodies is not None:
                self.scan.files.append(found)

    async def _examine_binary(self, name: str, body: bytes, ref: ObjectRef | None) -> None:
        """Keep what a file names that is not text as it stands: it is never changed."""
        why, parts = "the file is not text, and is not touched", [Part("", body)]
        try:
            if packing := packing_of(body) or await self._packing_said(ref):
                parts = await in_own_thread(functools.partial(unpacked, body, packing, LONGEST_BYTES))
                why = "the file is compressed, and is not touched"
        except NotFound:
            return  # gone since it was read
        except (AttemptError, ObjectError) as error:
            self._skip(name, f"{error.message} [{error.code}]")
            return
        except Unreadable as error:
            self._skip(name, str(error))
            return
        found: list[Finding] = []
        for part in parts:
            text = read_text(part.body)
            if text is not None:
                plain = part.name or name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
                result = await self._moved_keys.answering(functools.partial(examine, plain, text, self._moves))
                named = [item._replace(becomes="", why=item.why or why) for item in result.findings]
            else:
                said = await in_own_thread(functools.partial(named_in, part.body, self._moves))
                named = [Finding(0, item, "", why) for item in said]
            inside = f"{part.name}: " if part.name else ""
            found += [item._replace(written=inside + item.written) for item in named]
        self.scan.binary += not found
        self._keep(FileFound(name, tuple(found)))

    async def _packing_said(self, ref: ObjectRef | None) -> str:
        """How an object says that it is compressed; a local file says nothing. Raises what the store raises."""
        if ref is None:
            return ""
        return packing_said((await self._store.head_object(HeadObject(ref))).properties.content_encoding)


def _own(plan: Plan, ledger: Path) -> frozenset[str]:
    """The plan, the way back and the files of the ledger, without a link in their paths. Others may be called alike."""
    back = ledger.with_name(f"{plan.name}-back.toml")
    paths = [*files_of(ledger), back, *([Path(plan.source)] if plan.source else [])]
    return frozenset(os.path.realpath(path) for path in paths)


def _outermost(locations: Sequence[Location]) -> list[Location]:
    """Each once, without those that another covers."""
    once = list(dict.fromkeys(locations))
    return [one for one in once if not any(other != one and covers(other, one) for other in once)]


def _overlap(folders: Iterable[Path]) -> bool:
    """Whether one of these places is another, or lies in it."""
    ordered = sorted(Path(os.path.realpath(folder)).parts for folder in folders)
    return any(inner[: len(outer)] == outer for outer, inner in itertools.pairwise(ordered))


async def _in_thread(items: Iterator[Item]) -> AsyncIterator[Item]:
    while some := await anyio.to_thread.run_sync(lambda: list(itertools.islice(items, WALKED_AT_ONCE))):
        for item in some:
            yield item
