"""One episode of chaos, carried out: commands in processes of their own, users beside them, the judge in the server.

It ends in an AssertionError at the first thing that the judge finds, with the seed and all that was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from engine.sandbox import FaultRule, SandboxSettings, start_sandbox
from engine.sandbox.launch import Sandbox
from tests.faults.chaos.script import MACHINES, STALE_S, Attack, Order, Script, Step, script_of
from tests.faults.chaos.users import PREFIX_OF, SOURCE, TARGET, Users
from tests.faults.invariants import ledger_is_whole
from tests.faults.processes import all_said, begun
from tests.faults.scene import credentials

COMMAND_S = 120.0
NAME = "chaos"
ENDS = frozenset({0, 1, 3, 4, 5, 130, -signal.SIGKILL})
ODD_KEYS = ("a b+c%20d", "control\x01\x1f", "line\nbreak", "🃏/ピカチュウ.png", "<Key>&amp;</Key>")
ARGUMENTS = {
    "run": ("--yes", "--concurrency", "16"),
    "verify": (),
    "cleanup": ("--delete", "--confirm", NAME),
    "revert": ("--delete", "--confirm", NAME),
}


@dataclass
class Machine:
    """One machine: its own folder, plan, ledger and access key. `looked_s` is when the command began whose proofs its
    ledger holds."""

    name: str
    folder: Path
    environment: dict[str, str]
    looked_s: float = 0.0
    commands: int = 0

    @property
    def ledger(self) -> Path:
        return self.folder / f"{NAME}.ledger"

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.commands}.journal"


@dataclass
class Told:
    """What came of an episode, for the tables. `ends` counts exit codes by verb."""

    seed: int
    attack: str
    ends: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    stopped: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


async def episode(seed: int, folder: Path) -> Told:
    """Carry out what the seed stands for. Raises AssertionError where anything happened that must not."""
    script = script_of(seed)
    settings = SandboxSettings(seed=seed, conditional_deletes=script.attack is not Attack.UNCONDITIONAL)
    with start_sandbox(settings) as sandbox:
        played = Episode(script, sandbox, folder)
        try:
            await played.play()
        except AssertionError as error:
            error.add_note("\n".join([f"chaos, seed {seed}: {script.attack}", *played.told.log[-80:]]))
            raise
    return played.told


class Episode:
    """A script under way on a sandbox of its own."""

    def __init__(self, script: Script, sandbox: Sandbox, folder: Path) -> None:
        self._script = script
        self._sandbox = sandbox
        self._backup = folder / "backup"
        self._began_s = time.monotonic()
        self.told = Told(script.seed, script.attack)
        self._keys = self._fill()
        self._users = Users(sandbox, self._keys, script.seed)
        self._machines = dict(self._make_machines(folder))
        self._stopped = asyncio.Event()
        self._judge()

    # --- the scene ---

    def _fill(self) -> list[str]:
        ask, script = self._sandbox.control, self._script
        for bucket in (SOURCE, TARGET):
            ask("bucket", {"name": bucket})
        prefix = PREFIX_OF[SOURCE]
        ask("fill", {"bucket": SOURCE, "prefix": prefix, "count": script.objects, "size": 5_000})
        keys = [f"{number:08d}.bin" for number in range(script.objects)]
        headers = {"content-type": "image/png", "x-amz-meta-licence": "CC-BY", "x-amz-tagging": "owner=museum"}
        few = [*keys[:: max(1, len(keys) // 20)], *ODD_KEYS]
        for number, key in enumerate(few):
            ask("put", {"bucket": SOURCE, "key": prefix + key, "text": f"described {number}", "headers": headers})
        if script.found:  # an earlier tool has copied it, and nothing that goes with it
            for number, key in enumerate(few[:3]):
                ask("put", {"bucket": TARGET, "key": PREFIX_OF[TARGET] + key, "text": f"described {number}"})
        if script.large:
            ask("fill", {"bucket": SOURCE, "prefix": f"{prefix}large/", "count": 1, "size": 6 << 30})
        return sorted({*keys, *ODD_KEYS})

    def _make_machines(self, folder: Path) -> Iterator[tuple[str, Machine]]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CARTAGE_TEST"))}
        for name in MACHINES:
            key = self._sandbox.control("credentials", {})
            mine = {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}
            machine = Machine(name, folder / name, inherited | credentials(self._sandbox) | mine)
            machine.folder.mkdir(parents=True)
            (machine.folder / f"{NAME}.toml").write_text(
                f'name = "{NAME}"\n[[routes]]\nname = "all"\nfrom = "s3://{SOURCE}/{PREFIX_OF[SOURCE]}"\n'
                f'to = "s3://{TARGET}/{PREFIX_OF[TARGET]}"\n[cleanup]\nhold = "0s"\n'
            )
            yield name, machine

    def _judge(self) -> None:
        sides = [[bucket, PREFIX_OF[bucket]] for bucket in (SOURCE, TARGET)]
        keys = {machine.environment["AWS_ACCESS_KEY_ID"]: name for name, machine in self._machines.items()}
        self._sandbox.control("judge", {"routes": [sides], "machines": keys})

    # --- the play ---

    async def play(self) -> None:
        """Move, prove, back up, give the other machine its copy; then every step."""
        first, other = (self._machines[name] for name in MACHINES)
        await self._step(Step((Order(first.name, "run"),)))
        await self._step(Step((Order(first.name, "verify --properties" if self._script.properties else "verify"),)))
        self._backup.mkdir()
        for place in (self._backup, other.folder):
            _copy_ledger(first.ledger, place / first.ledger.name)
        backed_up_s = other.looked_s = first.looked_s
        for step in self._script.steps:
            for name in step.restore:
                machine = self._machines[name]
                self._say(f"{name}: the ledger is put back to its backup")
                _copy_ledger(self._backup / machine.ledger.name, machine.ledger)
                machine.looked_s = backed_up_s
            if step.tidy:
                self._users.tidy()
            await self._step(step)
        for machine in self._machines.values():
            ledger_is_whole(machine.ledger)
        self.told.figures = self._sandbox.control("verdict")["figures"]
        self.told.acts = self._users.acts

    async def _step(self, step: Step) -> None:
        if step.storm_s:
            self._say(f"looks are refused at times for {step.storm_s:.1f} s")
        rules = [
            asdict(FaultRule("503", operation, probability=share, to_s=step.storm_s))
            for operation, share in (("HeadObject", 0.6), ("ListObjectsV2", 0.6))
            if step.storm_s
        ]
        self._sandbox.control("settings", {"faults": rules, "latency_ms": step.latency_ms})
        if step.ages_s:
            self._sandbox.control("advance_clock", {"seconds": step.ages_s})
        self._stopped = asyncio.Event()
        for machine in self._machines.values():
            machine.commands += 1
        working = asyncio.create_task(self._work(step)) if step.acts_rps else None
        try:
            await asyncio.gather(*(self._command(order) for order in step.orders))
        finally:
            if working is not None:
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await working
        await asyncio.to_thread(self._hold_to_account)

    async def _work(self, step: Step) -> None:
        if step.quiet:
            await until(self._begun(step))
        await self._users.work(step.acts_rps)

    def _begun(self, step: Step) -> Callable[[], bool]:
        """Whether a command of this step has committed that it will delete."""
        journals = [self._machines[order.machine].journal for order in step.orders]
        return lambda: any("begun" in line for journal in journals for line in _lines(journal))

    async def _command(self, order: Order) -> None:
        machine = self._machines[order.machine]
        await asyncio.sleep(order.delay_s)
        if order.after_stop:
            await self._stopped.wait()
            await asyncio.to_thread(self._sandbox.control, "advance_clock", {"seconds": STALE_S})
        verb, *flags = order.verb.split()
        if verb == "verify" or verb == "run":
            machine.looked_s = time.monotonic()
        environment = machine.environment | {"CARTAGE_TEST_JOURNAL": str(machine.journal)}
        if order.moment is not None:
            environment["CARTAGE_TEST_KILL"] = order.moment.text
        began_s = time.monotonic()
        process = begun(
            "tests.faults.chaos.command", verb, str(machine.folder / f"{NAME}.toml"), *ARGUMENTS[verb], *flags,
            environment=environment,
        )  # fmt: skip
        waking = asyncio.create_task(self._wake(process.pid, order)) if order.stop_s else None
        try:
            text = await all_said(process, str(order), COMMAND_S)
        finally:
            self._stopped.set()
            if waking is not None:
                waking.cancel()
        self._say(f"{machine.name}: {order.verb} {order.moment.text if order.moment else ''} -> {process.returncode} "
                  f"after {time.monotonic() - began_s:.1f} s\n{text.strip()[-1500:]}")  # fmt: skip
        self.told.ends[f"{verb} {process.returncode}"] += 1
        assert process.returncode in ENDS and "Traceback" not in text, (
            f"{order}: exit code {process.returncode}\n{text}"
        )

    async def _wake(self, pid: int, order: Order) -> None:
        """Let the process go on, so long after it stopped."""
        process = psutil.Process(pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            await until(lambda: process.status() == psutil.STATUS_STOPPED)
            self.told.stopped += 1
            self._stopped.set()
            await asyncio.sleep(order.stop_s)
            process.send_signal(signal.SIGCONT)

    # --- what comes of it ---

    def _hold_to_account(self) -> None:
        """Tell the judge what the ledgers have committed, and hear it."""
        for machine in self._machines.values():
            lines = [line for line in _lines(machine.journal) if "verified" in line]
            claims = [self._claim(machine, line["at_s"], *row) for line in lines for row in line["verified"]]
            self._sandbox.control("claims", {"lines": claims})
        findings = self._sandbox.control("verdict")["findings"]
        shown = [_finding_text(finding) for finding in findings[:5]]
        assert not findings, f"{len(findings)} things that must never happen, the first of them:\n" + "\n".join(shown)

    def _claim(self, machine: Machine, at_s: float, key: str, source: str, target: str, agrees: bool) -> Any:
        return {
            "at_s": at_s, "since_s": machine.looked_s, "by": machine.name,
            "source": [SOURCE, PREFIX_OF[SOURCE] + key], "source_etag": source,
            "target": [TARGET, PREFIX_OF[TARGET] + key], "target_etag": target, "agrees": agrees,
        }  # fmt: skip

    def _say(self, line: str) -> None:
        self.told.log.append(f"{time.monotonic():.3f} ({time.monotonic() - self._began_s:.1f} s) {line}")


def _copy_ledger(source: Path, target: Path) -> None:
    """As somebody does who copies the file, with what lies beside it."""
    for ending in ("-wal", "-shm"):
        target.with_name(target.name + ending).unlink(missing_ok=True)
    shutil.copy(source, target)
    wal = source.with_name(source.name + "-wal")
    if wal.exists():
        shutil.copy(wal, target.with_name(target.name + "-wal"))


def _lines(journal: Path) -> list[dict[str, Any]]:
    """The journal's whole lines: a killed process may have left half of one."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    while True:
        if true():
            return
        await asyncio.sleep(0.02)


def _finding_text(finding: dict[str, Any]) -> str:
    head = f"{finding['rule']}: {finding['place']!r}, by {finding['by']} at {finding['at_s']:.3f}: {finding['why']}"
    return "\n    ".join([head, *finding["history"]])
