"""A ledger in shards: one index, and a ledger for each shard, never merged. To whoever uses it, it is a ledger like any
other: what is asked of a key goes to the shard that has it, what is asked of all is answered from the index's records,
or shard by shard in the order of keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from engine.errors import LedgerLocked
from engine.ledger import index
from engine.ledger.binding import Binding
from engine.ledger.files import sync_wal, writing
from engine.ledger.forming import finish_forming, is_there, lies_at, make_folder
from engine.ledger.leaving import Leaving
from engine.ledger.ledger import Keyed, Ledger
from engine.ledger.locking import FileLock
from engine.ledger.reader import LedgerReader, open_alone
from engine.ledger.rebinding import Change, change_to
from engine.ledger.shard_files import ShardFiles
from engine.ledger.shard_places import goes_by, index_path, shard_name, shard_path
from engine.ledger.sharded_reader import ORDERED_BY, InShards, ShardedReader
from engine.plan.noted import Noted
from engine.plan.record import Tally
from engine.plan.shards import Piece
from engine.to_the_end import to_the_end


class Journals(Protocol):
    """What keeps every change outside the ledger's files, where several machines share one ledger (`engine.journal`).
    `name` is "index" or a shard's."""

    async def join(self, ledger: Ledger, name: str, *, is_recorded: bool = False) -> None:
        """Bring a ledger up to its journal, claim that, and have every change go there first. Something is to be there
        of a shard that `is_recorded` to have objects."""
        ...

    async def is_begun(self, name: str) -> bool:
        """Whether there is anything in the journal of that name."""
        ...

    async def follow(self, ledger: Ledger, name: str, *, is_recorded: bool = False) -> None:
        """Bring a ledger up to its journal, and leave that to whoever has it; `is_recorded` as in `join`."""
        ...

    async def refuse_shards(self) -> None:
        """Raise `LedgerCorrupt` where a shard has a journal: of an index that has none yet."""
        ...


