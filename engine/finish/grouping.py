"""By what the objects under a location are summed up: prefix, storage class, age, suffix, or a tag that each is asked
for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple, Protocol

import anyio

from engine.at_once import each
from engine.errors import AttemptError, ObjectError, UsageError
from engine.model import ListedObject, Location, ObjectRef
from engine.store import ObjectStore
from engine.transfer.properties import tags_of

BY = ("prefix", "class", "age", "suffix")
"""What is known of every object that is listed."""
TAG = "tag="
"""What is asked for object by object begins so; the tag's name follows."""

DIRECTLY = ""
"""The prefix of what lies directly under the location."""

AGES = ((30, "under 30 days"), (90, "30 to 90 days"), (180, "90 to 180 days"), (365, "180 days to a year"))
OLDER = "over a year"


class Odd(Enum):
    """Groups that have no name. The value is what `--json` calls them."""

    NONE = "none"  # what they are grouped by, these do not have: no such tag, no suffix, no time
    UNREAD = "unread"  # their tags could not be read, or they are gone since they were listed
    OTHERS = "others"  # more groups than memory wants


Group = str | Odd


class Grouping(Protocol):
    """Tells objects' groups."""

    async def groups_of(self, objects: Sequence[ListedObject]) -> list[Group]:
        """The group of each. Raises errors of scope `run`."""


class ByListing(NamedTuple):
    """By what the listing says."""

    group_of: Callable[[ListedObject], Group]

    async def groups_of(self, objects: Sequence[ListedObject]) -> list[Group]:
        return [self.group_of(item) for item in objects]


class ByTag:
    """By the value of one tag: a GetObjectTagging an object, `at_once` of them under way. `asked` counts them, `unread`
    says of the first that failed why."""

    def __init__(self, store: ObjectStore, bucket: str, tag: str, at_once: int) -> None:
        self._store = store
        self._bucket = bucket
        self._tag = tag
        self._limiter = anyio.CapacityLimiter(at_once)
        self.asked = 0
        self.unread = ""

    async def groups_of(self, objects: Sequence[ListedObject]) -> list[Group]:
        async def ask(item: ListedObject) -> Group:
            ref = ObjectRef(self._bucket, item.key)
            self.asked += 1
            try:
                return dict(await tags_of(self._store, ref, None)).get(self._tag, Odd.NONE)
            except (ObjectError, AttemptError) as error:
                self.unread = self.unread or f"{ref}: {error.message}"
                return Odd.UNREAD

        return await each(objects, ask, self._limiter)


def grouping(by: str, location: Location, store: ObjectStore, at_once: int, now_ms: int) -> Grouping:
    """What sums up by `by`. Raises `UsageError` where it names nothing to sum up by."""
    tag = by.removeprefix(TAG)
    if tag != by and tag:
        if location.is_local:
            raise UsageError("files have no tags.", advice=f"Sum them up by {', '.join(BY)}.")
        return ByTag(store, location.bucket, tag, at_once)
    if by not in BY:
        raise UsageError(f'objects are not summed up by "{by}".', advice=f"There are {', '.join(BY)}, and tag=NAME.")
    cut = len(location.key)
    if by == "prefix":
        return ByListing(lambda item: first_level(item.key, cut))
    if by == "class":
        return ByListing(lambda item: item.storage_class or "STANDARD")
    return ByListing(_age_of(now_ms) if by == "age" else suffix_of)


def first_level(key: str, cut: int) -> str:
    """What follows the location up to its first slash, with it; empty for an object that lies directly there."""
    end = key.find("/", cut)
    return DIRECTLY if end < 0 else key[cut : end + 1]


def suffix_of(item: ListedObject) -> Group:
    """What follows the last dot of an object's name, with it and in small letters; a name's first dot begins none."""
    name = item.key[item.key.rfind("/") + 1 :]
    at = name.rfind(".")
    return name[at:].lower() if 0 < at < len(name) - 1 else Odd.NONE


def _age_of(now_ms: int) -> Callable[[ListedObject], Group]:
    """How long ago objects were written, by bounds that are reckoned once: S3's times sort as time does."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    bounds = [((now - timedelta(days)).strftime("%Y-%m-%dT%H:%M:%S"), name) for days, name in AGES]
    return lambda item: next(
        (name for since, name in bounds if item.modified >= since), OLDER if item.modified else Odd.NONE
    )


def rank(by: str, group: Group, size_bytes: int) -> tuple[bool, int, str]:
    """Where a group stands in a table: prefixes by name, ages by age, all others by their bytes, the largest first;
    the rest of too many comes last."""
    name = group if isinstance(group, str) else ""
    first = 0 if by == "prefix" else _AGE.get(name, len(_AGE)) if by == "age" else -size_bytes
    return group is Odd.OTHERS, first, name


_AGE = {name: at for at, name in enumerate([*(name for _, name in AGES), OLDER])}
