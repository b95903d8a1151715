"""Old paths in files, brought up to date: only shown, written, or put back.

Everything that is written was read in the same scan and is still the same when it is written; what was there is kept in
the ledger first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread

from engine.errors import ObjectError
from engine.ledger import Ledger
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.lifecycle import TRANSITIONS, State
from engine.plan.locations import may_cover
from engine.plan.record import Outcome
from engine.references.local_files import replace_file
from engine.references.replacing import ReplaceRefused, Restored, keeping, ref_of, replace_object
from engine.references.scanning import FileFound, Inside, Scan
from engine.references.undo_order import OF_REWRITE
from engine.references.undoing import RestoredFile, by_name, put_back, restoring, tidy
from engine.sites.sites import Sites
from engine.store import ObjectStore

KIND = OF_REWRITE
SHOWN = "references shown"
"""The note of which files were shown, and as what, when a scan was last only shown."""


class Refusal(NamedTuple):
    """A file that was not written, with the reason."""

    name: str
    why: str


@dataclass(slots=True)
class Rewriting:
    """What an apply came to. `renewed` are the objects of routes whose proof has to be made anew."""

    written: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)


async def note_shown(ledger: Ledger, scan: Scan) -> None:
    """Remember what was shown, so that an apply writes nothing that was not."""
    await ledger.set_note(SHOWN, {file.name: file.mark for file in scan.files if file.changes})


async def apply(store: ObjectStore, ledger: Ledger, plan: Plan, scan: Scan, *, conditional: bool = True) -> Rewriting:
    """Write every change of a scan. A file that cannot be written is refused with its reason; the others go on."""
    done = Rewriting()
    shown: Mapping[str, str] | None = await ledger.note(SHOWN)
    for file in scan.files:
        if not file.changes:
            continue
        try:
            _refuse_unseen(file, shown)
            renewed = await _write(store, ledger, plan, file, conditional)
        except (ReplaceRefused, ObjectError) as error:
            done.refused.append(Refusal(file.name, error.advised))
            continue
        done.written.append(file.name)
        if renewed:
            done.renewed.append(file.name)
    await tidy(done.written, plan.local_path)
    await ledger.set_note(SHOWN, None)
    return done


def _refuse_unseen(file: FileFound, shown: Mapping[str, str] | None) -> None:
    if shown is not None and shown.get(file.name) != file.mark:
        what = "changed since its diff was shown" if file.name in shown else "was not in the diff that was shown"
        raise ReplaceRefused(f"{file.name} {what}; nothing was written to it")


async def _write(store: ObjectStore, ledger: Ledger, plan: Plan, file: FileFound, conditional: bool) -> bool:
    """Write one file; True where a proof has to be made anew."""
    ref = ref_of(file.name)
    before, after = await anyio.to_thread.run_sync(lambda: (file.before, file.after))
    if ref is not None:
        renewed = file.inside is not None and await _renew(ledger, file.inside)
        await replace_object(
            store, ledger, KIND, ref, etag=file.etag, before=before, after=after, conditional=conditional
        )
        return renewed
    path = Path(plan.local_path(file.name))
    async with keeping(ledger, KIND, file.name, before, after, path):
        await anyio.to_thread.run_sync(lambda: replace_file(path, file.name, before=before, after=after))
    return False


async def _renew(ledger: Ledger, inside: Inside) -> bool:
    """The source of a copy is about to change: the next run copies it again, and a verification proves it again. False
    where it is no source any more: withdrawn, or deleted, so that a new object under its key is looked at anew."""
    row = await ledger.entry(inside.route.name, inside.relative)
    if row is None or State.DRIFTED not in TRANSITIONS[row.state]:
        return False
    if row.state is State.DRIFTED:
        return True
    message = "its references were rewritten: the next run copies it again"
    outcome = Outcome.seen(row.key, State.DRIFTED, row.target_etag, "Rewritten", message)
    await ledger.conclude_durably(inside.route.name, [outcome])
    return True


async def undo(sites: Sites, ledger: Ledger, plan: Plan, *, conditional: bool = True) -> list[RestoredFile]:
    """Put back what was there before the first change, file by file, as far as nobody else changed it since."""
    places = plan.references.locations
    store, site = sites.store_of_all(places), places[0].site if places else ""
    restore = restoring(store, plan.local_path, conditional=conditional)
    results: list[RestoredFile] = []
    for name, kept in by_name(await ledger.kept(KIND)).items():
        file, _ = await put_back(ledger, KIND, name, kept, restore)
        if file.result in (Restored.BACK, Restored.PARTLY) and (ref := ref_of(name)) is not None:
            at = Location(ref.bucket, ref.key, site)
            for route in plan.routes:
                if may_cover(route.source, at, sites.endpoints):  # a source that was put back has changed again
                    await _renew(ledger, Inside(route, route.relative(ref.key), source=True))
        results.append(file)
    await tidy([file.name for file in results], plan.local_path)
    return results
