"""Trying out what a server does of S3's conditions, on small objects of the engine's own.

A condition is tried by a request that must fail it and one that must meet it. Each is judged by itself: what is
refused, denied or lost on its way says nothing of the others. Answers to deletes are not believed: a look tells.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter

import anyio

from engine.errors import AccessDenied, AttemptError, ObjectError, PreconditionFailed, RunError
from engine.freshness import now_s, only_until
from engine.model import ABSENT, CopyResult, Location, ObjectRef, Properties, UploadedPart, UploadRef
from engine.plan.locations import MAX_KEY_BYTES
from engine.plan.own import PROBE
from engine.sites.attempts import Met, attempted, both, judged, let, met_by
from engine.sites.own import ATTEMPTS, remove_own
from engine.sites.paging import as_listed
from engine.sites.summing import try_sums
from engine.sites.traits import PINS, Answer, Traits
from engine.store import (
    AbortUpload,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    DeleteObject,
    DeleteObjects,
    HeadObject,
    ListPage,
    ListUploads,
    ObjectStore,
    PutObject,
    UploadPart,
    head_or_none,
)

Making = Callable[[], Awaitable[CopyResult]]

WRONG_ETAG = "0" * 32

REMOVAL_S = 5.0
"""How long an upload of a trial is tried to be aborted; and how long all of it is removed where a trial is stopped."""
BODY = b"cartage"

NAME_BYTES = 8
"""Of a name of ours, so many are drawn."""

COPY, PARTS, PARTS_COPY, SUMMED, WRITTEN = "-copy", "-parts", "-parts-copy", "-summed", "-ü"
BLANK, WIDE, ASTRAL = " +%", "-\uff01", "-\U00010000"
"""A name that encoding-type=url changes in three ways, and two whose UTF-16 is in the reverse order of their UTF-8."""
SUFFIXES = ("", BLANK, COPY, PARTS, PARTS_COPY, SUMMED, WRITTEN, WIDE, ASTRAL)
"""What our objects' names end on, in key order."""
LONGEST_BYTES = max(len(suffix.encode()) for suffix in SUFFIXES)

INSIDE: dict[str, type[ObjectError]] = {"AccessDenied": AccessDenied, "PreconditionFailed": PreconditionFailed}
"""What DeleteObjects says inside a 200 of a key that it left, and tells of its condition."""

SAMPLE_BYTES = 64 << 20
"""How large an object may be that conditions on a source are tried with: it is copied some times over."""


def probe_at(where: Location) -> ObjectRef:
    """A new name for an object of our own under `where`, or in the nearest folder above it whose name leaves room."""
    name = PROBE + secrets.token_hex(NAME_BYTES)
    folder = where.folder.key
    while len((folder + name).encode()) + LONGEST_BYTES > MAX_KEY_BYTES:
        folder = folder[: folder.rfind("/", 0, -1) + 1]
    return ObjectRef(where.bucket, folder + name)


async def try_out(
    store: ObjectStore, probe: ObjectRef, left: list[ObjectRef] | None = None
) -> tuple[Traits, list[ObjectRef]]:
    """Try each condition on objects of our own, the first of which is `probe` (`probe_at`), and remove them; gives what
    is not known to be gone as well, which `left` is told of also where this raises: errors of scope `run`."""
    left = [] if left is None else left
    trial = _Trial(store, probe)
    async with removed_if_stopped(store, probe, trial.begun, left):
        traits = await trial.go()
        left[:] = await remove_probe(store, probe, trial.begun)
    return traits, left


@asynccontextmanager
async def removed_if_stopped(
    store: ObjectStore, probe: ObjectRef, begun: Collection[UploadRef], left: list[ObjectRef]
) -> AsyncIterator[None]:
    """What a trial made is removed also where that is cancelled, or fails: within `REMOVAL_S`. `left` is told of what
    is not known to be gone then."""
    try:
        yield
    except BaseException:
        left[:] = [probe]  # and what is called so, with more at its end
        with anyio.move_on_after(REMOVAL_S, shield=True):
            left[:] = await remove_probe(store, probe, begun)
        raise


