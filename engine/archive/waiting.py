"""What a ledger has set aside as archived, looked at again: what is back, on its way, or not asked for.

A listing tells it of a thousand keys at once, from one that waits to the next; INTELLIGENT_TIERING by a HEAD each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engine.archive.finding import heads_of
from engine.errors import StoreError
from engine.ledger import Ledger
from engine.model import ListedObject, Location
from engine.plan.decide import archived_words
from engine.plan.lifecycle import State
from engine.plan.order import just_before
from engine.plan.record import ObjectRecord, Outcome
from engine.plan.retrieval import ARCHIVE_CLASSES, TIERED, UNDER_WAY, Standing, standing_of
from engine.plan.route import Route
from engine.plan.shards import Piece
from engine.store import ListPage, ObjectStore, StoreOf

FEW = 8
"""So few keys are asked for one by one."""
SHORTEST_S, LONGEST_S = 60.0, 900.0


def pause_s(waited_s: float) -> float:
    """How long to wait before the next look: a minute while an expedited restore may be due, a tenth of what was waited
    so far, and a quarter of an hour at most."""
    return min(LONGEST_S, max(SHORTEST_S, waited_s / 10))


@dataclass(slots=True)
class Waiting:
    """How what was archived stands: `under_way` and `unasked` objects (also those of which S3 does not tell it); `back`
    are ranges of keys in which `ready` ones can be read now, or are gone."""

    under_way: int = 0
    unasked: int = 0
    ready: int = 0
    back: list[Piece] = field(default_factory=list)


async def look(store_of: StoreOf, ledger: Ledger, routes: Sequence[Route], *, tiered_alone: bool = False) -> Waiting:
    """Look at all of it, or at what is in INTELLIGENT_TIERING, of which no listing tells. What the ledger says of each
    follows. Raises what listings and the ledger raise, and errors of scope `run`."""
    waiting = Waiting()
    for route in routes:
        if route.source.is_local:
            continue
        async for records in ledger.records(route.name, {State.ARCHIVED}):
            wanted = [item for item in records if item.storage_class == TIERED] if tiered_alone else records
            await _look_at(store_of(route.source), ledger, route, wanted, waiting)
    return waiting


async def _look_at(
    store: ObjectStore, ledger: Ledger, route: Route, records: Sequence[ObjectRecord], waiting: Waiting
) -> None:
    bucket, cut = route.source.bucket, len(route.source.key)
    by_key = {f"{route.source.key}{item.key}": item for item in records}
    tiered = [key for key, item in by_key.items() if item.storage_class == TIERED]
    told = [key for key, item in by_key.items() if item.storage_class != TIERED]
    heads = await heads_of(store, bucket, tiered)
    listed = await _listed(store, route.source, told, heads.unseen)
    back: list[str] = []
    outcomes: list[Outcome] = []
    for key, record in by_key.items():
        if key in heads.unseen:
            waiting.unasked += 1
            continue
        kind, restore = "", ""
        if (item := listed.get(key)) is not None:
            kind, restore = item.storage_class if item.storage_class in ARCHIVE_CLASSES else "", item.restore
        elif (head := heads.there.get(key)) is not None:
            kind, restore = head.archive_status, head.restore
        standing = standing_of(kind, restore)
        if standing is Standing.READABLE:
            back.append(key[cut:])
            continue
        is_under_way = standing is Standing.UNDER_WAY
        waiting.under_way += is_under_way
        waiting.unasked += not is_under_way
        if is_under_way is not (record.code == UNDER_WAY):
            words = archived_words(kind or record.storage_class, under_way=is_under_way)
            outcomes.append(Outcome.seen(record.key, State.ARCHIVED, "", *words))
    if outcomes:
        await ledger.conclude(route.name, outcomes)
    waiting.ready += len(back)
    waiting.back += _pieces(route, [item.key for item in records], set(back))


async def _listed(
    store: ObjectStore, source: Location, keys: Sequence[str], unseen: dict[str, StoreError]
) -> dict[str, ListedObject]:
    """Those of the keys, in order, that are there; what could not be looked at is put into `unseen`."""
    bucket = source.bucket
    found: dict[str, ListedObject] = {}
    left = list(keys)
    while left:
        if len(left) <= FEW:
            now, left = left, []
        else:
            now, left = left[:1], left[1:]
        heads = await heads_of(store, bucket, now)
        unseen |= heads.unseen
        for key, head in heads.there.items():
            carried = head.properties.storage_class
            found[key] = ListedObject(key, head.size, head.etag, head.modified, carried, restore=head.restore)
        if not left:
            break
        page = await store.list_page(ListPage(bucket, source.key, now[0]))  # which begins after a key, never at it
        end = page.objects[-1].key if page.objects and page.next_token is not None else None
        wanted = set(left)
        found |= {item.key: item for item in page.objects if item.key in wanted}
        left = [key for key in left if end is not None and key > end]
    return found


def _pieces(route: Route, keys: Iterable[str], back: set[str]) -> list[Piece]:
    """The ranges that hold what is back, and none of what waits between."""
    if not route.source.is_prefix:
        return [Piece(route.name)] if back else []
    pieces: list[Piece] = []
    goes_on = False
    for key in keys:
        if key in back:
            piece = pieces.pop()._replace(upto=key) if goes_on else Piece(route.name, just_before(key), key)
            pieces.append(piece)
        goes_on = key in back
    return pieces
