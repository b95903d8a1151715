"""The receipt of a migration: what was copied, how far it is proven, who accepted what, and a digest of the ledger.

Everything in it is summed up from the ledger in one pass, row by row: figures and fingerprints are those of both sides
as they were last verified, also after the sources are gone. A later change of the ledger, of the receipt itself or of
the targets is found by `differences`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import nsmallest
from typing import Any, NamedTuple

import anyio

from engine.errors import EngineError, one_error
from engine.events import Doing, Listener, Progress, ignore
from engine.ledger import LedgerReader, Left, Snapshot, open_routes
from engine.listing.pages import Prefix
from engine.listing.ranges import RouteJoin
from engine.model import Proof
from engine.plan.barred import no_run_mends
from engine.plan.binding import digest_of
from engine.plan.decide import OUT_OF_CONFLICT
from engine.plan.document import Plan
from engine.plan.lifecycle import ENDED, State
from engine.plan.noted import NOTHING, PROPERTIES, Noted, accepted_states, key_said
from engine.plan.record import AGREE, Entry, ObjectRecord
from engine.plan.route import Route
from engine.proof.fingerprint import Fingerprint, digest_of_etag
from engine.sites.clock import time_text
from engine.store import ObjectStore

FORMAT = "cartage-receipt/2"
OLDER = "cartage-receipt/1"
"""Its digest is also over when the sources were listed, and what was there; and over who looked at properties."""
NAMED = 10
"""Keys that a difference names; the rest are counted."""

_ALWAYS = frozenset(ObjectRecord._fields) - {"xxh3", "properties"}
"""The columns that every receipt's digest is over, the oldest included."""

_USERINFO = re.compile(r"://[^/@\s\"']+@")


class ReceiptRefused(EngineError):
    """There is nothing to certify yet."""

    exit_code = 5


@dataclass(slots=True)
class RouteSums:
    """One route of the ledger, summed up."""

    name: str
    objects: int = 0
    bytes: int = 0
    states: Counter[State] = field(default_factory=Counter)
    proofs: Counter[Proof] = field(default_factory=Counter)
    found: int = 0
    written_over: int = 0
    source_tree: Fingerprint = field(default_factory=Fingerprint)
    target_tree: Fingerprint = field(default_factory=Fingerprint)
    copied_ms: tuple[int, int] = (0, 0)
    proven_ms: tuple[int, int] = (0, 0)

    def add(self, row: ObjectRecord) -> None:
        """Add one row."""
        self.objects += 1
        self.bytes += row.size
        self.states[row.state] += 1
        self.proofs[row.proof] += 1
        self.found += row.found
        self.written_over += row.is_over
        digest = comparable_digest(row)
        self.source_tree.add(row.key, row.size, digest)
        if row.state not in ENDED:  # of which nobody says that their targets stand
            self.target_tree.add(row.key, row.size, digest)
        self.copied_ms = _widened(self.copied_ms, row.copied_ms)
        self.proven_ms = _widened(self.proven_ms, row.proven_ms(row.proof))


class Sums(NamedTuple):
    """A whole ledger, summed up; `digest` is over `columns` of every row in order, and what stands around them."""

    routes: dict[str, RouteSums]
    digest: str
    columns: tuple[str, ...]
    rows: int


def comparable_digest(row: ObjectRecord | Entry) -> str:
    """What an object counts with in both fingerprints besides key and size: its MD5, where both sides have it."""
    source = digest_of_etag(row.source_etag)
    return source if source == digest_of_etag(row.target_etag) else ""


def _widened(span: tuple[int, int], at_ms: int) -> tuple[int, int]:
    if at_ms <= 0:
        return span
    return (min(span[0] or at_ms, at_ms), max(span[1], at_ms))


