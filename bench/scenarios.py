"""What is measured: each scenario is data, read by `bench.running`.

`copy-limit` and `mixed` give the server S3's own manners as far as they are public: "at least 3,500
PUT/COPY/POST/DELETE … requests per second per partitioned prefix" and 503 SlowDown above (Amazon S3 User Guide,
"Best practices design patterns"); 100 ms for a copy and 200 ms for a page of a listing are what clients report. A
token bucket stands for the limit: R a second with a burst of R / 10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench.peers import Job

REFERENCE_OBJECTS = 52_994
REFERENCE_BYTES = 26_842_595_000
TEACHER_BYTES = 5_600_000_000
MIB = 1 << 20

SMALL_BYTES = 100_000
TLS = {"tls": True, "check_signatures": False}

ALL_PEERS = ("cartage", "s5cmd", "rclone", "awscli", "obstore", "aioboto3")


@dataclass(frozen=True, slots=True)
class Fill:
    """What the source holds: `count` objects (of an upload: files) of `size_bytes`, in parts of 8 MiB where they are
    larger and `multipart` is set, and one of `large_bytes` beside them."""

    count: int
    size_bytes: int = REFERENCE_BYTES // REFERENCE_OBJECTS
    large_bytes: int = 0
    multipart: bool = False

    def scaled(self, scale: float) -> Fill:
        return replace(self, count=max(1, round(self.count * scale)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question to a number of clients.

    `runs` is how often Cartage is measured, `peer_runs` how often each other client: once where the time is the
    server's own and minutes long. `prepare` is a job that Cartage does first, unmeasured (what `again` and `verify`
    begin from; it also leaves the ledger). `floor_s` is the shortest time that the server's manners allow, None where
    there is no such time. `target` says what is to be reached in words, `reached` in numbers. Files lie on a RAM disk
    where there is room, or, `on_disk`, on this machine's own."""

    name: str
    question: str
    job: Job
    fill: Fill
    manners: dict[str, Any] = field(default_factory=dict)
    prepare: Job | None = None
    peers: tuple[str, ...] = ALL_PEERS
    floor_s: float | None = None
    target: str = ""
    reached: Callable[[Figures], bool] | None = None
    runs: int = 3
    peer_runs: int = 3
    timeout_s: float = 600.0
    on_disk: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of one client in one scenario. `refused` is the share of requests that the server answered 503."""

    wall_s: float
    processor_s: float
    peak_mb: float
    objects: int
    refused: float
    floor_s: float | None
    moved_bytes: int = 0

    @property
    def processor_s_per_gb(self) -> float:
        """Of what passed through the client."""
        return self.processor_s * 1e9 / max(1, self.moved_bytes)

    @property
    def processor_us_per_object(self) -> float:
        return self.processor_s * 1e6 / max(1, self.objects)

    @property
    def ratio_to_floor(self) -> float | None:
        return self.wall_s / self.floor_s if self.floor_s else None


def limit_floor_s(requests: int, rate_rps: float) -> float:
    """The shortest time in which a token bucket of `rate_rps` with a burst of a tenth lets so many requests through."""
    return (requests - rate_rps / 10) / rate_rps


def _limit(rate_rps: float) -> Scenario:
    floor_s = limit_floor_s(REFERENCE_OBJECTS, rate_rps)
    return Scenario(
        f"copy-limit-{rate_rps:.0f}",
        f"52,994 copies where S3 allows {rate_rps:,.0f} a second and then says SlowDown",
        "copy",
        Fill(REFERENCE_OBJECTS),
        {"latency_ms": 100.0, "latency_spread": 0.4, "list_latency_ms": 200.0, "rate_rps": rate_rps},
        floor_s=floor_s,
        target="≤ 1.12 × the floor, under 1 % refused",
        reached=lambda found: (found.ratio_to_floor or 9) <= 1.12 and found.refused < 0.01,
        peer_runs=1,
        timeout_s=max(240.0, 8 * floor_s),
    )


def _through(name: str, question: str, job: Job, fill: Fill, peers: tuple[str, ...], **more: Any) -> Scenario:
    """Bytes that pass through the client, over TLS, from or to files. On a RAM disk, but for one: a disk of one's own
    would be measured too, and what it takes to sync them is not asked here."""
    return Scenario(name, question, job, fill, TLS, peers=peers, peer_runs=3, **more)


_SMALL, _LARGE = Fill(REFERENCE_OBJECTS, SMALL_BYTES), Fill(8, 1 << 30, multipart=True)
_FILES_PEERS = ("cartage", "s5cmd", "rclone", "awscli", "obstore")
_RELAY_PEERS = ("cartage", "rclone", "obstore")

MIXED_REQUESTS = REFERENCE_OBJECTS + 84 + 2
"""The teacher model in 84 parts of 64 MiB, Create and Complete."""
MIXED_FLOOR_S = max(limit_floor_s(MIXED_REQUESTS, 3500.0), TEACHER_BYTES / (64 * 64 * MIB))
"""The larger of the rate's floor and the large object's own: 1 s for each 64 MiB, at most 64 parts at once."""

SCENARIOS: dict[str, Scenario] = {
    item.name: item
    for item in (
        Scenario(
            "copy-cpu",
            "52,994 copies answered at once, over TLS: what an object costs the client's processor",
            "copy",
            Fill(REFERENCE_OBJECTS),
            TLS,
            peer_runs=1,
            target="≤ 60 µs of processor an object",
            reached=lambda found: found.processor_us_per_object <= 60,
        ),
        Scenario(
            "copy-near",
            "52,994 copies at a server 4 ms away, as one's own in the same building, over TLS",
            "copy",
            Fill(REFERENCE_OBJECTS),
            TLS | {"latency_ms": 4.0, "latency_spread": 0.2, "list_latency_ms": 10.0},
            peers=("cartage", "s5cmd", "rclone", "obstore"),
            peer_runs=1,
            target="≤ 1.2 × its own processor time",
            reached=lambda found: found.wall_s <= 1.2 * found.processor_s,
        ),
        _through(
            "clone-small",
            "52,994 objects of 100 KB into a folder, each proven",
            "download",
            _SMALL,
            _FILES_PEERS,
            target="≤ 240 µs of processor an object, ≤ 120 MB",
            reached=lambda found: found.processor_us_per_object <= 240 and found.peak_mb <= 120,
        ),
        _through(
            "clone-large",
            "8 objects of 1 GiB into a folder, each proven",
            "download",
            _LARGE,
            _FILES_PEERS,
            target="processor ≤ s5cmd's, ≤ 120 MB",
        ),
        _through(
            "clone-disk",
            "4 objects of 1 GiB into a folder on this machine's own disk, each proven, none synced",
            "download",
            replace(_LARGE, count=4),
            _FILES_PEERS,
            target="processor ≤ s5cmd's, ≤ 0.75 × obstore's",
            on_disk=True,
        ),
        _through(
            "upload-small",
            "52,994 files of 100 KB to S3, each proven",
            "upload",
            _SMALL,
            _FILES_PEERS,
            target="≤ 300 µs of processor a file, ≤ 120 MB",
            reached=lambda found: found.processor_us_per_object <= 300 and found.peak_mb <= 120,
        ),
        _through(
            "upload-large",
            "8 files of 1 GiB to S3, each proven",
            "upload",
            _LARGE,
            _FILES_PEERS,
            target="processor ≤ 0.4 × s5cmd's, ≤ 120 MB",
        ),
        _through(
            "relay",
            "52,994 objects of 100 KB from one endpoint to another, each proven",
            "relay",
            _SMALL,
            _RELAY_PEERS,
            target="≤ 200 MB",
            reached=lambda found: found.peak_mb <= 200,
        ),
        _limit(900.0),
        _limit(3500.0),
        _limit(9000.0),
        Scenario(
            "mixed",
            "the same at 3,500 a second with a 5.6 GB object among them, 1 s for each 64 MiB, 64 parts at once",
            "copy",
            Fill(REFERENCE_OBJECTS, large_bytes=TEACHER_BYTES),
            {
                "latency_ms": 100.0,
                "latency_spread": 0.4,
                "list_latency_ms": 200.0,
                "rate_rps": 3500.0,
                "bandwidth_mib_s": 64.0,
                "part_slots": 64,
            },
            peers=("cartage", "rclone", "awscli"),
            floor_s=MIXED_FLOOR_S,
            target="≤ 1.15 × the larger floor",
            reached=lambda found: (found.ratio_to_floor or 9) <= 1.15,
            peer_runs=1,
        ),
        Scenario(
            "list",
            "a million keys at 200 ms a page",
            "list",
            Fill(1_000_000, 500_000),
            {"list_latency_ms": 200.0},
            target="≤ 12 s, ≤ 8 µs of processor a key",
            reached=lambda found: found.wall_s <= 12 and found.processor_us_per_object <= 8,
            peer_runs=1,
        ),
        Scenario(
            "resume",
            "the copy again, with everything there already",
            "again",
            Fill(REFERENCE_OBJECTS),
            prepare="copy",
            peers=("cartage", "s5cmd", "rclone", "awscli"),
            peer_runs=1,
            target="≤ 1.6 s of processor in all",
            reached=lambda found: found.processor_s <= 1.6,
        ),
        Scenario(
            "verify",
            "both sides compared again",
            "verify",
            Fill(REFERENCE_OBJECTS),
            prepare="copy",
            peers=("cartage", "rclone"),
        ),
        Scenario(
            "memory",
            "two million objects: the client's memory at its peak",
            "copy",
            Fill(2_000_000, 500_000),
            {"check_signatures": False},
            peers=("cartage",),
            target="≤ 120 MB",
            reached=lambda found: found.peak_mb <= 120,
            runs=1,
            timeout_s=1200.0,
        ),
        Scenario(
            "memory-clone",
            "two million objects of 100 bytes into a folder: the client's memory at its peak",
            "download",
            Fill(2_000_000, 100),
            {"check_signatures": False},
            peers=("cartage",),
            target="≤ 120 MB",
            reached=lambda found: found.peak_mb <= 120,
            runs=1,
            timeout_s=7200.0,
        ),
        Scenario(
            "clone-limit-5500",
            "52,994 objects of 100 KB at 30 ms an answer, where S3 allows 5,500 GETs a second",
            "download",
            _SMALL,
            {
                "latency_ms": 30.0,
                "latency_spread": 0.4,
                "read_rate_rps": 5500.0,
                "tls": True,
                "check_signatures": False,
            },
            peers=("cartage",),
            floor_s=limit_floor_s(REFERENCE_OBJECTS, 5500.0),
            target="≤ 1.15 × the larger of the floor and the processor's own time",
            reached=lambda found: found.wall_s <= 1.15 * max(found.floor_s or 0.0, found.processor_s),
            peer_runs=1,
        ),
    )
}
