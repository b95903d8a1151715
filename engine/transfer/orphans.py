"""Uploads that were created but whose id was lost, before it could be committed.

They are looked for at that exact key and since that time. One that can only be ours is aborted: it is alone at a key
that this plan writes, it began after our committed intent, and it holds no part, as ours cannot (parts are sent only
after the id is committed). Anything else is reported by name and left alone.

While nothing is known of the one, no other is begun there: of two, neither could be told from somebody else's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.errors import EngineError, NotFound
from engine.events import Listener, Notice
from engine.model import ObjectRef, UploadInfo, UploadRef
from engine.plan.record import UploadRecord
from engine.store import ListUploads, ObjectStore

CLOCK_SLACK = timedelta(minutes=2)
"""How far this machine's clock may be ahead of S3's, for "since that time"."""


class Orphans:
    """Looks for lost uploads through `store`, tells `listener` what it found."""

    def __init__(self, store: ObjectStore, listener: Listener) -> None:
        self._store = store
        self._listener = listener

    async def look_for(self, target: ObjectRef, intent: UploadRecord) -> None:
        """Find the upload that `intent` may have created. Leaves the ledger's record to the caller's next intent.

        Raises what kept that from being found out, once it is told: the record has to stay."""
        since = datetime.fromtimestamp(intent.intent_ms / 1000).astimezone() - CLOCK_SLACK
        try:
            uploads = await self._store.list_uploads(ListUploads(target.bucket, target.key))
        except EngineError as error:
            self._listener(
                Notice(
                    "OrphanUnknown",
                    f"an upload whose id was lost may be left at {target}, and cannot be looked for: {error}",
                )
            )
            raise
        found = [item for item in uploads if item.key == target.key and _began(item) >= since]
        if len(found) == 1:
            ref = UploadRef(target, found[0].upload_id)
            try:
                if not await self._store.list_parts(ref):
                    await self._store.abort_upload(ref)
                    self._listener(Notice("OrphanAborted", f"an upload whose id was lost was aborted at {target}"))
                    return
            except NotFound:
                return
            except EngineError as error:
                self.report(target, found[0].upload_id, str(error))
                raise
        for item in found:
            self.report(target, item.upload_id, "it may be ours, or someone else's")

    def report(self, target: ObjectRef, upload_id: str, why: str) -> None:
        """Name an upload that was left: it costs storage until someone aborts it."""
        self._listener(
            Notice(
                "OrphanedUpload",
                f"an unfinished upload is left at {target} (upload id {upload_id}, {why}); look at it and "
                f"abort it with: aws s3api abort-multipart-upload --bucket {target.bucket} --key … "
                f"--upload-id {upload_id}",
            )
        )


def _began(item: UploadInfo) -> datetime:
    return datetime.fromisoformat(item.initiated.replace("Z", "+00:00"))
