"""The carrier of a route that sets what its objects carry where they are. One object's way, top to bottom.

An object is looked at first: what is so already is left alone, where tags alone differ they are put in its place, and
all else is a copy of the object onto itself, under its ETag on both sides, by parts where it has some, so that its ETag
stays what it is. There is no source left to compare it with afterwards, and none to mend it from. So what it carried is
held against what it carries then, each time: no server's word is taken for it.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.model import Acl, CopyResult, ObjectHead, Proof, Properties
from engine.plan.in_place import UNTOUCHED
from engine.plan.integrity import Evidence, full_object, parts_of
from engine.plan.lifecycle import State
from engine.plan.parts import MAX_COPY_BYTES
from engine.plan.record import AGREE, Outcome
from engine.store import PutTags
from engine.transfer.carrier import Drifted, Pause, Task, copied
from engine.transfer.comparing import acl_differences, differences
from engine.transfer.drift import as_listed, source_now
from engine.transfer.judging import judged
from engine.transfer.methods import Method
from engine.transfer.properties import (
    Tags,
    adjusted,
    chosen_acl,
    directives_of,
    read_tags,
    seen_properties,
    source_properties,
    tags_of,
)
from engine.transfer.server_copy import OPEN, ServerSideCopy
from engine.transfer.server_parts import ServerParts

NOT_TAKEN = "NotTaken"
TURNS = 2
"""How often an object of parts is copied whose last answer was lost: its ETag is the same before and after."""


class _Look(NamedTuple):
    """An object as it stands, and what of it is not as it is wanted. `tags` are those that it has, None where nobody
    asked for them: the server keeps them by itself."""

    head: ObjectHead
    wanted: Properties
    found: list[str]
    tags: Tags | None
    wanted_tags: Tags | None

    @property
    def tags_differ(self) -> bool:
        return not _alike(self.tags, self.wanted_tags)


class InPlace(ServerSideCopy):
    """Sets what objects carry where they are: source and target are one store. `trusts` takes the server at its word
    that a CopyObject with a clear answer keeps what it was not told to change, as AWS does."""

    def __init__(self, parts: ServerParts, pause: Pause, *, trusts: bool) -> None:
        super().__init__(parts, pause)
        self._trusts = trusts

    async def _copy(self, task: Task) -> Outcome:
        outcome = await self._set(task)
        for _ in range(TURNS - 1):
            if outcome.code != NOT_TAKEN or not _by_parts(task):
                break
            outcome = await self._set(task._replace(upload=None))
        return outcome

    async def _set(self, task: Task) -> Outcome:
        head = await source_now(self.source, task, checksums=True)
        task = task._replace(source=task.source._replace(storage_class=head.properties.storage_class))
        look = await self._seen(task, head)
        if task.upload is not None and not (look.found and _by_parts(task)):
            await self.discard(task.upload)
            task = task._replace(upload=None)
        if not look.found:
            if not look.tags_differ:
                return _untouched(task, look.head, "found", 2)
            wanted = look.wanted_tags or ()
            lost = _tags_text(await self._put_tags(task, wanted), wanted)
            outcome = _untouched(task, look.head, Method.TAGS.value, 3 if self._trusts else 4)
            return _not_taken(outcome, lost) if lost else outcome
        acl = await chosen_acl(self.source, task.route, task.source_ref)
        if _by_parts(task):
            outcome = await self._parts.copy(task, Method.OWN_PARTS)
        else:
            outcome = await self._copy_onto_itself(task, look, acl)
        outcome = outcome._replace(requests=outcome.requests + 2)
        if self._trusts and not _by_parts(task):
            return outcome
        return await self._kept(task, look, acl, outcome)

    async def _seen(self, task: Task, head: ObjectHead) -> _Look:
        """Raises as `seen_properties`, `adjusted` and `read_tags`."""
        route = task.route
        # Where tags alone are put in their place, nothing is written again that a lock could be lost by.
        alone = route.sets_tags_alone
        there = source_properties(head) if alone else await seen_properties(self.source, route, task.source_ref, head)
        wanted = adjusted(route, task.source, there)
        found = differences(route, wanted, there)
        if route.set_tags is None and (not found or (self._trusts and not _by_parts(task))):
            return _Look(head, wanted, found, None, None)
        tags = await read_tags(self.source, task.route, task.source_ref, head)
        return _Look(head, wanted, found, tags, route.tags_over(tags))

    async def _copy_onto_itself(self, task: Task, look: _Look, acl: Acl | None) -> Outcome:
        """One CopyObject under the object's own ETag, sent again only after a look at what it carries then."""
        tags = look.wanted_tags if look.tags_differ else None
        directives = directives_of(task.route, task.source_ref, look.wanted._replace(acl=acl), tags)
        whole = [item for item in look.head.checksums if item.type == "FULL_OBJECT"]
        request = self._directed(task, directives, whole)
        result: CopyResult | Outcome
        requests = 1
        try:
            result = await self.target.copy_object(request)
        except OPEN as error:
            result, requests = await self._settle(task, request, error, requests)
        if isinstance(result, Outcome):
            return result
        return await judged(self.target, task, look.head, result, Method.COPY.value, requests)

    async def _landed(self, task: Task, target: ObjectHead) -> Outcome | None:
        """Its ETag is the same before and after, so that what it carries has to tell. Where the ETag is another, as
        that of a copy under a key of KMS is too, nobody can tell: the next run sees whether it is as it is wanted."""
        look = await self._seen(task, as_listed(task, target, 3))
        return None if look.found or look.tags_differ else await super()._landed(task, target)

    async def _kept(self, task: Task, before: _Look, acl: Acl | None, outcome: Outcome) -> Outcome:
        """Whether the object carries now what was wanted, and all that it carried before: the one moment in which
        anybody still knows. Tags that a server lost are put back."""
        ref, requests = task.target_ref, outcome.requests + 1
        head = await self._target_head(task)
        if head is None or head.etag != outcome.target_etag:
            raise Drifted(requests, etag_now=head.etag if head is not None else "")
        there = await seen_properties(self.target, task.route, ref, head)
        # What came on it besides, from somebody who set the object at the same moment, is no loss.
        own = {name for name, _ in before.wanted.metadata}
        there = there._replace(metadata=tuple(pair for pair in there.metadata if pair[0] in own))
        lost = differences(task.route, before.wanted, there)
        if acl is not None:
            lost += await acl_differences(self.target, task.route, acl, ref)
        not_taken = set(before.found)
        wanted = before.wanted_tags
        if head.tag_count:
            head = head._replace(tag_count=None)  # a count that lags behind is no reason to put nothing back
        if wanted is not None and not _alike(await read_tags(self.target, task.route, ref, head), wanted):
            requests += 1 if self._trusts else 2
            tags = await self._put_tags(task, wanted)
            lost += (differ := _tags_text(tags, wanted))
            if _alike(tags, before.tags):
                not_taken.update(differ)
        outcome = outcome._replace(requests=requests)
        if not lost:
            return outcome._replace(properties=AGREE)
        if {*map(_what, lost)} <= {*map(_what, not_taken)}:  # nothing but what was to become another
            return _not_taken(outcome, lost)
        outcome = outcome._replace(state=State.FAILED, proof=Proof.NONE, compared="")
        said = f"the server did not keep what the object carried: {'; '.join(lost)}. Put it back by hand"
        said += "; this ledger goes on saying so, and a new one (--ledger) finds it as it is then"
        return outcome._replace(code="NotKept", message=said)

    async def _put_tags(self, task: Task, wanted: Tags) -> Tags:
        """Put tags in the place of those that the object has; gives those that it has then."""
        await self.target.put_tags(PutTags(task.target_ref, wanted))
        return wanted if self._trusts else await tags_of(self.target, task.target_ref, None)