class ShardedLedger(InShards, Ledger):
    """A ledger in shards, open to write: its index for as long as it is open, a shard when something in it changes.

    A shard is marked in the index before it changes, and its record is made when it is closed; one that is found marked
    was being changed when a run ended, and its record is made anew."""

    _files: ShardFiles[Ledger]
    _binding: Binding
    _journals: Journals | None

    @classmethod
    async def open(
        cls,
        path: Path,
        binding: Binding,
        *,
        now_ms: Callable[[], int],
        create: bool = True,
        journals: Journals | None = None,
    ) -> ShardedLedger:
        """With `journals` its files are views of those. Raises as `Ledger.open`, and what the journals raise."""

        def opened() -> ShardedLedger:
            if create:
                make_folder(path)
            ledger = cls._open(index_path(path), binding, now_ms, create, Leaving())
            assert isinstance(ledger, ShardedLedger)
            ledger._binding, ledger._journals = binding, journals
            ledger._files = ShardFiles(ledger._open_one, ledger._close_one)
            ledger._lie_in(path)
            return ledger

        ledger = await to_the_end(opened, give_back=cls.close)
        try:
            if journals is not None:
                await ledger._join(journals)
            await ledger._read_atlas()
            for (number,) in await ledger._rows("SELECT number FROM shards WHERE is_open"):
                await ledger.record(number)
            await ledger._check_shards()
            ledger.fresh = not await ledger._recorded_tallies()  # only read: tallies() writes down what it counts
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def _check_shards(self) -> None:
        """Hold each shard's file against its record, as a ledger of one file is held against its totals."""
        if not await self._is_view():
            await self._each(LedgerReader.tallies)

    async def _join(self, journals: Journals) -> None:
        """Be a view of the journals' index. What that is bound to is compared before anything is claimed."""
        await _follow_index(self, journals, self._binding)
        await journals.join(self, "index")
        if (change := await _change_to(self, self._binding)) is not None:
            await self._do_durably(change.name, change.text)
        self._binding = await self.binding()
        self._route_ids = dict(await self._rows("SELECT name, id FROM routes"))

    async def _open_one(self, number: int) -> Ledger:
        await self._begun(number)
        shard = await Ledger.open(shard_path(self._folder, number), self._binding, now_ms=self.now_ms)
        try:
            await self._do_durably("open_shard", number)  # once it is locked: no order of a left run begins with it
            if self._journals is not None:
                await self._journals.join(shard, shard_name(number), is_recorded=await self.is_recorded(number))
        except BaseException:
            await shard.close()
            raise
        return shard

    async def _open_shard(self, number: int) -> LedgerReader:
        if self._journals is None:
            return await self._open_own(number)
        async with self._files.use(number):  # which brings it up to its journal
            return await self._open_own(number)

    async def _open_own(self, number: int) -> LedgerReader:
        path = shard_path(self._folder, number)
        return await to_the_end(partial(open_alone, path, own=True), give_back=LedgerReader.close)

    async def is_recorded(self, number: int) -> bool:
        """Whether a shard had objects when it was recorded last."""
        return await self._read(partial(index.had_objects, number=number))

    async def _is_view(self) -> bool:
        return self._journals is not None or await super()._is_view()

    async def _begun(self, number: int) -> bool:
        return self._journals is not None or await super()._begun(number)

    async def _close_one(self, number: int, shard: Ledger) -> None:
        try:
            await self._keep(number, await closing_of(shard))  # while it is locked, as in `record`
        finally:
            await shard.close()

    async def _keep(self, number: int, closing: index.Closing, *, still_open: bool = False) -> None:
        # What a shard that is open comes to is reckoned anew if it is lost; what is closed is held against its record.
        if not still_open and self._journals is None:
            with writing(self._folder):
                await anyio.to_thread.run_sync(sync_wal, shard_path(self._folder, number))
        await self._do("record_shard", number, closing, self.now_ms(), still_open, durable=not still_open)

    async def close(self) -> None:
        try:
            await self._files.close()
        finally:
            await super().close()

    # --- shards -----------------------------------------------------------------------------------------------

    def numbers_of(self, pieces: Iterable[Piece]) -> set[int]:
        """The shards that have keys of these pieces."""
        return {number for piece in pieces for _, number in self._atlas.within(*piece)}

    async def add_shards(self, shards: Iterable[Sequence[Piece]]) -> None:
        """Cut the plan into shards of these pieces. Raises `LedgerCorrupt` where they do not tile its routes, and where
        the journals have shards already, which are those of an index that is gone."""
        if self._journals is not None:
            await self._journals.refuse_shards()
        await self._do_durably("add_shards", [list(pieces) for pieces in shards])
        await self._read_atlas()

    async def hand_over(self, number: int, kept: Sequence[Piece], rest: Iterable[Sequence[Piece]]) -> list[int]:
        """Leave a shard with what it has `kept`; the rest is committed as shards of their own, whose numbers this
        gives."""
        cut = [list(pieces) for pieces in rest]
        numbers: list[int] = await self._do_durably("hand_over", number, list(kept), cut)
        await self._read_atlas()
        return numbers

    async def begin_orders(self, run: str) -> None:
        """From now on what is marked is so for the processes of this run alone."""
        await self.set_note(ORDERED_BY, run)

    async def begin(self, number: int) -> None:
        """Mark a shard as one that another process changes from now on."""
        await self._begun(number)
        await self._files.close()
        await self._readers.close()
        await self._do_durably("open_shard", number)

    async def record(
        self,
        number: int,
        listings: Sequence[tuple[str, int, int, int]] = (),
        closing: index.Closing | None = None,
        *,
        still_open: bool = False,
    ) -> None:
        """Keep what a shard's own ledger says now, or, where it lies elsewhere, what it said (`closing`); `listings` as
        in `index.Closing`. One that somebody writes, or that is `still_open`, stays marked."""
        files = self._journals is None
        async with self._unwritten(number) if files and not still_open else nullcontext(not still_open) as is_closed:
            if files or closing is None:
                closing = index.Closing([], {}, 0, [])
                if await self._begun(number):
                    async with self._readers.use(number) as shard:
                        closing = await closing_of(shard)
            await self._keep(number, closing._replace(listings=list(listings)), still_open=not is_closed)

    @asynccontextmanager
    async def _unwritten(self, number: int) -> AsyncIterator[bool]:
        """Whether nobody writes a shard; then nobody does as long as this is open. The process of a run that was left
        goes on with its order to its end, or begins late: it looks whether its shard is marked once it has the lock."""
        path = shard_path(self._folder, number)
        lock = FileLock(path)

        def take() -> None:
            lock.acquire()
            if path.exists():
                lock.hold()

        try:
            try:
                await to_the_end(take)
            except LedgerLocked:
                yield False
            else:
                yield True
        finally:
            lock.release()

    async def listed_by_route(self) -> Mapping[str, tuple[int, int]]:
        """Objects and bytes by route, of those whose shards were all listed to their end for the snapshot that is
        open."""
        return await self._read(index.listed_by_route)

    async def tallies(self) -> list[Tally]:
        for number in self._files.open:  # what they hold now, and not what they held when they were closed last
            async with self._files.use(number) as shard:
                await self._keep(number, await closing_of(shard), still_open=True)
        return await super().tallies()

    async def noted(self) -> dict[str, Noted]:
        await self.tallies()
        return await super().noted()

    # --- rows -------------------------------------------------------------------------------------------------

    async def _on_rows(
        self, name: str, route: str, items: Sequence[Keyed | str], *arguments: Any, durable: bool = False
    ) -> None:
        by_shard: dict[int, list[Keyed | str]] = defaultdict(list)
        for item in items:
            by_shard[self._atlas.shard_of(route, item if isinstance(item, str) else item.key)].append(item)
        for number, some in by_shard.items():
            async with self._files.use(number) as shard:
                await shard._on_rows(name, route, some, *arguments, durable=durable)

    async def _on_upload(self, name: str, route: str, key: str, *arguments: Any, durable: bool = True) -> None:
        async with self._files.use(self._atlas.shard_of(route, key)) as shard:
            await shard._on_upload(name, route, key, *arguments, durable=durable)