async def sum_up(
    ledger: LedgerReader,
    columns: Sequence[str] = ObjectRecord._fields,
    listener: Listener = ignore,
    *,
    form: str = FORMAT,
) -> Sums:
    """Read every row once. Memory does not grow with their number. `form` is that of the receipt, which says what the
    digest is over: no listing, and no look at properties that agree, changes what was proven."""
    listener(Doing("reading the ledger"))
    total = sum(tally.objects for tally in await ledger.tallies())
    digest = hashlib.sha256()
    written = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode  # made once: there is a text a row

    def take(*values: object) -> None:
        digest.update(f"{written(values)}\n".encode())

    snapshots = await ledger.snapshots()
    take("binding", (await ledger.binding()).text)
    for snapshot in snapshots:
        take("route", *(snapshot if form == OLDER else (snapshot.route, snapshot.closed_ms > 0)))
    routes = {snapshot.route: RouteSums(snapshot.route) for snapshot in snapshots}
    places = [ObjectRecord._fields.index(name) for name in columns]
    rows = 0
    async for records in ledger.records():
        rows += len(records)
        for row in records:
            if form != OLDER and row.properties == AGREE:
                row = row._replace(properties="")
            take(*map(row.__getitem__, places))
            routes[row.route].add(row)
        listener(Progress(total, listing_done=True, done=rows))
    for acceptance in await ledger.acceptances():
        take("accepted", *acceptance)
    return Sums(routes, digest.hexdigest(), tuple(columns), rows)


def refuse_unfinished(
    sums: Sums,
    snapshots: Sequence[Snapshot],
    noted: Mapping[str, Noted] | None = None,
    accepted: Collection[tuple[str, str]] = (),
    left: Sequence[Left] = (),
    misnamed: int = 0,
    barred: int = 0,
) -> None:
    """Raise `ReceiptRefused` with every reason why there is nothing to certify yet. `noted` is what may be accepted of
    the objects, `accepted` (name, figure) what was; `left` is what lies in the sources and there is no row of;
    `misnamed` and `barred` are as in `no_run_mends`."""
    noted = noted or {}
    done = {State.VERIFIED, State.DELETED} | accepted_states(noted, accepted)
    reasons = [f"{name}: its listing never reached its end; run the plan again" for name in open_routes(snapshots)]
    failed = sum(route.states[State.FAILED] for route in sums.routes.values())
    never = {State.FAILED} if misnamed + barred >= failed else set()
    for route in sums.routes.values():
        wrong = {state: count for state, count in sorted(route.states.items()) if state not in done}
        if wrong:
            ways = [OUT_OF_CONFLICT] if State.CONFLICT in wrong else []
            if State.DELETING in wrong:
                ways.append("run cleanup again")
            elif wrong.keys() - ENDED - never:
                ways.append("run and verify the plan")
            counts = ", ".join(f"{count:,} {state.value}" for state, count in wrong.items())
            reasons.append(f"{route.name}: {counts}{'; ' if ways else ''}{', then '.join(ways)}")
    reasons += no_run_mends(misnamed, barred)
    for item in left:
        first = "".join(f", first {key_said(one.key)}: {one.message}" for one in item.first[:1])
        reasons.append(
            f"{item.route}: {item.things:,} left, which cannot be objects, be looked at or be found{first}; "
            "mend or move these, or take them out of the list, then run and verify the plan"
        )
    said = {state.value: f"{state.value}, first {{}}: " for state in sorted(ENDED)}
    said[PROPERTIES] = "known not to carry what the route gives it, first {}: run and verify the plan, or "
    for name, sentence in said.items():
        found = noted.get(name, NOTHING)
        if found.objects and (name, found.figure) not in accepted:
            reasons.append(f"{found.objects:,} {sentence.format(found.first)}accept it as cleanup says")
    if not sums.rows and not reasons:
        reasons.append("the ledger holds no object yet; run and verify the plan")
    if reasons:
        raise ReceiptRefused("\n".join(["there is no receipt yet:", *(f"  - {reason}" for reason in reasons)]))