async def try_pins(store: ObjectStore, source: Location, probe: ObjectRef) -> tuple[dict[str, Answer], list[ObjectRef]]:
    """Try the conditions on a source that is only read: the first page of what it holds is looked through for something
    small, plain and multipart, which is copied to `probe`'s names. What there is nothing to try with is not known. What
    is not known to be gone is given as well.

    Raises errors of scope `run`."""
    found = await attempted(lambda: store.list_page(ListPage(source.bucket, source.key)))
    samples: dict[str, tuple[ObjectRef, str]] = {}
    for item in sorted(found[1].objects if found[1] is not None else (), key=attrgetter("size")):
        ending = "_parts" if "-" in item.etag else ""
        if item.etag and ending not in samples and 0 < item.size <= SAMPLE_BYTES:
            samples[ending] = ObjectRef(source.bucket, item.key), item.etag
    trial = _Trial(store, probe)
    left: list[ObjectRef] = []
    async with removed_if_stopped(store, probe, trial.begun, left):
        traits = dict.fromkeys(PINS, Answer.UNKNOWN) | await trial.pins(samples)
        left = await remove_probe(store, probe, trial.begun)
    return traits, left


async def remove_probe(store: ObjectStore, probe: ObjectRef, begun: Collection[UploadRef] = ()) -> list[ObjectRef]:
    """Remove what a trial made, all at once; gives what is not known to be gone, an upload by its key. No one else's
    object bears these names. `begun` are the trial's own uploads, without an id where nobody was told it."""
    left: list[ObjectRef] = []

    async def remove(suffix: str) -> None:
        if not await remove_own(store, _beside(probe, suffix)):
            left.append(_beside(probe, suffix))

    met, uploads = await attempted(lambda: _uploads_of(store, probe, begun))
    if uploads is None:
        uploads = list(begun)
    if met is Met.OPEN:
        uploads.append(UploadRef(_beside(probe, PARTS), ""))
    for upload in uploads:
        if not upload.upload_id or not await _aborted(store, upload):
            left.append(upload.target)
    await _together(*(partial(remove, suffix) for suffix in SUFFIXES))
    return sorted(set(left))


async def _uploads_of(store: ObjectStore, probe: ObjectRef, begun: Collection[UploadRef]) -> list[UploadRef]:
    """What has begun at names of ours. Where that may not be listed it is what the trial itself knows of."""
    try:
        listed = await store.list_uploads(ListUploads(probe.bucket, probe.key))
    except AccessDenied:
        return list(begun)
    return [UploadRef(ObjectRef(probe.bucket, item.key), item.upload_id) for item in listed]


async def _aborted(store: ObjectStore, upload: UploadRef) -> bool:
    """Abort an upload of a trial; whether it is known to be gone. What does not go soon is left for the next command: a
    trial keeps nobody waiting."""
    until = now_s() + REMOVAL_S
    return await met_by(lambda: only_until(until, store.abort_upload(AbortUpload(upload))), times=1) in (
        Met.DONE,
        Met.REFUSED,
    )


def _beside(probe: ObjectRef, suffix: str) -> ObjectRef:
    return ObjectRef(probe.bucket, probe.key + suffix)


