"""`plan`: what a plan would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.opening import open_ledger, open_plan
from engine.api.options import Options, ledger_path
from engine.api.watching import watched
from engine.bucket_facts import BucketFacts
from engine.events import Doing
from engine.finish.acceptances import note_expectations
from engine.ledger import Acceptance, Snapshot, open_routes
from engine.listing.kept import KeptListings
from engine.listing.nearest import empty_routes
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.in_place import remade
from engine.plan.lifecycle import ASIDE, IN_FLIGHT
from engine.plan.permissions import actions
from engine.plan.record import Tally, by_state
from engine.plan.sizes import plural
from engine.proof.survey import RouteSurvey
from engine.proof.survey import survey as survey_routes
from engine.shown import LedgerResult
from engine.sites.sites import Sites, buckets_of
from engine.sites.traits import Traits

if TYPE_CHECKING:
    from engine.folder.store import Room


@dataclass(frozen=True, slots=True)
class SurveyResult(LedgerResult):
    """What a plan would do, by route, and what the ledger says already. `traits` is what is known of each bucket's
    server, `lacking` what is promised less of for it, a sentence each; `empty` has one for each source that holds
    nothing, `no_room` one for each disk that has too little left for what is to be copied. `versioning` is that of each
    bucket whose objects are set where they are: "", "Enabled", "Suspended", or None where it is not known. `actions` of
    IAM are what a run has to be allowed; `tallies` and `snapshots` are the ledger's."""

    plan: Plan
    routes: list[RouteSurvey]
    ledger: Path
    has_ledger: bool
    acceptances: list[Acceptance] = field(default_factory=list)
    traits: dict[str, Traits] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    no_room: list[str] = field(default_factory=list)
    versioning: dict[str, str | None] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    tallies: list[Tally] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many keys of lists S3 refuses to show: what a run would do with them is not known."""
        by_list = {route.name for route in self.plan.routes if route.key_list is not None}
        return sum(item.unlisted for item in self.routes if item.route in by_list)

    @property
    def is_done(self) -> bool:
        """Whether a run would find nothing to do: all that is listed is at its target, or can never be there, by a
        ledger of listings that reached their end and of objects that are done."""
        left = any(
            item.to_copy + item.to_inspect + item.archived + item.conflicting + item.unlisted for item in self.routes
        )
        undone = sum(by_state(self.tallies, IN_FLIGHT | ASIDE).values())
        return bool(self.tallies) and not left and undone == self.misnamed and not open_routes(self.snapshots)

    @property
    def misnamed(self) -> int:
        """How many objects can never be copied, since their keys can be no file's name at the target."""
        return sum(item.misnamed for item in self.routes)


SURVEYED = "surveyed"
"""The ledger's note of how many objects and bytes each route's source held when it was last looked at."""


@watched
async def survey(
    plan: Plan, options: Options | None = None, *, probe: bool = False, keep: KeptListings | None = None
) -> SurveyResult:
    """What a run of the plan would do: both sides of every route are listed and compared. Writes nothing to S3 unless
    `probe` asks to try what the server honours, on small objects of its own; what was found is remembered in the
    ledger, a new one if there is none, so that a difference from what the plan expects can be accepted. With `keep` the
    listings are kept for a run that is given the same.

    Raises `LedgerError` (locked; of another endpoint, other routes or a list that names a key less; damaged), and
    `StoreError` of scope `run`. A key whose target S3 could not hold is no error: it is in `RouteSurvey.problems`."""
    options = options or Options()
    async with open_plan(plan, options) as opened:
        path = ledger_path(plan, options)
        async with await open_ledger(plan, opened, options, "plan") as ledger:
            entries = None if ledger.fresh else ledger.entries
            if probe:
                await opened.try_routes(plan.routes)
            await opened.find_reading(plan.routes)
            if keep is not None:
                opened.sources.keep = keep.of_lists((await ledger.binding()).lists)
            options.listener(Doing("listing both sides"))
            routes = await survey_routes(
                opened.store,
                opened.sources,
                plan.routes,
                entries,
                options.listener,
                opened.copies,
                opened.keeps_digests,
                await opened.misnames(plan.routes),
            )
            await opened.sources.keep_all()
            for route, found in zip(plan.routes, routes, strict=True):
                found.egress_bytes = found.in_bytes if opened.source(route).is_aws else 0
            await opened.sources.refuse_missing(ledger.knows, dealt=False)
            await note_expectations(ledger, plan, {item.route: item.taken for item in routes})
            await ledger.set_note(SURVEYED, {item.route: [item.objects, item.bytes] for item in routes})
            counts = {item.route: item.objects + item.known + item.unlisted for item in routes}
            return SurveyResult(
                plan,
                routes=routes,
                ledger=path,
                has_ledger=not ledger.fresh,
                acceptances=await ledger.acceptances(),
                traits=opened.traits(plan.routes),
                lacking=opened.sentences(plan.routes),
                empty=[] if options.allow_empty else await empty_routes(opened.store, plan.routes, counts),
                no_room=await _no_room(plan, opened, routes),
                versioning=versioning_of(plan, await opened.facts(remade(plan.routes), lacking=True)),
                actions=actions(plan, "run", options.state),
                tallies=await ledger.tallies(),
                snapshots=await ledger.snapshots(),
            )


def versioning_of(plan: Plan, known: Mapping[Location, BucketFacts]) -> dict[str, str | None]:
    """A copy of an object onto itself leaves what it was, where its bucket keeps versions."""
    buckets = buckets_of(remade(plan.routes))
    return {where.bucket_name: known[where].versioning if where in known else None for where in buckets}


async def _no_room(plan: Plan, opened: Sites, found: list[RouteSurvey]) -> list[str]:
    """A sentence for each disk of local folders that has less left than the routes into it add to it."""
    added: dict[int, tuple[int, int]] = {}
    disks: dict[int, tuple[Room, str]] = {}
    for route, item in zip(plan.routes, found, strict=True):
        folder = opened.target(route).folder
        if folder is not None:
            room = await folder.room(route.target.bucket)
            if room.disk not in disks or room.free_bytes > disks[room.disk][0].free_bytes:
                others = " and those mounted below it, which together have" if room.with_others else ", which has"
                disks[room.disk] = room, f"the disk of {route.target.bucket}{others}"
            files, size_bytes = added.get(room.disk, (0, 0))
            added[room.disk] = files + item.added, size_bytes + item.added_bytes
    sentences = []
    for disk, (room, which) in disks.items():
        files, size_bytes = added[disk]
        if size_bytes > room.free_bytes:
            sentences.append(f"what is to be copied adds {size_bytes:,} bytes to {which} {room.free_bytes:,} left")
        if files > room.free_files:
            left = f"room for {plural(room.free_files, 'file')} more (inodes)"
            sentences.append(f"what is to be copied adds {plural(files, 'file')} to {which} {left}")
    return sentences
