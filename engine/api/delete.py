"""`delete`: a whole project deleted cleanly: exactly what a snapshot of its listing holds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from engine.api.consent import Consent
from engine.api.load import place_of
from engine.api.opening import tell_own, with_own
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.errors import GateClosed
from engine.events import RunStarted
from engine.finish.deletion_list import DeletionList
from engine.finish.project_deletion import (
    DeleteResult,
    Deletion,
    closed_for,
    delete_listed,
    listed_to_go,
    look_at_the_rest,
    note_changed,
    snapshot_of,
)
from engine.listing.nearest import refuse_nothing
from engine.model import Location
from engine.sites.opening import open_place


def list_path(location: Location, options: Options) -> Path:
    """Where the snapshot of a deletion is kept: in the working folder or `state_dir`, named after the location."""
    if options.ledger is not None:
        return options.ledger
    digest = hashlib.sha256(str(location).encode()).hexdigest()[:8]
    words = "".join(char if char.isalnum() and char.isascii() else "-" for char in f"{location.bucket}-{location.key}")
    return (options.state_dir or Path()) / f"delete-{words.strip('-')[:60]}-{digest}.deletion"


@watched
async def delete(
    location: str | Location,
    options: Options | None = None,
    *,
    consent: Consent | None = None,
    hold_s: int = 0,
    again: bool = False,
    confirmed: bool = False,
    stop: StopSignal | None = None,
) -> DeleteResult:
    """Take a snapshot of everything under the location ("s3://bucket/prefix/", one exact key, or a local folder), or
    take up the one there is (`again` takes a new one). With `confirmed`, and once `hold_s` seconds have passed since
    the snapshot, by the server's clock, delete exactly its keys, each only while it is what was listed. The snapshot
    is kept in a file of its own: `Options.ledger`, else one named after the location, in the working folder. What lies
    in a folder and cannot be an object is left: `Options.listener` hears an `ObjectAside` of each. `stop` ends a
    deletion gently. Safe to repeat, and to kill at any moment.

    Raises `GateClosed` where a deletion was asked for and may not be done, `ClaimLost` where another deletion took
    over, `NothingThere` for one key that is not there, `UsageError` for what is no location, `LedgerError` for the
    file, and `StoreError` of scope `run`."""
    options, consent, stop = options or Options(), consent or Consent(), stop or StopSignal()
    location = place_of(location)
    path = list_path(location, options)
    async with open_place(location, with_own(options, path)) as opened:
        site = opened.site(location)
        facts = await site.facts(location.bucket)
        async with await DeletionList.open(path, str(location), site.endpoint) as listed:
            options.listener(RunStarted("delete", str(location), str(path), site.endpoint, resumed=not again))
            await anyio.to_thread.run_sync(tell_own, options, path, [location])
            result = await snapshot_of(
                partial(listed_to_go, site, location, options.listener),
                location,
                listed,
                facts,
                options.listener,
                again=again,
                confirmed=confirmed,
            )
            if result.fresh and not result.summary.total.objects and not location.is_prefix:
                await refuse_nothing(site.store, location, "")
            if not result.summary.total.objects:  # nothing is left that could be closed, or be deleted
                if not confirmed or result.fresh:
                    return result
                done = Deletion()
                await note_changed(listed, done, options.listener)
                await look_at_the_rest(site, location, listed, done, options.listener, tells=True)
                return replace(result, deletion=done) if done.kept or done.arrived or done.uploads else result
            markers = consent.delete_markers
            result.closed.extend(closed_for(result.taken_ms, facts, hold_s, delete_markers=markers))
            if not confirmed:
                return result
            if result.closed:
                raise GateClosed(result.closed)
            done = await delete_listed(
                opened,
                location,
                listed,
                options.listener,
                stop.listen,
                command="delete",
                unconditional=consent.unconditional,
                delete_markers=markers,
            )
            if not done.stopped:
                await look_at_the_rest(site, location, listed, done, options.listener, tells=not result.fresh)
            return replace(result, closed=[], deletion=done)
