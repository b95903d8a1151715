"""Listing so that no key is lost, in the way that fits what is known of the server.

Some servers go on wrongly with encoding-type=url (LocalStack 4.9 compares encoded keys with what to go on after, and
leaves special keys out of every page but the first), or encode in a way of their own ("+" left as it is, which stands
for a blank). A trial finds that out; who may not write, or has not tried, asks in both ways and compares.
"""

from __future__ import annotations

from engine.decorator import StoreDecorator
from engine.errors import AttemptError, ListingBroken, ObjectError
from engine.events import Listener, Notice
from engine.model import ObjectRef, Page
from engine.s3.request_xml import comes_back
from engine.sites.known import KnownTraits
from engine.sites.paging import TRIALS
from engine.sites.traits import Answer, Traits
from engine.store import HeadObject, ListPage, ObjectStore, head_or_none

LAST = "\U0010ffff"
"""Follows whatever a prefix may be followed by."""

MARKED = frozenset("+ %")
"""What a server may write in its own way where keys are encoded: a page without is the same for all of them."""


class Continued(str):
    """A server's token, with the key that its page begins after, which the token itself does not tell."""

    __slots__ = ("after",)
    after: str

    @classmethod
    def of(cls, token: str, after: str) -> Continued:
        made = cls(token)
        made.after = after
        return made


def listing_all(store: ObjectStore, known: KnownTraits, listener: Listener) -> ObjectStore:
    """`store`, listing each bucket so that nothing is lost, by what is `known` of it at that moment."""
    return store if known.trusted else SiteListings(store, known, listener)


class SiteListings(StoreDecorator):
    """Lists as it is where the server is known to go on rightly, without encoding where that is known to be the way,
    else compares: a page that begins after a key, or shows special ones, is asked for with encoding and without. Once
    the encoded one lacks keys that are there, three times over, it lists without, and says so.

    Raises `ListingBroken` where keys are lost either way."""

    def __init__(self, inner: ObjectStore, known: KnownTraits, listener: Listener) -> None:
        super().__init__(inner)
        self._known = known
        self._listener = listener
        self._plain: set[str] = set()
        self._told: set[str] = set()

    async def list_page(self, request: ListPage) -> Page:
        traits, token = self._known.known(request.bucket), request.token
        refuse_losing(traits, f"s3://{request.bucket}/{request.prefix}")
        after = request.start_after
        if isinstance(token, Continued):  # compared from its first page on
            request, after = request._replace(token=str(token)), token.after
        elif traits.listing.holds:
            return await super().list_page(request)
        elif traits.listing is Answer.NO and traits.listing_plain.holds:
            return await super().list_page(request._replace(plain=True))
        page = await (self._unencoded if request.bucket in self._plain else self._compared)(request, after)
        if page.next_token is None:
            return page
        return page._replace(next_token=Continued.of(page.next_token, _end(page, after)))

    async def _unencoded(self, request: ListPage, after: str) -> Page:
        """The page that begins after `after`, asked for without encoding."""
        return await super().list_page(request._replace(token=None, start_after=after, plain=True))

    async def _compared(self, request: ListPage, after: str) -> Page:
        """The encoded page, unless an unencoded one shows other keys. What comes or goes between the two does not
        differ three times."""
        always: frozenset[str] | None = None
        for _ in range(TRIALS):
            page = await super().list_page(request)
            if not after and not any(MARKED.intersection(name) for name in _names(page)):
                return page  # there is nothing to go on after, and nothing that encoding changes
            try:
                differing = await self._differing(request, after, page)
            except (AttemptError, ObjectError, ListingBroken):
                differing = None
            if differing is None:
                self._say(
                    "ListingNotCompared",
                    "whether this server's listings leave keys out could not be found out: they cannot be read without "
                    "encoding, or not from a key on",
                )
                return page
            always = differing if always is None else always & differing
            if not always:
                return page
        plain = await self._unencoded(request, after)
        await self._refuse_losing(page, plain, request, after)
        self._plain.add(request.bucket)
        self._say(
            "NotHonoured",
            "the server leaves special keys out of the second page of a listing, or shows them wrongly, where it is to "
            "encode them: it is listed without encoding, and a key that XML cannot carry ends the listing",
        )
        return plain

    async def _differing(self, request: ListPage, after: str, page: Page) -> frozenset[str] | None:
        """What is shown by this page, or by listings without encoding as far as it reaches, and not by both; None where
        some key cannot go without, or where the server ignores from where it is to list."""
        if not all(map(comes_back, _names(page))):
            return None
        shown = frozenset(_names(page))
        upto = None if page.next_token is None else _end(page, after)
        met: set[str] = set()
        while True:
            plain = await self._unencoded(request, after)
            if any(name <= after for name in _names(plain)):
                return None
            met.update(name for name in _names(plain) if upto is None or name <= upto)
            end = _end(plain, after)
            if plain.next_token is None or (upto is not None and end >= upto):
                return shown ^ met
            if end == after or not met <= shown:
                return frozenset(met - shown)
            after = end

    async def _refuse_losing(self, page: Page, plain: Page, request: ListPage, after: str) -> None:
        """Raise where what the encoded page shows is missing without encoding, and is there all the same."""
        upto = None if plain.next_token is None else _end(plain, after)
        there = frozenset(_names(plain))
        for name in _names(page):
            if name not in there and (upto is None or name <= upto) and await self._is_there(request, name):
                raise listing_loses(f"s3://{request.bucket}/{request.prefix}")

    async def _is_there(self, request: ListPage, name: str) -> bool:
        """Whether a key, or anything under a common prefix, exists by that name: one decoded wrongly does not."""
        if request.delimiter and name.endswith(request.delimiter):
            return bool((await super().list_page(ListPage(request.bucket, name, max_keys=1, plain=True))).objects)
        return await head_or_none(self, HeadObject(ObjectRef(request.bucket, name))) is not None

    def _say(self, code: str, message: str) -> None:
        if code not in self._told:
            self._told.add(code)
            self._listener(Notice(code, message))


def refuse_losing(traits: Traits, about: str) -> None:
    """Raise `ListingBroken` for a server that loses keys however it is listed, or lists them in an order of its own."""
    if traits.listing_ordered is Answer.NO:
        raise _broken("this server does not list keys in the order of their UTF-8 bytes", about)
    if traits.loses_keys:
        raise listing_loses(about)


def listing_loses(about: str) -> ListingBroken:
    """The error of a server that loses keys with encoding and without."""
    return _broken("this server leaves keys out of a listing, or shows them wrongly, with encoding and without", about)


def _broken(what: str, about: str) -> ListingBroken:
    return ListingBroken(
        f"{what}: nothing that it lists is known to be all.",
        operation="ListObjectsV2",
        ref=about,
        code="ListingBroken",
        advice="Use another server, or a newer version of it.",
    )


def _names(page: Page) -> list[str]:
    return [*(item.key for item in page.objects), *page.common_prefixes]


def _end(page: Page, after: str) -> str:
    """What the next page goes on after: the last key, or everything under the last prefix."""
    key = page.objects[-1].key if page.objects else after
    return max(key, page.common_prefixes[-1] + LAST) if page.common_prefixes else key
