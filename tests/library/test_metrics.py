"""Figures for Prometheus: in its text form, at a port on loopback, in a file, in a program's own registry."""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

import engine
from engine.events import Doing
from engine.sandbox import Sandbox
from engine.sites.measuring import BOUNDS_S, KEYS_KEPT, Meter, status_of
from engine.sites.opening import open_site
from tests.cli.commands import Terminal, assert_said_well
from tests.docs.pages import DOCS, table_rows
from tests.library.conftest import OBJECTS
from tests.library.test_results import hide

Figures = dict[str, dict[frozenset[tuple[str, str]], float]]


def read(text: str) -> Figures:
    """What Prometheus' own parser makes of it: samples by name and labels. Every family has its help and type."""
    found: Figures = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type != "unknown", family.name
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in found[sample.name], f"{sample.name} {sample.labels} is there twice"
            found[sample.name][labels] = sample.value
            assert (family.type == "counter") == sample.name.endswith("_total")
    return found


def figures_of(metrics: engine.Metrics) -> Figures:
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics)
    return read(prometheus_client.generate_latest(registry).decode())


def total(figures: Figures, name: str, **labels: str) -> float:
    """The sum over all that have these labels."""
    return sum(value for key, value in figures[name].items() if labels.items() <= dict(key).items())


def test_a_run_s_file_adds_up_to_what_the_run_says(plan: engine.Plan, served: Sandbox, tmp_path: Path) -> None:
    rule = {"kind": "503", "operation": "CopyObject", "key": "raw/", "nth": 7}
    served.control("settings", {"faults": [rule]})
    path = tmp_path / "cartage.prom"
    written: list[Figures] = []

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.RunStarted):
            written.append(read(path.read_text()))

    result = engine.sync.migrate(plan, engine.Options(metrics=str(path), listener=hear))
    served.control("settings", {"faults": []})
    (before,), after = written, read(path.read_text())
    assert total(before, "cartage_run_active") == 1 and total(after, "cartage_run_active") == 0
    assert total(after, "cartage_run_start_time_seconds") <= total(after, "cartage_run_end_time_seconds")
    assert total(after, "cartage_run_info", command="run", plan=plan.name) == 1

    assert result.throttled == 1 == total(after, "cartage_throttled_requests_total")
    assert total(after, "cartage_requests_total") == result.requests
    assert total(after, "cartage_requests_total", operation="CopyObject", status="SlowDown") == 1
    assert total(after, "cartage_retries_total", operation="CopyObject", status="SlowDown") == 1
    assert total(after, "cartage_requests_total", operation="CopyObject", status="ok") >= OBJECTS

    assert total(after, "cartage_request_duration_seconds_count") == result.requests
    for operation in {dict(key)["operation"] for key in after["cartage_requests_total"]}:
        count = total(after, "cartage_request_duration_seconds_count", operation=operation)
        assert count == total(after, "cartage_requests_total", operation=operation)
        buckets = [
            total(after, "cartage_request_duration_seconds_bucket", operation=operation, le=le)
            for le in [*map(str, BOUNDS_S), "+Inf"]
        ]
        assert buckets == sorted(buckets) and buckets[-1] == count

    assert total(after, "cartage_ledger_objects", route="raw", state="copied", proof="digest") == OBJECTS
    assert total(after, "cartage_ledger_bytes") == total(after, "cartage_listed_bytes_total") == OBJECTS * 100
    assert total(after, "cartage_listed_objects_total") == total(after, "cartage_done_objects_total") == OBJECTS
    assert list(tmp_path.glob("cartage.prom*")) == [path], "nothing is left of how it was written"


