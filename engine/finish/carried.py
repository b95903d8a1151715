"""What the sources carry besides their bytes, compared once more before they are deleted.

No listing shows it: metadata that is written anew shows by LastModified alone, tags and ACLs not at all, and a target
that was found in place may never have carried any. So each object costs a HEAD a side, tags where there are any, and
an ACL where the route keeps ACLs, at the rate that the governor allows; nothing is asked of a route that keeps none.

A comparison that was interrupted begins anew, and nothing of it is kept as done: an object's version (its ETag and
LastModified) does not tell whether its tags, its ACL or its lock changed since.
"""

from __future__ import annotations

from dataclasses import astuple
from functools import partial
from typing import NamedTuple

import anyio

from engine.at_once import each
from engine.errors import AttemptError, NotFound, ObjectError
from engine.events import Doing, Listener, Looking
from engine.ledger import Ledger
from engine.model import ListedObject, ObjectRef, Proof
from engine.plan.lifecycle import State
from engine.plan.noted import Noted, noted
from engine.plan.record import ObjectRecord, Outcome, same_moment
from engine.plan.route import PropertyRule, Route
from engine.store import StoreOf
from engine.transfer.comparing import compare_properties

OBJECTS_AT_ONCE = 256
"""What is asked of one is asked in turn: on a slow store fewer would be the limit, and not the governor's rate."""


class _Unread(NamedTuple):
    """An object of which is not known what it carries, and why."""

    key: str
    why: str


def keeps_properties(route: Route) -> bool:
    """Whether the route says anything of what its targets carry besides bytes: what an object must not carry (`FAIL`)
    is looked for as well as what it is to carry."""
    given = route.sets_unlisted or bool(route.storage_class)
    return given or any(rule is not PropertyRule.DROP for rule in astuple(route.properties))


async def compare_carried(
    store_of: StoreOf, ledger: Ledger, routes: tuple[Route, ...], minimum: Proof, listener: Listener
) -> Noted:
    """Compare what every object that stands to be deleted carries, and keep in the ledger what differs. Gives what is
    not known of some: it may not be read, or changed meanwhile. Raises errors of scope `run`."""
    listener(Doing("comparing what objects carry"))
    kept = {route.name for route in routes if keeps_properties(route)}
    total = sum(
        tally.objects
        for tally in await ledger.tallies()
        if tally.route in kept and tally.state is State.VERIFIED and tally.proof >= minimum
    )
    unread = Noted()
    at_once = anyio.CapacityLimiter(OBJECTS_AT_ONCE)
    done = 0
    for route in (route for route in routes if route.name in kept):
        async for records in ledger.records(route.name, {State.VERIFIED}):
            proven = [record for record in records if record.proof >= minimum]
            found = await each(proven, partial(_compare, store_of, route), at_once)
            if outcomes := [item for item in found if isinstance(item, Outcome)]:
                await ledger.conclude(route.name, outcomes)
            unread = unread.plus(noted((route.name, item.key, item.why) for item in found if isinstance(item, _Unread)))
            done += len(proven)
            listener(Looking(total, listing_done=True, done=done, aside=unread.objects))
    return unread


async def _compare(store_of: StoreOf, route: Route, record: ObjectRecord) -> Outcome | _Unread | None:
    """One object; None where nothing new is known of it."""
    key = route.source_key(record.key)
    listed = ListedObject(key, record.size, record.source_etag, record.source_modified, record.storage_class)
    target = ObjectRef(route.target.bucket, route.target_key(record.key))
    try:
        compared = await compare_properties(store_of(route.source), store_of(route.target), route, listed, target)
    except NotFound:
        return None  # gone on one side: whoever deletes looks for the target, and there is nothing to delete else
    except (ObjectError, AttemptError) as error:
        return _Unread(record.key, error.code or type(error).__name__)
    if compared.source.etag != record.source_etag or compared.target.etag != record.target_etag:
        return _Unread(record.key, "changed meanwhile")
    if not same_moment(compared.source.modified, record.source_modified):
        return _Unread(record.key, "written again meanwhile")
    if compared.found == record.properties:
        return None
    as_it_was = record.target_etag, record.code, record.message, record.proof
    return Outcome.seen(record.key, State.VERIFIED, *as_it_was)._replace(properties=compared.found)
