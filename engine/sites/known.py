"""What is known of a server, bucket by bucket, for one command: AWS, noted by an earlier command, or tried out.

Every command asks here. What nobody could find out is not known, which is treated as a no.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from engine.crc import CRC64NVME
from engine.model import Location, ObjectRef
from engine.sites.clock import now_ms
from engine.sites.traits import ALL, AWS, NOTHING_KNOWN, PINS, Answer, Traits, from_note, from_older_note
from engine.sites.trial import probe_at, remove_probe, try_out, try_pins
from engine.store import ObjectStore

NOTE = "traits"
OLDER_NOTE = "honours"
PROBE = "probe"
"""The note of objects of our own that may be there still, and since when each may."""

STILL_COMING_MS = 16 * 60_000
"""How long a request of a command that was cut short may still come to be carried out: S3 takes no signature that is
older than a quarter of an hour."""


class Notes(Protocol):
    """What remembers small facts between commands: the ledger."""

    async def note(self, key: str) -> Any: ...
    async def set_note(self, key: str, value: Any) -> None: ...


class Own(NamedTuple):
    """The first of a trial's objects. `since_ms`: when it was announced, by this machine's clock."""

    bucket: str
    key: str
    since_ms: int = 0

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.bucket, self.key)


class KnownTraits:
    """What the buckets of one site are known to do. `trusted`: the server is AWS, or to be taken for it; then nothing
    is ever tried. `store` is asked by trials, and must not be one that asks here. `site` is the site's name, under
    which its notes are kept."""

    def __init__(self, store: ObjectStore, *, trusted: bool, site: str = "") -> None:
        self._store = store
        self.trusted = trusted
        ending = f" of {site}" if site else ""
        self._note, self._probe_note = NOTE + ending, PROBE + ending
        self._traits: dict[str, Traits] = {}
        self._notes: Notes | None = None
        self._announced: set[ObjectRef] = set()
        self._looked_for: set[Own] = set()
        self.left: list[ObjectRef] = []
        """What the last trial made that is not known to be gone."""

    def known(self, bucket: str) -> Traits:
        """What is known of a bucket without asking the server."""
        return AWS if self.trusted else self._traits.get(bucket, NOTHING_KNOWN)

    def compares(self, bucket: str, algorithm: str) -> bool:
        """Whether checksums by an algorithm are known to be of the bytes there, and not what somebody said of them.
        CRC64NVME is tried: of any other nothing is known."""
        return self.trusted or (algorithm == CRC64NVME and self.known(bucket).compares_sums)

    async def remember(self, notes: Notes, older_bucket: str = "") -> None:
        """Take what earlier commands noted, and keep there what is found out from now on. `older_bucket` is the bucket
        that was tried where nothing said which, empty where none can be meant."""
        self._notes = notes
        older = await notes.note(OLDER_NOTE) if older_bucket else None
        found = {older_bucket: from_older_note(older)} if older else {}
        noted = await notes.note(self._note)
        found |= {bucket: from_note(item) for bucket, item in noted.items()} if isinstance(noted, dict) else {}
        # A server that cannot be used is tried anew: nothing was done with it, and it may be another version by now.
        self._traits = {bucket: item for bucket, item in found.items() if not item.loses_keys} | self._traits

    async def traits_of(self, where: Location, needs: Iterable[str] = ALL) -> Traits:
        """What the server does in the bucket of `where`: tried out there now, unless all of `needs` is known.

        Raises errors of scope `run`, as `tried_now`."""
        known = self.known(where.bucket)
        return known if known.knows(needs) else await self.tried_now(where)

    async def tried_now(self, where: Location) -> Traits:
        """Try the server out anew, on objects of our own under `where`: before anything is deleted there."""
        if self.trusted:
            return AWS
        probe = probe_at(where)
        await self._announce(probe)
        self.left = []
        traits, _ = await try_out(self._store, probe, self.left)
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
        pins, self.left = await try_pins(self._store, source, probe)
        traits = replace(known, **pins)
        await self._keep(source.bucket, traits)
        await self.remove_leftovers()
        return traits

    async def learn(self, bucket: str, refused: Iterable[str]) -> None:
        """Keep that the server refused what these traits stand for, as requests in earnest found out."""
        told = dict.fromkeys(refused, Answer.REFUSED)
        if told and not self.trusted:
            await self._keep(bucket, replace(self.known(bucket), **told))

    async def remove_leftovers(self) -> None:
        """Remove what trials left behind that were cut short, or whose deletes were refused. A command that was killed
        may have sent what arrives after this look: the commands of the next quarter of an hour look again."""
        if self._notes is None:
            return
        left = await self._left()
        kept = [own for own in left if not await self._is_gone(own)]
        if kept != left:
            await self._note_left(kept)

    async def _is_gone(self, own: Own) -> bool:
        """Whether an object of our own is gone for good, removed where it is not."""
        if own in self._looked_for:
            return False
        if await remove_probe(self._store, own.ref):
            return False
        if own.ref in self._announced or now_ms() - own.since_ms > STILL_COMING_MS:
            return True
        self._looked_for.add(own)
        return False

    async def _announce(self, probe: ObjectRef) -> None:
        """Note an object of our own before it is made, so that the next command finds what a crash leaves."""
        await self.remove_leftovers()
        if self._notes is not None:
            self._announced.add(probe)
            await self._note_left([*await self._left(), Own(*probe, now_ms())])

    async def _left(self) -> list[Own]:
        noted = await self._notes.note(self._probe_note) if self._notes is not None else None
        if not noted:
            return []
        return [Own(*noted)] if isinstance(noted[0], str) else [Own(*item) for item in noted]

    async def _note_left(self, left: list[Own]) -> None:
        if self._notes is not None:
            await self._notes.set_note(self._probe_note, [list(own) for own in left] or None)

    async def _keep(self, bucket: str, traits: Traits) -> None:
        self._traits[bucket] = traits
        if self._notes is not None:
            await self._notes.set_note(self._note, {name: item.as_note() for name, item in self._traits.items()})
