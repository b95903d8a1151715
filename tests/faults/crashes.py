"""One crash: a command in a process of its own, ended at a seeded moment, and then given again until it is done."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.api.cleanup import cleanup
from engine.api.consent import Act
from engine.api.load import load_plan
from engine.api.rewrite import rewrite
from engine.api.run import migrate
from engine.api.verify import verify
from engine.plan.own import MARK
from engine.sandbox.launch import Sandbox
from tests.faults import invariants
from tests.faults.killing import KINDS, Moment
from tests.faults.processes import cartage
from tests.faults.scene import PREFIX, Held, Scene

CONCURRENCY = 8
VERBS = ("run", "run", "run", "verify", "cleanup", "rewrite", "plan")
"""Runs are killed more often than the rest: most can go wrong there."""

ARGUMENTS = {
    "plan": (),
    "run": ("--yes", "--concurrency", str(CONCURRENCY)),
    "verify": (),
    "cleanup": ("--delete", "--confirm", "moving"),
    "rewrite": ("--apply",),
}
COMMAND_S = 60.0

Counts = dict[str, dict[str, int]]


@dataclass
class Trial:
    """What a seed stands for: the verb, the signal, and how the moment is chosen once the verb's moments are known."""

    seed: int
    verb: str = ""
    legacy: bool = False
    signals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.verb = self.random.choice(VERBS)
        self.legacy = self.random.random() < 0.25
        kills = 2 if self.verb in ("run", "cleanup") and self.random.random() < 0.3 else 1
        self.signals = [
            self.random.choice([signal.SIGKILL] * 6 + [signal.SIGTERM, signal.SIGINT]) for _ in range(kills)
        ]

    def moment(self, number: int, counts: dict[str, int]) -> Moment:
        """The moment of kill `number`, anywhere in the verb's life."""
        kind = self.random.choice([*(kind for kind in KINDS if counts.get(kind)), "time"])
        most = counts[kind] if kind != "time" else counts["milliseconds"]
        return Moment(kind, self.random.randint(1, most), int(self.signals[number]))


def plan_for(scene: Scene, verb: str) -> Path:
    """The scene's plan; with references to look for where they are to be rewritten."""
    if verb != "rewrite":
        return scene.plan_path
    path = scene.folder / "rewriting.toml"
    path.write_text(scene.plan_path.read_text() + '[references]\nscan = ["pipelines/", "experiments/", "README.md"]\n')
    return path


async def prepared(scene: Scene, verb: str) -> None:
    """What comes before the verb, undisturbed."""
    if verb in ("verify", "cleanup", "rewrite"):
        assert (await migrate(scene.plan, scene.options())).complete
    if verb in ("cleanup", "rewrite"):
        assert (await verify(scene.plan, scene.options())).agrees


async def command(scene: Scene, verb: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run the verb in a process of its own; gives its exit code (negative: a signal) and all that it said."""
    words = (verb, str(plan_for(scene, verb)), *ARGUMENTS[verb])
    return await cartage(*words, environment=scene.env() | environment, within_s=COMMAND_S)


async def counted(sandbox: Sandbox, folder: Path) -> Counts:
    """How many moments of each kind every verb has when nobody disturbs it, and how long it takes."""
    counts: Counts = {}
    for verb in ARGUMENTS:
        scene = Scene(sandbox, folder / verb)
        await prepared(scene, verb)
        file = folder / f"{verb}.json"
        began = asyncio.get_running_loop().time()
        code, said = await command(scene, verb, {"CARTAGE_TEST_COUNTS": str(file)})
        assert code == 0, said
        counts[verb] = json.loads(file.read_text())
        counts[verb]["milliseconds"] = int(1000 * (asyncio.get_running_loop().time() - began))
    return counts


async def crash(trial: Trial, counts: Counts, sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Carry one trial out; gives what happened. Raises AssertionError where anything is not as it has to be."""
    scene = Scene(sandbox, folder, legacy=trial.legacy, name=f"crash {trial.seed}")
    verb = trial.verb
    await prepared(scene, verb)
    ends, moments = [], []
    for number in range(len(trial.signals)):
        moment = trial.moment(number, counts[verb])
        moments.append(moment.text)
        code, said = await command(scene, verb, {"CARTAGE_TEST_KILL": moment.text})
        allowed = {-moment.signal, 0} if moment.signal == signal.SIGKILL else {130, 0, -moment.signal}
        assert code in allowed, f"{moment.text}: exit code {code}\n{said[-3000:]}"
        assert "Traceback" not in said, said
        if code == -moment.signal and moment.signal != signal.SIGKILL:
            assert moment.kind == "time", f"{moment.text}: a signal that was not heeded\n{said}"
        ends.append(code)
        if scene.ledger.exists():
            invariants.claims(scene)
    await finished(scene, verb)
    in_flight = CONCURRENCY * len(moments)
    invariants.writes_repeated(scene, in_flight)
    return {
        "verb": verb,
        "moments": moments,
        "ends": ends,
        "killed": sum(code != 0 for code in ends),
        "repeated": sum(
            count - 1 for key, count in scene.repeated_writes().items() if key in set(scene.wanted.values())
        ),
    }


async def finished(scene: Scene, verb: str) -> None:
    """The same command again, and what follows it, undisturbed; then everything has to be as it should."""
    if verb == "rewrite":
        await rewritten(scene)
        return
    if verb == "cleanup":
        result = await cleanup(scene.plan, scene.options(), delete=True)
        assert result.open, result.reasons
        assert result.cleaned is not None
        invariants.ended(scene, deleted=True)
        return
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    if scene.uploads() or any(MARK in key for key in scene.held()):
        # The killed command's last request came after what it might make was looked for: the next run finds it.
        assert (await migrate(scene.plan, scene.options())).complete
    invariants.ended(scene)


async def rewritten(scene: Scene) -> None:
    """Applied again, every file names the new paths; put back, every file is what it was, byte for byte."""
    plan = load_plan(plan_for(scene, "rewrite"))
    await rewrite(plan, scene.options(), act=Act.APPLY)
    again = await rewrite(plan, scene.options())
    assert again.scan is not None
    assert [item for file in again.scan.files for item in file.findings if not item.why] == []
    changed = {key for key, value in texts(scene.held()).items() if value != scene.before[key]}
    assert changed, "nothing was rewritten: this proves nothing"
    await rewrite(plan, scene.options(), act=Act.UNDO)
    now = texts(scene.held())
    assert {key for key in now if now[key].content != scene.before[key].content} == set()
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)


def texts(held: Held) -> Held:
    """What a rewrite may change."""
    places = ("pipelines/", "experiments/", "README.md")
    return {key: value for key, value in held.items() if key.startswith(tuple(PREFIX + place for place in places))}
