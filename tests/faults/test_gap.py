"""How long it is from a look at a target to the delete of its source, as the server sees both.

S3 knows no condition on another object: what somebody deletes in between is lost. The gap is bounded here, and its
figures are written down in docs/reliability.md.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.consent import Consent
from engine.api.run import migrate
from engine.api.verify import verify
from engine.events import Event, Progress
from engine.sandbox import FaultRule
from engine.sandbox.judge import LOOK_S, MARGIN_S
from engine.sandbox.launch import Sandbox
from tests.faults.amount import amount, sample
from tests.faults.conftest import Record
from tests.faults.scene import PREFIX, Scene

SCALE = amount(2, 30, 1000) / 1000
"""Of the reference migration's 52,994 objects. From 30 on a batch is as large as S3 takes, on the largest route."""
LIKE_OTHERS = frozenset({"raw"})
CASES: dict[str, dict[str, Any]] = {
    "at once": {},
    "200 ms an answer": {"latency_ms": 200.0},
    "50 ms an answer": {"latency_ms": 50.0},
    "every 20th HEAD and every 5th listing answered 503": {
        "faults": [FaultRule("503", "HeadObject", every=20), FaultRule("503", "ListObjectsV2", every=5)]
    },
    "every 3rd batch answered SlowDown": {"faults": [FaultRule("503", "DeleteObjects", every=3)]},
}


@pytest.mark.parametrize("unconditional", [False, True], ids=["by ETag", "unconditional"])
@pytest.mark.parametrize("name", sample(CASES, 2))
async def test_from_the_look_at_a_target_to_the_delete_of_its_source(
    name: str, unconditional: bool, signed_in: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = Scene(signed_in, tmp_path, scale=SCALE, without=LIKE_OTHERS, name=f"{name} {unconditional}")
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    sides = [[[scene.bucket, source], [scene.bucket, PREFIX + target]] for source, target in scene.routes.values()]
    signed_in.control("judge", {"routes": sides, "machines": {signed_in.access_key: "here"}})
    faults = [asdict(rule) | {"bucket": scene.bucket} for rule in CASES[name].get("faults", [])]
    signed_in.control("settings", {"conditional_deletes": not unconditional, "faults": faults})

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done_bytes:  # the gate is open, and the first batch is gone
            signed_in.control("settings", {"latency_ms": CASES[name].get("latency_ms", 0.0)})

    try:
        consent = Consent(unconditional=unconditional)
        result = await cleanup(scene.plan, scene.options(listener=listen), consent=consent, delete=True)
        verdict = signed_in.control("verdict")
    finally:
        signed_in.control("settings", {"conditional_deletes": True, "latency_ms": 0.0, "faults": []})
    assert result.cleaned is not None and result.cleaned.deleted
    assert verdict["findings"] == []
    gaps = sorted(verdict["figures"]["gaps_s"])
    assert len(gaps) >= result.cleaned.deleted
    assert gaps[-1] <= LOOK_S + MARGIN_S
    median, most, last = (round(1000 * gaps[int((len(gaps) - 1) * part)]) for part in (0.5, 0.99, 1))
    how = "unconditional" if unconditional else "by ETag"
    print(f"{name}, {how}: {len(gaps):,} deletes, p50 {median} ms, p99 {most} ms, at most {last} ms after the look")
    figures = {"deleted": len(gaps), "p50_ms": median, "p99_ms": most, "gap_ms": last}
    record("gap", f"{name}, {how}", 1, "no delete upon an older look", **figures)
