"""A project's manifest and the tables of its data, brought up to date from what the ledger knows: shown, written, put
back. Each is an object in S3 or a local file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import anyio.to_thread

from engine.errors import (
    Ambiguous,
    Conflict,
    NotFound,
    ObjectError,
    PreconditionFailed,
    TooLate,
    Unsupported,
    UsageError,
)
from engine.freshness import LOOK_LASTS_S, dated, only_until
from engine.ledger import Kept, Ledger, open_routes
from engine.model import ABSENT, MIB, Location, ObjectRef, Properties
from engine.plan.document import Plan
from engine.plan.manifest_text import CONTENT_TYPES, form_of
from engine.references.filetext import FileText, read_text
from engine.references.local_files import create_file, remove_file, replace_file
from engine.references.replacing import LOOKS, ReplaceRefused, Restored, keeping, mark_of, ref_of, replace_object
from engine.references.telling import ManifestRefused, held_by, updated, with_data
from engine.references.undo_order import CREATED, OF_MANIFEST
from engine.references.undoing import RestoredFile, by_name, put_back, restoring, tidy
from engine.store import Body, DeleteObject, GetRange, HeadObject, ObjectStore, PutObject, head_or_none

KIND = OF_MANIFEST
SHOWN = "manifest shown"
LONGEST_BYTES = 16 * MIB
MARKDOWN = "Markdown"


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as it is and as it is to be: the manifest, or a text with a table of the data. `before` is empty where
    there is none yet; `etag` is the object's, empty for a local file."""

    at: Location
    etag: str
    before: bytes
    after: bytes

    @property
    def changes(self) -> bool:
        return self.after != self.before

    @property
    def name(self) -> str:
        """What it is called in messages, and kept under: its URI, or its path."""
        return _name(self.at)


def _name(at: Location) -> str:
    return str(_path(at)) if at.is_local else str(ObjectRef(at.bucket, at.key))


def _path(at: Location) -> Path:
    return Path(at.bucket, at.key)


async def drafts(store: ObjectStore, ledger: Ledger, plan: Plan, *, create: bool) -> list[Draft]:
    """Read the manifest and the texts with a table of the data, and work out what they are to be. Raises `UsageError`
    where the plan names none, `ManifestRefused` where one is not there (a manifest may be, with `create`), is too long,
    or is not of its form, and `ExtraMissing`."""
    manifest = plan.manifest
    if manifest is None:
        raise UsageError(
            "the plan names no manifest.", advice='Add [manifest] with object = "metadata/manifest.json" to the plan.'
        )
    opened = open_routes(await ledger.snapshots())
    held = held_by(plan, await ledger.tallies(), opened)
    found = []
    if manifest.object is not None:
        name = _name(manifest.object)
        etag, before, file = await _read(store, manifest.object, form_of(name), create)
        after = await anyio.to_thread.run_sync(updated, name, file.text if before else None, plan, manifest, held)
        found.append(Draft(manifest.object, etag, before, file.encode(after)))
    for at in manifest.tables:
        etag, before, file = await _read(store, at, MARKDOWN, create=False)
        found.append(Draft(at, etag, before, file.encode(with_data(_name(at), file.text, plan, manifest, held))))
    return found


async def _read(store: ObjectStore, at: Location, form: str, create: bool) -> tuple[str, bytes, FileText]:
    """The ETag, the bytes and the text of a file; all of them empty for one that is to be made."""
    name = _name(at)
    try:
        etag, size, body = await (_read_file(at) if at.is_local else _read_object(store, at))
    except NotFound:
        if create:
            return "", b"", FileText("", "utf-8", b"")
        raise ManifestRefused(
            f"there is no {'file' if form == MARKDOWN else 'manifest'} at {name}",
            advice="Check the plan's [manifest]"
            + ("." if form == MARKDOWN else ", or let a new one be made with --create."),
        ) from None
    except PreconditionFailed:
        raise ManifestRefused(f"{name} changes while it is read", advice="Run the command again.") from None
    if body is None:
        raise ManifestRefused(f"{name} has {size:,} bytes, and at most {LONGEST_BYTES:,} are read")
    if not body and form != MARKDOWN:  # which says that its marks are not there
        raise ManifestRefused(
            f"{name} is not {form}: it is empty", advice="Delete it, and make a new one with --create."
        )
    file = read_text(body)
    if file is None or not file.is_utf8:
        raise ManifestRefused(f"{name} is not {form}: it is not text", advice="Name another file in [manifest].")
    return etag, body, file


async def _read_object(store: ObjectStore, at: Location) -> tuple[str, int, bytes | None]:
    """HEAD, then the whole object pinned to it; no body where it is longer than what is read."""
    ref = ObjectRef(at.bucket, at.key)
    head = await store.head_object(HeadObject(ref))
    if head.size > LONGEST_BYTES:
        return head.etag, head.size, None
    body = await store.get_range(GetRange(ref, if_match=head.etag, size=head.size))
    return body.etag, head.size, body.data


