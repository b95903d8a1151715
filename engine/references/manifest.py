"""A project's manifest, brought up to date from what the ledger knows: shown, written, put back.

What goes in is pure (`updated`): the text, the plan's `[manifest]`, and what each route holds. Only the values that
are named change; the file keeps its units, its way to write a path, its order and its every other character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from engine.errors import (
    Ambiguous,
    Conflict,
    EngineError,
    NotFound,
    ObjectError,
    PreconditionFailed,
    TooLate,
    Unsupported,
    UsageError,
)
from engine.freshness import LOOK_LASTS_S, dated, only_until
from engine.ledger import Kept, Ledger
from engine.model import ABSENT, MIB, Location, ObjectRef, Properties
from engine.plan.document import Plan
from engine.plan.lifecycle import IN_PLACE, LEAVING, State
from engine.plan.record import Tally
from engine.plan.route import Route
from engine.plan.settings import Dataset, Manifest
from engine.references.filetext import FileText, read_text
from engine.references.jsonedit import NoPlace, NotJson, set_values, value_at
from engine.references.replacing import (
    LOOKS,
    ReplaceRefused,
    Restored,
    RestoredFile,
    by_name,
    mark_of,
    put_back,
    read_whole,
    ref_of,
    replace_object,
    restore_object,
)
from engine.store import Body, DeleteObject, GetRange, HeadObject, ObjectStore, PutObject, head_or_none

KIND = "manifest"
CREATED = "manifest created"
"""Kept with no body: there was nothing, and going back means to delete."""
SHOWN = "manifest shown"
LONGEST_BYTES = 16 * MIB
GB, MB = 1_000_000_000, 1_000_000


class ManifestRefused(EngineError):
    """The manifest cannot be brought up to date, or is not JSON."""


class Held(NamedTuple):
    """What a route holds at its target."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest as it is and as it is to be. `etag` is empty where there is none yet."""

    ref: ObjectRef
    etag: str
    before: bytes
    after: bytes

    @property
    def changes(self) -> bool:
        return self.after != self.before


def held_by(plan: Plan, tallies: Iterable[Tally], open_routes: Iterable[str]) -> dict[str, Held]:
    """What each route that the manifest names holds. Raises `ManifestRefused` where one is not done: its figures would
    be wrong."""
    wanted = {item.route for item in plan.manifest.datasets} if plan.manifest is not None else set()
    reasons = [f"{name}: its listing never reached its end" for name in open_routes if name in wanted]
    found = dict.fromkeys(wanted, Held(0, 0))
    for tally in tallies:
        if tally.route not in wanted:
            continue
        if tally.state is State.LOST:
            continue  # not there any more, and no run will change that
        if tally.state in IN_PLACE | LEAVING or tally.state is State.WITHDRAWN:
            held = found[tally.route]
            found[tally.route] = Held(held.objects + tally.objects, held.bytes + tally.bytes)
        else:
            reasons.append(f"{tally.route}: {tally.objects:,} {tally.state.value}")
    if reasons:
        raise ManifestRefused(
            "the manifest's figures would be wrong, since not everything is copied: " + "; ".join(sorted(reasons)),
            advice="Run the plan to its end first.",
        )
    return found


def updated(text: str, plan: Plan, manifest: Manifest, held: Mapping[str, Held]) -> str:
    """The manifest's text with everything in it that the plan names. Raises `ManifestRefused`."""
    try:
        for dataset in manifest.datasets:
            fields = _fields(text, dataset, plan.route(dataset.route), plan.base, held[dataset.route])
            text = set_values(text, fields)
        return set_values(text, manifest.set)
    except NotJson as error:
        raise ManifestRefused(
            f"{manifest.object} is not JSON: {error}", advice="Repair it, or name another object in [manifest]."
        ) from None
    except NoPlace as error:
        raise ManifestRefused(f"{manifest.object}: {error}", advice="Name another place in [manifest].") from None


def _fields(text: str, dataset: Dataset, route: Route, base: Location, held: Held) -> list[tuple[str, Any]]:
    """(dotted path, value) of one data set, in the order in which missing ones are written."""
    at = dataset.at
    there = value_at(text, at)
    there = there if isinstance(there, dict) else {}
    unit = _unit(dataset, there, held.bytes)
    size = _rounded(held.bytes / GB, 2) if unit == "size_gb" else _rounded(held.bytes / MB, 1)
    values: list[tuple[str, Any]] = [("path", _path(there.get("path"), route.target, base)), (unit, size)]
    values.append(("num_files", held.objects))
    if dataset.description is not None:
        values.append(("description", dataset.description))
    if not there and value_at(text, at) is None:
        return [(at, dict(values))]
    return [(f"{at}.{name}", value) for name, value in values]


def _rounded(size: float, digits: int) -> float:
    """As people write it: 13.0, 109.2; what is less than one keeps more digits."""
    return round(size, digits if size >= 1 else 6)


def _unit(dataset: Dataset, there: Mapping[str, Any], size_bytes: int) -> str:
    if dataset.size_in:
        return f"size_{dataset.size_in.lower()}"
    for unit in ("size_gb", "size_mb"):
        if unit in there:
            return unit
    return "size_gb" if size_bytes >= GB else "size_mb"


