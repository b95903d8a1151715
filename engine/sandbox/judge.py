"""The judge: what happened in the buckets, event by event, and what of it must never happen.

The sandbox sees every write, delete and look, and knows what each object holds at each moment; `witness` tells it all
to a `Judge`. Here is no I/O and no clock. Two trees are mapped onto each other (the sides of a route); some clients are
*machines*, on which Cartage runs, and everyone else is a user who may do as they like. A finding is one of `Rule`.

Times are seconds of the system's monotonic clock, which every process of one machine shares.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

from engine.model import ObjectRef

LOOK_S = 2.0
"""How old a look at the other side may be when a delete is sent, as docs/proof.md promises it."""

MARGIN_S = 0.5
"""What may be added on the way: the promise is counted from the moment at which Cartage sends, and here it is counted
from the moment at which the request was read. In between lie a socket and the turn of a busy server's loop."""

HISTORY_SHOWN = 24


class Rule(StrEnum):
    """What must never happen."""

    LOST = "on neither side"  # a machine deleted content that did not stand at the mapped place at that moment
    UNSEEN = "not looked at"  # a machine deleted without a look at the mapped place within LOOK_S
    STRAY = "not in the plan"  # a machine deleted what lies on neither side of a route, and is not its own
    OVERWRITTEN = "overwritten"  # a machine wrote over content that a user had put there
    UNTRUE = "verified, and not true"  # a ledger committed a proof that what was looked at does not bear out
    STRIPPED = "known to differ"  # a source deleted, while what goes with its content differed and that had been seen


class Shown(IntEnum):
    """How closely a look has to look; each shows what those before it show."""

    LISTED = 1  # ETag, size, LastModified
    HEAD = 2  # headers and metadata
    TAGS = 3


class Held(NamedTuple):
    """What stands at a key. `content` names its bytes; `kept` and `tags` are what a route preserves beside them.
    `author` is who brought these bytes here, which a change of tags or metadata does not alter."""

    content: str
    etag: str
    modified: int
    kept: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    author: str = ""


class Change(NamedTuple):
    """A key holds something else from now on (None: nothing). `asked_s` is when the request for it arrived."""

    at_s: float
    asked_s: float
    by: str
    operation: str
    place: ObjectRef
    after: Held | None


class Look(NamedTuple):
    """The keys from `first` to `last` of a bucket were shown as they stood: one by a HEAD, many by a page of a listing
    (between its first and its last key nothing else stood)."""

    at_s: float
    by: str
    bucket: str
    first: str
    last: str
    shown: Shown


class Claim(NamedTuple):
    """A ledger committed that an object is verified: source and target, each with the ETag that its row has.

    `since_s` is when the command began that looked at them (or the one before it on that ledger that did); `agrees`:
    also what goes with the content was compared, and is equal."""

    at_s: float
    since_s: float
    by: str
    source: ObjectRef
    source_etag: str
    target: ObjectRef
    target_etag: str
    agrees: bool = False


Event = Change | Look | Claim


class Finding(NamedTuple):
    """One thing that must never happen, with what was seen of its place and of the one across."""

    rule: Rule
    at_s: float
    by: str
    place: ObjectRef
    why: str
    history: tuple[str, ...]


class Side(NamedTuple):
    """Everything in a bucket under a prefix."""

    bucket: str
    prefix: str


@dataclass(slots=True)
class Figures:
    """What was judged. `in_gap`: content that a user took away between a machine's look, which was fresh, and its
    delete: what no client of S3 can prevent, since S3 knows no condition on another object. `gaps_s` are the times from
    such looks to their deletes, of every delete."""

    deleted: int = 0
    copied: int = 0
    by_users: int = 0
    claims: int = 0
    in_gap: int = 0
    changed_unseen: int = 0
    gaps_s: list[float] = field(default_factory=list)


class _Past(NamedTuple):
    at_s: float
    by: str
    operation: str
    held: Held | None
    visible: Shown  # what kind of look shows that this came