def receipt_values(
    plan: Plan,
    sums: Sums,
    snapshots: Sequence[Snapshot],
    acceptances: Sequence[Mapping[str, str]],
    *,
    endpoint: str,
    version: str,
    at_ms: int,
    clock: str,
) -> dict[str, Any]:
    """The receipt as JSON values, sealed. `clock` says whose `at_ms` is."""
    gone = sum(route.states[State.DELETED] for route in sums.routes.values())
    ended = sum(route.states[state] for route in sums.routes.values() for state in ENDED)
    stage = "verified" if not gone else "cleaned up" if gone + ended == sums.rows else "partly cleaned up"
    closed = {item.route: item.closed_ms for item in snapshots}
    values: dict[str, Any] = {
        "receipt": FORMAT,
        "stage": stage,
        "cartage": version,
        "made": {"at": time_text(at_ms), "clock": clock},
        "plan": {
            "name": plan.name,
            "digest": plan.digest,
            "sha256": _sha256(plan.written),
            "text": without_userinfo(plan.written),
        },
        "endpoint": without_userinfo(endpoint),
        "buckets": list(plan.buckets),
        "routes": [_route_values(route, sums.routes[route.name], closed.get(route.name, 0)) for route in plan.routes],
        "total": {
            "objects": sums.rows,
            "bytes": sum(route.bytes for route in sums.routes.values()),
            "sources_deleted": gone,
        },
        WRITTEN_OVER: {name: route.written_over for name, route in sums.routes.items()},
        "accepted": [dict(item) for item in acceptances],
        "ledger": {"sha256": sums.digest, "rows": sums.rows, "columns": list(sums.columns)},
    }
    return values | {"seal": seal_of(values)}


