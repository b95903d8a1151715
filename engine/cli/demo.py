"""`cartage demo`: the reference migration on the embedded S3, killed half way, resumed and verified; then the small
parts of the project cloned into a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import click

from engine.api.commands import typed
from engine.cli.codes import FATAL
from engine.events import COPYING, Progress
from engine.process import CARTAGE
from engine.report.bar import Manner, ProgressBar
from engine.report.drawing import draw, look_at
from engine.report.page import Table, Tone, Toned, next_step
from engine.report.text import count_text, duration_text, size_text

LATENCY_MS = 30.0
"""What a copy takes in the demo: about a third of S3's own, so that the demo ends soon on two cores."""


SMALL_PARTS = ("--exclude", "data/*", "--max-size", "1MB")
"""What of the project is cloned: all but its data and its models, so that the demo costs no disk to speak of."""


@dataclass(slots=True)
class Step:
    """One command of the demo: how it ended, how long it took, and what it said last."""

    name: str
    seconds: float
    exit_code: int
    last: dict[str, Any] = field(default_factory=dict)
    peak_mb: float = 0.0
    processor_s: float = 0.0


def demo_command(scale: float, keep: bool, store: str | None) -> None:
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="cartage-demo-"))
    try:
        agreed = _play(folder, scale, store)
    finally:
        if keep:
            click.echo(f"plan, ledgers and the cloned folder are in {folder}")
        else:
            shutil.rmtree(folder)
    _say(f"the demo took {duration_text(time.monotonic() - began_s)}", next_step("cartage init"))
    raise SystemExit(0 if agreed else FATAL)


def _play(folder: Path, scale: float, store: str | None) -> bool:
    from engine.sandbox import SandboxSettings, start_sandbox

    with start_sandbox(SandboxSettings(latency_ms=LATENCY_MS, latency_spread=0.4)) as sandbox:
        _say(f"the reference migration, on an S3 of our own: {AT_FULL_SCALE if scale == 1 else 'a part of it'}")
        began_s = time.monotonic()
        filled = sandbox.control("reference", {"scale": scale})
        objects, size_bytes = int(filled["objects"]), int(filled["bytes"])
        _say(
            f"an S3 on loopback holds {count_text(objects)} objects, {size_text(size_bytes)} "
            f"({duration_text(time.monotonic() - began_s)})"
        )
        plan = folder / "pokemon.toml"
        plan.write_text(resources.files("engine.sandbox").joinpath("pokemon.toml").read_text("utf-8"), "utf-8")
        environment = _without_ends(os.environ) | sandbox.environment
        extra = ["--store", store] if store else []
        run = ["run", str(plan), "--yes", "--json", *extra]
        steps = [_step("plan", ["plan", str(plan), *extra], environment)]
        _say(f"\n{_EXPLAINED if scale == 1 else _SMALLER}")
        steps += [
            _step("run, killed half way", run, environment, COPYING, objects // 2),
            _step("run, resumed", run, environment, COPYING),
            _step("verify", ["verify", str(plan), "--json", *extra], environment, "verifying"),
            _step("run again", run, environment, COPYING),
        ]
        copies = sandbox.control("stats")["operations"].get("CopyObject", {}).get("200", 0)
        agreed = _tell(steps, objects, copies)
        return _clone(folder, str(filled["bucket"]), environment, extra) and agreed


AT_FULL_SCALE = "52,995 objects, 32.4 GB. It takes about a minute on two cores."
_EXPLAINED = (
    "processed DIFFERS because the plan has its owner's figure, 17,592 cards, and most cards have two images: 34,374. "
    "52,994 objects are the four data sets together, which is what the owner expects in all; with the model, teacher, "
    "they are 52,995. The demo deletes nothing, and of your data nothing would go before you accept such a difference."
)
_SMALLER = "the figures DIFFER because the plan expects all of the migration, and this is a part of it."


def _say(*page: str | Table) -> None:
    draw(page, sys.stdout)


def _clone(folder: Path, bucket: str, environment: dict[str, str], extra: list[str]) -> bool:
    """Clone the small parts into a folder, and say so; whether every file is there and proven."""
    from engine.sandbox.project import PREFIX

    target = folder / "clone"
    ends = [f"s3://{bucket}/{PREFIX}", f"{target}/"]
    ledger = ["--ledger", str(folder / "clone.ledger")]
    step = _step("clone", ["cp", *ends, *SMALL_PARTS, "--yes", "--json", *ledger, *extra], environment, COPYING)
    route: dict[str, Any] = next(iter(step.last.get("routes", {}).values()), {})
    copied = step.last.get("copied", 0)
    done = step.exit_code == 0 and copied > 0 and copied == route["objects"] == route["proof"].get("digest")
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    _say(
        f"the project's small parts are in a folder: {count_text(len(sizes))} files, {size_text(sum(sizes))}, each "
        f"proven by digest ({duration_text(step.seconds)})"
        if done
        else "the clone did not end as it should; see above"
    )
    return done


def _without_ends(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what leads to another S3 or ledger, to this one as somebody else, or by a proxy."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(("AWS_", "CARTAGE_")) and not name.upper().endswith("_PROXY")
    }


def _step(name: str, arguments: list[str], environment: dict[str, str], doing: str = "", kill_at: int = 0) -> Step:
    """Run one command. Where it tells NDJSON, `doing` is what its progress is called; else it says by itself what it
    does. Killed with SIGKILL as soon as `kill_at` objects are copied (0: it is not)."""
    _say("")
    _say(Toned(f"$ {typed('cartage', *arguments)}", Tone.STRONG, whole=True))
    began_s = time.monotonic()
    told = subprocess.PIPE if doing else None
    process = subprocess.Popen([*CARTAGE, *arguments], env=environment, stdout=told, text=True)
    try:
        last = _follow(process, doing, kill_at) if doing else {}
        _, status, usage = os.wait4(process.pid, 0)
    except KeyboardInterrupt:  # else it would say what it thinks of a server and a ledger that are gone
        process.kill()
        process.communicate()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    step = Step(
        name,
        time.monotonic() - began_s,
        process.returncode,
        last,
        usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20),
        usage.ru_utime + usage.ru_stime,
    )
    if step.exit_code < 0:
        at = f"{count_text(last.get('copied', 0))} of {count_text(last.get('listed', 0))} objects copied"
        _say(f"killed with SIGKILL (kill -9) after {duration_text(step.seconds)}, {at}; the ledger has what is known")
    elif doing:
        _say(f"ended with {step.exit_code} after {duration_text(step.seconds)}")
    return step


