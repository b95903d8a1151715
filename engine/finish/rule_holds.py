"""What a rule would meet besides what is listed: older versions, and moves into the bucket that ledgers here know of,
whose hold it may not outrun."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from engine.ledger import open_to_read
from engine.model import ListedObject, ListedVersion, Location
from engine.plan.bucket_rules import Action, Does, Rule
from engine.plan.document import Plan
from engine.plan.lifecycle import BEREFT, ENDED
from engine.plan.locations import SCHEME, may_meet, server_of
from engine.plan.rule_effects import Effects, day_of, ordinal_of
from engine.sites.clock import SECOND_MS
from engine.store import ListVersions, ObjectStore

SOURCE_GONE = BEREFT | ENDED
"""States whose source is gone: no hold is waited for any more."""


class KnownMove(NamedTuple):
    """A route of a ledger into the bucket: its target, how many objects still have their source, and until when at
    least their hold lasts; None where no plan says how long that is."""

    name: str
    target: Location
    objects: int
    until_ms: int | None


async def moves_into(
    ledger: Path, endpoint: str, bucket: str, plans: Mapping[str, Plan], now_ms: int
) -> list[KnownMove]:
    """The routes of a ledger whose targets are in this bucket and whose sources are not all gone. `plans` are those
    that are known, by name. Raises `LedgerCorrupt`, `LedgerMissing`."""
    async with await open_to_read(ledger) as reader:
        binding, tallies = await reader.binding(), await reader.tallies()
        plan = plans.get(binding.plan_name)
        proven = {item.route: item for item in await reader.held(plan.cleanup.proof, 0)} if plan is not None else {}
    found = []
    for route in binding.routes:
        named, scheme, address = route.target.partition(SCHEME)  # as `Location` writes itself
        where, _, key = address.partition("/")
        known = binding.all_sites.get(named.removesuffix(":"))
        if not scheme or where != bucket or known is None or server_of(known.endpoint) != server_of(endpoint):
            continue
        objects = sum(item.objects for item in tallies if item.route == route.name and item.state not in SOURCE_GONE)
        if not objects:
            continue
        until_ms: int | None = None
        if plan is not None:
            held = proven.get(route.name)
            whole = held is not None and not held.undated and held.objects == objects
            until_ms = (held.last_ms if whole and held is not None else now_ms) + plan.cleanup.hold_s * SECOND_MS
        found.append(KnownMove(f"{binding.plan_name}, {route.name}", Location(bucket, key), objects, until_ms))
    return found


class Watch:
    """What a rule would expire of known moves' targets: looked at while these are listed."""

    def __init__(self, moves: Iterable[KnownMove], rule: Rule, today: int) -> None:
        self._action = next((action for action in rule.actions if action.does is Does.EXPIRE), None)
        self._rule, self._today = rule, today
        self._days: dict[KnownMove, set[str]] = {
            move: set() for move in moves if self._action and may_meet(rule.prefix, move.target)
        }

    def add(self, objects: Sequence[ListedObject]) -> None:
        for move, days in self._days.items():
            for item in objects:
                if move.target.holds(item.key) and self._rule.takes(item.key, item.size):
                    days.add(item.modified[:10])

    def refusals(self) -> list[str]:
        """Why the rule may not be, a sentence each move."""
        said = []
        for move, days in self._days.items():
            assert self._action is not None
            expires = datetime.fromordinal(self._due(self._action, days)).replace(tzinfo=UTC)
            what = f'it would expire {move.target} on {expires:%Y-%m-%d}, where "{move.name}" moved {move.objects:,} '
            if move.until_ms is None:
                said.append(f"{what}objects whose sources are not deleted; how long their hold lasts is not known")
            elif expires.timestamp() * 1000 <= move.until_ms:
                until = datetime.fromtimestamp(move.until_ms / 1000, UTC)
                said.append(f"{what}objects whose hold lasts until {until:%Y-%m-%d %H:%M} UTC at least")
        return said

    def _due(self, action: Action, days: Collection[str]) -> int:
        """The first day on which the action may be due for what was written on these days, or is from now on. What
        cannot be read may be as old as you like."""
        written = [ordinal_of(day) for day in days]
        if action.days is not None and not all(written):
            return self._today
        return day_of(action, min([self._today, *written])) or self._today


async def add_versions(store: ObjectStore, place: Location, effects: Effects) -> None:
    """List every version, a request a thousand, and tell `effects` of those that are not current. A version became one
    when the next newer was written. Raises what the store raises."""
    after = ("", "")
    last: ListedVersion | None = None
    newer = alone = 0
    while True:
        page = await store.list_versions(ListVersions(place.bucket, place.key, after))
        for item in page.versions:
            if not place.holds(item.key):
                continue
            if last is None or item.key != last.key:
                _end(last, alone, effects)
                newer, alone = 0, 1
            else:
                alone += 1
                if not item.is_marker:
                    effects.add_version(item, last.modified, newer)
                newer += 1
            last = item
        if page.next is None:
            _end(last, alone, effects)
            return
        after = page.next


def _end(last: ListedVersion | None, alone: int, effects: Effects) -> None:
    if last is not None and last.is_marker and alone == 1:
        effects.add_lone_marker(last.key)