def _route_values(route: Route, sums: RouteSums, closed_ms: int) -> dict[str, Any]:
    return {
        "name": route.name,
        "source": str(route.source),
        "target": str(route.target),
        "objects": sums.objects,
        "bytes": sums.bytes,
        "found_in_place": sums.found,
        "states": {state.value: count for state, count in sorted(sums.states.items())},
        "proof": {proof.name.lower(): count for proof, count in sorted(sums.proofs.items())},
        "fingerprints": {"source": sums.source_tree.line, "target": sums.target_tree.line},
        "times": {
            "listed": time_text(closed_ms),
            "first_copied": time_text(sums.copied_ms[0]),
            "last_copied": time_text(sums.copied_ms[1]),
            "first_proven": time_text(sums.proven_ms[0]),
            "last_proven": time_text(sums.proven_ms[1]),
        },
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_userinfo(text: str) -> str:
    """No name and password of a URL reaches a receipt."""
    return _USERINFO.sub("://", text)


def seal_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of everything in the receipt but the seal itself."""
    return digest_of({key: value for key, value in values.items() if key != "seal"})


def read_receipt(body: bytes) -> dict[str, Any]:
    """A receipt from its file. Raises ValueError where it is none, or was changed since it was sealed."""
    values = json.loads(body, object_pairs_hook=_named_once)
    if not isinstance(values, dict) or values.get("receipt") not in (FORMAT, OLDER):
        raise ValueError("it is not a receipt of this Cartage")
    if values.get("seal") != seal_of(values):
        raise ValueError("it was changed after it was made: its seal does not hold")
    try:
        columns = [values["plan"]["digest"], values["ledger"]["sha256"], *values["ledger"]["columns"]]
        figures = [(route["name"], route["objects"], route["bytes"]) for route in values["routes"]]
        trees = [route["fingerprints"]["target"] for route in values["routes"]]
    except (KeyError, TypeError):
        raise ValueError("a part of it is missing") from None
    texts = [*columns, *trees, *(name for name, _, _ in figures)]
    numbers = [number for _, *both in figures for number in both]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
        raise ValueError("a part of it is something else than it should be")
    if not set(columns[2:]) <= set(ObjectRecord._fields):
        raise ValueError("it was made by a newer Cartage")
    if not set(columns[2:]) >= _ALWAYS:
        raise ValueError("its digest of the ledger leaves columns out")
    return values


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A reader takes the first of two members of one name, and a program the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("it says something twice")
    return values


def ledger_differences(receipt: Mapping[str, Any], plan: Plan, sums: Sums) -> list[str]:
    """How the plan and the ledger are no longer what the receipt says."""
    found = []
    if receipt["plan"]["digest"] != plan.digest:
        found.append("the plan means something else now")
    known = {route["name"]: route for route in receipt["routes"]}
    for name, route in sums.routes.items():
        was = known.get(name)
        if was is None:
            found.append(f"route {name} is in the ledger and not in the receipt")
        elif (was["objects"], was["bytes"]) != (route.objects, route.bytes):
            found.append(
                f"route {name}: the ledger has {route.objects:,} objects of {route.bytes:,} bytes, "
                f"the receipt {was['objects']:,} of {was['bytes']:,}"
            )
        elif was["fingerprints"]["target"] != route.target_tree.line:
            found.append(f"route {name}: the ledger's fingerprint of the target is another")
    if receipt["ledger"]["sha256"] != sums.digest:
        found.append("the ledger changed since: its digest is another")
    return found


WRITTEN_OVER = "written_over"
"""Of each route, how many took the place of what stood there before. Older receipts do not say it."""
_DERIVED = ("stage", "endpoint", "buckets", "routes", "total", "accepted", WRITTEN_OVER)


def said_otherwise(receipt: Mapping[str, Any], now: Mapping[str, Any], plan_file: str) -> list[str]:
    """What a receipt says that the very ledger it is of does not: `now` is the receipt that it gives today. Whoever
    changes a receipt can seal it anew, so that its seal alone proves nothing.

    Says nothing of a ledger that changed since: its digest does."""
    if receipt["ledger"]["sha256"] != now["ledger"]["sha256"]:
        return []
    receipt = {WRITTEN_OVER: now[WRITTEN_OVER], **receipt}
    known, knows = (_without_listings(values) if receipt["receipt"] == FORMAT else values for values in (receipt, now))
    found = [f"the receipt's {name} is not what the ledger says" for name in _DERIVED if known.get(name) != knows[name]]
    found += [f"what the receipt says as {name!r} is no part of one" for name in receipt if name not in now]
    if receipt["ledger"].get("rows") != now["ledger"]["rows"]:
        found.append("the receipt's count of the ledger's rows is not the ledger's")
    was, plan = receipt["plan"], now["plan"]
    same_file = was.get("sha256") == plan["sha256"]
    said = was.get("text") == plan["text"] if same_file else _means(was.get("text"), was["digest"], plan_file)
    if was.get("name") != plan["name"] or not said:
        found.append("the receipt's plan is not the one that it names")
    return found


def _without_listings(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt without when its sources were listed: any later run lists them again."""
    try:
        routes = [route | {"times": route["times"] | {"listed": ""}} for route in receipt["routes"]]
    except (KeyError, TypeError):
        return dict(receipt)
    return {**receipt, "routes": routes}


def _means(text: object, digest: object, plan_file: str) -> bool:
    """Whether a plan's text, or its canonical form, is of this digest. The file may be written otherwise since, and
    mean the same."""
    if _sha256(str(text)) == digest:
        return True
    try:
        return Plan.parse(str(text), plan_file).digest == digest
    except EngineError:
        return False


async def target_differences(
    store: ObjectStore, ledger: LedgerReader, route: Route, was: Mapping[str, Any], listener: Listener = ignore
) -> tuple[list[str], int]:
    """How a route's target, listed again, is no longer what the receipt says, and how many of its objects are no longer
    what the ledger says. What stands there besides is not looked at. Raises what listings raise."""
    listener(Doing(f"listing the target of {route.name}"))
    tree = Fingerprint()
    wrong: list[tuple[str, str]] = []  # the first in key order, whichever range they are met in
    count = 0
    async with one_error(), anyio.create_task_group() as group:
        join = RouteJoin(group, Prefix(store, route.target), None, partial(ledger.entries, route.name))
        while (rows := await join.next_rows()) is not None:
            found = []
            for key, there, _, row in rows:
                if row is None or row.state in ENDED:
                    continue
                if there is None:
                    found.append((key, "it is not there any more"))
                    continue
                if (there.size, there.etag) != (row.size, row.target_etag):
                    found.append((key, "it is not what was proven"))
                tree.add(key, there.size, digest_of_etag(there.etag) if comparable_digest(row) else "")
            count += len(found)
            wrong = nsmallest(NAMED, [*wrong, *found])
            done = tree.objects + count
            listener(Progress(was["objects"], listing_done=True, done=min(done, was["objects"])))
    named = [f"route {route.name}: {route.target_key(key)}: {what}" for key, what in wrong]
    if count > len(named):
        named.append(f"route {route.name}: and {count - len(named):,} more")
    if not wrong and tree.line != was["fingerprints"]["target"]:
        named.append(f"route {route.name}: the target's fingerprint is {tree.line}")
    return named, count
