"""`python -m bench`: Cartage and its peers, measured in one run.

python -m bench                              every scenario, every peer, three runs each
python -m bench copy-cpu resume --runs 5     these scenarios
python -m bench --peers cartage,s5cmd        these clients
python -m bench clone-small --scale 0.1      with a tenth of the objects
python -m bench --endpoint s3://bucket/tmp/  your own S3: shows the cost first, cleans up after itself
python -m bench --render                     table and chart again from the committed results
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from bench import chart, results
from bench.own import bench_endpoint
from bench.peers import PEERS
from bench.running import Skipped, measure
from bench.scenarios import ALL_PEERS, SCENARIOS

PAGE = results.REPOSITORY / "docs" / "performance.md"


@click.command(help=__doc__, context_settings={"max_content_width": 100})
@click.argument("names", nargs=-1, metavar="[SCENARIO]…")
@click.option("--runs", type=click.IntRange(1), help="Runs of each client; by default what the scenario says.")
@click.option("--peers", default=",".join(ALL_PEERS), show_default=True, help="Which clients.")
@click.option("--scale", type=click.FloatRange(0.0001, 1), default=1.0, help="A part of each scenario's objects.")
@click.option("--save", default="", metavar="NAME", help="Write bench/results/NAME.json and its chart.")
@click.option("--render", is_flag=True, help="Measure nothing: charts and table from bench/results/ again.")
@click.option("--endpoint", default="", metavar="s3://BUCKET/PREFIX/", help="Measure Cartage on this place instead.")
@click.option("--objects", type=click.IntRange(1), default=2_000, show_default=True, help="With --endpoint: how many.")
@click.option("--size", type=click.IntRange(0), default=100_000, show_default=True, help="… of how many bytes.")
@click.option("--yes", is_flag=True, help="With --endpoint: do not ask.")
def main(
    names: tuple[str, ...],
    runs: int | None,
    peers: str,
    scale: float,
    save: str,
    render: bool,
    endpoint: str,
    objects: int,
    size: int,
    yes: bool,
) -> None:
    if endpoint:
        raise SystemExit(bench_endpoint(endpoint, objects, size, ask=not yes))
    if render:
        for path in (results.RESULTS / "latest.json", results.RESULTS / "bytes.json"):
            _render(json.loads(path.read_text("utf-8")), path)
        return
    unknown = sorted(set(names) - set(SCENARIOS)) + sorted(set(peers.split(",")) - set(PEERS))
    if unknown:
        raise click.UsageError(f"unknown: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    chosen = peers.split(",")
    for name in chosen:
        PEERS[name].install()
    found = []
    for scenario in [SCENARIOS[name] for name in names] or SCENARIOS.values():
        if scale < 1 and scenario.floor_s:
            raise click.UsageError(f"{scenario.name} has a floor, which is that of all its objects: leave --scale out")
        scaled = replace(scenario, fill=scenario.fill.scaled(scale))
        try:
            found.append(measure(scaled, chosen, runs, lambda line: click.echo(line, err=True)))
        except Skipped as reason:
            click.echo(f"{scenario.name}: skipped: {reason}", err=True)
    values = results.as_values(found)
    click.echo(results.table(values))
    if save:
        path = results.write(values, save)
        _render(json.loads(path.read_text("utf-8")), path)


def _render(values: dict[str, object], path: Path) -> None:
    path.with_suffix(".svg").write_text(chart.draw(values), "utf-8")
    if path.stem == "latest":
        results.put_into(PAGE, results.table(values))
    click.echo(f"written: {path.name} and its chart", err=True)


if __name__ == "__main__":
    sys.exit(main())
