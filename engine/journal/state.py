"""Where journals may be kept: a place in S3 that nobody else changes, where one write of several wins."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import product

from engine.at_once import each
from engine.bucket_facts import BucketFacts
from engine.errors import AttemptError, ObjectError, UsageError
from engine.model import ABSENT, Location, ObjectRef
from engine.plan.locations import may_be_same_bucket, may_be_same_site
from engine.plan.route import Route
from engine.store import DeleteObject, ObjectStore, PutObject

RACES = 4
RACERS = 8
"""Writes of one key at once. A server that compares first and writes then lets several of them win."""


def problems_of(
    place: Location, routes: Iterable[Route], facts: BucketFacts, endpoints: Mapping[str, str]
) -> list[str]:
    """Why a plan's journals may not be kept there, by what is known of the bucket. `endpoints` are the sites' URLs: a
    side may be in the same bucket under another name."""
    found = []
    for route in routes:
        for side in (route.source, route.target):
            same_site = may_be_same_site(side.site, place.site, endpoints)
            if same_site and may_be_same_bucket(side.bucket, place.bucket) and _overlap(side.key, place.key):
                lies = "lies" if side.bucket == place.bucket else "may lie, as an access point hides its bucket,"
                found.append(f'it {lies} in {side}, which the route "{route.name}" moves')
    if facts.lifecycle is None:
        found.append(f"the lifecycle rules of {place.bucket} cannot be read, and one of them may expire it")
    for rule in facts.lifecycle or ():
        if _overlap(rule.prefix, place.key):
            found.append(f'the lifecycle rule "{rule.rule_id}" expires what lies there')
    return found


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


async def refuse_unfit(
    store: ObjectStore, place: Location, routes: Iterable[Route], facts: BucketFacts, endpoints: Mapping[str, str]
) -> None:
    """Raise `UsageError` where a journal could be lost there, or the server lets two writers have one slot: that is
    raced with real writes, of objects that are removed again. `endpoints` as in `problems_of`."""
    problems = problems_of(place, routes, facts, endpoints)
    if not problems and not await one_wins(store, place):
        problems.append("two writes of one key with If-None-Match both succeeded, or the condition was refused")
    if problems:
        raise UsageError(
            f"the state of a run cannot be kept at {place}: {'; '.join(problems)}.",
            advice="Name another place with --state: a prefix of its own, without lifecycle rules, on a server that "
            "honours If-None-Match.",
        )


async def one_wins(store: ObjectStore, place: Location) -> bool:
    """Whether of several writes of one key that is not there exactly one succeeds, each time. What was not answered is
    no yes."""
    name = secrets.token_hex(8)
    refs = [ObjectRef(place.bucket, f"{place.key}race/{name}-{number}") for number in range(RACES)]
    won, refused = Counter[ObjectRef](), Counter[ObjectRef]()

    async def write(racer: tuple[ObjectRef, int]) -> None:
        ref, number = racer
        try:
            await store.put_object(PutObject(ref, str(number).encode(), target_condition=ABSENT))
            won[ref] += 1
        except (ObjectError, AttemptError) as error:
            refused[ref] += error.code in ("PreconditionFailed", "ConditionalRequestConflict")

    async def remove(ref: ObjectRef) -> None:
        with suppress(ObjectError):  # a few bytes of ours stay
            await store.delete_object(DeleteObject(ref))

    await each(product(refs, range(RACERS)), write)
    await each(refs, remove)
    return all(won[ref] == 1 and refused[ref] == RACERS - 1 for ref in refs)
