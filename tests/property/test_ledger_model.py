"""The ledger against a plain dictionary, under random interleavings of everything that a run does to it: decisions,
outcomes, uploads, refusals, ends and crashes, each followed by a resume."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import LedgerError
from engine.ledger import Ledger
from engine.model import Proof, UploadedPart
from engine.plan.lifecycle import ASIDE, BEREFT, FIRST, TRANSITIONS, UNDONE, State
from engine.plan.record import AGREE, COMPARE, Decision, Outcome
from tests.faults.amount import examples
from tests.unit.ledger.scene import BINDING, Clock, assert_tallies_agree, upload

KEYS = ["", "a", "a/", "a\0b", "é", "\U0001f600", "z'; --"]
keys = st.sampled_from(KEYS)
routes = st.sampled_from([item.name for item in BINDING.routes])
etags = st.sampled_from(["", "e1", "e2"])
properties = st.sampled_from(["", AGREE, COMPARE, "metadata.a is 'b', wanted 'c'"])
decisions = st.builds(
    Decision,
    key=keys,
    size=st.integers(0, 1 << 44),
    source_etag=etags,
    source_modified=st.sampled_from(["2026-01-31T10:00:00.000Z", "2026-02-01T10:00:00.000Z"]),
    storage_class=st.just("STANDARD"),
    source_checksum=st.sampled_from(["", "CRC64NVME:FULL_OBJECT"]),
    state=st.sampled_from(sorted(State)),
    held=etags,
    target_etag=etags,
    found=st.booleans(),
    proof=st.sampled_from(list(Proof)),
    properties=properties,
)
outcomes = st.builds(
    Outcome,
    key=keys,
    state=st.sampled_from(sorted(State)),
    target_etag=etags,
    proof=st.sampled_from(list(Proof)),
    method=st.sampled_from(["", "copy", "parts", "found"]),
    code=st.sampled_from(["", "BytesDiffer", "TargetMissing", "TargetChanged"]),
    properties=properties,
)


class Row:
    """What the model knows of one object."""

    def __init__(
        self,
        size: int,
        source_etag: str,
        state: State,
        held: str,
        target: str,
        proof: Proof,
        found: bool,
        modified: str,
        properties: str,
        damaged: str,
    ):
        self.entry = (size, source_etag, state, held, target, proof)
        self.found = found
        self.modified = modified
        self.properties = properties
        self.damaged = damaged

    @property
    def shown(self) -> tuple[Any, ...]:
        """As the join is told of it, without the key."""
        return (*self.entry, self.found, self.modified, self.properties not in ("", AGREE), self.damaged)

    @property
    def state(self) -> State:
        return self.entry[2]


def batch_of(steps: list[Any]) -> list[Any]:
    """Each key once: the first word about it."""
    return list({step.key: step for step in reversed(steps)}.values())


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="cartage-model-"))
        self.path = self.folder / "0" / "moving.ledger"
        self.path.parent.mkdir()
        self.crashes = 0
        self.model: dict[tuple[str, str], Row] = {}
        self.former: dict[tuple[str, str], Row] = {}  # what was known of a key before the source went that it had
        self.uploads: dict[str, tuple[str, dict[int, str]]] = {}  # of the first route: id and parts by key
        self.ledger: Ledger

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.ledger = self.do(Ledger.open(self.path, BINDING, now_ms=Clock()))
        assert self.ledger.fresh is not bool(self.model)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.do(self.ledger.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    # --- what a run does ------------------------------------------------------------------------------------

    @rule(route=routes, batch=st.lists(decisions, min_size=1, max_size=4).map(batch_of))
    def decide(self, route: str, batch: list[Decision]) -> None:
        legal = all(self._may(route, item.key, item.state) for item in batch)
        if not legal:
            with pytest.raises(LedgerError):
                self.do(self.ledger.decide(route, batch))
            return
        self.do(self.ledger.decide(route, batch))
        for item in batch:
            before = self.model.get((route, item.key))
            if before is not None and before.state in BEREFT:
                self.former[route, item.key] = before
            self._end_former(route, item)
            self.model[route, item.key] = Row(
                item.size,
                item.source_etag,
                item.state,
                item.held,
                item.target_etag,
                item.proof,
                item.found,
                item.source_modified,
                item.properties,
                before.damaged if before is not None else "",
            )

    def _end_former(self, route: str, item: Decision | Outcome) -> None:
        if item.state not in UNDONE:
            self.former.pop((route, item.key), None)

    @rule(route=routes, batch=st.lists(outcomes, min_size=1, max_size=4).map(batch_of), durable=st.booleans())
    def conclude(self, route: str, batch: list[Outcome], durable: bool) -> None:
        conclude = self.ledger.conclude_durably if durable else self.ledger.conclude
        known = [self.model.get((route, item.key)) for item in batch]
        if not all(
            row is not None and item.state in TRANSITIONS[row.state] for row, item in zip(known, batch, strict=True)
        ):
            with pytest.raises(LedgerError):
                self.do(conclude(route, batch))
            return
        self.do(conclude(route, batch))
        for row, item in zip(known, batch, strict=True):
            assert row is not None
            self._end_former(route, item)
            size, source_etag, _, held, before, _ = row.entry
            found = row.found if item.method == "" else item.method == "found"  # what was copied is ours
            keeps = item.target_etag == "" and item.state in (
                State.FAILED,
                State.DRIFTED,
                State.CONFLICT,
                State.ARCHIVED,
            )
            target = before if keeps else item.target_etag
            carried = item.properties or (row.properties if target == before else "")
            damaged = row.damaged
            if item.state is State.DAMAGED and item.code not in ("TargetMissing", "TargetChanged"):
                damaged = item.target_etag
            elif item.state is State.COPIED and item.method not in ("", "found"):
                damaged = ""
            self.model[route, item.key] = Row(
                size, source_etag, item.state, held, target, item.proof, found, row.modified, carried, damaged
            )

    @rule(route=routes, chosen=st.sets(keys, min_size=1, max_size=2))
    def forget(self, route: str, chosen: set[str]) -> None:
        rows = [self.model.get((route, key)) for key in chosen]
        if not all(row is not None and row.state in ASIDE and row.entry[4] == "" for row in rows):
            with pytest.raises(LedgerError):
                self.do(self.ledger.forget(route, sorted(chosen)))
            return
        self.do(self.ledger.forget(route, sorted(chosen)))
        for key in chosen:
            del self.model[route, key]
            if (route, key) in self.former:
                self.model[route, key] = self.former.pop((route, key))

    @rule(key=keys)
    def begin_upload(self, key: str) -> None:
        self.do(self.ledger.intend_upload(upload(key)))
        self.uploads[key] = ("", {})
        row = self.model.get(("raw", key))
        if row is not None and row.state is State.PLANNED:
            size, source_etag, _, held, target, proof = row.entry
            self.model["raw", key] = Row(
                size,
                source_etag,
                State.COPYING,
                held,
                target,
                proof,
                row.found,
                row.modified,
                row.properties,
                row.damaged,
            )

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), upload_id=st.sampled_from(["id-1", "id-2"]))
    def created(self, data: st.DataObject, upload_id: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.uploads)))
        self.do(self.ledger.set_upload_id("raw", key, upload_id))
        self.uploads[key] = (upload_id, self.uploads[key][1])

    @rule(key=keys, parts=st.dictionaries(st.integers(1, 10_000), st.sampled_from(["p1", "p2"]), max_size=3))
    def record_parts(self, key: str, parts: dict[int, str]) -> None:
        self.do(self.ledger.record_parts("raw", key, [UploadedPart(number, etag, 5) for number, etag in parts.items()]))
        if key in self.uploads:
            self.uploads[key][1].update(parts)

    @rule(key=keys, how=st.sampled_from(["completed", "aborted", "vanished"]))
    def finish_upload(self, key: str, how: str) -> None:
        self.do(self.ledger.finish_upload("raw", key, how))
        self.uploads.pop(key, None)

    # --- how it ends ----------------------------------------------------------------------------------------

    @rule()
    def end_and_resume(self) -> None:
        self.do(self.ledger.close())
        assert [item.name for item in self.path.parent.iterdir() if item.name.endswith(("-wal", "-shm"))] == []
        self.open()

    @rule()
    def crash_and_resume(self) -> None:
        """What a kill leaves is the file and its -wal; the next run begins from those."""
        self.crashes += 1
        after = self.folder / str(self.crashes) / "moving.ledger"
        after.parent.mkdir()
        for ending in ("", "-wal"):
            if (left := self.path.with_name(self.path.name + ending)).exists():
                shutil.copy(left, after.with_name(after.name + ending))
        self.do(self.ledger.close())
        shutil.rmtree(self.path.parent)
        self.path = after
        self.open()

    # --- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def the_ledger_is_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for route in (item.name for item in BINDING.routes):
            entries = self.do(self.ledger.entries(route, None, None, 100))
            of_route = {key: row.shown for (name, key), row in self.model.items() if name == route}
            assert {entry.key: tuple(entry[1:-2]) for entry in entries} == of_route  # without `former`, `taken_back`
            assert not any(entry.taken_back for entry in entries)  # which a revert alone writes
            former = {key: row.shown for (name, key), row in self.former.items() if name == route}
            assert {entry.key: tuple(entry.former[1:-1]) for entry in entries if entry.former is not None} == former
            assert [entry.key for entry in entries] == sorted(of_route, key=str.encode)
        open_uploads = self.do(self.ledger.open_uploads())
        assert {item.key: item.upload_id for item in open_uploads} == {
            key: upload_id for key, (upload_id, _) in self.uploads.items()
        }
        for key, (_, parts) in self.uploads.items():
            assert {part.number: part.etag for part in self.do(self.ledger.parts("raw", key))} == parts
        assert_tallies_agree(self.path)

    def _may(self, route: str, key: str, after: State) -> bool:
        row = self.model.get((route, key))
        return after in (FIRST if row is None else TRANSITIONS[row.state])


TestLedgerModel = LedgerMachine.TestCase
TestLedgerModel.settings = settings(
    max_examples=examples(15), stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
