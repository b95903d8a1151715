"""Servers that lack a thing which the engine can do without: it is left off once it is refused.

Some servers answer 400 or 501 to a header that they do not know, where others leave it aside (Backblaze B2 to
`x-amz-checksum-mode` on HEAD, Cloudflare R2 to object tags). `OPTIONAL` names what a request can go without: when a
request that carries it is refused, it is sent again without, and if that succeeds nothing of the kind is sent to this
server again. What the server took once is the object's own trouble when it is refused later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import Any, NamedTuple

from engine import store
from engine.decorator import Method, StoreDecorator
from engine.errors import Ambiguous, ObjectError, Rejected, StoreError, Unsupported
from engine.events import Listener, Notice, ignore
from engine.model import UNKNOWN_SIZE, ObjectHead, ObjectLock, ObjectRef
from engine.sites.patience import OTHERWISE
from engine.store import Answered, Asked, ObjectStore, Request

NO_TAGS = "NoTags"
"""`Unsupported.code` where the server has no object tags at all."""
TAGS_UNREADABLE = "TagsUnreadable"
"""`Rejected.code` where the server answers something else when it is asked for tags."""
LOCK_UNREADABLE = "LockUnreadable"
"""The same of a retention or a legal hold."""

REFUSALS = frozenset(
    {
        *("400", "405", "501", "BadRequest", "InvalidArgument", "InvalidHeader", "InvalidRequest"),
        *("InvalidStorageClass", "InvalidURI", "MalformedHeader", "MethodNotAllowed", "NotImplemented", "NotSupported"),
        *("UnknownParameter", "UnsupportedArgument", "UnsupportedHeader", "UnsupportedOperation", "XNotImplemented"),
    }
)
"""The codes by which servers say that they do not know a header or a thing; the status where they give no code."""
FOLDERS = 4_096
"""Of how many folders it is kept that HEAD shows what is locked there."""


class Optional(NamedTuple):
    """Something that a request can go without. `sends`: whether this request carries it; `without`: the same request
    without. `careful`: left off only where S3's own refusals cannot be meant (`InvalidRequest` is what S3 says where
    the checksum or the size of an upload is not the one that was sent ahead). `said` is what follows from its lack."""

    of: type[Request]
    header: str
    sends: Callable[[Any], bool]
    without: Callable[[Any], Any]
    said: str
    careful: bool = False


NO_CHECKSUMS = "S3's checksums are not asked for: proof rests on ETags, or on reading the bytes"
NO_CLASSES = "every object has the server's one storage class"


def _fields(of: type[Request], header: str, said: str, *, careful: bool = False, **nothing: Any) -> Optional:
    """What a request goes without by these values of its fields."""
    values = attrgetter(*nothing)
    none = tuple(nothing.values()) if len(nothing) > 1 else next(iter(nothing.values()))
    return Optional(of, header, lambda it: values(it) != none, lambda it: it._replace(**nothing), said, careful)


OPTIONAL = (
    _fields(store.HeadObject, "x-amz-checksum-mode", NO_CHECKSUMS, checksums=False),
    _fields(
        store.ListPage, "x-amz-optional-object-attributes", "what is in an archive class counts as not restored",
        restore_status=False,
    ),
    _fields(store.CopyObject, "x-amz-checksum-algorithm", NO_CHECKSUMS, checksum_algorithm=""),
    Optional(
        store.CopyObject, "x-amz-storage-class",
        lambda it: it.storage_class == "STANDARD", lambda it: it._replace(storage_class=""),
        NO_CLASSES,
    ),
    Optional(
        store.CopyObject, "x-amz-tagging-directive",
        lambda it: it.replace_tags == (), lambda it: it._replace(replace_tags=None),
        "there are no object tags to drop",
    ),
    _fields(
        store.CreateUpload, "x-amz-checksum-algorithm", NO_CHECKSUMS, checksum_algorithm="", checksum_type=""
    ),
    Optional(
        store.CreateUpload, "x-amz-storage-class",
        lambda it: it.properties.storage_class == "STANDARD",
        lambda it: it._replace(properties=it.properties._replace(storage_class="")),
        NO_CLASSES,
    ),
    _fields(store.CompleteUpload, "x-amz-checksum-type", NO_CHECKSUMS, careful=True, checksum=None),
    _fields(
        store.CompleteUpload, "x-amz-mp-object-size", "the size of an upload is compared after it", careful=True,
        size=None,
    ),
    _fields(store.GetRange, "x-amz-checksum-mode", NO_CHECKSUMS, checksums=False),
    _fields(store.UploadPart, "x-amz-sdk-checksum-algorithm", NO_CHECKSUMS, checksum=None),
    _fields(
        store.PutObject, "x-amz-sdk-checksum-algorithm", NO_CHECKSUMS, checksum_algorithm="", checksum=None
    ),
)  # fmt: skip


class ToleratingStore(StoreDecorator):
    """A store that gets on with servers which lack a thing. What is found out counts for all buckets of the endpoint,
    and is said once."""

    def __init__(self, inner: ObjectStore, listener: Listener = ignore) -> None:
        super().__init__(inner)
        self._listener = listener
        self._open: dict[type[Request], list[Optional]] = defaultdict(list)  # neither taken nor refused so far
        self._refused: dict[type[Request], list[Optional]] = defaultdict(list)
        for item in OPTIONAL:
            self._open[item.of].append(item)
        self._no_tags: StoreError | None = None
        self._reads_tags = False
        self._without_lock: set[tuple[str, str]] = set()
        self._tells_locks: set[tuple[str, str]] = set()
        self._shows_locks: set[tuple[str, str, str]] = set()
        self._said: set[str] = set()

    def _call(self, method: Method[Asked, Answered], request: Asked) -> Coroutine[Any, Any, Answered]:
        kind = type(request)
        for item in self._refused.get(kind, ()):
            if item.sends(request):
                request = item.without(request)
        suspects = [item for item in self._open.get(kind, ()) if item.sends(request)]
        return self._tried(method, request, suspects) if suspects else method(request)

    async def _tried(self, method: Method[Asked, Answered], request: Asked, suspects: list[Optional]) -> Answered:
        try:
            answer = await method(request)
        except (Rejected, Unsupported) as error:
            return await self._without(method, request, suspects, error)
        kind = type(request)
        self._open[kind] = [item for item in self._open[kind] if item not in suspects]
        return answer

    async def _without(
        self, method: Method[Asked, Answered], request: Asked, suspects: list[Optional], error: ObjectError
    ) -> Answered:
        """Send a refused request again without what may have been the reason: what the refusal names before all else.
        Raises the first refusal where that is not it."""
        named = [item for item in suspects if item.header in error.message.lower()]
        if error.refuses and not named:  # what no request goes without
            raise error
        left_off: list[Optional] = []
        for item in named or suspects:
            if error.code not in REFUSALS or (item.careful and error.code == "InvalidRequest"):
                continue
            request = item.without(request)
            left_off.append(item)
            try:
                answer = await method(request)
            except (Rejected, Unsupported):
                continue
            for item in left_off:
                self._leave_off(item, error)
            return answer
        raise error

    def _leave_off(self, item: Optional, error: ObjectError) -> None:
        if item in self._open[item.of]:
            self._open[item.of].remove(item)
            self._refused[item.of].append(item)
            self._say(f"the server refuses {item.header} ({error.code}): {item.said}", item.said)

    def _say(self, text: str, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._listener(Notice("LeftOff", text))

    async def head_object(self, request: store.HeadObject) -> ObjectHead:
        """HEAD; where its answer has no length, the listing's counts. Of a part no listing tells it."""
        head = await super().head_object(request)
        if head.size != UNKNOWN_SIZE or request.part_number is not None:
            return head
        ref = request.ref
        page = await self.list_page(store.ListPage(ref.bucket, ref.key, max_keys=1))
        listed = page.objects[0] if page.objects else None
        if listed is None or listed.key != ref.key or (listed.etag != head.etag and listed.etag and head.etag):
            said = "HEAD says no length, and the listing shows another object by now"
            raise Ambiguous(said, operation="HeadObject", ref=str(ref), code="NoLength")
        return head._replace(size=listed.size)

    async def get_tags(self, request: store.GetTags) -> tuple[tuple[str, str], ...]:
        """The tags. A server that has none, or answers something else, is asked once.

        Raises `Unsupported` (code `NO_TAGS`) and `Rejected` (code `TAGS_UNREADABLE`) for these; a refusal that is about
        this object or these credentials as it is."""
        if self._no_tags is not None:
            raise _again(self._no_tags, request.ref)
        try:
            tags = await self._inner.get_tags(request)
        except (Rejected, Unsupported) as error:
            if self._reads_tags or error.code not in REFUSALS:
                raise
            said = f"this server has no object tags ({error.code})"
            self._no_tags = Unsupported(said, operation=request.operation, code=NO_TAGS)
            self._say(f"the server has no object tags ({error.code}): there are none to lose", NO_TAGS)
            raise _again(self._no_tags, request.ref) from error
        except Ambiguous as error:
            if self._reads_tags or error.code not in OTHERWISE:
                raise
            said = f"this server answers something else when it is asked for an object's tags: {error.message}"
            self._no_tags = Rejected(said, operation=request.operation, code=TAGS_UNREADABLE)
            raise _again(self._no_tags, request.ref) from error
        self._reads_tags = True
        return tags

    async def get_retention(self, request: store.GetRetention) -> ObjectLock | None:
        """As `_of_lock`."""
        return await self._of_lock(self._inner.get_retention, request, None)

    async def get_legal_hold(self, request: store.GetLegalHold) -> bool:
        """As `_of_lock`."""
        return await self._of_lock(self._inner.get_legal_hold, request, False)

    async def _of_lock(self, method: Method[Any, Answered], request: store.OfLock, nothing: Answered) -> Answered:
        """What is asked, or `nothing`: of a bucket without Object Lock, on a server that has no such thing, and where
        HEAD shows none and its silence was found to be true of another object of the same folder. Policies allow by
        prefix: who may see the locks of one folder need not see those of the next. Within a folder they are taken to
        be allowed alike. What a bucket has told of one object is the other's own trouble when it is refused later.

        Raises `Rejected` (code `LOCK_UNREADABLE`) for an answer that is something else."""
        asked = request.operation, request.bucket
        folder = *asked, request.ref.key.rpartition("/")[0]
        if asked in self._without_lock or (request.unseen and folder in self._shows_locks):
            return nothing
        try:
            found = await method(request)
        except (Rejected, Unsupported) as error:
            if error.code not in REFUSALS or asked in self._tells_locks:
                raise
            self._without_lock.add(asked)
            return nothing
        except Ambiguous as error:
            if error.code not in OTHERWISE:
                raise
            said = f"this server answers something else when it is asked what is locked: {error.message}"
            advice = 'properties = { lock = "drop" } on the route leaves locks out.'
            about = {"operation": request.operation, "ref": str(request.ref), "code": LOCK_UNREADABLE}
            raise Rejected(said, advice=advice, **about) from error
        self._tells_locks.add(asked)
        if request.unseen and not found:
            if len(self._shows_locks) >= FOLDERS:
                self._shows_locks.clear()
            self._shows_locks.add(folder)
        return found


def _again(error: StoreError, ref: ObjectRef) -> StoreError:
    return type(error)(error.message, operation=error.operation, ref=str(ref), code=error.code)
