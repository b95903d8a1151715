"""Trying out how a server lists: whether objects of our own are all shown, by their names, in order, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from engine.errors import AttemptError, ListingBroken, ObjectError
from engine.model import ObjectRef, Page
from engine.store import ListPage, ObjectStore

TRIALS = 3
"""How often something has to go wrong before it is called a server's habit."""

PAGE_KEYS = 2
"""Keys a page while our own objects are listed, so that there are pages to go on from."""


class Listed(NamedTuple):
    """How our own objects came out of a listing. None: that could not be found out."""

    exact: bool | None
    ordered: bool | None


async def as_listed(
    store: ObjectStore, probe: ObjectRef, keys: Sequence[str], unsure: Collection[str] = (), *, plain: bool
) -> Listed:
    """How `keys`, which are in key order, and all there is under `probe`, are listed: `plain`, or with encoding. Those
    that are `unsure` may be there as well, or come.

    A no is asked for anew: one page that came wrong says nothing."""
    found = Listed(None, None)
    for _ in range(TRIALS):
        found = await _list_once(store, ListPage(probe.bucket, probe.key, plain=plain), keys, unsure)
        if False not in found:
            break
    return found


async def _list_once(store: ObjectStore, page: ListPage, keys: Sequence[str], unsure: Collection[str]) -> Listed:
    """Whether one page shows the keys, in order, and smaller pages go on to each of them."""

    def shown_by(answer: Page) -> list[str]:
        return [item.key for item in answer.objects if item.key not in unsure]

    try:
        shown = shown_by(await store.list_page(page))
        if sorted(shown) != list(keys):
            return Listed(False, None)
        ordered = shown == list(keys)
        met: list[str] = []
        token: str | None = None
        for _ in range(len(keys) + len(unsure)):
            answer = await store.list_page(page._replace(token=token, max_keys=PAGE_KEYS))
            met += shown_by(answer)
            if answer.next_token is not None and answer.next_token == token:
                return Listed(None, ordered)  # a listing that is broken, and no habit of losing keys
            token = answer.next_token
            if token is None:
                break
        after = shown_by(await store.list_page(page._replace(start_after=shown[1])))
    except (ObjectError, AttemptError, ListingBroken):
        return Listed(None, None)
    # A listing in another order goes on in that order: what it shows is not its fault.
    return Listed((met, after) == (shown, shown[2:]), ordered)
