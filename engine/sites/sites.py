"""The one place that knows what a server does, bucket by bucket: AWS, noted by an earlier command, or tried out.

Every command asks here. What nobody could find out is not known, which is treated as a no.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from engine.model import Location, ObjectRef
from engine.plan.route import Route
from engine.sites.traits import (
    ALL,
    AWS,
    NOTHING_KNOWN,
    PINS,
    Answer,
    Traits,
    from_note,
    from_older_note,
    pin_sentences,
    sentences,
)
from engine.sites.trial import probe_at, remove_probe, try_out, try_pins
from engine.store import ObjectStore

NOTE = "traits"
OLDER_NOTE = "honours"
PROBE = "probe"
"""The note of an object of our own that may be there still."""


class Notes(Protocol):
    """What remembers small facts between commands: the ledger."""

    async def note(self, key: str) -> Any: ...
    async def set_note(self, key: str, value: Any) -> None: ...


class Sites:
    """What is known of the buckets of one endpoint, for one command. `trusted`: the server is AWS, or to be taken for
    it; then nothing is ever tried. `store` is asked by trials, and must not be one that asks here."""

    def __init__(self, store: ObjectStore, *, trusted: bool) -> None:
        self._store = store
        self.trusted = trusted
        self._traits: dict[str, Traits] = {}
        self._notes: Notes | None = None

    def known(self, bucket: str) -> Traits:
        """What is known of a bucket without asking the server."""
        return AWS if self.trusted else self._traits.get(bucket, NOTHING_KNOWN)

    async def remember(self, notes: Notes, older_bucket: str) -> None:
        """Take what earlier commands noted, and keep there what is found out from now on. `older_bucket` is the bucket
        that was tried where nothing said which."""
        self._notes = notes
        older = await notes.note(OLDER_NOTE)
        found = {older_bucket: from_older_note(older)} if older else {}
        noted = await notes.note(NOTE)
        found |= {bucket: from_note(item) for bucket, item in noted.items()} if isinstance(noted, dict) else {}
        # A server that cannot be used is tried anew: nothing was done with it, and it may be another version by now.
        self._traits = {bucket: item for bucket, item in found.items() if not item.loses_keys} | self._traits

    async def traits_of(self, where: Location, needs: Iterable[str] = ALL) -> Traits:
        """What the server does in the bucket of `where`: tried out there now, unless all of `needs` is known.

        Raises errors of scope `run`, as `tried_now`."""
        known = self.known(where.bucket)
        return known if known.knows(needs) else await self.tried_now(where)

    async def try_routes(self, routes: Sequence[Route]) -> None:
        """Know what a run of these routes relies on: of each target's bucket all, of a source's bucket its pins."""
        for where in _one_a_bucket(route.target for route in routes):
            await self.traits_of(where)
        beside = {route.source.bucket: route.target for route in reversed(routes)}
        for where in _one_a_bucket(route.source for route in routes):
            await self.pins_of(where, beside[where.bucket])

    def of_routes(self, routes: Sequence[Route]) -> dict[str, Traits]:
        """What is known of every bucket of these routes, targets first."""
        places = [*(route.target for route in routes), *(route.source for route in routes)]
        return {where.bucket: self.known(where.bucket) for where in _one_a_bucket(places)}

    def sentences(self, routes: Sequence[Route]) -> list[str]:
        """What is promised less of on these routes, a sentence each; with the bucket's name where they differ."""
        targets = {route.target.bucket for route in routes}
        said: dict[str, list[str]] = {}
        for bucket, traits in self.of_routes(routes).items():
            for line in sentences(traits) if bucket in targets else pin_sentences(traits):
                said.setdefault(line, []).append(bucket)
        several = len(self.of_routes(routes)) > 1
        return [f"{', '.join(buckets)}: {line}" if several else line for line, buckets in said.items()]

    async def tried_now(self, where: Location) -> Traits:
        """Try the server out anew, on objects of our own under `where`: before anything is deleted there."""
        if self.trusted:
            return AWS
        probe = probe_at(where)
        await self._announce(probe)
        traits = await try_out(self._store, where, probe)
        await self._keep(where.bucket, traits)
        await self.remove_leftovers()
        return traits

    async def pins_of(self, source: Location, beside: Location) -> Traits:
        """What the server does of the conditions on a source that is only read, tried with what it holds: a copy of
        something small, to a name of our own beside a target."""
        known = self.known(source.bucket)
        if known.knows(PINS):
            return known
        probe = probe_at(beside)
        await self._announce(probe)
        traits = replace(known, **await try_pins(self._store, source, probe))
        await self._keep(source.bucket, traits)
        await self.remove_leftovers()
        return traits

    async def learn(self, bucket: str, refused: Iterable[str]) -> None:
        """Keep that the server refused what these traits stand for, as requests in earnest found out."""
        told = dict.fromkeys(refused, Answer.REFUSED)
        if told and not self.trusted:
            await self._keep(bucket, replace(self.known(bucket), **told))

    async def remove_leftovers(self) -> None:
        """Remove what trials left behind that were cut short, or whose deletes were refused."""
        if self._notes is None:
            return
        left = await self._left()
        kept = [probe for probe in left if not await remove_probe(self._store, probe)]
        if kept != left:
            await self._note_left(kept)

    async def _announce(self, probe: ObjectRef) -> None:
        """Note an object of our own before it is made, so that the next command finds what a crash leaves."""
        await self.remove_leftovers()
        if self._notes is not None:
            await self._note_left([*await self._left(), probe])

    async def _left(self) -> list[ObjectRef]:
        noted = await self._notes.note(PROBE) if self._notes is not None else None
        if not noted:
            return []
        return [ObjectRef(*noted)] if isinstance(noted[0], str) else [ObjectRef(*item) for item in noted]

    async def _note_left(self, probes: list[ObjectRef]) -> None:
        if self._notes is not None:
            await self._notes.set_note(PROBE, [list(probe) for probe in probes] or None)

    async def _keep(self, bucket: str, traits: Traits) -> None:
        self._traits[bucket] = traits
        if self._notes is not None:
            await self._notes.set_note(NOTE, {name: item.as_note() for name, item in self._traits.items()})


def _one_a_bucket(places: Iterable[Location]) -> list[Location]:
    """The first place of each bucket."""
    first: dict[str, Location] = {}
    for where in places:
        first.setdefault(where.bucket, where)
    return list(first.values())