def _path(there: Any, target: Location, base: Location) -> str:
    """The target, written as the file writes it: a URI, a key with or without the slash before it, or a path below the
    project's prefix; with a slash at its end or not."""
    key = target.key
    if isinstance(there, str) and there:
        if not there.endswith("/"):
            key = key.removesuffix("/")
        if there.startswith("/"):
            return f"/{key}"
        if "://" not in there and target.bucket == base.bucket and key.startswith(base.key):
            return key[len(base.key) :]
        if "://" not in there:
            return key
    return f"s3://{target.bucket}/{key}"


async def draft(store: ObjectStore, ledger: Ledger, plan: Plan, *, create: bool = False) -> Draft:
    """Read the manifest and work out what it is to be. Raises `UsageError` where the plan names none,
    `ManifestRefused` where it is not there (and not `create`), too long, or not JSON."""
    manifest = plan.manifest
    if manifest is None:
        raise UsageError(
            "the plan names no manifest.", advice='Add [manifest] with object = "metadata/manifest.json" to the plan.'
        )
    open_routes = [item.route for item in await ledger.snapshots() if not item.closed_ms]
    held = held_by(plan, await ledger.tallies(), open_routes)
    ref = ObjectRef(manifest.object.bucket, manifest.object.key)
    etag, body = await _read(store, ref, create)
    file = read_text(body) if body else FileText("{}", "utf-8", b"")
    if file is None or not file.is_utf8:
        raise ManifestRefused(f"{ref} is not JSON: it is not text", advice="Name another object in [manifest].")
    after = updated(file.text, plan, manifest, held)
    if not body:
        after = json.dumps(json.loads(after), indent=2, ensure_ascii=False) + "\n"
    return Draft(ref, etag, body, file.encode(after))


async def _read(store: ObjectStore, ref: ObjectRef, create: bool) -> tuple[str, bytes]:
    try:
        head, body = await read_whole(store, ref, limit_bytes=LONGEST_BYTES)
    except NotFound:
        if create:
            return "", b""
        raise ManifestRefused(
            f"there is no manifest at {ref}",
            advice="Check the plan's [manifest], or let a new one be made with --create.",
        ) from None
    except PreconditionFailed:
        raise ManifestRefused(f"{ref} changes while it is read", advice="Run the command again.") from None
    if body is None:
        raise ManifestRefused(f"{ref} has {head.size:,} bytes, and at most {LONGEST_BYTES:,} are read")
    if not body.data:
        raise ManifestRefused(f"{ref} is not JSON: it is empty", advice="Delete it, and make a new one with --create.")
    return body.etag, body.data


async def note_shown(ledger: Ledger, what: Draft) -> None:
    """Remember what was shown, so that an apply writes over nothing else."""
    await ledger.set_note(SHOWN, [str(what.ref), mark_of(what.before)])


async def write(store: ObjectStore, ledger: Ledger, what: Draft, *, conditional: bool = True) -> None:
    """Write a draft, what was there kept first. Raises `ReplaceRefused` where it changed since it was read, or since
    its diff was shown."""
    shown = await ledger.note(SHOWN)
    if shown is not None and shown != [str(what.ref), mark_of(what.before)]:
        raise ReplaceRefused(
            f"{what.ref} changed since its diff was shown; nothing was written to it",
            advice="Run the command without --apply to see it anew.",
        )
    if what.etag:
        await replace_object(
            store,
            ledger,
            KIND,
            what.ref,
            etag=what.etag,
            before=what.before,
            after=what.after,
            conditional=conditional,
        )
    else:
        await ledger.keep(CREATED, str(what.ref), mark_of(what.after), b"")
        await _create(store, what.ref, what.after, conditional)
    await ledger.set_note(SHOWN, None)


async def _create(store: ObjectStore, ref: ObjectRef, body: bytes, conditional: bool = True) -> None:
    until = inf
    if not conditional:
        head, sent_at = await dated(head_or_none(store, HeadObject(ref)))
        if head is not None:
            raise _appeared(ref)
        until = sent_at + LOOK_LASTS_S
    request = PutObject(ref, body, Properties(content_type="application/json"), ABSENT if conditional else None)
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
    """Put back what was there before the first write, as far as nobody else changed it since."""
    created = {item.name: item for item in await ledger.kept(CREATED)}
    kept = by_name(await ledger.kept(KIND))
    results: list[RestoredFile] = []
    for name in dict.fromkeys([*reversed(kept), *created]):
        ref = ref_of(name)
        assert ref is not None

        async def restore(item: Kept, ref: ObjectRef = ref) -> Restored:
            return await restore_object(store, ref, mark=item.etag, before=item.body, conditional=conditional)

        result, whole = await put_back(kept.get(name, ()), restore)
        if whole and name in created:
            result = await _remove(store, ref, created[name].etag, conditional)
        results.append(RestoredFile(name, result))
    return results


async def _remove(store: ObjectStore, ref: ObjectRef, mark: str, conditional: bool) -> Restored:
    """Delete a manifest that we made, if it is still what we wrote."""
    for attempt in range(1, LOOKS + 1):
        try:
            body, sent_at = await dated(store.get_range(GetRange(ref)))
        except NotFound:
            return Restored.ALREADY
        if mark_of(body.data) != mark:
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
