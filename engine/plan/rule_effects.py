"""What a bucket's rules do to what was listed: which objects go or move, when, and what that costs and saves. Pure.

S3 counts days from an object's LastModified and acts at the next midnight UTC after them; of what is due on one day a
deletion goes before a move, and the cheaper class before the dearer (S3 User Guide, "Conflicting lifecycle actions",
"Transitioning objects using Amazon S3 Lifecycle"). It begins within a day or so of that: moments here are the earliest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from engine.model import GIB, ListedObject, ListedVersion
from engine.plan.bucket_rules import Action, Does, Rule
from engine.plan.prices import CLASSES, KIB, STANDARD, STORAGE_CLASSES, dollars_a_month, early_dollars
from engine.plan.retrieval import ARCHIVE_CLASSES

SMALL_BYTES = 128 * KIB
"""What is smaller is moved only where a rule says sizes of its own, or the bucket does (`varies_by_storage_class`: into
the two archive classes)."""
EVERY_CLASS, BY_CLASS = "all_storage_classes_128K", "varies_by_storage_class"

STEPS_KNOWN = 10_000
"""Of so many days, and sets of rules, it is remembered what is done; then it is found out anew."""
CURRENT = frozenset({Does.EXPIRE, Does.MOVE})
NONCURRENT = frozenset({Does.EXPIRE_NONCURRENT, Does.MOVE_NONCURRENT})
GOES = frozenset({Does.EXPIRE, Does.EXPIRE_NONCURRENT})

_RANK = {name: rank for rank, name in enumerate(STORAGE_CLASSES)} | {"REDUCED_REDUNDANCY": 0}
"""S3 moves objects downward alone."""


def moves(from_class: str, into: str) -> bool:
    """Whether a rule can move objects so."""
    if (from_class, into) == ("ONEZONE_IA", "GLACIER_IR"):
        return False
    return _RANK.get(from_class, len(STORAGE_CLASSES)) < _RANK.get(into, -1)


@dataclass(slots=True)
class Effect:
    """What one action of one rule does: to how many objects, and bytes. `due` of them may go at any moment, and `first`
    and `last` are the days (proleptic ordinals) of the others; 0 where there are none. It saves `saved` dollars a month
    once it is done, and costs `once`: the moves, and `early`, which is what is left of the least time that the classes
    which objects leave are billed for. `unpriced` objects have a class without a price.

    `at_most`: the rule asks for tags, which no listing shows, so that fewer objects may be meant. It is not in any
    total then."""

    rule: Rule
    action: Action
    objects: int = 0
    bytes: int = 0
    due: int = 0
    first: int = 0
    last: int = 0
    saved: float = 0.0
    once: float = 0.0
    early: float = 0.0
    unpriced: int = 0
    at_most: bool = False

    def add(self, size: int, day: int, on_day: int) -> None:
        self.objects += 1
        self.bytes += size
        if day <= on_day:
            self.due += 1
        else:
            self.first = min(self.first or day, day)
            self.last = max(self.last, day)


class Step(NamedTuple):
    """An action that concerns an object, on a day; `order` as S3 prefers them within one."""

    day: int
    order: int
    effect: Effect


@dataclass(slots=True)
class Effects:
    """What enabled `rules` do to objects, which are `add`ed as they are listed. `on_day` is the server's day, as an
    ordinal; `least_size` what the bucket says of small objects. With `versions` nothing that expires saves anything:
    it is kept as an older version. Of what is `undated`, its date cannot be read, nobody can say when a rule takes it:
    it is in no effect."""

    rules: Sequence[Rule]
    on_day: int
    least_size: str = ""
    versions: bool = False
    objects: int = 0
    bytes: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    undated: int = 0
    older: int = 0
    older_bytes: int = 0
    older_dollars: float = 0.0
    found: list[Effect] = field(default_factory=list)
    _groups: list[list[tuple[Rule, tuple[Effect, ...]]]] = field(default_factory=lambda: [[]])
    _most_kept: int = 0
    _known_steps: dict[Any, list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rule in self.rules:
            effects = tuple([Effect(rule, action, at_most=bool(rule.tags)) for action in rule.actions])
            self.found += effects
            if rule.tags:
                self._groups.append([(rule, effects)])
            else:
                self._groups[0].append((rule, effects))
            self._most_kept = max(self._most_kept, *(action.keep for action in rule.actions), 0)

    @property
    def saved(self) -> float:
        """Dollars a month, once all is done that is certain."""
        return sum(item.saved for item in self.found if not item.at_most)

    @property
    def once(self) -> float:
        return sum(item.once for item in self.found if not item.at_most)

    def add(self, objects: Iterable[ListedObject]) -> None:
        for item in objects:
            self.objects += 1
            self.bytes += item.size
            dollars = dollars_a_month(item.storage_class, item.size)
            if dollars is None:
                self.unpriced += 1
            else:
                self.dollars += dollars
            written = ordinal_of(item.modified[:10])
            if not written:
                self.undated += 1
                continue
            self._live(item.key, item.size, item.storage_class, written, written, CURRENT)

    def add_version(self, item: ListedVersion, since: str, newer: int) -> None:
        """An older version, which became one at `since`; `newer` ones that are older versions too came after it."""
        self.older += 1
        self.older_bytes += item.size
        self.older_dollars += dollars_a_month(item.storage_class, item.size) or 0.0
        if became := ordinal_of(since[:10]):
            written = ordinal_of(item.modified[:10]) or became
            self._live(item.key, item.size, item.storage_class, written, became, NONCURRENT, newer)
        else:
            self.undated += 1

    def add_lone_marker(self, key: str) -> None:
        """A delete marker behind which nothing is left: it goes with the next round of a rule that takes such."""
        for effect in self.found:
            if effect.action.does is Does.REMOVE_MARKERS and effect.rule.takes(key, 0):
                effect.add(0, self.on_day, self.on_day)
                return

    def add_upload(self, key: str, begun: str, size: int) -> None:
        """An unfinished upload, whose parts have so many bytes, and are billed as STANDARD is."""
        found = [item for item in self.found if item.action.does is Does.ABORT_UPLOADS and item.rule.takes(key, 0)]
        since = ordinal_of(begun[:10])
        if not since:
            self.undated += 1
        elif dated := [(day_of(item.action, since), item) for item in found]:
            day, effect = min(dated, key=lambda pair: pair[0])
            effect.add(size, day, self.on_day)
            effect.saved += size / GIB * STANDARD.gb_month

    def _live(
        self, key: str, size: int, now: str, written: int, since: int, what: frozenset[Does], newer: int = 0
    ) -> None:
        """Through all rules at once, but for those that ask for tags: each of these by itself."""
        for rules in self._groups:
            taken = tuple([effects for rule, effects in rules if rule.takes(key, size)])
            if taken:
                self._walk(size, now or "STANDARD", written, self._steps(taken, since, what, newer))

    def _steps(
        self, taken: tuple[tuple[Effect, ...], ...], since: int, what: frozenset[Does], newer: int
    ) -> list[Step]:
        """What these rules do, in order: the same for all that they take of one day."""
        kept = min(newer, self._most_kept)
        known = tuple(map(id, taken)), since, what, kept
        steps = self._known_steps.get(known)
        if steps is None:
            steps = [
                Step(day, _order(effect.action), effect)
                for effects in taken
                for effect in effects
                if effect.action.does in what and newer >= effect.action.keep and (day := day_of(effect.action, since))
            ]
            steps.sort(key=lambda step: (max(step.day, self.on_day), step.order))  # what is due long since, is today
            if len(self._known_steps) >= STEPS_KNOWN:
                self._known_steps.clear()
            self._known_steps[known] = steps
        return steps

    def _walk(self, size: int, now: str, entered: int, steps: Iterable[Step]) -> None:
        """The life of an object, or a version, class by class until it goes. It has been in the one that it is in `now`
        since the day `entered` at the most: a rule that moved it there left its LastModified."""
        for day, _, effect in steps:
            into = effect.action.storage_class
            before = dollars_a_month(now, size)
            if effect.action.does in GOES:
                effect.add(size, day, self.on_day)
                if before is None:
                    effect.unpriced += 1
                elif effect.action.does is not Does.EXPIRE or not self.versions:
                    effect.saved += before
                    self._leave(effect, size, now, entered, day)
                return
            if not moves(now, into) or not self._is_large_enough(effect.rule, size, into):
                continue
            effect.add(size, day, self.on_day)
            after = dollars_a_month(into, size)
            if before is None or after is None:
                effect.unpriced += 1
            else:
                effect.saved += before - after
                effect.once += (CLASSES[into].moves_per_1000 or CLASSES[into].writes_per_1000) / 1000
                self._leave(effect, size, now, entered, day)
            now, entered = into, max(day, self.on_day)

    def _leave(self, effect: Effect, size: int, now: str, entered: int, day: int) -> None:
        early = early_dollars(now, size, max(day, self.on_day) - entered)
        effect.early += early
        effect.once += early

    def _is_large_enough(self, rule: Rule, size: int, into: str) -> bool:
        if size >= SMALL_BYTES or rule.is_by_size or not self.least_size:
            return True
        return self.least_size == BY_CLASS and into in ARCHIVE_CLASSES


@lru_cache(maxsize=4096)
def ordinal_of(day: str) -> int:
    """A day as S3 writes it ("2026-01-31"), as a proleptic ordinal; 0 where it cannot be read."""
    try:
        return date.fromisoformat(day).toordinal()
    except ValueError:
        return 0


def day_of(action: Action, written: int) -> int:
    """The day at whose beginning an action is due, for what was written (or became what it is) on the day `written`;
    0 where the rule says none. Rounded up to the next midnight."""
    if action.days is not None:
        return written + action.days + 1
    return ordinal_of(action.date[:10])


def _order(action: Action) -> int:
    """A deletion first, then the deepest class."""
    return -1 if action.does in GOES else len(STORAGE_CLASSES) - _RANK.get(action.storage_class, 0)