class _Trial:
    """One trial. Its groups of requests have objects of their own, and are made at the same time."""

    def __init__(self, store: ObjectStore, probe: ObjectRef) -> None:
        self._store = store
        self._probe = probe
        self._etags: dict[str, str] = {}  # of what was made, by the ending of its name
        self._unsure: set[str] = set()  # endings of what may be there: an answer was lost
        self._found: dict[str, Answer] = {}
        self.begun: list[UploadRef] = []  # without an id where the answer was lost

    async def go(self) -> Traits:
        await _together(self._writes, *(partial(self._put, suffix) for suffix in ("", BLANK, WIDE, ASTRAL)))
        await _together(self._copies, self._uploads, self._sums)
        await self._listings()
        await self._deletes()
        return Traits(**self._found)

    def _ref(self, suffix: str) -> ObjectRef:
        return _beside(self._probe, suffix)

    async def _put(self, suffix: str) -> None:
        await self._make(suffix, lambda: self._store.put_object(PutObject(self._ref(suffix), BODY)))

    async def _make(self, suffix: str, attempt: Making, times: int = ATTEMPTS) -> Met:
        """Make one of our objects, and keep its ETag; servers leave that out of some answers. Where an answer was lost,
        a look tells whether it is made."""
        met, result = await attempted(attempt, times)
        if met is Met.OPEN:
            self._unsure.add(suffix)
        if result is not None or suffix in self._unsure:
            etag = (result.etag if result is not None else "") or await self._look(suffix)
            if etag:
                self._etags[suffix] = etag
        return met

    async def _make_new(self, suffix: str, make: Callable[[str | None], Making], times: int = ATTEMPTS) -> Met | None:
        """Make one where none is, and without that condition where it is not let through; what became of the first.
        None where there is none either way."""
        # Once: were its answer lost, the next would meet the object that it made.
        absent = await let(lambda: self._make(suffix, make(ABSENT), 1))
        if suffix not in self._etags:
            await self._make(suffix, make(None), times)
        return absent if suffix in self._etags else None

    async def _look(self, suffix: str) -> str | None:
        """The ETag that HEAD shows; empty where the object is not there, None where that cannot be known."""
        try:
            head = await head_or_none(self._store, HeadObject(self._ref(suffix)))
        except (ObjectError, AttemptError):
            return None
        return "" if head is None else head.etag

    # --- conditions -------------------------------------------------------------------------------------------

    async def _writes(self) -> None:
        def put(condition: str | None) -> Making:
            return lambda: self._store.put_object(PutObject(self._ref(WRITTEN), BODY, target_condition=condition))

        if (absent := await self._make_new(WRITTEN, put)) is None:
            return
        self._found["put_if_absent"] = judged(absent, await met_by(put(ABSENT)))
        self._found["put_if_match"] = await both(put(self._etags[WRITTEN]), put(WRONG_ETAG))

    async def _copies(self) -> None:
        if "" not in self._etags:
            return
        request = CopyObject(self._ref(""), self._ref(COPY))

        def copy(condition: str | None, algorithm: str = "") -> Making:
            asked = request._replace(target_condition=condition, checksum_algorithm=algorithm)
            return lambda: self._store.copy_object(asked)

        if (absent := await self._make_new(COPY, copy)) is None:
            return
        found, there = self._found, self._etags[COPY]
        found["copy_if_absent"] = judged(absent, await met_by(copy(ABSENT)))
        found["copy_if_match"] = await both(copy(there), copy(WRONG_ETAG))
        await self._copy_pins("copy_pins", self._ref(""), self._etags[""], COPY)
        met, result = await attempted(copy(None, "CRC64NVME"))
        if met is Met.REFUSED:
            found["checksums"] = Answer.REFUSED
        elif result is not None:
            found["checksums"] = Answer.YES if result.checksums else Answer.NO

    async def _uploads(self) -> None:
        """A multipart object of one part of seven bytes has an ETag of the multipart form, and costs nothing."""
        upload = await self._begin()
        if upload is None:
            return
        part = (await attempted(lambda: self._store.upload_part(UploadPart(upload, 1, BODY))))[1]
        if part is None:
            return
        if (absent := await self._make_new(PARTS, partial(self._complete, upload, part), 1)) is None:
            return
        await self._copy_pins("copy_pins_parts", self._ref(PARTS), self._etags[PARTS], PARTS_COPY)
        again = await self._begin()
        if again is None:
            return
        for name, suffix in (("part_pins", ""), ("part_pins_parts", PARTS)):
            if suffix in self._etags:
                part = await self._part_pins(again, name, self._ref(suffix), self._etags[suffix]) or part
        self._found["complete_guarded"] = judged(absent, await met_by(self._complete(again, part, ABSENT), 1))
        await _aborted(self._store, again)

    async def pins(self, samples: Mapping[str, tuple[ObjectRef, str]]) -> dict[str, Answer]:
        """The conditions on a source alone, by what others wrote there: objects and their ETags, by "" and "_parts"."""
        for ending, (ref, etag) in samples.items():
            await self._copy_pins(f"copy_pins{ending}", ref, etag, PARTS_COPY)
        if samples and (upload := await self._begin()) is not None:
            for ending, (ref, etag) in samples.items():
                await self._part_pins(upload, f"part_pins{ending}", ref, etag)
        return self._found

    async def _copy_pins(self, name: str, source: ObjectRef, etag: str, suffix: str) -> None:
        request = CopyObject(source, self._ref(suffix))

        def copy(pin: str | None) -> Making:
            return lambda: self._store.copy_object(request._replace(source_etag=pin))

        if await self._make(suffix, copy(None)) is Met.DONE:
            self._found[name] = await both(copy(etag), copy(WRONG_ETAG))

    async def _part_pins(self, upload: UploadRef, name: str, source: ObjectRef, etag: str) -> UploadedPart | None:
        """Copy a part from an object; the part, where that could be done at all."""
        request = CopyPart(upload, 1, source, None, None, None)

        def copy(pin: str | None) -> Callable[[], Awaitable[UploadedPart]]:
            return lambda: self._store.copy_part(request._replace(source_etag=pin))

        if await met_by(copy(None)) is not Met.DONE:
            return None
        self._found[name] = await both(copy(etag), copy(WRONG_ETAG))
        return (await attempted(copy(None)))[1]

    async def _begin(self) -> UploadRef | None:
        return (await self._begun(CreateUpload(self._ref(PARTS), Properties())))[1]

    async def _begun(self, request: CreateUpload) -> tuple[Met, UploadRef | None]:
        met, upload = await attempted(lambda: self._store.create_upload(request), 1)
        if upload is not None or met is Met.OPEN:
            self.begun.append(upload or UploadRef(request.target, ""))
        return met, upload

    def _complete(self, upload: UploadRef, part: UploadedPart, condition: str | None) -> Making:
        return lambda: self._store.complete_upload(CompleteUpload(upload, (part,), condition))

    async def _sums(self) -> None:
        self._found |= await try_sums(self._store, self._ref(SUMMED), BODY, partial(self._make, SUMMED), self._begun)

    # --- listings ---------------------------------------------------------------------------------------------

    async def _listings(self) -> None:
        keys = [self._ref(suffix).key for suffix in SUFFIXES if suffix in self._etags]
        if not {BLANK, WRITTEN} <= self._etags.keys():
            return  # what plain keys show says nothing of special ones
        unsure = {self._ref(suffix).key for suffix in self._unsure - self._etags.keys()}
        listed = partial(as_listed, self._store, self._probe, keys, unsure)
        encoded = await listed(plain=False)
        plain = encoded if encoded.exact else await listed(plain=True)
        self._found["listing"] = _answer(encoded.exact)
        self._found["listing_plain"] = _answer(plain.exact)
        if {WIDE, ASTRAL} <= self._etags.keys():
            self._found["listing_ordered"] = _answer(plain.ordered if encoded.ordered is None else encoded.ordered)

    # --- deletes ----------------------------------------------------------------------------------------------

    async def _deletes(self) -> None:
        async def single(etag: str) -> None:
            await self._store.delete_object(DeleteObject(self._ref(WRITTEN), etag))

        async def batch(etag: str) -> None:
            keys = ((self._ref(WIDE).key, etag),)
            for failure in (await self._store.delete_objects(DeleteObjects(self._probe.bucket, keys))).failed:
                if kind := INSIDE.get(failure.code):
                    raise kind(failure.message, operation="DeleteObjects", code=failure.code)

        await self._delete("delete_if_match", WRITTEN, single)
        await self._delete("batch_if_match", WIDE, batch)

    async def _delete(self, name: str, suffix: str, delete: Callable[[str], Awaitable[None]]) -> None:
        etag = await self._look(suffix)
        if not etag:
            return  # it could not be made, or nobody can say what became of it
        wrong = await self._deleted(suffix, lambda: delete(WRONG_ETAG))
        right = Met.OPEN
        if wrong is Met.UNMET:
            right = await let(lambda: self._deleted(suffix, lambda: delete(etag)))
        self._found[name] = judged(right, wrong)

    async def _deleted(self, suffix: str, attempt: Callable[[], Awaitable[None]]) -> Met:
        """What a delete came to, as a look tells. A success that left the object says nothing of a condition: reads may
        lag behind, and the object may be gone."""
        met = await met_by(attempt)
        there = await self._look(suffix)
        if there is None:
            return Met.OPEN
        if not there:
            return Met.DONE
        return Met.OPEN if met is Met.DONE else met


async def _together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """All of them at once. An error that stops a run is raised as itself, not in a group."""
    stopped: list[RunError] = []

    async def guarded(job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except RunError as error:
            stopped.append(error)

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(guarded, job)
    if stopped:
        raise stopped[0]


def _answer(said: bool | None) -> Answer:
    return Answer.UNKNOWN if said is None else Answer.YES if said else Answer.NO
