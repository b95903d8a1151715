"""What a copy is sent with: the pin on its source and the condition on its target, as far as the server can do them.

A server that ignores a condition is sent it all the same. One that refuses it (501, or 412 while both sides are as they
were) is not sent it again, which is said, and kept for the next run. Whatever was copied without a pin that is known to
hold is listed again after the copies.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.errors import NotFound, PreconditionFailed, Rejected, Unsupported
from engine.events import Listener, Notice
from engine.model import ABSENT, ObjectHead, ObjectRef, UploadedPart
from engine.sites.known import KnownTraits
from engine.sites.traits import WORDS, Answer
from engine.store import CopyObject, CopyPart, HeadObject, ObjectStore, head_or_none

UNGUARDED = (
    "the server refuses {}: copies go on without, and what someone else writes to a target between the look at it and "
    "its copy is overwritten"
)
UNPINNED = (
    "the server refuses {}: copies go on without, and the sources are listed again afterwards, which finds what "
    "changed meanwhile"
)


class Form(NamedTuple):
    """Which of its two conditions a copy is sent with."""

    pinned: bool
    guarded: bool


FULL, WITHOUT_PIN, WITHOUT_GUARD, BARE = Form(True, True), Form(False, True), Form(True, False), Form(False, False)
FORMS = {
    FULL: (FULL, WITHOUT_PIN, WITHOUT_GUARD, BARE),
    WITHOUT_PIN: (WITHOUT_PIN, BARE),
    WITHOUT_GUARD: (WITHOUT_GUARD, BARE),
    BARE: (BARE,),
}
"""How a copy is sent, and how instead once a condition was refused, the safest first: what changed in a source is found
afterwards, what was overwritten in a target is not."""


class Conditions:
    """What is known of pins at the `source` and of conditions at the `target` of one carrier, both of one endpoint.
    `guarded` False leaves conditions on targets out.

    `unpinned` are the source buckets of which something was copied without a pin that is known to hold; `refused` are
    the traits that this run found out to be refused, by bucket."""

    def __init__(self, source: KnownTraits, target: KnownTraits, listener: Listener, *, guarded: bool) -> None:
        self._source = source
        self._target = target
        self._listener = listener
        self._guarded = guarded
        self.unpinned: set[str] = set()
        self.refused: dict[str, set[str]] = {}

    def pin(self, operation: Literal["copy", "part"], bucket: str, etag: str) -> str | None:
        """The source's ETag to send with a copy from `bucket`, or None."""
        answer = self._answer(self._source, bucket, _pin_trait(operation, etag))
        if answer is not Answer.YES or not etag:
            self.unpinned.add(bucket)
        return None if answer is Answer.REFUSED else etag or None

    def target(self, operation: Literal["copy", "put", "complete"], bucket: str, wanted: str) -> str | None:
        """The condition to send for the one that is wanted of a target in `bucket`."""
        refused = self._answer(self._target, bucket, _target_trait(operation, wanted)) is Answer.REFUSED
        return wanted if self._guarded and not refused else None

    def doubtful(self, copy: CopyObject) -> bool:
        """Whether one of the conditions that a copy bears is not known to hold, so that a 400 may be for it."""
        pin, wanted = copy.source_etag, copy.target_condition
        if pin is not None and not self._answer(self._source, copy.source.bucket, _pin_trait("copy", pin)).holds:
            return True
        trait = _target_trait("copy", wanted or "")
        return wanted is not None and not self._answer(self._target, copy.target.bucket, trait).holds

    def refuse_pin(self, operation: Literal["copy", "part"], bucket: str, etag: str) -> None:
        """The server took a copy without its pin, and not with it: send none of this kind from now on."""
        self.unpinned.add(bucket)
        self._refuse(bucket, _pin_trait(operation, etag), "SourceUnpinned", UNPINNED)

    def refuse_target(self, operation: Literal["copy", "put", "complete"], bucket: str, wanted: str) -> None:
        """The same of a condition on the target."""
        self._refuse(bucket, _target_trait(operation, wanted), "TargetUnguarded", UNGUARDED)

    async def remember(self) -> None:
        """Have what was refused known to the next command."""
        for known in {id(known): known for known in (self._source, self._target)}.values():
            for bucket, refused in self.refused.items():
                await known.learn(bucket, refused)

    def _answer(self, known: KnownTraits, bucket: str, trait: str) -> Answer:
        if self.refused and trait in self.refused.get(bucket, ()):
            return Answer.REFUSED
        answer: Answer = getattr(known.known(bucket), trait)
        return answer

    def _refuse(self, bucket: str, trait: str, code: str, words: str) -> None:
        found = self.refused.setdefault(bucket, set())
        if trait not in found:
            found.add(trait)
            self._listener(Notice(code, words.format(WORDS[trait])))


async def copy_part(
    source: ObjectStore, target: ObjectStore, conditions: Conditions, request: CopyPart
) -> UploadedPart:
    """Copy one part, pinned by the ETag that `request` bears. A pin that is refused while the source is as it was is
    left out from then on. Raises what the stores raise."""
    bucket, etag = request.source.bucket, request.source_etag or ""
    pin = conditions.pin("part", bucket, etag)
    if pin is None:
        return await target.copy_part(request._replace(source_etag=None))
    for _ in range(2):  # a 412 that nothing explains is met twice before it counts
        try:
            return await target.copy_part(request)
        except (NotFound, PreconditionFailed, Unsupported) as error:
            head = await head_or_none(source, HeadObject(request.source))
            if head is None or head.etag != etag:
                raise
            await refuse_another(source, target, request.source, head)
            if isinstance(error, NotFound):  # of the upload
                raise
    done = await target.copy_part(request._replace(source_etag=None))
    conditions.refuse_pin("part", bucket, etag)
    return done


ANOTHER = "AnotherBucket"
"""A word of ours: the target's credentials are shown another bucket under the source's name."""


async def refuse_another(source: ObjectStore, target: ObjectStore, ref: ObjectRef, head: ObjectHead) -> None:
    """Where a copy was refused for its source, which is as it was: raise `Rejected` (code `ANOTHER`) if the target's
    side sees another object there, as where two accounts of an endpoint have buckets of one name."""
    if source is target:
        return
    seen = await head_or_none(target, HeadObject(ref))
    if seen is None or seen.etag != head.etag:
        said = "with the target's credentials that is another bucket of the same name: its server would copy from there"
        raise Rejected(said, operation=CopyObject.operation, ref=str(ref), code=ANOTHER)


def _pin_trait(operation: str, etag: str) -> str:
    return f"{operation}_pins_parts" if "-" in etag else f"{operation}_pins"


def _target_trait(operation: str, wanted: str) -> str:
    if operation == "complete":
        return "complete_guarded"
    return f"{operation}_if_absent" if wanted == ABSENT else f"{operation}_if_match"
