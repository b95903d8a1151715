"""Reading a ledger in shards: what is asked of a key goes to the shard that has it, what is asked of all is answered
from the index's records, or shard by shard in the order of keys.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import TypeVar

from engine.errors import LedgerCorrupt, LedgerError
from engine.ledger import composition, index
from engine.ledger.forming import lies_at
from engine.ledger.reader import Held, LedgerReader, open_alone
from engine.ledger.rebinding import VIEW
from engine.ledger.shard_files import ShardFiles
from engine.ledger.shard_places import index_path, shard_path
from engine.ledger.writer import damaged
from engine.model import Proof, UploadedPart
from engine.plan.lifecycle import State
from engine.plan.noted import Noted
from engine.plan.record import Entry, ObjectRecord, Tally, UploadRecord
from engine.plan.shards import Atlas, Piece, tile
from engine.to_the_end import to_the_end

Answer = TypeVar("Answer")

ORDERED_BY = "ordered by"
"""The note of which run gave the last orders for shards."""


class InShards(LedgerReader):
    """What any reader of a ledger in shards answers otherwise than one of a single file."""

    _folder: Path
    _atlas: Atlas
    _readers: ShardFiles[LedgerReader]

    def _lie_in(self, folder: Path) -> None:
        """Read shards of this folder: before anything else, since closing asks for them."""
        self.path = self._folder = folder
        self._readers = ShardFiles(self._open_reader, lambda number, shard: shard.close())

    async def _open_reader(self, number: int) -> LedgerReader:
        """One shard's own ledger, to read. Raises `LedgerCorrupt` where it is not what the index recorded."""
        shard = await self._open_shard(number)
        try:
            await self._hold_against_record(number, shard)
        except BaseException:
            await shard.close()
            raise
        return shard

    async def _open_shard(self, number: int) -> LedgerReader:
        return await LedgerReader.open_to_read(shard_path(self._folder, number))

    async def _read_atlas(self) -> None:
        """Read which shard has which keys. Raises `LedgerCorrupt` where a key has no shard, or two."""
        pieces = {item.number: item.pieces for item in await self.shards()}
        try:
            self._atlas = Atlas(pieces)
        except ValueError as error:
            raise damaged(self._folder, str(error)) from error
        for route in (await self.binding()).routes if pieces else ():
            if not tile([piece for some in pieces.values() for piece in some if piece.route == route.name]):
                raise damaged(self._folder, f'some keys of "{route.name}" are in no shard')

    async def shards(self) -> list[index.ShardRecord]:
        """Every shard with its record, by number."""
        return await self._read(index.records)

    async def close_reading(self) -> None:
        try:
            await self._readers.close()
        finally:
            await super().close_reading()

    async def _is_view(self) -> bool:
        """Whether all that it holds is in a journal: its files may be behind that then, and are not what counts."""
        return await self.meta(VIEW) is not None

    async def _begun(self, number: int) -> bool:
        """Whether there is a file of a shard yet. Raises `LedgerCorrupt` where there was one."""
        if shard_path(self._folder, number).exists():
            return True
        await self._refuse_missing(number)
        return False

    async def _refuse_missing(self, number: int | None = None) -> None:
        """Raise `LedgerCorrupt` where objects of this shard, or of any, were recorded, and its file is not there."""
        if await self._is_view():
            return
        sql = "SELECT DISTINCT shard FROM shard_tallies WHERE objects > 0 AND shard = coalesce(?, shard) ORDER BY shard"
        for (recorded,) in await self._rows(sql, (number,)):
            if not shard_path(self._folder, recorded).exists():
                raise self._not_recorded(recorded, "is missing")

    async def _hold_against_record(self, number: int, shard: LedgerReader) -> None:
        """Raise `LedgerCorrupt` where a shard has other keys than its own (two may come to the same), or is closed and
        not what it was when it was recorded. One that changes while it is looked at is looked at again."""
        state = "SELECT is_open, recorded_ms FROM shards WHERE number = ?"
        while not await self._is_view():
            before = await self._rows(state, (number,))
            recorded = await self._tallies(f"(SELECT * FROM shard_tallies WHERE shard = {number:d})")
            found = await shard.tallies()
            is_open = bool(before[0][0])
            if (is_open or set(found) == set(recorded)) and await self._has_keys_of(number, shard, found):
                return
            if before == await self._rows(state, (number,)):
                raise self._not_recorded(number, "is not what the index recorded of it")

    async def _has_keys_of(self, number: int, shard: LedgerReader, tallies: Sequence[Tally]) -> bool:
        sql = "SELECT r.name, p.after, p.upto FROM pieces p JOIN routes r ON r.id = p.route WHERE p.shard = ?"
        pieces = [Piece(*row) for row in await self._rows(sql, (number,))]
        for route in {tally.route for tally in tallies}:
            keys = [entry.key for entry in await shard.entries(route, None, None, 1)]
            if (last := await shard.last_key(route, None, None)) is not None:
                keys.append(last)
            for key in keys:
                if not any(piece.route == route and piece.holds(key) for piece in pieces):
                    return False
        return True

    def _not_recorded(self, number: int, how: str) -> LedgerCorrupt:
        file = shard_path(self._folder, number).relative_to(self._folder)
        return LedgerCorrupt(
            f"the ledger {self._folder} is damaged (its file {file} {how}); nothing in it is trusted.",
            advice="Put back that file as it was, or the whole folder from one backup. Or move the folder away and run "
            "the same command again: what is copied is found.",
        )

    async def _shards_with(self, condition: str, *parameters: str) -> list[int]:
        """Those of which their record says so, and those that may have changed since."""
        rows = await self._rows(f"SELECT number FROM shards WHERE is_open OR {condition} ORDER BY number", parameters)
        return [number for (number,) in rows if await self._begun(number)]

    async def _each(self, ask: Callable[[LedgerReader], Awaitable[Answer]], condition: str = "1") -> list[Answer]:
        """What each of them answers, one after the other."""
        answers = []
        for number in await self._shards_with(condition):
            async with self._readers.use(number) as shard:
                answers.append(await ask(shard))
        return answers

    # --- by key ---------------------------------------------------------------------------------------------

    async def entries(self, route: str, after: str | None, upto: str | None, limit: int) -> list[Entry]:
        found: list[Entry] = []
        for piece, number in self._atlas.within(route, after, upto):
            if not await self._begun(number):
                continue
            async with self._readers.use(number) as shard:
                found += await shard.entries(route, piece.after, piece.upto, limit - len(found))
            if len(found) >= limit:
                break
        return found

    async def _records_of(
        self, route: str, states: Collection[State] | None, after: str | None, upto: str | None
    ) -> AsyncGenerator[list[ObjectRecord], None]:
        held = "1" if states is None else f"state IN ({', '.join('?' * len(states))})"
        in_them = f"number IN (SELECT shard FROM shard_tallies WHERE objects > 0 AND {held})"
        holding = set(await self._shards_with(in_them, *(state.value for state in states or ())))
        for piece, number in self._atlas.within(route, after, upto):
            if number in holding:
                async with self._readers.use(number) as shard:
                    rows = shard.records(route, states, after=piece.after, upto=piece.upto)
                    async with aclosing(rows) as batches:
                        async for found in batches:
                            yield found

    async def entry(self, route: str, key: str) -> Entry | None:
        return await self._where(route, key, lambda shard: shard.entry(route, key))

    async def record_of(self, route: str, key: str) -> ObjectRecord | None:
        return await self._where(route, key, lambda shard: shard.record_of(route, key))

    async def parts(self, route: str, key: str) -> list[UploadedPart]:
        return await self._where(route, key, lambda shard: shard.parts(route, key)) or []

    async def _where(
        self, route: str, key: str, ask: Callable[[LedgerReader], Awaitable[Answer | None]]
    ) -> Answer | None:
        """What the shard answers that has the key; None where none has it, or nothing was begun of it."""
        try:
            number = self._atlas.shard_of(route, key)
        except LookupError:
            return None
        if not await self._begun(number):
            return None
        async with self._readers.use(number) as shard:
            return await ask(shard)

    async def last_key(self, route: str, after: str | None, upto: str | None) -> str | None:
        for piece, number in reversed(self._atlas.within(route, after, upto)):
            if await self._begun(number):
                async with self._readers.use(number) as shard:
                    if (last := await shard.last_key(route, piece.after, piece.upto)) is not None:
                        return last
        return None

    async def has_undone(self, piece: Piece) -> bool:
        for part, number in self._atlas.within(*piece):
            if await self._begun(number):
                async with self._readers.use(number) as shard:
                    if await shard.has_undone(part):
                        return True
        return False

    # --- of all ---------------------------------------------------------------------------------------------

    async def tallies(self) -> list[Tally]:
        return await self._recorded_tallies()

    async def noted(self) -> dict[str, Noted]:
        return await self._recorded_noted()

    async def _recorded_tallies(self, without: Collection[int] = ()) -> list[Tally]:
        return await self._tallies(
            "(SELECT route, state, proof, found, sum(objects) AS objects, sum(bytes) AS bytes FROM shard_tallies "
            f"WHERE shard NOT IN ({', '.join(map(str, without))}) GROUP BY route, state, proof, found)"
        )

    async def _recorded_noted(self, without: Collection[int] = ()) -> dict[str, Noted]:
        rows = await self._rows(
            f"SELECT noted FROM shards WHERE number NOT IN ({', '.join(map(str, without))}) ORDER BY number"
        )
        found = index.noted_of(row[0] for row in rows)
        return {name: found.get(name, Noted()) for name in self.NOTED}

    async def held(self, proof: Proof, since_ms: int) -> list[Held]:
        found: dict[str, Held] = {}
        for held in chain.from_iterable(await self._each(lambda shard: shard.held(proof, since_ms))):
            found[held.route] = held.plus(found[held.route]) if held.route in found else held
        return list(found.values())

    async def _coded(self, state: State, codes: Sequence[str]) -> int:
        there = f"number IN (SELECT shard FROM shard_tallies WHERE objects > 0 AND state = '{state.value}')"
        return sum(await self._each(lambda shard: shard._coded(state, codes), there))

    async def former(self) -> tuple[int, int]:
        of_each = await self._each(LedgerReader.former)
        return sum(objects for objects, _ in of_each), sum(size_bytes for _, size_bytes in of_each)

    async def codes_in_flight(self) -> set[str]:
        return set().union(*await self._each(LedgerReader.codes_in_flight))

    async def open_uploads(self) -> list[UploadRecord]:
        return [*chain.from_iterable(await self._each(LedgerReader.open_uploads, "uploads > 0"))]

    async def composition(self) -> composition.Composition:
        return composition.together(await self._each(LedgerReader.composition))


