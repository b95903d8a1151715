"""Listing a server of which nothing is known, so that no key is lost: read-only, by comparing.

Some servers go on wrongly with encoding-type=url (LocalStack 4.9 compares encoded keys with what to go on after, and
leaves special keys out of every page but the first). A run tries that out on objects of its own and notes it; who may
not write, or has no notes, asks for each page but the first in both ways.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.errors import AttemptError, ListingBroken, ObjectError
from engine.events import Listener, Notice
from engine.model import Page
from engine.s3.request_xml import fits_xml
from engine.store import ListPage, ObjectStore, StoreDecorator
from engine.transfer.honours import TRIALS, Honours, as_listed

Request = TypeVar("Request")
Answer = TypeVar("Answer")

LAST = "\U0010ffff"
"""Follows whatever a prefix may be followed by."""


def listing_all(
    store: ObjectStore, honours: Honours | None, listener: Listener, *, trusted: bool = False
) -> ObjectStore:
    """`store`, listing so that nothing is lost: as it is where the server is `trusted` (AWS) or known to go on rightly,
    without encoding where that is known to be the way, else compared page by page."""
    if trusted or (honours is not None and honours.listing_continues):
        return store
    listed = as_listed(store, honours)
    return ComparedListings(store, listener) if listed is store else listed


class ComparedListings(StoreDecorator):
    """Asks for every page but the first with encoding and without. Once the encoded one lacks keys that are there,
    three times over, it lists without, and says so.

    Raises `ListingBroken` where keys are lost either way."""

    def __init__(self, inner: ObjectStore, listener: Listener) -> None:
        super().__init__(inner)
        self._listener = listener
        self._plain = False
        self._told: set[str] = set()

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        return await method(request)

    async def list_page(self, request: ListPage) -> Page:
        after = request.start_after
        if request.token is not None:
            after, token = _read_token(request.token)
            request = request._replace(token=token)
        if self._plain:
            page = await self._unencoded(request, after)
        elif after:
            page = await self._compared(request, after)
        else:  # there is nothing to go on after
            page = await super().list_page(request)
        if page.next_token is None:
            return page
        return page._replace(next_token=_token(_end(page, after), page.next_token))

    async def _unencoded(self, request: ListPage, after: str) -> Page:
        return await super().list_page(request._replace(token=None, start_after=after, plain=True))

    async def _compared(self, request: ListPage, after: str) -> Page:
        """The encoded page, unless it lacks what an unencoded one shows. What comes or goes between the two is not
        missed three times."""
        always: frozenset[str] | None = None
        for _ in range(TRIALS):
            page = await super().list_page(request)
            try:
                lost = await self._lost(request, after, page)
            except (AttemptError, ObjectError, ListingBroken):
                lost = None
            if lost is None:
                self._say(
                    "ListingNotCompared",
                    "whether this server's listings leave keys out could not be found out: they cannot be read without "
                    "encoding, or not from a key on",
                )
                return page
            always = lost if always is None else always & lost
            if not always:
                return page
        plain = await self._unencoded(request, after)
        _refuse_losing(page, plain, request, after)
        self._plain = True
        self._say(
            "NotHonoured",
            "the server leaves special keys out of the second page of a listing (it compares them encoded): it is "
            "listed without encoding, and a key that XML cannot carry ends the listing",
        )
        return plain

    async def _lost(self, request: ListPage, after: str, page: Page) -> frozenset[str] | None:
        """What listings without encoding show, as far as this page reaches, and it does not; None where some key
        cannot go without, or where the server ignores from where it is to list."""
        if not all(fits_xml(name) and "\r" not in name for name in _names(page)):  # a raw one is read as "\n"
            return None
        shown = frozenset(_names(page))
        upto = None if page.next_token is None else _end(page, after)
        while True:
            plain = await self._unencoded(request, after)
            if any(name <= after for name in _names(plain)):
                return None
            lost = frozenset(name for name in _names(plain) if name not in shown and (upto is None or name <= upto))
            end = _end(plain, after)
            if lost or plain.next_token is None or end == after or (upto is not None and end >= upto):
                return lost
            after = end

    def _say(self, code: str, message: str) -> None:
        if code not in self._told:
            self._told.add(code)
            self._listener(Notice(code, message))


def _refuse_losing(page: Page, plain: Page, request: ListPage, after: str) -> None:
    """Raise where what the encoded page shows is missing without encoding."""
    upto = None if plain.next_token is None else _end(plain, after)
    there = frozenset(_names(plain))
    if all(name in there for name in _names(page) if upto is None or name <= upto):
        return
    raise ListingBroken(
        "this server leaves keys out of the second page of a listing, with encoding and without: nothing that it lists "
        "is known to be all.",
        operation="ListObjectsV2",
        ref=f"s3://{request.bucket}/{request.prefix}",
        code="ListingBroken",
        advice="Use another server, or a newer version of it.",
    )


def _names(page: Page) -> list[str]:
    return [*(item.key for item in page.objects), *page.common_prefixes]


def _end(page: Page, after: str) -> str:
    """What the next page goes on after: the last key, or everything under the last prefix."""
    key = page.objects[-1].key if page.objects else after
    return max(key, page.common_prefixes[-1] + LAST) if page.common_prefixes else key


def _token(after: str, token: str) -> str:
    """The server's token with what it goes on after, which the token itself does not tell."""
    return f"{len(after)}:{after}{token}"


def _read_token(text: str) -> tuple[str, str]:
    length, _, rest = text.partition(":")
    return rest[: int(length)], rest[int(length) :]