def _alike(one: Tags | None, other: Tags | None) -> bool:
    return sorted(one or ()) == sorted(other or ())


def _tags_text(there: Tags, wanted: Tags) -> list[str]:
    """What of the tags is not as it is wanted."""
    return [] if _alike(there, wanted) else [f"tags are {dict(there)}, wanted {dict(wanted)}"]


def _what(difference: str) -> str:
    """What a difference is one of, whatever it says is there."""
    return difference.partition(" is ")[0]


def _by_parts(task: Task) -> bool:
    """So that an ETag of parts stays what it is, and since one CopyObject goes to 5 GiB."""
    return bool(task.source.size) and (parts_of(task.source.etag) > 0 or task.source.size > MAX_COPY_BYTES)


def _not_taken(outcome: Outcome, lost: list[str]) -> Outcome:
    """What the server said yes to, and is not so: the next run tries again."""
    return outcome._replace(
        state=State.FAILED,
        proof=Proof.NONE,
        compared="",
        target_etag="",
        checksum="",
        code=NOT_TAKEN,
        message=f"the server said yes, and it is not so (it did not do it, or somebody else set the object at the same "
        f"moment): {'; '.join(lost)}",
    )


def _untouched(task: Task, head: ObjectHead, method: str, requests: int) -> Outcome:
    """An object that was not written again."""
    checksum = full_object(head.checksums)
    outcome = copied(task, head.etag, checksum, Evidence(Proof.DIGEST, UNTOUCHED), method, requests)
    return outcome._replace(properties=AGREE)