class ShardedReader(InShards):
    """Reads a ledger in shards, without a lock. Shards that somebody has open, or had when he was killed, are asked
    themselves: their records are as old as their opening may be."""

    @classmethod
    async def open_to_read(cls, path: Path) -> ShardedReader:
        """Raises as `LedgerReader.open_to_read`."""
        reader = await to_the_end(partial(cls._opened, path), give_back=cls.close)
        try:
            await reader._read_atlas()
            await reader._refuse_missing()
        except BaseException:
            await reader.close()
            raise
        return reader

    @classmethod
    def _opened(cls, path: Path) -> ShardedReader:
        reader = open_alone(index_path(lies_at(path)), cls)
        assert isinstance(reader, cls)
        reader._lie_in(path)
        return reader

    async def tallies(self) -> list[Tally]:
        asked = await self._of_open(LedgerReader.tallies)
        sums: dict[tuple[str, State, Proof, bool], tuple[int, int]] = {}
        for tally in chain(await self._recorded_tallies(asked), *asked.values()):
            objects, size = sums.get(tally[:4], (0, 0))
            sums[tally[:4]] = objects + tally.objects, size + tally.bytes
        return [Tally(*kind, *sizes) for kind, sizes in sums.items()]

    async def noted(self) -> dict[str, Noted]:
        asked = await self._of_open(LedgerReader.noted)
        recorded = await self._recorded_noted(asked)
        return {name: reduce(Noted.plus, (it[name] for it in asked.values()), recorded[name]) for name in self.NOTED}

    async def _of_open(self, ask: Callable[[LedgerReader], Awaitable[Answer]]) -> dict[int, Answer]:
        """What each shard answers that is open, by number. One that is being made has no rows yet, and its record
        says so; one that cannot be read is found out by who reads its rows."""
        found: dict[int, Answer] = {}
        for number in await self._shards_with("0"):
            with suppress(LedgerError):
                async with self._readers.use(number) as shard:
                    found[number] = await ask(shard)
        return found


async def is_marked(folder: Path, number: int, run: str) -> bool:
    """Whether the index says that this shard is about to change, for an order of this run. Raises as
    `LedgerReader.open_to_read`."""
    async with await LedgerReader.open_to_read(index_path(folder)) as reader:
        is_open = await reader._rows("SELECT 1 FROM shards WHERE number = ? AND is_open", (number,))
        return bool(is_open) and await reader.note(ORDERED_BY) == run
