"""What a plan would do: both sides listed and joined, every decision made and none carried out. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import anyio

from engine.events import Listener, Looking
from engine.listing.pages import EntriesOf
from engine.listing.sources import Sources
from engine.listing.through import read_through
from engine.plan.concern import is_extra, taken
from engine.plan.decide import Action, Choice, decide
from engine.plan.estimate import Change, RouteCounts
from engine.plan.in_place import decide_in_place
from engine.plan.join import Joined
from engine.plan.lifecycle import LEAVING, State
from engine.plan.misnamed import Misnames
from engine.plan.noted import key_said
from engine.plan.parts import MAX_COPY_BYTES
from engine.plan.route import Route
from engine.sites.clock import now_ms
from engine.store import StoreOf
from engine.transfer.counting import count_replaced
from engine.transfer.methods import cost_of

PROBLEMS_KEPT = 10


@dataclass(slots=True)
class RouteSurvey(RouteCounts):
    """One route: what its source holds, and what a run would do about it. Sizes are bytes; `known` counts what is in
    the ledger and no longer at the source, `deleted` of that what a cleanup deleted there, `surplus` what stands in
    the target alone, of what the patterns take; `added` and `added_bytes` are what the target grows by, `unlisted`
    counts what lies in the source's folder and cannot be an object, or what its list of keys names and S3 refuses to
    show, `misnamed` the objects whose keys can be no file's name at the target. `replaced` counts what takes
    another's place, `replaced_newer` of that where the target was written after its source, `perhaps_replaced` of it
    what stays if a look finds it equal. `in_bytes` come to this machine from another, `out_bytes` go from it,
    `egress_bytes` are those that leave AWS for it. `change` is what it costs to set what they carry where they are,
    None for a route that copies."""

    to_copy: int = 0
    to_copy_bytes: int = 0
    to_inspect: int = 0
    over_5gib: int = 0
    archived: int = 0
    conflicting: int = 0
    misnamed: int = 0
    extra: int = 0
    known: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    added: int = 0
    added_bytes: int = 0
    surplus: int = 0
    surplus_bytes: int = 0
    unlisted: int = 0
    replaced: int = 0
    replaced_newer: int = 0
    perhaps_replaced: int = 0
    first_replaced: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    change: Change | None = None

    @property
    def taken(self) -> tuple[int, int]:
        """Objects and bytes of what its source holds, and of what it held until it was deleted as copied and proven:
        what is compared with what the owner expects."""
        return self.objects + self.deleted, self.bytes + self.deleted_bytes

    def add(self, other: RouteSurvey) -> None:
        """Add another route's figures, for the total."""
        for name in _FIGURES:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems
        self.first_replaced += other.first_replaced


_NO_FIGURES = ("route", "problems", "first_replaced", "change", "into_folder")
_FIGURES = [item.name for item in fields(RouteSurvey) if item.name not in _NO_FIGURES]


async def survey(
    store_of: StoreOf,
    sources: Sources,
    routes: Sequence[Route],
    entries_of: EntriesOf | None,
    listener: Listener,
    copies: Callable[[Route], bool] = lambda route: True,
    digests: Callable[[Route], bool] = lambda route: True,
    misnames: Mapping[str, Misnames] | None = None,
) -> list[RouteSurvey]:
    """List both sides of every route and count what a run would do; `copies`: whether a server copies a route's objects
    by itself, where both sides are in S3; `digests`: whether its ETags are, as `decide` has it; `misnames` by route.
    Raises what the listings raise."""
    found = [
        RouteSurvey(route.name, change=Change.of(route) if route.in_place else None, into_folder=route.target.is_local)
        for route in routes
    ]

    def tell(*, done: bool) -> None:
        objects, size_bytes = sum(item.objects for item in found), sum(item.bytes for item in found)
        listener(Looking.of_listing(objects, size_bytes, ended=done))

    async def look(route: Route, report: RouteSurvey) -> None:
        decided = partial(decide, digests=digests(route), misnames=(misnames or {}).get(route.name))
        choose = partial(decide_in_place, route=route) if route.in_place else partial(decided, policy=route.overwrite)
        count = partial(_count, route, report, choose=choose, copies=copies(route))
        async with anyio.create_task_group() as group:
            join = sources.join(group, store_of, route, entries_of)
            while (rows := await join.next_rows()) is not None:
                rows = taken(route, rows)
                judged = join.judged(rows)
                for row in judged:
                    count(row)
                if len(judged) < len(rows):
                    seen = {row.key for row in judged}
                    for row in rows:
                        if row.key not in seen:
                            _count_hidden(route, report, row)
                tell(done=False)
            things, *_ = join.unlisted
            report.unlisted = things.count
            for key, item in things.named()[: PROBLEMS_KEPT - len(report.problems)]:
                report.problems.append(f'route "{route.name}": {key_said(key)} is left: {item.message}')

    await read_through(routes, found, look)
    tell(done=True)
    return found


def _count_hidden(route: Route, report: RouteSurvey, row: Joined) -> None:
    """A row whose place in the target is taken by what cannot be an object."""
    if row.source is None:
        return
    report.objects += 1
    report.bytes += row.source.size
    report.conflicting += 1
    if len(report.problems) < PROBLEMS_KEPT:
        report.problems.append(f'route "{route.name}": {key_said(row.key)} has no place: what lies there is no file')


def _count(
    route: Route, report: RouteSurvey, row: Joined, *, choose: Callable[[Joined], Choice | None], copies: bool
) -> None:
    source = row.source
    if source is None:
        report.extra += row.entry is None
        report.known += row.entry is not None
        if row.entry is not None and row.entry.state in LEAVING:
            report.deleted += 1
            report.deleted_bytes += row.entry.size
        if row.target is not None and is_extra(route, row):
            report.surplus += 1
            report.surplus_bytes += row.target.size
        return
    report.objects += 1
    report.bytes += source.size
    if not route.maps_any_key and len(report.problems) < PROBLEMS_KEPT and (problem := route.problem_of(source.key)):
        report.problems.append(f'route "{route.name}": {problem}')
    choice = choose(row)
    if choice is None or choice.decision.state is State.COPIED:
        report.there += 1
    elif choice.ended is not None:
        if not report.misnamed and len(report.problems) < PROBLEMS_KEPT:
            report.problems.append(f'route "{route.name}": {key_said(row.key)} is set aside: {choice.ended.message}')
        report.misnamed += 1
    elif choice.decision.state is State.ARCHIVED:
        report.archived += 1
    elif choice.decision.state is State.CONFLICT:
        report.conflicting += 1
    elif choice.action in (Action.INSPECT, Action.REREAD):
        report.to_inspect += 1
        report.head_requests += 2
        if choice.over is not None and route.overwrites_different:
            report.perhaps_replaced += 1
            count_replaced(report, row.key, source, choice.over)
    else:
        report.to_copy += 1
        report.to_copy_bytes += source.size
        if not route.in_place:
            report.added += row.target is None
            report.added_bytes += source.size - (row.target.size if row.target is not None else 0)
            if choice.over is not None:
                count_replaced(report, row.key, source, choice.over)
        report.over_5gib += source.size > MAX_COPY_BYTES
        cost = cost_of(source, route, copies=copies)
        if report.change is not None:
            report.change.add(source, route, cost.writes, cost.reads, now_ms())
        report.copy_requests += cost.writes
        report.head_requests += cost.reads
        report.in_bytes += cost.in_bytes
        report.out_bytes += cost.out_bytes