async def _read_file(at: Location) -> tuple[str, int, bytes | None]:
    path = anyio.Path(_path(at))
    try:
        size = (await path.stat()).st_size
        return "", size, await path.read_bytes() if size <= LONGEST_BYTES else None
    except FileNotFoundError:
        raise NotFound("there is no such file", operation="read", ref=str(path)) from None
    except OSError as error:
        raise ManifestRefused(
            f"{path} cannot be read: {error.strerror or error}", advice="Check the file's permissions."
        ) from None


async def note_shown(ledger: Ledger, what: Sequence[Draft]) -> None:
    """Remember what was shown, so that an apply writes over nothing else."""
    await ledger.set_note(SHOWN, [[draft.name, mark_of(draft.before)] for draft in what])


async def write(store: ObjectStore, ledger: Ledger, what: Sequence[Draft], *, conditional: bool = True) -> None:
    """Write drafts, what was there kept first. Raises `ReplaceRefused` where one changed since it was read, or since
    its diff was shown; in the latter case none is written."""
    shown = await ledger.note(SHOWN)
    for draft in what:
        if shown is not None and [draft.name, mark_of(draft.before)] not in shown and draft.changes:
            raise ReplaceRefused(
                f"{draft.name} changed since its diff was shown; nothing was written to it",
                advice="Run the command without --apply to see it anew.",
            )
    for draft in what:
        if draft.changes:
            await _write(store, ledger, draft, conditional)
    await tidy([draft.name for draft in what if draft.changes and draft.before], Path)
    await ledger.set_note(SHOWN, None)


async def _write(store: ObjectStore, ledger: Ledger, what: Draft, conditional: bool) -> None:
    ref, path, name = ObjectRef(what.at.bucket, what.at.key), _path(what.at), what.name
    if not what.before:
        async with keeping(ledger, CREATED, name, b"", what.after, path if what.at.is_local else None):
            if what.at.is_local:
                await anyio.to_thread.run_sync(create_file, path, name, what.after)
            else:
                await _create(store, ref, what.after, conditional)
    elif what.at.is_local:
        async with keeping(ledger, KIND, name, what.before, what.after, path):
            await anyio.to_thread.run_sync(lambda: replace_file(path, name, before=what.before, after=what.after))
    else:
        await replace_object(
            store, ledger, KIND, ref, etag=what.etag, before=what.before, after=what.after, conditional=conditional
        )


async def _create(store: ObjectStore, ref: ObjectRef, body: bytes, conditional: bool = True) -> None:
    until = inf
    if not conditional:
        head, sent_at = await dated(head_or_none(store, HeadObject(ref)))
        if head is not None:
            raise _appeared(ref)
        until = sent_at + LOOK_LASTS_S
    request = PutObject(
        ref, body, Properties(content_type=CONTENT_TYPES[form_of(ref.key)]), ABSENT if conditional else None
    )
    try:
        await only_until(until, store.put_object(request))
    except (Ambiguous, PreconditionFailed, Conflict) as error:
        try:
            now: Body | None = await store.get_range(GetRange(ref))
        except ObjectError:
            now = None
        if now is None:
            raise error from None
        if now.data != body:
            raise _appeared(ref) from None


def _appeared(ref: ObjectRef) -> ReplaceRefused:
    return ReplaceRefused(f"{ref} appeared meanwhile; nothing was written to it")


async def undo(store: ObjectStore, ledger: Ledger, *, conditional: bool = True) -> list[RestoredFile]:
    """Put back what was there before the first write, as far as nobody else changed it since. Raises errors of scope
    `run`."""
    created = by_name(await ledger.kept(CREATED))
    kept = by_name(await ledger.kept(KIND))
    restore = restoring(store, Path, conditional=conditional)
    results: list[RestoredFile] = []
    for name in dict.fromkeys([*reversed(kept), *created]):
        file, whole = await put_back(ledger, KIND, name, kept.get(name, ()), restore)
        if whole and name in created:
            remove = partial(_remove, store, conditional=conditional)
            file, gone = await put_back(ledger, CREATED, name, created[name], remove)
            file = file._replace(result=Restored.REMOVED) if gone else file
        results.append(file)
    await tidy(kept, Path)
    return results


async def _remove(store: ObjectStore, item: Kept, *, conditional: bool) -> Restored:
    """Delete a manifest that we made, if it is still what we wrote."""
    ref = ref_of(item.name)
    if ref is None:
        return await anyio.to_thread.run_sync(remove_file, Path(item.name), item.etag)
    for attempt in range(1, LOOKS + 1):
        try:
            body, sent_at = await dated(store.get_range(GetRange(ref)))
        except NotFound:
            return Restored.ALREADY
        if mark_of(body.data) != item.etag:
            return Restored.CHANGED
        deleting = store.delete_object(DeleteObject(ref, if_match=body.etag if conditional else None))
        try:
            await only_until(sent_at + LOOK_LASTS_S, deleting)
        except PreconditionFailed:
            return Restored.CHANGED
        except Unsupported:
            return Restored.REFUSED
        except TooLate:
            if attempt == LOOKS:
                raise
            continue
        return Restored.BACK
    raise AssertionError("unreachable")
