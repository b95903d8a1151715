"""Files put back as they were before we wrote them, as far as nobody else changed them since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

import anyio.to_thread

from engine.errors import ObjectError
from engine.ledger import Kept, Ledger
from engine.references.local_files import remove_left_beside, restore_file
from engine.references.replacing import ReplaceRefused, Restored, ref_of, restore_object
from engine.store import ObjectStore


class RestoredFile(NamedTuple):
    """`why` is what S3 said, where that kept a file from being read or written."""

    name: str
    result: Restored
    why: str = ""


def all_back(restored: Iterable[RestoredFile]) -> bool:
    """Whether every file is as it was before."""
    return all(item.result in (Restored.BACK, Restored.REMOVED, Restored.ALREADY) for item in restored)


def by_name(kept: Iterable[Kept]) -> dict[str, list[Kept]]:
    """What was kept of each file, newest first."""
    found: dict[str, list[Kept]] = {}
    for item in kept:
        found.setdefault(item.name, []).insert(0, item)
    return found


async def put_back(
    ledger: Ledger, kind: str, name: str, kept: Iterable[Kept], restore: Callable[[Kept], Awaitable[Restored]]
) -> tuple[RestoredFile, bool]:
    """Go back through what was kept of one file, newest first, as far as nobody else changed it since, and it can be
    read and written. What is back is kept no longer: text that somebody writes there later may be the same as ours, and
    is theirs. Gives what that came to, and whether it got to the oldest. Raises errors of scope `run`."""
    result = Restored.ALREADY
    for item in kept:
        why = ""
        try:
            now = await restore(item)
        except (ReplaceRefused, ObjectError) as error:
            now, why = Restored.REFUSED, error.advised
        if now not in (Restored.BACK, Restored.ALREADY):
            return RestoredFile(name, Restored.PARTLY if result is Restored.BACK else now, why), False
        await ledger.forget_kept(kind, name)
        if now is Restored.BACK:
            result = now
    return RestoredFile(name, result), True


def restoring(
    store: ObjectStore, path_of: Callable[[str], PurePath], *, conditional: bool
) -> Callable[[Kept], Awaitable[Restored]]:
    """What puts back one thing that was kept: an object of `store`, or the local file that `path_of` makes of its
    name."""

    async def restore(item: Kept) -> Restored:
        mark, before = item.etag, item.body
        ref = ref_of(item.name)
        if ref is not None:
            return await restore_object(store, ref, mark=mark, before=before, conditional=conditional)
        path = Path(path_of(item.name))
        return await anyio.to_thread.run_sync(lambda: restore_file(path, item.name, mark=mark, before=before))

    return restore


async def tidy(names: Iterable[str], path_of: Callable[[str], PurePath]) -> None:
    """Remove what processes that were killed left beside those local files that were written anew; `path_of` makes
    their paths of their names. Objects leave nothing."""
    paths = [Path(path_of(name)) for name in names if ref_of(name) is None]
    if paths:
        await anyio.to_thread.run_sync(remove_left_beside, paths)