def _follow(process: subprocess.Popen[str], doing: str, kill_at: int) -> dict[str, Any]:
    """Show how far a command is, by what it tells; gives the last of it."""
    assert process.stdout is not None
    look = look_at(sys.stderr, os.environ)
    manner = Manner.BAR if look.moves else Manner.LINES
    bar = ProgressBar(sys.stderr, what=doing, manner=manner, look=look, asides=False)
    last: dict[str, Any] = {}
    for line in process.stdout:
        last = json.loads(line)
        if last["event"] != Progress.event:
            continue
        progress = Progress(**{name: value for name, value in last.items() if name != "event"})
        bar(progress)
        bar.tick()
        if progress.copied >= kill_at > 0:
            process.send_signal(signal.SIGKILL)
            break
    bar.close()
    process.stdout.close()
    return last


def _came_to(step: Step) -> list[str]:
    """What a run did about the objects, so that it adds up; of one that was killed only what it said last."""
    found, copied, listed = (int(step.last[name]) for name in ("found", "copied", "listed"))
    if step.exit_code < 0:
        return ["-", count_text(found), count_text(copied), "-"]
    known = listed - found - copied - sum(step.last["aside"].values())
    return [count_text(count) for count in (known, found, copied, listed)]


def _tell(steps: list[Step], objects: int, copies: int) -> bool:
    """The tables of what happened; whether the job is done and proven."""
    _, _, resumed, verified, again = steps
    rows = [
        [
            step.name,
            "killed" if step.exit_code < 0 else f"exit {step.exit_code}",
            duration_text(step.seconds),
            duration_text(step.processor_s),
            f"{step.peak_mb:.0f} MB",
        ]
        for step in steps
    ]
    _say("", Table(["step", "ended", "time", "processor", "memory"], rows))
    rows = [[step.name, *_came_to(step)] for step in steps if "copied" in step.last]
    _say("", Table(["objects", "known", "found", "copied", "of"], rows), "")
    _say("What the killed run copied after its last word is known by the ledger, or found at the target.")
    routes = verified.last.get("routes", {})
    at_digest = sum(route["proof"].get("digest", 0) for route in routes.values())
    everything = sum(route["objects"] for route in routes.values())
    done = (
        verified.exit_code == 0
        and resumed.exit_code == 0
        and again.exit_code == 0
        and everything == objects
        and again.last.get("copied") == 0
    )
    _say(
        f"{count_text(everything)} objects verified, {count_text(at_digest)} of them by digest; S3 carried out "
        f"{count_text(copies)} CopyObject in all, those among them that only tried what it honours; and the run after "
        "the last found nothing to do"
        if done
        else "the demo did not end as it should; see above"
    )
    return done
