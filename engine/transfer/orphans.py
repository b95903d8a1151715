"""Uploads that were created but whose id was lost, before it could be committed.

They are looked for at that exact key and since that time, by the server's clock: it dates uploads, and this machine's
may be wrong. One that can only be ours is aborted: it is alone at a key that this plan writes, it began after our
committed intent, and it holds no part, as ours cannot (parts are sent only after the id is committed). Anything else is
reported by name and left alone. Where nothing is found, that is said: perhaps none was created, perhaps one will be, by
a killed process's request that is still on its way. So it is looked for again once the object's own upload has ended.

While nothing is known of the one, no other is begun there: of two, neither could be told from somebody else's.
"""

from __future__ import annotations

from contextlib import suppress

from engine.errors import EngineError, NotFound, Throttled, TooLate, Unavailable
from engine.events import Listener, Notice
from engine.freshness import LOOK_LASTS_S, dated, only_until
from engine.model import ObjectRef, UploadInfo, UploadRef
from engine.plan.record import UploadRecord
from engine.plan.shell import shell_word
from engine.plan.sizes import moment_ms
from engine.store import AbortUpload, ListParts, ListUploads, ObjectStore

SERVER_SLACK_MS = 10_000
"""How much too late an intent may be dated by the server's clock: header times are whole seconds, and one server's
machines are not of one second."""

CLOCK_SLACK_MS = 2 * 60_000
"""How far this machine's clock may be ahead, where nothing else dates an intent, for an upload to be surely ours."""

WRONG_CLOCK_MS = 16 * 60_000
"""How far it may be ahead at most: beyond a quarter of an hour S3 takes no signature (RequestTimeTooSkewed)."""

LOOKS = 5
"""How often an upload is looked at to be aborted before S3 counts as too slow for it."""


class Orphans:
    """Looks for lost uploads through `store`, tells `listener` what it found."""

    def __init__(self, store: ObjectStore, listener: Listener) -> None:
        self._store = store
        self._listener = listener
        self._unseen: dict[ObjectRef, UploadRecord] = {}

    async def look_again(self, target: ObjectRef) -> None:
        """Find what was not there at the first look. The caller has no upload under way there."""
        intent = self._unseen.pop(target, None)
        if intent is not None:
            with suppress(EngineError):  # it is told
                await self._look(target, intent)

    async def look_for(self, target: ObjectRef, intent: UploadRecord) -> None:
        """Find the upload that `intent` may have created. Leaves the ledger's record to the caller's next intent.

        Raises what kept that from being found out, once it is told: the record has to stay."""
        if not await self._look(target, intent):
            self._unseen[target] = intent
            self._listener(Notice("OrphanNotFound", _NOT_FOUND.format(target, target.bucket, shell_word(target.key))))

    async def _look(self, target: ObjectRef, intent: UploadRecord) -> bool:
        """Whether any was found."""
        surely_ms, perhaps_ms = _since(intent)
        for attempt in range(1, LOOKS + 1):
            found, sent_at = await dated(self._begun(target, perhaps_ms))
            if len(found) != 1 or not _began_since(surely_ms, found[0]):
                break
            ref = UploadRef(target, found[0].upload_id)
            try:
                if await self._store.list_parts(ListParts(ref)):
                    break
                await only_until(sent_at + LOOK_LASTS_S, self._store.abort_upload(AbortUpload(ref)))
            except NotFound:
                return True
            except (TooLate, Throttled, Unavailable) as error:  # certainly not aborted: look again
                if attempt == LOOKS:
                    self.report(target, found[0].upload_id, str(error))
                    raise
            except EngineError as error:
                self.report(target, found[0].upload_id, str(error))
                raise
            else:
                self._listener(Notice("OrphanAborted", f"an upload whose id was lost was aborted at {target}"))
                return True
        for item in found:
            self.report(target, item.upload_id, "it may be ours, or someone else's")
        return bool(found)

    async def _begun(self, target: ObjectRef, perhaps_ms: int) -> list[UploadInfo]:
        """The uploads of that key that may have begun since; what keeps that from being found out is told."""
        try:
            uploads = await self._store.list_uploads(ListUploads(target.bucket, target.key))
        except EngineError as error:
            said = f"an upload whose id was lost may be left at {target}, and cannot be looked for: {error}"
            self._listener(Notice("OrphanUnknown", said))
            raise
        return [item for item in uploads if item.key == target.key and _began_since(perhaps_ms, item) is not False]

    def report(self, target: ObjectRef, upload_id: str, why: str) -> None:
        """Name an upload that was left: it costs storage until someone aborts it."""
        self._listener(
            Notice(
                "OrphanedUpload",
                f"an unfinished upload is left at {target} (upload id {upload_id}, {why}); look at it and "
                f"abort it with: aws s3api abort-multipart-upload --bucket {target.bucket} "
                f"--key {shell_word(target.key)} --upload-id {shell_word(upload_id)}",
            )
        )


_NOT_FOUND = (
    "an upload was about to be begun at {} when its answer was lost, and none is listed there: most likely there never "
    "was one; look again with: aws s3api list-multipart-uploads --bucket {} --prefix {}"
)


def _since(intent: UploadRecord) -> tuple[int, int]:
    """Since when an upload is surely ours, and since when it may be."""
    if intent.server_ms:
        return intent.server_ms - SERVER_SLACK_MS, intent.server_ms - SERVER_SLACK_MS
    return intent.intent_ms - CLOCK_SLACK_MS, intent.intent_ms - WRONG_CLOCK_MS


def _began_since(since_ms: int, item: UploadInfo) -> bool | None:
    """Whether an upload began then or later; None where its date cannot be read."""
    began_ms = moment_ms(item.initiated)
    return None if began_ms is None else began_ms >= since_ms
