"""The first carrier: S3 copies by itself, from one bucket of an endpoint to another. One object's life, top to bottom.

`carry` looks where it is asked to, brings up to date what is there already, sends one CopyObject, or leaves an object
that needs it to be copied by its parts (`server_parts`). An unknown outcome is settled by looking at the target.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from engine.errors import Ambiguous, Conflict, NotFound, PreconditionFailed, Rejected, StoreError, Unsupported
from engine.events import Listener, Notice
from engine.model import ABSENT, Checksum, CopyResult, ObjectHead, OpaqueEtag, Proof
from engine.plan.integrity import (
    MD5_ENCRYPTIONS,
    Agreement,
    Evidence,
    compare_etags,
    evidence_of_copy,
    evidence_of_heads,
    full_object,
    is_md5,
    parts_of,
)
from engine.plan.lifecycle import State
from engine.plan.record import Outcome, UploadRecord
from engine.store import CopyObject
from engine.transfer.carrier import Carrier, Differs, Drifted, Failed, Pause, Task, copied
from engine.transfer.drift import as_listed, source_now
from engine.transfer.existing import WRITTEN, Existing, conflict
from engine.transfer.guard import ANOTHER, FORMS, Form, refuse_another
from engine.transfer.methods import Method, method_for
from engine.transfer.properties import Directives, copy_directives
from engine.transfer.server_parts import ServerParts

ATTEMPTS = 5
"""How often one write is sent while its outcome stays unknown, each time after a look at the target."""

OPEN = (PreconditionFailed, Ambiguous, Conflict, NotFound, Unsupported, Rejected)
"""What leaves open what became of the object, until it was looked at."""

TOO_LARGE = frozenset({"EntityTooLarge", "InvalidRequest"})
"""What S3 answers to a CopyObject of a source over 5 GiB: the size was not what the listing said."""


PASSES = (
    "the target's credentials are shown another bucket under the name of {}: what its server would copy from there "
    "passes through this machine instead"
)


class SendAgain(NamedTuple):
    """How a CopyObject is sent next: in `form`, or `instead` in one of these where that is refused; under `condition`.
    `lost`: the answer of one was lost, so that it may have landed since it was looked for; `pause`: not at once."""

    form: Form
    instead: tuple[Form, ...]
    condition: str | None
    lost: bool = False
    pause: bool = False


class ServerSideCopy(Existing):
    """The carrier between two sites of one endpoint. `source` and `target` answer for their side; what copies is the
    target's server. `parts` copies what one CopyObject cannot."""

    def __init__(self, parts: ServerParts, pause: Pause) -> None:
        super().__init__(parts.source, parts.target, parts.uploader)
        self._parts = parts
        self._pause = pause
        self.conditions = parts.conditions
        self.unpinned = parts.conditions.unpinned

    def _copy(self, task: Task) -> Coroutine[Any, Any, Outcome]:
        # No coroutine of its own: each that lies around a request costs nearly every object a microsecond.
        method = method_for(task.source)
        if task.upload is not None and not task.source.size:
            return self._copy_emptied(task, task.upload)
        if task.upload is not None or method in (Method.OWN_PARTS, Method.FAST_PARTS):
            return self._parts.copy(task, method)
        if method is Method.COPY and task.route.plain_properties:  # what nearly every object is
            return self._send(task, method, self._request(task), (), 1)
        return self._copy_whole(task, method)

    async def _copy_emptied(self, task: Task, upload: UploadRecord) -> Outcome:
        """The upload is of what the source was before: nothing has no parts."""
        await self.discard(upload)
        return await self._copy(task._replace(upload=None))

    # --- one CopyObject -------------------------------------------------------------------------------------

    def _request(self, task: Task) -> CopyObject:
        conditions, source, target = self.conditions, task.source_ref, task.target_ref
        return CopyObject(
            source,
            target,
            conditions.pin("copy", source.bucket, task.source.etag),
            conditions.target("copy", target.bucket, task.target_condition),
            task.route.storage_class_for(task.source),
        )

    def _directed(self, task: Task, directives: Directives, checksums: Sequence[Checksum]) -> CopyObject:
        """The request of a copy that carries these properties, and has S3 count the checksum that its source has."""
        return self._request(task)._replace(
            checksum_algorithm=checksums[0].algorithm if checksums else "",
            properties=directives.properties,
            replace_tags=directives.tags,
            keep_headers=directives.keep_headers,
        )

    async def _copy_whole(self, task: Task, method: Method) -> Outcome:
        """One CopyObject, after what it takes to know its checksums and properties."""
        checksums: Sequence[Checksum] = ()
        requests = 1
        if method is Method.COPY_CHECKED:
            requests += 1
            head = await source_now(self.source, task, requests, checksums=True)
            checksums = [item for item in head.checksums if item.type == "FULL_OBJECT"]
            if not checksums and parts_of(task.source.etag):  # the listing names one that HEAD does not show
                return await self._parts.copy(task, Method.OWN_PARTS)
        directives = await copy_directives(self.source, task.route, task.source)
        request = self._directed(task, directives, checksums)
        return await self._send(task, method, request, checksums, requests)

    async def _send(
        self, task: Task, method: Method, request: CopyObject, checksums: Sequence[Checksum], requests: int
    ) -> Outcome:
        """One CopyObject, sent again only after a look at the target."""
        try:
            result = await self.target.copy_object(request)
        except OPEN as error:
            settled, requests = await self._settle(task, request, error, requests)
            if isinstance(settled, Outcome):
                return settled
            result = settled
        source_etag = task.source.etag
        if (
            method is Method.COPY
            and result.etag == source_etag
            and result.encryption in MD5_ENCRYPTIONS
            and "-" not in source_etag
            and type(source_etag) is not OpaqueEtag
        ):
            # What nearly every object meets, without a call.
            checksum = str(result.checksums[0]) if result.checksums else ""
            return Outcome(task.key, State.COPIED, result.etag, checksum, Proof.DIGEST, "etag", "copy", requests)
        return await self._judge(task, method, result, checksums, requests)

    async def _judge(
        self, task: Task, method: Method, result: CopyResult, checksums: Sequence[Checksum], requests: int
    ) -> Outcome:
        """The copy succeeded: what does the answer prove?"""
        agreement, evidence = evidence_of_copy(
            source_etag=task.source.etag,
            target_etag=result.etag,
            target_encryption=result.encryption,
            source_checksums=checksums,
            target_checksums=result.checksums,
        )
        target_checksums: Sequence[Checksum] = result.checksums
        if agreement is not Agreement.EQUAL:  # what it does not say, a look at both sides may
            requests += 2
            source = await self._source_head(task, checksums=True)
            target = await self._target_head(task, checksums=True)
            if source is None or target is None or source.etag != task.source.etag or target.etag != result.etag:
                agreement, target_checksums = Agreement.UNKNOWN, ()
            else:
                agreement, evidence = evidence_of_heads(source, target, evidence.compared)
                target_checksums = target.checksums
        if agreement is Agreement.DIFFERENT:
            raise Differs(
                requests,
                target_etag=result.etag,
                method=method.value,
                message=f"S3 says that the copy differs from its source by {evidence.compared}; the next run copies it "
                f"again (target ETag {result.etag}, source ETag {task.source.etag})",
            )
        checksum = full_object(target_checksums)
        return copied(task, result.etag, checksum, evidence, method.value, requests)

    # --- an answer that is no copy --------------------------------------------------------------------------

    async def _settle(
        self, task: Task, request: CopyObject, error: StoreError, requests: int
    ) -> tuple[CopyResult | Outcome, int]:
        """After an error: look, and send the copy again for as long as that may help. Once a condition was refused it
        is sent without, and what it can be sent without from then on is kept.

        Gives the answer and how many requests it took. Raises `Ended` and what the store raises."""
        pin = request.source_etag
        full = Form(pin is not None, request.target_condition is not None)
        sent = SendAgain(full, FORMS[full], request.target_condition)  # a 412 that nothing explains is met twice
        for attempt in range(ATTEMPTS + len(FORMS[full])):
            if attempt:
                condition = sent.condition if sent.form.guarded else None
                request = request._replace(source_etag=pin if sent.form.pinned else None, target_condition=condition)
                try:
                    result = await self.target.copy_object(request)
                except OPEN as again:
                    error = again
                else:
                    if full.pinned and not sent.form.pinned:
                        self.conditions.refuse_pin("copy", task.source_ref.bucket, task.source.etag)
                    if full.guarded and not sent.form.guarded:
                        self.conditions.refuse_target("copy", task.target_ref.bucket, task.target_condition)
                    return result, requests + 2 * attempt
            last = Failed(requests + 2 * attempt, error=error) if attempt >= ATTEMPTS - 1 else None
            if isinstance(error, PreconditionFailed):
                step = await self._after_412(task, sent, Failed(requests + 3 * attempt, error=error))
            elif isinstance(error, (Ambiguous, Conflict)):
                step = await self._after_unknown(task, request, sent, error, last)
            elif isinstance(error, NotFound):
                step = await self._after_404(task, sent, Drifted(requests + 1, etag_now=""), last)
            else:
                step = await self._after_refusal(task, request, sent, error, first=sent.instead[:1] == (full,))
            if isinstance(step, Outcome):
                return step, requests
            sent = step
            if sent.pause:
                await self._pause(attempt)
        if isinstance(error, PreconditionFailed):
            raise conflict(task, "", "the target came and went while it was being copied", requests)
        raise Failed(requests, error=error)

    async def _after_412(self, task: Task, sent: SendAgain, refused: Failed) -> Outcome | SendAgain:
        """412 has four meanings: the source changed, the target is there, our own success was lost; or, where both are
        as they were, the server cannot do one of the conditions."""
        source = await source_now(self.source, task, 2)
        target = await self._target_head(task)
        if target is not None and (landed := await self._landed(task, target)) is not None:
            # Where no answer was lost, none of our copies was made: who else made it may count on it.
            return landed if sent.lost else landed._replace(method="found")
        condition = sent.condition
        if target is None and condition not in (ABSENT, None):
            return sent._replace(condition=ABSENT, pause=False)
        if target is None or condition is None or target.etag == condition:
            if not sent.instead or not (sent.form.pinned or sent.form.guarded):
                raise refused
            if sent.form.pinned:
                await refuse_another(self.source, self.target, task.source_ref, source)
            return sent._replace(form=sent.instead[0], instead=sent.instead[1:], pause=False)
        if sent.lost and target.size == task.source.size and not await self._differs(task, target):
            return sent._replace(condition=target.etag, pause=False)  # not to be told apart from ours
        raise conflict(task, target.etag, WRITTEN + "looked at", 3)

    async def _after_unknown(
        self, task: Task, request: CopyObject, sent: SendAgain, error: StoreError, last: Failed | None
    ) -> Outcome | SendAgain:
        """The answer was lost, or another write was under way: the target tells, or under which condition to go on."""
        condition = request.target_condition
        lost = sent.lost or isinstance(error, Ambiguous)  # else each of our copies was refused, as by 409
        target = await self._target_head(task)
        if target is None:
            condition = condition if condition is None else ABSENT
        elif (landed := await self._landed(task, target)) is not None:
            return landed
        elif condition is not None and target.etag != condition:
            if not lost or target.size != task.source.size or await self._differs(task, target):
                why = "the target was written by someone else while a copy's outcome was open"
                raise conflict(task, target.etag, why)
            condition = target.etag  # perhaps ours, and nothing to tell it by: copied again over exactly this one
        if last is not None:
            raise last
        return sent._replace(
            condition=condition if sent.form.guarded else sent.condition,
            lost=lost,
            pause=True,
        )

    async def _landed(self, task: Task, target: ObjectHead) -> Outcome | None:
        """The outcome of a copy whose answer is not known, where the target is what it would have written, as far as an
        ETag can say. Where it bore that one before, it says nothing: it may be what was to be copied over. (Of what is
        set where it is, whoever asks compares what it carries.)"""
        if target.etag == task.target_condition and not task.route.in_place:
            return None
        if target.size != task.source.size or compare_etags(task.source.etag, target.etag) is not Agreement.EQUAL:
            return None
        proven = is_md5(target.properties.encryption) or "-" in target.etag
        unproven = Evidence(Proof.SIZE, "size: etag is no MD5 under this encryption")
        evidence = Evidence(Proof.DIGEST, "etag") if proven else unproven
        return copied(task, target.etag, "", evidence, Method.COPY.value, 3)

    async def _after_404(self, task: Task, sent: SendAgain, gone: Drifted, last: Failed | None) -> SendAgain:
        """Of the source, or (If-Match) of a target that is gone: then it is ours to make."""
        source = await self._source_head(task)
        if source is None:
            raise gone
        await refuse_another(self.source, self.target, task.source_ref, source)
        if last is not None:
            raise last
        return sent._replace(condition=ABSENT if sent.condition else None, pause=sent.condition in (ABSENT, None))

    async def _after_refusal(
        self, task: Task, request: CopyObject, sent: SendAgain, error: StoreError, *, first: bool
    ) -> SendAgain:
        """A clear no is believed at once: the next lesser form, where it may be for one of the conditions."""
        if isinstance(error, Rejected) and error.code in TOO_LARGE and task.source.size > 0:
            head = await self._source_head(task)
            if head is not None:
                as_listed(task, head)
        instead = sent.instead[1:] if first else sent.instead
        if not instead or error.refuses or not (isinstance(error, Unsupported) or self.conditions.doubtful(request)):
            raise error
        return sent._replace(form=instead[0], instead=instead[1:], pause=False)


class CopyBetweenSites(ServerSideCopy):
    """The same between two sites of one endpoint. What the target's credentials do not see as the source's do is taken
    by `relay`, which is told of once."""

    def __init__(self, parts: ServerParts, pause: Pause, relay: Callable[[], Carrier], listener: Listener) -> None:
        super().__init__(parts, pause)
        self._relay = relay
        self._listener = listener
        self._told: set[str] = set()

    async def carry(self, task: Task) -> Outcome:
        outcome = await super().carry(task)
        if outcome.code != ANOTHER:
            return outcome
        where = task.route.source.bucket_name
        if where not in self._told:
            self._told.add(where)
            self._listener(Notice(ANOTHER, PASSES.format(where)))
        done = await self._relay().carry(task._replace(upload=None))
        return done._replace(requests=done.requests + outcome.requests)
