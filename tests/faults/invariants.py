"""What has to hold after a run, however it was disturbed: the ledger's claims held against what the sandbox has.

`claims` may be asked at any moment; `ended` after everything was put right.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.model import Proof
from engine.plan.own import PROBE
from tests.faults.scene import PREFIX, Held, Scene, snapshot


def ledger_is_whole(path: Path) -> None:
    """SQLite finds nothing, and nobody else may read it."""
    with snapshot(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    for file in path.parent.glob(path.name + "*"):
        assert file.stat().st_mode & 0o077 == 0, f"{file.name} can be read by others"


def claims(scene: Scene, *, foreign: Collection[str] = ()) -> None:
    """Nothing that the ledger says is verified is wrong, and nothing is deleted that is not proven.

    `foreign` are target keys that the test itself has written to since the last verification."""
    ledger_is_whole(scene.ledger)
    now, rows = scene.held(), scene.rows()
    for key, row in rows.items():
        target_key = scene.wanted.get(key)
        if target_key is None:
            continue
        target, state = now.get(target_key), row["state"]
        if state in ("verified", "deleting", "deleted") and target_key not in foreign:
            assert target is not None, f"{key!r} is {state}, and its target is not there"
            assert target.etag == row["target_etag"], f"{key!r} is {state} with an ETag that its target does not bear"
            assert target.size == row["size"]
            source = now.get(key, scene.before[key])
            if source.etag == row["source_etag"]:
                assert target.content == source.content, f"{key!r} is {state}, and its target has other bytes"
            assert row["proof"] >= Proof.SIZE
        if row["proof"] >= Proof.DIGEST and state in ("copied", "verified") and target_key not in foreign:
            assert target is not None, f"{key!r} is {state} with a digest, and its target is not there"
            if now.get(key, scene.before[key]).etag == row["source_etag"] and target.etag == row["target_etag"]:
                assert target.content == now.get(key, scene.before[key]).content, f"{key!r}: a digest that lies"
    for key in scene.wanted:
        if key not in now:
            state = rows[key]["state"]
            assert state in ("deleted", "deleting"), f"{key!r} is gone, and the ledger has it {state}"


def ended(scene: Scene, *, aside: Collection[str] = (), deleted: bool = False) -> None:
    """Everything is copied and proven, and nothing else is left behind or lost.

    `aside`: source keys that the ledger must have set aside, whose targets belong to somebody else."""
    claims(scene)
    now, rows = scene.held(), scene.rows()
    assert sorted(set(scene.wanted) - set(rows)) == [], "objects that the ledger does not know"
    expected = set(scene.before) | set(scene.wanted.values())
    if deleted:
        expected -= set(scene.wanted)
    assert sorted(set(now) ^ expected) == [], "objects too many, or too few"
    states = {key: row["state"] for key, row in rows.items()}
    done = "deleted" if deleted else "verified"
    assert {key: state for key, state in states.items() if state != done and key not in aside} == {}
    assert {key for key in aside if states[key] in ("verified", "copied")} == set()
    for key, target_key in scene.wanted.items():
        if key not in aside:
            source = now.get(key, scene.before[key])
            assert now[target_key].content == source.content, f"{target_key!r} has other bytes than {key!r}"
    untouched: Held = {key: value for key, value in scene.before.items() if key not in scene.wanted}
    for key in untouched.keys() - set(scene.wanted.values()):
        assert now[key] == untouched[key], f"{key!r} was nobody's to change"
    assert scene.uploads() == [], "uploads are left, and are billed for ever"


def writes_repeated(scene: Scene, at_most: int) -> None:
    """How many targets were written more than once: no more than what was in flight. What a server is tried out with
    is written over on purpose."""
    written = scene.repeated_writes().items()
    repeated = {key: count for key, count in written if key.startswith(PREFIX) and PROBE not in key}
    assert sum(count - 1 for count in repeated.values()) <= at_most, repeated
