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
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import click

from engine.cli.codes import FATAL
from engine.report.drawing import draw, look_at
from engine.report.page import Table
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
    folder = Path(tempfile.mkdtemp(prefix="cartage-demo-"))
    try:
        agreed = _play(folder, scale, store)
    finally:
        if keep:
            click.echo(f"plan, ledgers and the cloned folder are in {folder}")
        else:
            shutil.rmtree(folder)
    raise SystemExit(0 if agreed else FATAL)


def _play(folder: Path, scale: float, store: str | None) -> bool:
    from engine.sandbox import SandboxSettings, start_sandbox

    with start_sandbox(SandboxSettings(latency_ms=LATENCY_MS, latency_spread=0.4)) as sandbox:
        began = time.monotonic()
        filled = sandbox.control("reference", {"scale": scale})
        objects, size_bytes = int(filled["objects"]), int(filled["bytes"])
        click.echo(
            f"an S3 on loopback holds the reference migration: {count_text(objects)} objects, {size_text(size_bytes)} "
            f"({duration_text(time.monotonic() - began)})"
        )
        plan = folder / "pokemon.toml"
        plan.write_text(resources.files("engine.sandbox").joinpath("pokemon.toml").read_text("utf-8"), "utf-8")
        environment = os.environ | {
            "AWS_ENDPOINT_URL_S3": sandbox.url,
            "AWS_ACCESS_KEY_ID": sandbox.access_key,
            "AWS_SECRET_ACCESS_KEY": sandbox.secret_key,
            "AWS_REGION": sandbox.region,
        }
        extra = ["--store", store] if store else []
        steps = [
            _step("plan", ["plan", str(plan), "--json", *extra], environment),
            _step(
                "run, killed half way",
                ["run", str(plan), "--yes", "--json", *extra],
                environment,
                kill_when=lambda event: event.get("event") == "progress" and event.get("copied", 0) >= objects / 2,
            ),
            _step("run, resumed", ["run", str(plan), "--yes", "--json", *extra], environment),
            _step("verify", ["verify", str(plan), "--json", *extra], environment),
            _step("run again", ["run", str(plan), "--yes", "--json", *extra], environment),
        ]
        click.echo()
        click.echo(
            subprocess.run(  # the same table that a user sees
                [*_cartage(), "plan", str(plan), *extra], env=environment, capture_output=True, text=True, check=False
            ).stdout
        )
        copies = sandbox.control("stats")["operations"].get("CopyObject", {})
        agreed = _tell(steps, objects, sum(copies.values()) if isinstance(copies, dict) else int(copies))
        return _clone(folder, str(filled["bucket"]), environment, extra) and agreed


def _clone(folder: Path, bucket: str, environment: dict[str, str], extra: list[str]) -> bool:
    """Clone the small parts into a folder, and say so; whether every file is there and proven."""
    from engine.sandbox.project import PREFIX

    target = folder / "clone"
    ends = [f"s3://{bucket}/{PREFIX}", f"{target}/"]
    ledger = ["--ledger", str(folder / "clone.ledger")]
    step = _step("clone", ["cp", *ends, *SMALL_PARTS, "--yes", "--json", *ledger, *extra], environment)
    route: dict[str, Any] = next(iter(step.last.get("routes", {}).values()), {})
    copied = step.last.get("copied", 0)
    done = step.exit_code == 0 and copied > 0 and copied == route["objects"] == route["proof"].get("digest")
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    click.echo(
        f"the project's small parts are in a folder: {count_text(len(sizes))} files, {size_text(sum(sizes))}, each "
        f"proven by digest ({duration_text(step.seconds)})"
        if done
        else "the clone did not end as it should; see above"
    )
    return done


def _cartage() -> list[str]:
    return [sys.executable, "-m", "engine.cli.main"]


def _step(
    name: str,
    arguments: list[str],
    environment: dict[str, str],
    kill_when: Callable[[dict[str, Any]], bool] | None = None,
) -> Step:
    """Run one command, reading its NDJSON; kill it with SIGKILL when `kill_when` says so."""
    click.echo(f"$ cartage {' '.join(arguments)}")
    began = time.monotonic()
    process = subprocess.Popen([*_cartage(), *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last: dict[str, Any] = {}
    for line in process.stdout:
        last = json.loads(line)
        if kill_when is not None and kill_when(last):
            process.send_signal(signal.SIGKILL)
            kill_when = None
            break
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Step(
        name,
        time.monotonic() - began,
        process.returncode,
        last,
        usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20),
        usage.ru_utime + usage.ru_stime,
    )


def _tell(steps: list[Step], objects: int, copies: int) -> bool:
    """The table of what happened; whether the job is done and proven."""
    _, _, resumed, verified, again = steps
    rows = [
        [
            step.name,
            "killed" if step.exit_code < 0 else f"exit {step.exit_code}",
            duration_text(step.seconds),
            duration_text(step.processor_s),
            f"{step.peak_mb:.0f} MB",
            count_text(int(step.last.get("copied", 0))) if "copied" in step.last else "–",
        ]
        for step in steps
    ]
    steps_table = Table(["step", "ended", "time", "processor", "memory", "copied"], rows)
    draw([steps_table], sys.stdout, look_at(sys.stdout, os.environ))
    click.echo()
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
    click.echo(
        f"{count_text(everything)} objects verified, {count_text(at_digest)} of them by digest; S3 carried out "
        f"{count_text(copies)} CopyObject in all, and the run after the last found nothing to do"
        if done
        else "the demo did not end as it should; see above"
    )
    return done
