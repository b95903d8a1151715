"""A bucket's lifecycle configuration changed, and put back: as a whole, since S3 knows nothing less.

S3 has no If-Match for it. What is there is read right before it is written over, and again afterwards; between the
first two somebody else's change can be lost, for as long as one request takes, and what was there is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio
import msgspec

from engine.errors import RulesChanged, StoreError, UsageError
from engine.model import LifecycleConfiguration
from engine.plan.bucket_rules import same
from engine.store import GetLifecycle, ObjectStore, PutLifecycle

WAITS_S = (0.0, 0.5, 1.0, 2.0)
"""Before each look at what was written: S3 may show the older configuration for a while."""


class Applied(NamedTuple):
    """What was written (`after`) in place of what there was (`before`), at `at_ms`. `shown` is what the server showed
    of it then: some write a rule in another form."""

    at_ms: int
    before: LifecycleConfiguration
    after: LifecycleConfiguration
    shown: LifecycleConfiguration


class History(msgspec.Struct, frozen=True):
    """What was applied to one prefix and is not put back yet, in order; kept in a file."""

    endpoint: str
    bucket: str
    prefix: str
    applied: tuple[Applied, ...] = ()
    version: int = 1


def read_history(text: bytes, name: str) -> History:
    """Raises `UsageError` for a file that is none of ours."""
    try:
        found = msgspec.json.decode(text, type=History)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"{name} is not what --apply keeps: {error}.", advice="Put it back, or move it away."
        ) from error
    if found.version != 1:
        raise UsageError(f"{name} is of a later version of Cartage.")
    return found


async def change(
    store: ObjectStore,
    bucket: str,
    before: LifecycleConfiguration,
    after: LifecycleConfiguration,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> LifecycleConfiguration:
    """Write `after` where `before` is, and give what the server shows then: mostly `after`. Raises `RulesChanged` where
    something else is there by now, and what the store raises for a write that did not come to pass."""
    if not same(await store.get_lifecycle(GetLifecycle(bucket)), before):
        raise RulesChanged(
            f"the lifecycle configuration of {bucket} was changed since it was looked at: nothing was written.",
            advice="Look at it again: run the same command without --apply.",
        )
    try:
        await store.put_lifecycle(PutLifecycle(bucket, after))
    except StoreError:
        if not same(await store.get_lifecycle(GetLifecycle(bucket)), after):
            raise
    shown = before
    for wait_s in WAITS_S:
        await sleep(wait_s)
        shown = await store.get_lifecycle(GetLifecycle(bucket))
        if same(shown, after):
            break
    return shown


async def put_back(
    store: ObjectStore, bucket: str, last: Applied, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> LifecycleConfiguration:
    """Write what was there before the last change, and give what the server shows then. Raises `RulesChanged` where
    what is there is no longer what was applied."""
    now = await store.get_lifecycle(GetLifecycle(bucket))
    if same(now, last.before):
        return now
    if not same(now, last.after) and not same(now, last.shown):
        raise RulesChanged(
            f"the lifecycle configuration of {bucket} is no longer what was applied: nothing was put back.",
            advice="Somebody changed it since. What was there before is in the file that --apply kept.",
        )
    return await change(store, bucket, now, last.before, sleep)