def test_it_is_served_on_loopback_while_a_call_goes_on(plan: engine.Plan) -> None:
    seen: list[str] = []
    url = ""

    def hear(event: engine.Event) -> None:
        nonlocal url
        if isinstance(event, engine.Notice) and event.code == "Metrics":
            url = event.message.split()[-1]
        if isinstance(event, engine.SnapshotClosed):
            seen.append(urllib.request.urlopen(url, timeout=10).read().decode())

    assert engine.sync.migrate(plan, engine.Options(metrics=":0", listener=hear)).complete
    assert url.startswith("http://127.0.0.1:")
    figures = read(seen[0])
    assert total(figures, "cartage_run_active") == 1
    assert total(figures, "cartage_requests_in_flight", site="") >= 0
    assert total(figures, "cartage_ledger_objects") <= OBJECTS
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=10)


async def test_a_program_s_own_registry_has_all_calls_together(plan: engine.Plan) -> None:
    metrics = engine.Metrics()
    registry = prometheus_client.CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    options = engine.Options(metrics=metrics)
    first = await engine.migrate(plan, options)
    await engine.verify(plan, options)
    figures = read(prometheus_client.generate_latest(registry).decode())
    assert total(figures, "cartage_requests_total") > first.requests
    assert total(figures, "cartage_ledger_objects", state="verified") == OBJECTS
    assert total(figures, "cartage_listed_objects_total") == 2 * OBJECTS
    assert total(figures, "cartage_run_info", command="verify") == 1
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(engine.Metrics())


async def test_a_look_at_what_is_there_is_no_work(plan: engine.Plan) -> None:
    metrics = engine.Metrics()
    options = engine.Options(metrics=metrics)
    await engine.survey(plan, options)
    await engine.migrate(plan, options)
    await engine.verify(plan, options)
    await engine.cleanup(plan, options)
    figures = figures_of(metrics)
    for what in ("listed", "done"):
        assert total(figures, f"cartage_{what}_objects_total") == 2 * OBJECTS


def test_a_counter_never_falls_whenever_it_is_read() -> None:
    """A scrape comes from another thread: here between any two lines that are carried out when something is heard."""
    metrics = engine.Metrics()
    seen: list[float] = []
    before = sys.gettrace()

    def scrape(frame: FrameType, event: str, argument: object) -> Any:
        sys.settrace(None)
        seen.append(total(figures_of(metrics), "cartage_done_objects_total"))
        sys.settrace(scrape)
        return scrape

    with metrics.measuring("run", lambda event: None) as hear:
        sys.settrace(scrape)
        try:
            for done in (3, 5, 2):  # the last is of another stage, which nobody told of
                hear(engine.Progress(listed=done, done=done))
            hear(Doing("verifying"))
            hear(engine.Progress(listed=4, done=4))
        finally:
            sys.settrace(before)
    assert seen == sorted(seen) and set(seen) == {0, 3, 5, 7, 11}


def test_a_sync_is_one_call_although_it_has_a_run_in_it(plan: engine.Plan) -> None:
    metrics = engine.Metrics()
    engine.sync.synchronize(plan, engine.Options(metrics=metrics))
    assert total(figures_of(metrics), "cartage_run_info", command="sync") == 1


def test_the_processes_of_a_run_are_counted_together(plan: engine.Plan) -> None:
    metrics = engine.Metrics()
    result = engine.sync.migrate(plan, engine.Options(metrics=metrics, processes=2))
    figures = figures_of(metrics)
    assert total(figures, "cartage_requests_total", operation="CopyObject", status="ok") >= OBJECTS
    assert total(figures, "cartage_requests_total") == result.requests
    assert total(figures, "cartage_ledger_objects", state="copied") == OBJECTS
    assert total(figures, "cartage_requests_in_flight") == 0