class Judge:
    """Takes events in the order of their times, and keeps what it finds against the machines.

    Not `conditional`: the server deletes whatever stands there. Then what a user puts there in the last moment can no
    more be told from what was looked at than what one takes away across."""

    def __init__(
        self, routes: Iterable[tuple[Side, Side]], machines: Iterable[str], *, conditional: bool = True
    ) -> None:
        self._conditional = conditional
        self._routes = tuple(routes)
        self._machines = frozenset(machines)
        self._past: defaultdict[ObjectRef, list[_Past]] = defaultdict(list)
        self._heads: defaultdict[ObjectRef, list[Look]] = defaultdict(list)
        self._pages: defaultdict[str, list[Look]] = defaultdict(list)
        self.findings: list[Finding] = []
        self.figures = Figures()

    def stands(self, place: ObjectRef, held: Held) -> None:
        """What stood there before anything was judged."""
        self._past[place].append(_Past(float("-inf"), held.author, "before", held, Shown.LISTED))

    def take(self, event: Event) -> None:
        """Judge one event, and remember it."""
        if isinstance(event, Look):
            if event.first == event.last:
                self._heads[ObjectRef(event.bucket, event.first)].append(event)
            else:
                self._pages[event.bucket].append(event)
        elif isinstance(event, Change):
            self._change(event)
        else:
            self._claim(event)

    def held(self, place: ObjectRef) -> Held | None:
        """What stands there now."""
        past = self._past.get(place)
        return past[-1].held if past else None

    def across(self, place: ObjectRef) -> ObjectRef | None:
        """The mapped place on the other side; None for what no route moves."""
        for source, target in self._routes:
            for here, there in ((source, target), (target, source)):
                if _is_in(place, here):
                    return ObjectRef(there.bucket, there.prefix + place.key[len(here.prefix) :])
        return None

    # --- writes and deletes ---

    def _change(self, change: Change) -> None:
        before, after = self.held(change.place), change.after
        if change.by not in self._machines:
            self.figures.by_users += 1
        elif after is None and before is not None:
            self._deleted(change, before)
        elif after is not None:
            self._written(change, before, after)
        if after is not None and before is not None and after.content == before.content:
            after = after._replace(author=before.author)
        self._past[change.place].append(_Past(change.at_s, change.by, change.operation, after, _visible(before, after)))

    def _written(self, change: Change, before: Held | None, after: Held) -> None:
        if _is_own(change.place):
            return
        self.figures.copied += 1
        if before is not None and before.author not in self._machines and before.content != after.content:
            self._find(Rule.OVERWRITTEN, change, f"{before.content} of {before.author or 'nobody known'} stood there")

    def _deleted(self, change: Change, before: Held) -> None:
        if _is_own(change.place):
            return
        self.figures.deleted += 1
        across = self.across(change.place)
        if across is None:
            self._find(Rule.STRAY, change, "no route moves it")
            return
        look = self._last_look(change.by, across, Shown.LISTED, change.asked_s)
        age_s = change.asked_s - look if look is not None else None
        if look is not None:
            self.figures.gaps_s.append(change.at_s - look)
        fresh = age_s is not None and age_s <= LOOK_S + MARGIN_S
        if not fresh:
            seen = f"last {age_s:.2f} s before" if age_s is not None else "never"
            self._find(Rule.UNSEEN, change, f"{_text(across)} was looked at {seen}")
        other = self.held(across)
        if other is None or other.content != before.content:
            if self._taken_since_look(change, across, before.content) or self._put_since_look(change):
                self.figures.in_gap += 1
            else:
                holds = "nothing" if other is None else other.content
                self._find(Rule.LOST, change, f"{before.content} was deleted, and {_text(across)} holds {holds}")
        elif (other.kept, other.tags) != (before.kept, before.tags):
            self._stripped(change, across, before, other)

    def _taken_since_look(self, change: Change, across: ObjectRef, content: str) -> bool:
        """Whether this content stood there at a fresh look, and it was users alone who changed it since."""
        return any(
            held is not None and held.content == content and self._users_changed(across, look_s)
            for look_s, held in self._fresh(change, across)
        )

    def _put_since_look(self, change: Change) -> bool:
        """Whether the server has no conditions, and users alone changed what stood there since a fresh look at it."""
        return not self._conditional and any(
            self._users_changed(change.place, look_s) for look_s, _ in self._fresh(change, change.place)
        )

    def _fresh(self, change: Change, place: ObjectRef) -> Iterator[tuple[float, Held | None]]:
        """The looks at a place upon which this machine may still delete, and what they have seen. A page shows also
        what nobody has asked it for: that a later one shows something else does not mean that it was heeded."""
        for look in self._looks(place, change.asked_s):
            if change.asked_s - look.at_s > LOOK_S + MARGIN_S:
                return
            if look.by == change.by:
                yield look.at_s, self._held_at(place, look.at_s)

    def _users_changed(self, place: ObjectRef, since_s: float) -> bool:
        since = [past for past in self._past[place] if past.at_s > since_s]
        return bool(since) and all(past.by not in self._machines for past in since)

    def _stripped(self, change: Change, across: ObjectRef, before: Held, other: Held) -> None:
        """A source goes whose bytes stand across, and what goes with them differs: was that there to be seen, and not
        only by the last looks, which are for what is there at all?

        A source whose LastModified changed has changed, and a target that was found in place has to be compared. What a
        user changes of a copy shows to who asks for it."""
        if not any(_is_in(change.place, source) for source, _ in self._routes):
            return
        mine, theirs = self._came_to_be(change.place), self._came_to_be(across)
        came, place = max((mine, change.place), (theirs, across), key=lambda item: item[0].at_s)
        shown = came.visible
        if place == across and other.author in self._machines:
            shown = max(shown, Shown.HEAD)
        seen = self._last_look(change.by, place, shown, change.asked_s - LOOK_S)
        if seen is None or seen < came.at_s:
            self.figures.changed_unseen += 1
            return
        what = "tags" if other.kept == before.kept else "headers or metadata"
        self._find(
            Rule.STRIPPED, change, f"the {what} of {_text(across)} differ, since {came.operation} by "
            f"{came.by or 'nobody known'} at {came.at_s:.3f}; {_text(place)} was looked at at {seen:.3f}",
        )  # fmt: skip

    def _came_to_be(self, place: ObjectRef) -> _Past:
        """The change by which this place, which holds something, got what now goes with its content."""
        past = self._past[place]
        found = past[-1]
        for item in reversed(past):
            if item.held is None or found.held is None or item.held[3:5] != found.held[3:5]:
                break
            found = item
        return found

    # --- what ledgers say ---

    def _claim(self, claim: Claim) -> None:
        self.figures.claims += 1
        sources = self._seen(claim.source, claim.source_etag, claim)
        targets = self._seen(claim.target, claim.target_etag, claim)
        pairs = [(one, other) for one in sources for other in targets if one.content == other.content]
        why = ""
        if not sources or not targets:
            side, etag = ("source", claim.source_etag) if not sources else ("target", claim.target_etag)
            why = f"its {side} was not seen with ETag {etag} since {claim.since_s:.3f}"
        elif not pairs:
            why = "its target was never seen with the bytes of its source"
        elif claim.agrees and not any((one.kept, one.tags) == (other.kept, other.tags) for one, other in pairs):
            why = "its target was never seen with what goes with its source"
        if why:
            history = self._history(claim.source, claim.target, claim.at_s)
            self.findings.append(Finding(Rule.UNTRUE, claim.at_s, claim.by, claim.target, why, history))

    def _seen(self, place: ObjectRef, etag: str, claim: Claim) -> list[Held]:
        """What machines saw there in the claim's time that bears the claim's ETag."""
        found: list[Held] = []
        for look in self._looks(place, claim.at_s):
            if look.at_s < claim.since_s:
                break
            held = self._held_at(place, look.at_s)
            if held is not None and held.etag == etag and held not in found:
                found.append(held)
        return found

    # --- looks ---

    def _looks(self, place: ObjectRef, until_s: float) -> Iterator[Look]:
        """The machines' looks at a key, the latest first."""
        heads = reversed(self._heads.get(place, []))
        pages = (page for page in reversed(self._pages.get(place.bucket, [])) if page.first <= place.key <= page.last)
        both = heapq.merge(heads, pages, key=lambda look: -look.at_s)
        return (look for look in both if look.at_s <= until_s and look.by in self._machines)

    def _last_look(self, by: str, place: ObjectRef, shown: Shown, until_s: float) -> float | None:
        """When this client last looked at the key so closely."""
        return next((look.at_s for look in self._looks(place, until_s) if look.by == by and look.shown >= shown), None)

    def _held_at(self, place: ObjectRef, at_s: float) -> Held | None:
        return next((past.held for past in reversed(self._past.get(place, ())) if past.at_s <= at_s), None)

    # --- findings ---

    def _find(self, rule: Rule, change: Change, why: str) -> None:
        across = self.across(change.place) or change.place
        history = self._history(change.place, across, change.at_s)
        self.findings.append(Finding(rule, change.at_s, change.by, change.place, why, history))

    def _history(self, one: ObjectRef, other: ObjectRef, until_s: float) -> tuple[str, ...]:
        """The last of what was done at two places, and of who looked at them."""
        lines: list[tuple[float, str]] = []
        for place in dict.fromkeys((one, other)):
            for past in self._past.get(place, ()):
                holds = "nothing" if past.held is None else f"{past.held.content} {past.held.etag}"
                line = f"{past.by or 'someone'} {past.operation} {_text(place)}: holds {holds}"
                lines.append((past.at_s, line))
            lines += [
                (look.at_s, f"{look.by} saw {_text(place)} ({look.shown.name.lower()})")
                for look in self._looks(place, until_s)
            ]
        lines.sort(key=lambda line: line[0])
        return tuple(f"{at_s:.3f} {line}" for at_s, line in lines[-HISTORY_SHOWN:])


def judged(
    routes: Iterable[tuple[Side, Side]], machines: Iterable[str], events: Iterable[Event], *, conditional: bool = True
) -> tuple[list[Finding], Figures]:
    """The findings over events in the order of their times, and what was judged."""
    judge = Judge(routes, machines, conditional=conditional)
    for event in events:
        judge.take(event)
    return judge.findings, judge.figures


def _visible(before: Held | None, after: Held | None) -> Shown:
    """What kind of look shows that a key holds something else than before."""
    if before is None or after is None or (before.etag, before.modified) != (after.etag, after.modified):
        return Shown.LISTED
    return Shown.HEAD if before.kept != after.kept else Shown.TAGS


def _is_in(place: ObjectRef, side: Side) -> bool:
    return place.bucket == side.bucket and place.key.startswith(side.prefix)


def _is_own(place: ObjectRef) -> bool:
    """Whether Cartage made the object for itself: a probe, a claim. Users of the trials name nothing so."""
    return place.key.rpartition("/")[2].startswith(".cartage")


def _text(place: ObjectRef) -> str:
    return f"{place.bucket}/{place.key!r}"
