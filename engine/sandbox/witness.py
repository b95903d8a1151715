"""Between the sandbox's rules and the judge: tells of every change and every look in the buckets that are watched.

It stands where objects are kept, and not where requests are read: whatever way a key comes to hold something else (a
copy, a part of a batch, a fault, somebody at the control port), the judge hears of it with what the key held before. A
sandbox that nobody judges has none of this.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_plus

from engine.model import ObjectRef
from engine.sandbox import bodies
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.judge import Change, Claim, Held, Judge, Look, Shown, Side
from engine.sandbox.records import Account, Keys, StoredObject

_ACCESS_KEY = re.compile(r"Credential=([^/,\s]+)/").search
_KEY = re.compile(rb"<Contents><Key>([^<]*)</Key>").findall
_LOOKS = {"HeadObject": Shown.HEAD, "GetObject": Shown.HEAD, "GetObjectTagging": Shown.TAGS}
_LISTINGS = frozenset({"ListObjectsV2", "ListObjects"})
_ANSWERED = frozenset({200, 206, 404})
USER = "user"


class WatchedKeys(Keys):
    """The keys of a bucket that is watched."""

    __slots__ = ("_bucket", "_witness")

    def __init__(self, keys: Keys, bucket: str, witness: Witness) -> None:
        self._sorted = keys._sorted
        self._bucket = bucket
        self._witness = witness

    def put(self, key: str, stored: StoredObject) -> None:
        super().put(key, stored)
        self._witness.changed(ObjectRef(self._bucket, key), stored)

    def put_many(self, entries: dict[str, StoredObject]) -> None:
        for key, stored in entries.items():
            self.put(key, stored)

    def pop(self, key: str) -> StoredObject | None:
        found = super().pop(key)
        if found is not None:
            self._witness.changed(ObjectRef(self._bucket, key), None)
        return found


class Witness:
    """Watches the buckets of `routes` from now on. `machines` are names by access key; whoever has none is a user."""

    def __init__(self, account: Account, routes: Iterable[tuple[Side, Side]], machines: dict[str, str]) -> None:
        self._machines = machines
        watched = tuple(routes)
        self.judge = Judge(watched, machines.values(), conditional=account.conditional_deletes)
        self._by, self._operation, self._asked_s = USER, "changed", 0.0
        self._arrivals: dict[int, float] = {}
        self._account = account
        self._buckets = {side.bucket for route in watched for side in route}
        for name in sorted(self._buckets):
            bucket = account.buckets[name]
            for key in bucket.objects.from_key("", inclusive=True):
                stored = bucket.objects.get(key)
                if stored is not None:
                    self.judge.stands(ObjectRef(name, key), _held(stored, USER))
            bucket.objects = WatchedKeys(bucket.objects, name, self)

    def end_watch(self) -> None:
        """Let the buckets be as if nobody had watched them."""
        for name in self._buckets & self._account.buckets.keys():
            bucket = self._account.buckets[name]
            plain = Keys()
            plain._sorted = bucket.objects._sorted
            bucket.objects = plain

    # --- what the front tells ---

    def arrived(self, number: int) -> None:
        """A request was read, and takes its time before it is carried out."""
        self._arrivals[number] = time.monotonic()

    def begin(self, request: Request) -> None:
        """A request is carried out now: what changes is its doing."""
        self._asked_s = self._arrivals.pop(request.number, 0.0) or time.monotonic()
        self._operation = request.operation
        found = _ACCESS_KEY(request.headers.get("authorization", ""))
        self._by = self._machines.get(found.group(1), USER) if found is not None else USER

    def end(self, request: Request, reply: Reply) -> None:
        """It was carried out, and answered so."""
        by, self._by, self._operation = self._by, USER, "changed"
        if by == USER or reply.status not in _ANSWERED or request.bucket not in self._buckets:
            return
        now = time.monotonic()
        shown = _LOOKS.get(request.operation)
        if shown is not None:
            self.judge.take(Look(now, by, request.bucket, request.key, request.key, shown))
        elif request.operation in _LISTINGS and "delimiter" not in request.query:
            self._listed(now, by, request, reply)

    def _listed(self, now: float, by: str, request: Request, reply: Reply) -> None:
        """A page shows every key between its first and its last."""
        keys = _KEY(reply.body) if isinstance(reply.body, bytes) else []
        if keys:
            encoded = request.query.get("encoding-type") == "url"
            first, last = (_decoded(key, encoded) for key in (keys[0], keys[-1]))
            self.judge.take(Look(now, by, request.bucket, first, last, Shown.LISTED))

    # --- what the buckets tell ---

    def changed(self, place: ObjectRef, stored: StoredObject | None) -> None:
        now = time.monotonic()
        after = None if stored is None else _held(stored, self._by)
        asked_s = self._asked_s if self._by != USER else now
        self.judge.take(Change(now, asked_s, self._by, self._operation, place, after))

    # --- what the trial tells and asks ---

    def claims(self, lines: Iterable[dict[str, Any]]) -> None:
        """What ledgers committed, each a `Claim` by its names, with places as [bucket, key]."""
        for line in lines:
            places = {name: ObjectRef(*line[name]) for name in ("source", "target")}
            self.judge.take(Claim(**(line | places)))

    def verdict(self) -> dict[str, Any]:
        """Everything found so far, and the figures, as JSON."""
        figures = self.judge.figures
        return {
            "findings": [
                finding._asdict() | {"place": f"{finding.place.bucket}/{finding.place.key}"}
                for finding in self.judge.findings
            ],
            "figures": {name: getattr(figures, name) for name in figures.__slots__},
        }


def _held(stored: StoredObject, author: str) -> Held:
    attributes = stored.attributes
    assert stored.content is not None
    return Held(
        bodies.md5_of(stored.content),
        stored.etag,
        stored.modified,
        (*sorted(attributes.headers), *sorted(attributes.metadata), ("storage class", attributes.storage_class)),
        tuple(sorted(stored.tags)),
        author,
    )


def _decoded(key: bytes, encoded: bool) -> str:
    text = html.unescape(key.decode("utf-8", "surrogateescape"))
    return unquote_plus(text, errors="surrogateescape") if encoded else text