@pytest.mark.parametrize("command", ["run", "verify", "cleanup"])
def test_a_port_in_use_is_said_before_anything_is_begun(plan: engine.Plan, terminal: Terminal, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = terminal.call(command, plan.source, "--metrics", f":{taken.getsockname()[1]}")
    assert ended.code == 2 and "metrics cannot be served at 127.0.0.1 port" in ended.err
    assert_said_well(ended, command)
    assert not engine.ledger_path(plan).exists()


def test_so_is_a_file_that_cannot_be_written_and_a_port_that_is_none(plan: engine.Plan, terminal: Terminal) -> None:
    told = plan.source, "is neither a port nor a file"
    ports = [(port, "names no port") for port in (":65536", "127.0.0.1:999999")]
    empty = "", "--metrics is empty"
    for where, said in (("no/such/folder/x.prom", "metrics cannot be written to no/such"), told, empty, *ports):
        ended = terminal.call("run", plan.source, "--metrics", where)
        assert ended.code == 2 and said in ended.err
        assert_said_well(ended, "run")
    assert not engine.ledger_path(plan).exists()
    assert engine.load_plan(plan.source).name == plan.name


def test_the_package_that_is_missing_is_named(
    plan: engine.Plan, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "prometheus_client")
    ended = terminal.call("run", plan.source, "--metrics", ":0")
    assert ended.code == 2 and "pip install 'cartage-s3[metrics]'" in ended.err
    assert_said_well(ended, "run")


def test_a_file_that_cannot_be_written_any_more_ends_no_run(plan: engine.Plan, tmp_path: Path) -> None:
    folder = tmp_path / "collector"
    folder.mkdir()
    notices: list[str] = []

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.RunStarted):
            (folder / "x.prom").unlink()
            folder.rmdir()
        if isinstance(event, engine.Notice):
            notices.append(event.message)

    assert engine.sync.migrate(plan, engine.Options(metrics=str(folder / "x.prom"), listener=hear)).complete
    assert [text for text in notices if text.startswith("the last metrics were not written to")]


def test_the_page_has_every_family_with_its_type_and_labels(plan: engine.Plan) -> None:
    metrics = engine.Metrics()
    assert engine.sync.migrate(plan, engine.Options(metrics=metrics)).complete
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics)
    said = {
        name: (kind, labels)
        for names, kind, labels, _ in table_rows((DOCS / "metrics.md").read_text(encoding="utf-8"))
        for name in names.replace("`", "").split(", ")
    }
    text = prometheus_client.generate_latest(registry).decode()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        kind, labels = said.pop(name)
        assert kind == family.type, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(labels.replace("`", "").split(", ")) - {"–"}, name
    assert said == {}


def test_nothing_of_a_bucket_a_key_or_a_credential_is_in_them(plan: engine.Plan, served: Sandbox) -> None:
    metrics = engine.Metrics()
    assert engine.sync.migrate(plan, engine.Options(metrics=metrics)).complete
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics)
    text = prometheus_client.generate_latest(registry).decode()
    hidden = [plan.routes[0].source.bucket, "old/", served.access_key, served.secret_key]
    assert [word for word in hidden if word in text] == []


def test_a_server_s_words_are_bounded() -> None:
    """How many there are, and of what they are made: each is a series that Prometheus keeps."""
    meter = Meter()
    for number in range(2 * KEYS_KEPT):
        meter.ended(
            "", "CopyObject", status_of(engine.Rejected("", code=f"Code{number}", operation="CopyObject", ref="")), 0.1
        )
    for code in ("<script>", 'a"b\\n', "x" * 65, "Authorization: AWS4"):
        meter.ended("", "CopyObject", status_of(engine.Rejected("", code=code, operation="CopyObject", ref="")), 0.1)
    assert len(meter.requests) == KEYS_KEPT + 1
    assert meter.requests["", "CopyObject", "other"] == KEYS_KEPT + 4


async def test_what_counts_stands_right_around_what_sends_and_only_where_asked_for(plan: engine.Plan) -> None:
    async def layers(options: engine.Options) -> list[str]:
        async with open_site(plan.connection, options) as site:
            store, found = site.store, []
            while (inner := getattr(store, "_inner", None)) is not None:
                found.append(type(store).__name__)
                store = inner
            return [*found, type(store).__name__]

    plain = await layers(engine.Options())
    assert plain[-2:] == ["PacedStore", "WireStore"]
    assert await layers(engine.Options(meter=Meter())) == [*plain[:-1], "MeasuredStore", "WireStore"]
