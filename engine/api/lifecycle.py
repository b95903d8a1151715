"""`lifecycle`: what a bucket's rules do with everything under a location; one rule proposed, written, put back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec

from engine.api.asked import asked_plan
from engine.api.consent import Act
from engine.api.load import load_plan
from engine.api.options import Options, ledger_path
from engine.api.watching import watched
from engine.errors import (
    Ambiguous,
    EngineError,
    GateClosed,
    LedgerError,
    ObjectError,
    StoreError,
    Unsupported,
    UsageError,
    refused_as,
)
from engine.events import Doing, Progress
from engine.finish.rule_change import Applied, History, change, put_back, read_history
from engine.finish.rule_holds import KnownMove, Watch, add_versions, moves_into
from engine.ledger.locking import FileLock
from engine.listing.nearest import why_nothing
from engine.listing.ranges import listed_under
from engine.model import LifecycleConfiguration, Location, ObjectRef, UploadRef
from engine.plan.bucket_rules import Does, Rule, rules_of, same
from engine.plan.document import Plan
from engine.plan.locations import location_of, may_meet
from engine.plan.rule_effects import EVERY_CLASS, Effect, Effects
from engine.plan.rule_proposal import RuleProposal, check, proposed, rule_id_of
from engine.plan.sizes import server_ms
from engine.references.local_files import write_new
from engine.shown import Result
from engine.sites.clock import now_ms
from engine.sites.opening import open_place
from engine.sites.site import Site
from engine.store import GetLifecycle, ListParts, ListUploads

UPLOADS_MEASURED = 1_000
"""Unfinished uploads whose parts are listed, a request each; of more the first."""


@dataclass(frozen=True, slots=True)
class LifecycleResult(Result):
    """What the bucket's rules mean under `location`: those `rules` that may take something there (`elsewhere` more do
    not), `effects` of what they do, and what all of it costs now. Dollars are a month's, `once` what it costs
    besides, as in `Effect`. `unpriced` objects have a class without a price. `uploads` is how many are unfinished, None
    where that is not known; `versions`: the bucket keeps them, so many `older` ones there; None where that is not
    known.

    With a proposal `before` and `after` are the configuration without and with it, and the effects are those of
    `after`. `refused` says why it may not be written, a sentence each; `notes` what else is to be known. `written`: it
    was, or put back; what was there before is kept in `kept`; `confirmed`: the server shows what was written;
    `unkept`: what could not be written into that file afterwards, a sentence."""

    location: str
    before: LifecycleConfiguration
    after: LifecycleConfiguration
    rules: tuple[Rule, ...] = ()
    elsewhere: int = 0
    effects: tuple[Effect, ...] = ()
    objects: int = 0
    bytes: int = 0
    dollars: float = 0.0
    saved: float = 0.0
    once: float = 0.0
    unpriced: int = 0
    uploads: int | None = None
    versions: bool | None = False
    older: int | None = 0
    older_bytes: int | None = 0
    older_dollars: float | None = 0.0
    today: int = 0
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    written: bool = False
    confirmed: bool = False
    kept: Path | None = None
    unkept: str = ""

    @property
    def changes(self) -> bool:
        """Whether what is proposed differs from what is there."""
        return not same(self.before, self.after)


@watched
async def lifecycle(
    where: str | Location,
    options: Options | None = None,
    *,
    rule: RuleProposal | None = None,
    act: Act = Act.SHOW,
    plans: Sequence[Plan] = (),
    shown: LifecycleResult | None = None,
) -> LifecycleResult:
    """What the lifecycle rules of a bucket mean for everything under a location ("s3://bucket/prefix/", or one exact
    key): what expires, what moves into which class, when, and what that costs and saves. With `rule` what the bucket's
    configuration would be with that rule for the prefix; with APPLY it is written, every other rule kept as it is,
    after a look that nobody changed it since it was read (or `shown`), and what was there is kept in a file where
    ledgers are; with UNDO it is put back, unless somebody changed it since.

    A rule that would expire what a move brought, before the hold of `plans` and of ledgers that are found here has
    passed, is refused. S3 has no condition for this write: a change that somebody else makes in the same moment can be
    lost.

    Raises `UsageError` for what is no location, a rule that makes no sense and nothing to put back, `GateClosed` for a
    refused rule, `RulesChanged` where the configuration was changed since; `LedgerError`, and `StoreError`,
    `Unsupported` where the server knows no lifecycle."""
    options, rule = options or Options(), rule or RuleProposal()
    place = location_of(where)
    check(rule, place)
    if act is Act.APPLY and rule.is_nothing:
        raise UsageError("there is no rule to be written.", advice="Say what it does, as --abort-uploads 7d.")
    async with open_place(place, options) as opened:
        site = opened.site(place)
        kept = _kept_at(options, place)
        if act is Act.UNDO:
            with _alone(kept, place) if kept.exists() else nullcontext():
                return await _undo(site, place, kept)
        if shown is None:
            shown = await _look(site, place, options, rule, plans)
        if act is Act.SHOW:
            return shown
        if shown.refused:
            raise GateClosed(shown.refused)
        with _alone(kept, place):
            return await _apply(site, place, kept, shown)


async def _look(
    site: Site, place: Location, options: Options, proposal: RuleProposal, plans: Sequence[Plan]
) -> LifecycleResult:
    before = await _read(site, place)
    after = proposed(before, proposal, place)
    facts = await site.facts(place.bucket)
    at_ms = server_ms(facts.date) or now_ms()
    today = datetime.fromtimestamp(at_ms / 1000, UTC).toordinal()
    everything = [item for item in rules_of(after) if item.enabled]
    rules = [item for item in everything if may_meet(item.prefix, place)]
    least_size = after.least_size or (EVERY_CLASS if site.is_aws else "")  # AWS's default, with the first rule too
    effects = Effects(rules, today, least_size, versions=facts.versioning != "")  # not known: no saving is claimed
    expires = any(action.does is Does.EXPIRE for item in rules for action in item.actions)
    moves, unread = await _known_moves(site.endpoint, place.bucket, options, plans, at_ms) if expires else ([], [])
    watches = [(item, Watch(moves, item, today)) for item in rules]
    async with listed_under(site.store, place) as batches:
        async for objects in batches:
            effects.add(objects)
            for _, watch in watches:
                watch.add(objects)
            options.listener(Progress.of_listing(effects.objects, effects.bytes))
    options.listener(Progress.of_listing(effects.objects, effects.bytes, ended=True))
    uploads, notes = await _uploads(site, place, options, effects)
    if place.key and not effects.objects and (nothing := await why_nothing(site.store, place)):
        notes.append(nothing)
    older_known = facts.versioning is not None
    if facts.versioning is None:
        notes.append(
            "what expires may stay as an older version, and is not counted as saved: whether the bucket keeps versions "
            f"is not known: {facts.cause('versioning')}"
        )
    elif facts.versioning:
        options.listener(Doing("listing older versions"))
        try:
            await add_versions(site.store, place, effects)
        except ObjectError as error:
            older_known = False
            notes.append(f"older versions are not known: {error.message}")
    if effects.undated:
        notes.append(
            "objects, older versions and unfinished uploads whose date cannot be read, so that what rules do to them "
            f"is not known, and not counted above: {effects.undated:,}"
        )
    own = rule_id_of(place.key)
    refused: list[str] = []
    for item, watch in watches:
        mine = after != before and item.rule_id == own
        if mine and any(action.does is Does.EXPIRE for action in item.actions):
            refused += unread
        (refused if mine else notes).extend(watch.refusals())
    return LifecycleResult(
        str(place),
        before,
        after,
        rules=tuple(rules),
        elsewhere=len(rules_of(after)) - len(rules),
        effects=tuple(effects.found),
        objects=effects.objects,
        bytes=effects.bytes,
        dollars=effects.dollars,
        saved=effects.saved,
        once=effects.once,
        unpriced=effects.unpriced,
        uploads=uploads,
        versions=None if facts.versioning is None else bool(facts.versioning),
        older=effects.older if older_known else None,
        older_bytes=effects.older_bytes if older_known else None,
        older_dollars=effects.older_dollars if older_known else None,
        today=today,
        refused=tuple(refused),
        notes=tuple(notes),
    )


async def _read(site: Site, place: Location) -> LifecycleConfiguration:
    try:
        return await site.store.get_lifecycle(GetLifecycle(place.bucket))
    except (Unsupported, Ambiguous) as error:
        if isinstance(error, Ambiguous) and error.code != "UnreadableAnswer":
            raise
        raise Unsupported(
            f"this server knows no lifecycle rules ({error.message})",
            operation=error.operation,
            ref=error.ref,
            code=error.code,
            advice="Nothing expires or moves by itself there, as far as S3's rules go.",
        ) from error


async def _uploads(site: Site, place: Location, options: Options, effects: Effects) -> tuple[int | None, list[str]]:
    """How many uploads are unfinished there, told to `effects` with their bytes; and what could not be found out."""
    try:
        listed = await site.store.list_uploads(ListUploads(place.bucket, place.key))
        found = [item for item in listed if place.holds(item.key)]
        options.listener(Doing("measuring unfinished uploads", objects=len(found)))
        for item in found[:UPLOADS_MEASURED]:
            upload = UploadRef(ObjectRef(place.bucket, item.key), item.upload_id)
            parts = await site.store.list_parts(ListParts(upload))
            effects.add_upload(item.key, item.initiated, sum(max(part.size, 0) for part in parts))
    except StoreError as error:
        return None, [f"unfinished uploads are not known: {error.message}"]
    more = len(found) - UPLOADS_MEASURED
    return len(found), [f"{more:,} more unfinished uploads are not measured"] if more > 0 else []


# --- what is known of moves into the bucket -------------------------------------------------------------------------


async def _known_moves(
    endpoint: str, bucket: str, options: Options, plans: Sequence[Plan], at_ms: int
) -> tuple[list[KnownMove], list[str]]:
    """The moves into the bucket that ledgers here tell of, and a sentence for each ledger that cannot be read."""
    here = options.state_dir or Path()
    ledgers = {
        path.resolve(): path for path in [*here.glob("*.ledger"), *(ledger_path(plan, options) for plan in plans)]
    }
    if options.ledger is not None:
        ledgers[options.ledger.resolve()] = options.ledger
    found: list[KnownMove] = []
    unread = []
    for path in ledgers.values():
        if not await anyio.Path(path).exists():
            continue
        try:
            known = {plan.name: plan for plan in [*_plans_beside(path), *plans]}
            if (asked := await asked_plan(path)) is not None:
                known.setdefault(asked.name, asked)
            found += await moves_into(path, endpoint, bucket, known, at_ms)
        except LedgerError as error:
            unread.append(f"what was moved by {path} is not known: {error.message}")
    return found, unread


def _plans_beside(ledger: Path) -> Iterable[Plan]:
    for path in sorted({*ledger.parent.glob("*.toml"), *Path().glob("*.toml")}):
        try:
            yield load_plan(path)
        except EngineError:
            continue  # another program's file, or a plan that no run would take either


# --- written, and put back ------------------------------------------------------------------------------------------


def _kept_at(options: Options, place: Location) -> Path:
    """The file in which is kept what was there before: where ledgers are."""
    folder = options.state_dir or (options.ledger.parent if options.ledger is not None else Path())
    name = hashlib.sha256(place.key.encode()).hexdigest()[:8]
    return folder / f"{_bucket_name(place)}-{name}.lifecycle"


def _bucket_name(place: Location) -> str:
    return place.bucket.rpartition(":")[2]


async def _history(path: Path, site: Site, place: Location) -> History:
    """What was applied to the prefix so far. Raises `UsageError` for a file that is of another place."""
    file = anyio.Path(path)
    if not await file.exists():
        return History(site.endpoint, place.bucket, place.key)
    found = read_history(await file.read_bytes(), str(path))
    if (found.endpoint, found.bucket, found.prefix) != (site.endpoint, place.bucket, place.key):
        raise UsageError(
            f"{path} is of s3://{found.bucket}/{found.prefix} at {found.endpoint}.",
            advice="Give another folder with --state-dir.",
        )
    return found


async def _keep(path: Path, history: History) -> None:
    if not history.applied:
        await anyio.Path(path).unlink(missing_ok=True)
        return
    text = msgspec.json.format(msgspec.json.encode(history)) + b"\n"
    with refused_as(
        f"the configuration that was there cannot be kept in {path}",
        "Name a folder that you may write to, with room, with --state-dir.",
    ):
        await anyio.to_thread.run_sync(write_new, path, text)


async def _keep_after(path: Path, history: History, applied: tuple[Applied, ...]) -> str:
    """The same once the bucket has been written, which no error may hide: why it could not be, a sentence. What was
    there before is kept already."""
    try:
        await _keep(path, msgspec.structs.replace(history, applied=applied))
    except (UsageError, OSError) as error:
        return f"the bucket is written, and what it shows now could not be noted for a later --undo: {error}"
    return ""


@contextmanager
def _alone(kept: Path, place: Location) -> Iterator[None]:
    """One command at a time on a bucket, whatever its prefix: a configuration is the whole bucket's, and of two at once
    each would write, and keep, what was there without what the other applied. Raises `LedgerLocked`."""
    lock = FileLock(
        kept.with_name(f"{_bucket_name(place)}.lifecycle"), wait="Wait for it, then run the same command again."
    )
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


async def _apply(site: Site, place: Location, kept: Path, shown: LifecycleResult) -> LifecycleResult:
    if not shown.changes:
        return replace(shown, confirmed=True)
    history = await _history(kept, site, place)
    step = Applied(now_ms(), shown.before, shown.after, shown.after)
    await _keep(kept, msgspec.structs.replace(history, applied=(*history.applied, step)))  # before anything is written
    try:
        now = await change(site.store, place.bucket, shown.before, shown.after)
    except EngineError:
        if not await _may_stand(site, place, shown.after):
            await _keep(kept, history)
        raise
    if same(now, shown.after):
        return replace(shown, written=True, confirmed=True, kept=kept)
    unkept = await _keep_after(kept, history, (*history.applied, step._replace(shown=now)))
    return replace(shown, written=True, kept=kept, unkept=unkept)


async def _may_stand(site: Site, place: Location, after: LifecycleConfiguration) -> bool:
    """Whether what was to be written may be there, although nobody said that it is."""
    try:
        return same(await site.store.get_lifecycle(GetLifecycle(place.bucket)), after)
    except StoreError:
        return True


async def _undo(site: Site, place: Location, kept: Path) -> LifecycleResult:
    history = await _history(kept, site, place)
    if not history.applied:
        raise UsageError(
            f"nothing was applied to {place} that {kept} knows of: there is nothing to put back.",
            advice="Run it where --apply was run, or name that folder with --state-dir.",
        )
    last = history.applied[-1]
    now = await put_back(site.store, place.bucket, last)
    confirmed = same(now, last.before)
    unkept = await _keep_after(kept, history, history.applied[:-1]) if confirmed else ""
    return LifecycleResult(
        str(place), last.after, last.before, written=True, confirmed=confirmed, kept=kept, unkept=unkept
    )
