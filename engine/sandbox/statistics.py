"""What the sandbox saw: counts for tests and benchmarks."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from engine.sandbox.exchange import Request

WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})


class Statistics:
    """Counts by operation and status; how many requests were under way at most; optionally writes by key."""

    def __init__(self) -> None:
        self.counts_writes = False
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew; what is under way stays so."""
        self._operations: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._writes: Counter[str] = Counter()
        self._peak = self._in_flight
        self.mistakes = 0

    def begin(self) -> None:
        self._in_flight = now = self._in_flight + 1
        if now > self._peak:
            self._peak = now

    def end(self, operation: str, status: str) -> None:
        self._in_flight -= 1
        self.count(operation, status)

    def count(self, operation: str, status: str) -> None:
        self._operations[operation][status] += 1

    def count_write(self, request: Request) -> None:
        """A write that was carried out."""
        if request.operation in WRITES:
            self._writes[f"{request.bucket}/{request.key}"] += 1

    def repeated_writes(self) -> dict[str, int]:
        """The keys that were written more than once, with how often."""
        return {name: count for name, count in self._writes.items() if count > 1}

    def as_json(self) -> dict[str, Any]:
        counts = self._operations.values()
        return {
            "operations": {name: dict(found) for name, found in sorted(self._operations.items())},
            "requests": sum(found.total() for found in counts),
            "slow_downs": sum(found["503"] for found in counts),
            "in_flight": self._in_flight,
            "peak_in_flight": self._peak,
            "keys_written": len(self._writes),
            "mistakes": self.mistakes,
        }
