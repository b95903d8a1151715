"""Deleting the sources under faults: what is gone was proven, what stays is said, and the next time it goes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from engine.api.cleanup import CleanupRefused, cleanup
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import EngineError, StoreError
from engine.finish import deleting
from engine.sandbox import FaultRule
from engine.sandbox.launch import Sandbox
from tests.faults import invariants
from tests.faults.amount import amount, sample, seeds
from tests.faults.conftest import Record
from tests.faults.impatience import hurry
from tests.faults.scene import Scene

SEEDS = amount(1, 1, 5)
DELETES = ("DeleteObjects", "DeleteObject")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent again is sent again at once."""
    hurry(monkeypatch)
    monkeypatch.setattr(deleting, "BASE_S", 0.005)


def rules(kind: str, **more: object) -> list[FaultRule]:
    return [FaultRule(kind, operation, every=2, **more) for operation in DELETES]  # type: ignore[arg-type]


CASES = {
    "delete-error": rules("delete-error"),
    "delete-error, AccessDenied": rules("delete-error", code="AccessDenied"),
    "delete-error, SlowDown": rules("delete-error", code="SlowDown"),
    "delete-keyless": rules("delete-keyless"),
    "a delete done, and reset": rules("reset-served"),
    "a delete done, and answered 500": rules("500", served=True),
    "a delete reset": rules("reset-unserved"),
    "a delete's answer cut": rules("cut-body"),
    "a delete's answer empty": rules("200-empty"),
    "an error in a delete's 200": rules("200-error"),
    "403 on deletes": rules("403"),
    "404 on deletes": rules("404"),
    "412 on deletes": rules("412"),
    "SlowDown on deletes": rules("503"),
    "everything, now and then": [
        FaultRule(kind, probability=0.05) for kind in ("500", "503", "reset-served", "reset-unserved", "cut-headers")
    ],
}


async def proven(sandbox: Sandbox, folder: Path, name: str) -> Scene:
    scene = Scene(sandbox, folder, name=name)
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    return scene


@pytest.mark.parametrize("seed", seeds(SEEDS))
@pytest.mark.parametrize("name", sample(CASES, 3))
async def test_a_deletion_among_faults(
    name: str, seed: int, signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = await proven(signed_in, tmp_path, f"{name} {seed}")
    scoped = [asdict(rule) | {"bucket": scene.bucket} for rule in CASES[name]]
    signed_in.control("settings", {"faults": scoped, "seed": seed})
    for _ in range(2):
        try:
            result = await cleanup(scene.plan, scene.options(), delete=True)
        except CleanupRefused as refused:
            assert refused.reasons
        except EngineError as error:
            assert isinstance(error, StoreError), error
        else:
            cleaned = result.cleaned
            assert cleaned is not None
            left = len(set(scene.held()) & set(scene.wanted))
            assert cleaned.stayed or left == 0, f"{left} sources are left, and the cleanup says that it is done"
        invariants.claims(scene)
    struck = sum(signed_in.control("stats")["faults"].values())
    scene.calm()
    if set(scene.held()) & set(scene.wanted):
        assert (await verify(scene.plan, scene.options())).stopped is False
        await cleanup(scene.plan, scene.options(), delete=True)
    invariants.ended(scene, deleted=True)
    assert struck
    record("deleting", name, 1, "only what was proven is gone, and in the end all of it", seed=seed, struck=struck)


async def test_a_source_that_changed_after_its_proof_is_not_deleted(
    signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = await proven(signed_in, tmp_path, str(tmp_path))
    changed = sorted(scene.wanted)[3]
    signed_in.control("put", {"bucket": scene.bucket, "key": changed, "text": "new, and nowhere else"})
    with pytest.raises(CleanupRefused):
        await cleanup(scene.plan, scene.options(), delete=True)
    assert set(scene.wanted) <= set(scene.held())
    record("deleting", "a source changed after its proof", 1, "gate closed, nothing deleted")


@pytest.mark.parametrize("how", ["delete", "put"])
async def test_sources_whose_target_is_lost_or_replaced_after_the_proof_are_kept(
    how: str, signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = await proven(signed_in, tmp_path, str(tmp_path))
    target = scene.wanted[sorted(scene.wanted)[5]]
    text = {"text": "of somebody else"} if how == "put" else {}
    signed_in.control(how, {"bucket": scene.bucket, "key": target} | text)
    with pytest.raises(CleanupRefused):
        await cleanup(scene.plan, scene.options(), delete=True)
    assert set(scene.wanted) <= set(scene.held())
    record("deleting", f"a target lost after its proof ({how})", 1, "gate closed, nothing deleted")
