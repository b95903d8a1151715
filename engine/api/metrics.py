"""Figures of a call while it runs, as Prometheus reads them: at a port, in a file, or in a program's own registry.

Names and units follow Prometheus' conventions ("Metric and label naming"); docs/metrics.md has each with its meaning.
Nothing is reckoned before somebody reads: requests are counted as they end, everything else is asked for then.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.blocking import blocking
from engine.errors import EngineError, UsageError, refused_as
from engine.events import Doing, Event, Listener, Looking, Notice, Progress, RunStarted
from engine.extras import needs
from engine.ledger import open_to_read
from engine.plan.record import Tally
from engine.references.local_files import refuse_ours
from engine.sites.measuring import BOUNDS_S, Meter
from engine.version import __version__

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

Rows = dict[tuple[str, ...], float]
"""Figures by the values of their labels."""

ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^/\\:]*)):(?P<port>\d{1,9})")
WHERE = "Write :PORT, HOST:PORT, or a file whose name ends in .prom."
LOOPBACK = "127.0.0.1"
WRITTEN_EVERY_S = 5.0
"""How often a file is replaced. node_exporter reads it at each scrape of its own."""
READ_AGAIN_S = 1.0
"""How old the ledger's figures may be: several scrapers cost no more than one."""


class Metrics:
    """What calls that are given it (`Options.metrics`), one after another, come to. `where` is ":PORT" (on loopback),
    "HOST:PORT", or a file (for node_exporter: its name ends in `.prom`), served or written from the beginning of each
    call to its end; empty for a program that serves its own registry:

        import prometheus_client

        metrics = engine.Metrics()
        prometheus_client.REGISTRY.register(metrics)
        result = await engine.migrate(plan, engine.Options(metrics=metrics))

    Raises `ExtraMissing` without the extra `metrics`, `UsageError` for what is neither a port nor such a file."""

    def __init__(self, where: str | Path = "") -> None:
        with needs("metrics"):
            import prometheus_client  # noqa: F401  # better now than in the middle of a run
        self.where = str(where)
        self.meter = Meter()
        self._address = _address(self.where)
        self._within = 0
        self._command = self._plan = self._ledger = ""
        self._began_s = self._ended_s = 0.0
        self._so_far = Counter(_counted(Progress())), Progress()
        """What is counted of the stages that have ended, and how far this one is: replaced together, since another
        thread may read at any moment."""
        self._tallies: tuple[float, list[Tally]] = -inf, []
        self._reading = threading.Lock()

    @contextmanager
    def measuring(self, command: str, listener: Listener) -> Iterator[Listener]:
        """While a call goes on: gives what is to be its listener. A call within a call is the outer one's.

        Raises `UsageError` where the port is in use or the file cannot be written."""
        if self._within:
            yield listener
            return
        self._within += 1
        self._command, self._began_s, self._ended_s = command, time.time(), 0.0
        self._begin_counting()

        def hear(event: Event) -> None:
            self._hear(event)
            listener(event)

        try:
            with self._shown(listener):
                try:
                    yield hear
                finally:
                    self._ended_s = time.time()
                    with self._reading:
                        self._tallies = -inf, []  # what is read from now on is how it ended
        finally:
            self._within -= 1

    def _hear(self, event: Event) -> None:
        if isinstance(event, Progress):
            if isinstance(event, Looking):
                return
            past, last = self._so_far
            if event.begins_anew(last):
                past = past + Counter(_counted(last))
            self._so_far = past, event
        elif isinstance(event, RunStarted):
            self._plan, self._ledger = event.plan, event.ledger
            self._begin_counting()
        elif isinstance(event, Doing) and not event.goes_on:
            self._begin_counting()

    def _begin_counting(self) -> None:
        """From here on progress is told from nothing again."""
        past, last = self._so_far
        self._so_far = past + Counter(_counted(last)), Progress()

    # --- where it is read -----------------------------------------------------------------------------------

    def _shown(self, listener: Listener) -> AbstractContextManager[None]:
        if not self.where:
            return nullcontext()
        return self._served(listener) if self._address is not None else self._written(listener)

    @contextmanager
    def _served(self, listener: Listener) -> Iterator[None]:
        from prometheus_client import start_http_server

        assert self._address is not None
        host, port = self._address
        with refused_as(f"metrics cannot be served at {host} port {port}", "Name another with --metrics :PORT."):
            server, thread = start_http_server(port, host, self._registry())
        shown = f"[{host}]" if ":" in host else host
        listener(Notice("Metrics", f"metrics are at http://{shown}:{server.server_port}/metrics"))
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    @contextmanager
    def _written(self, listener: Listener) -> Iterator[None]:
        from prometheus_client import write_to_textfile

        refuse_ours(Path(self.where))
        registry, ended, failed = self._registry(), threading.Event(), list[OSError]()
        another = "Name a file in a folder that is there with --metrics FILE, or a port with --metrics :PORT."
        with refused_as(f"metrics cannot be written to {self.where}", another):
            write_to_textfile(self.where, registry)

        def keep_writing() -> None:
            over = False
            while not over:
                over = ended.wait(WRITTEN_EVERY_S)
                failed.clear()
                try:
                    write_to_textfile(self.where, registry)
                except OSError as why:
                    failed.append(why)  # no run ends for its figures; it is tried again

        thread = threading.Thread(target=keep_writing, name="cartage metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            for why in failed:
                listener(Notice("Metrics", f"the last metrics were not written to {self.where}: {why.strerror or why}"))

    def _registry(self) -> CollectorRegistry:
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry()
        registry.register(self)
        return registry

    # --- what is read ---------------------------------------------------------------------------------------

    def describe(self) -> Iterable[Metric]:
        """Every family, without figures: what a registry asks for when this is registered."""
        return self._families({}, [])

    def collect(self) -> Iterable[Metric]:
        """Every family with its figures, as prometheus_client's registries ask for them; from any thread."""
        figures: dict[str, list[list[Any]]] = {}
        for part in self.meter.all_figures():
            for name, rows in part.items():
                figures.setdefault(name, []).extend(rows)
        return self._families(figures, self._tallied())

    def _families(self, figures: dict[str, list[list[Any]]], tallies: list[Tally]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        def family(kind: Any, name: str, text: str, labels: str, rows: Rows) -> Any:
            made = kind(f"cartage_{name}", text, labels=labels.split())
            for key, value in sorted(rows.items()):
                made.add_metric(key, value)
            return made

        def summed(name: str, keys: int, at: int) -> Rows:
            sums: Counter[tuple[str, ...]] = Counter()
            for row in figures.get(name, ()):
                sums[tuple(row[:keys])] += row[at]
            return dict(sums)

        for name, (figure, text, labels) in _COUNTERS.items():
            keys = len(labels.split())
            yield family(CounterMetricFamily, name, text, labels, summed(figure, keys, keys))
        durations = HistogramMetricFamily(
            "cartage_request_duration_seconds",
            "From a request's sending to its answer's end.",
            labels=["site", "operation"],
        )
        for key, counts, sum_s in _durations(figures.get("durations", ())):
            bounds = [*map(str, BOUNDS_S), "+Inf"]
            durations.add_metric(key, list(zip(bounds, accumulate(counts), strict=True)), sum_s)
        yield durations
        gauges, none = GaugeMetricFamily, ()
        yield family(gauges, "requests_in_flight", "Requests under way.", "site", summed("gauges", 1, 4))
        rate = "The rate that S3 answers without SlowDown, as found; 0: none yet."
        yield family(gauges, "allowed_requests_per_second", rate, "site", summed("gauges", 1, 3))
        past, last = self._so_far
        counted = past + Counter(_counted(last))
        for name, (_, text) in _PROGRESS.items():
            yield family(CounterMetricFamily, name, text, "", {none: counted[name]})
        state, objects, size_bytes = "route state proof", _by_state(tallies, "objects"), _by_state(tallies, "bytes")
        yield family(gauges, "ledger_objects", "Objects by route, state and proof.", state, objects)
        yield family(gauges, "ledger_bytes", "Their sizes.", state, size_bytes)
        info: Rows = {(__version__, self._command, self._plan): 1.0} if self._command else {}
        yield family(gauges, "run_info", "What runs, or ran last.", "version command plan", info)
        active = float(self._within > 0 and not self._ended_s)
        yield family(gauges, "run_active", "1 while it runs, 0 once it has ended.", "", {none: active})
        yield family(gauges, "run_start_time_seconds", "When it began.", "", {none: self._began_s})
        yield family(gauges, "run_end_time_seconds", "When it ended; 0 before.", "", {none: self._ended_s})

    def _tallied(self) -> list[Tally]:
        """What the ledger says by now; none where there is none to read."""
        with self._reading:
            read_s, tallies = self._tallies
            if self._ledger and time.monotonic() - read_s > READ_AGAIN_S:
                with suppress(EngineError):
                    tallies = blocking(_read_tallies)(Path(self._ledger))
                self._tallies = time.monotonic(), tallies
            return tallies


_COUNTERS = {
    "requests": ("requests", "Requests sent, by how they ended.", "site operation status"),
    "retries": ("retries", "Requests sent again, by why.", "site operation status"),
    "throttled_requests": ("throttled", "Answers that asked for fewer requests.", "site"),
}
"""By their names: which of the meter's figures they are, what they mean, and their labels."""
_PROGRESS = {
    "listed_objects": ("listed", "Objects listed."),
    "listed_bytes": ("listed_bytes", "Their sizes."),
    "done_objects": ("done", "Objects dealt with: copied, found, set aside, compared or deleted."),
    "done_bytes": ("done_bytes", "Their sizes."),
}
"""By their names: which of `Progress` they are, and what they mean."""


def _counted(progress: Progress) -> dict[str, int]:
    return {name: getattr(progress, field) for name, (field, _) in _PROGRESS.items()}


def _by_state(tallies: list[Tally], figure: str) -> Rows:
    sums: Counter[tuple[str, ...]] = Counter()
    for item in tallies:
        sums[item.route, item.state.value, item.proof.name.lower()] += getattr(item, figure)
    return dict(sums)


def _durations(rows: Iterable[list[Any]]) -> Iterator[tuple[tuple[str, str], list[int], float]]:
    """Each site's and operation's, of all processes together."""
    sums: dict[tuple[str, str], tuple[list[int], float]] = {}
    for site, operation, counts, sum_s in rows:
        before, before_s = sums.get((site, operation), ([0] * len(counts), 0.0))
        sums[site, operation] = [one + other for one, other in zip(before, counts, strict=True)], before_s + sum_s
    for key, (counts, sum_s) in sorted(sums.items()):
        yield key, counts, sum_s


async def _read_tallies(path: Path) -> list[Tally]:
    async with await open_to_read(path) as reader:
        return await reader.tallies()


def _address(where: str) -> tuple[str, int] | None:
    """Host and port; None for a file."""
    found = ADDRESS.fullmatch(where)
    if found is None:
        if where and not where.endswith(".prom"):
            raise UsageError(f"{where} is neither a port nor a file for metrics.", advice=WHERE)
        return None
    if int(found["port"]) > 65535:
        raise UsageError(f"{where} names no port.", advice="Ports go up to 65535.")
    return found["v6"] or found["host"] or LOOPBACK, int(found["port"])