async def follow(
    path: Path, binding: Binding, journals: Journals, *, now_ms: Callable[[], int], rows: bool
) -> list[index.ShardRecord]:
    """Bring the views at `path` up to their journals, which stay with whoever has them: the index and the shards that
    somebody may be changing, with `rows` all of them. Gives the shards that there are; where nothing was begun, nothing
    is made.

    Raises as `ShardedLedger.open`."""
    if not await is_begun(path, journals):
        return []
    await to_the_end(partial(make_folder, path))
    async with await Ledger.open(index_path(path), binding, now_ms=now_ms) as ledger:
        await _follow_index(ledger, journals, binding)
        shards, bound = await ledger._read(index.records), await ledger.binding()
        for item in shards:
            if not (rows or item.is_open):
                continue
            async with await Ledger.open(shard_path(path, item.number), bound, now_ms=now_ms) as shard:
                is_recorded = await ledger._read(partial(index.had_objects, number=item.number))
                await journals.follow(shard, shard_name(item.number), is_recorded=is_recorded)
                closing = await closing_of(shard)
            if item.is_open:  # its process has not said yet what it came to, and may be gone: not for the journal
                await ledger._do("record_shard", item.number, closing, now_ms(), True)
    return shards


async def is_begun(path: Path, journals: Journals) -> bool:
    """Whether there is anything of a ledger, here or in its journals."""
    return is_there(path) or await journals.is_begun("index")


async def _follow_index(ledger: Ledger, journals: Journals, wanted: Binding) -> None:
    """Bring an index up to its journal. Raises `LedgerMismatch` where that is bound to something else."""
    await journals.follow(ledger, "index")
    await _change_to(ledger, wanted)


async def _change_to(ledger: Ledger, wanted: Binding) -> Change | None:
    return await ledger._read(lambda connection: change_to(ledger.path, connection, wanted, journaled=True))


async def closing_of(shard: LedgerReader) -> index.Closing:
    """What a ledger's rows come to."""
    return index.Closing(await shard.tallies(), await shard.noted(), len(await shard.open_uploads()), [])


async def open_to_write(
    path: Path,
    binding: Binding,
    *,
    now_ms: Callable[[], int],
    create: bool = True,
    journals: Journals | None = None,
    in_shards: bool = False,
) -> Ledger:
    """Open the ledger at `path`, whichever form it has; a new one is a single file, or, `in_shards` and with
    `journals`, a folder. Raises as `ShardedLedger.open`."""
    await to_the_end(partial(finish_forming, path))
    if in_shards or journals is not None or await anyio.Path(path).is_dir():
        return await ShardedLedger.open(path, binding, now_ms=now_ms, create=create, journals=journals)
    return await Ledger.open(path, binding, now_ms=now_ms, create=create)


async def open_to_read(path: Path) -> LedgerReader:
    """Open the ledger at `path` without a lock, whichever form it has; a file of one in shards stands for all of it.
    Raises as `LedgerReader.open_to_read`."""
    path = goes_by(path)
    kind: type[LedgerReader] = ShardedReader if await anyio.Path(lies_at(path)).is_dir() else LedgerReader
    return await kind.open_to_read(path)
