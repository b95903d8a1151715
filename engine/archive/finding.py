"""Which objects of some sources are archived, or were: by their listing, and of INTELLIGENT_TIERING by a HEAD each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

import anyio

from engine.at_once import each
from engine.errors import AttemptError, ObjectError, StoreError
from engine.events import Listener
from engine.listing.pages import EntriesOf
from engine.listing.ranges import listed_under
from engine.listing.sources import Sources
from engine.model import ListedObject, Location, ObjectHead, ObjectRef, Unlisted
from engine.plan.concern import taken
from engine.plan.decide import Action, decide
from engine.plan.lifecycle import State
from engine.plan.misnamed import Misnames
from engine.plan.record import Decision
from engine.plan.retrieval import ARCHIVE_CLASSES, TIERED
from engine.plan.route import Route
from engine.store import HeadObject, ObjectStore, StoreOf, head_or_none

HEADS_AT_ONCE = 32


class Found(NamedTuple):
    """An object that is archived, or was. `kind` is its archive class, or its archive tier in INTELLIGENT_TIERING;
    `restore` as in `ListedObject`; `decision` what a ledger is to remember of it, where there is one."""

    route: str
    ref: ObjectRef
    size: int
    kind: str
    restore: str
    decision: Decision | None = None


class Heads(NamedTuple):
    """What HEAD says of those that are `there`; `unseen` is why others could not be looked at."""

    there: dict[str, ObjectHead]
    unseen: dict[str, StoreError]


class Batch(NamedTuple):
    """What was found among about a page of objects: `needed` is how many of them are wanted readable, `looked` how many
    had to be asked for one by one. Of the `unseen` S3 did not tell whether they are archived, with what it said, and of
    `unnamed` more of a list of keys, which are too many to be kept by name."""

    found: list[Found]
    needed: int
    looked: int
    unseen: list[tuple[Found, StoreError]]
    unnamed: int = 0


Take = Callable[[Batch], Awaitable[None]]


async def find_under(store: ObjectStore, location: Location, listener: Listener, take: Take) -> None:
    """Have `take` see, batch by batch, what is archived under a location. Raises what listing and `take` raise."""
    async with listed_under(store, location, listener) as batches:
        async for objects in batches:
            await take(await _batch(store, "", location.bucket, [(item, None) for item in objects]))


async def find_needed(
    store_of: StoreOf,
    sources: Sources,
    route: Route,
    entries_of: EntriesOf | None,
    take: Take,
    *,
    digests: bool,
    misnames: Misnames | None = None,
) -> None:
    """The same of what a run of this route would copy; `digests` and `misnames` as `decide` has them. Raises what
    listings, ledger and `take` raise."""
    async with anyio.create_task_group() as group:
        join = sources.join(group, store_of, route, entries_of)
        while (rows := await join.next_rows()) is not None:
            wanted = []
            for row in taken(route, rows):
                choice = decide(row, route.overwrite, digests=digests, misnames=misnames)
                if choice is None or choice.source is None:
                    continue
                # What is only to be compared is needed where a run could not do without its bytes.
                aside = row.entry is not None and row.entry.state is State.ARCHIVED
                mended = choice.action is Action.MEND and aside
                if choice.decision.state is State.ARCHIVED or choice.action in _COPIES or mended:
                    known = row.entry is not None and not aside
                    wanted.append((choice.source, None if known else choice.decision))
            await take(await _batch(store_of(route.source), route.name, route.source.bucket, wanted))
        refused = join.unlisted[0]
        named = [_unlisted(route, item) for _, item in refused.named()]
        await take(Batch([], 0, 0, named, refused.count - len(named)))


def _unlisted(route: Route, item: Unlisted) -> tuple[Found, StoreError]:
    """What the route's list names, and S3 refuses to show."""
    ref = ObjectRef(route.source.bucket, item.key)
    error = ObjectError(item.message, operation="HeadObject", ref=str(ref), code=item.code)
    return Found(route.name, ref, 0, "", ""), error


_COPIES = (Action.COPY, Action.CLAIM, Action.INSPECT)


async def _batch(
    store: ObjectStore, route: str, bucket: str, objects: Sequence[tuple[ListedObject, Decision | None]]
) -> Batch:
    tiered = [item.key for item, _ in objects if item.storage_class == TIERED]
    heads = await heads_of(store, bucket, tiered)
    found, unseen = [], []
    for item, decision in objects:
        kind, restore = item.storage_class, item.restore
        if kind == TIERED:
            if (error := heads.unseen.get(item.key)) is not None:
                unseen.append((Found(route, ObjectRef(bucket, item.key), item.size, "", "", decision), error))
                continue
            head = heads.there.get(item.key)
            kind, restore = (head.archive_status, head.restore) if head is not None else ("", "")
        elif kind not in ARCHIVE_CLASSES:
            continue
        if kind or restore:
            found.append(Found(route, ObjectRef(bucket, item.key), item.size, kind, restore, decision))
    return Batch(found, len(objects), len(tiered), unseen)


async def heads_of(store: ObjectStore, bucket: str, keys: Iterable[str]) -> Heads:
    """HEAD of each of these keys. Raises errors of scope `run`."""
    heads = Heads({}, {})

    async def head(key: str) -> None:
        try:
            answer = await head_or_none(store, HeadObject(ObjectRef(bucket, key)))
        except (ObjectError, AttemptError) as error:
            heads.unseen[key] = error
        else:
            if answer is not None:
                heads.there[key] = answer

    await each(keys, head, anyio.CapacityLimiter(HEADS_AT_ONCE))
    return heads
