"""What the sandbox saw: counts for tests and benchmarks."""

from __future__ import annotations

from typing import Any

from engine.sandbox.exchange import Request

WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})


class Statistics:
    """Counts by operation and status; how many requests were under way at most; optionally writes by key."""

    def __init__(self, counts_writes: bool = False) -> None:
        self.counts_writes = counts_writes
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew; what is under way stays so."""
        self._operations: dict[str, dict[str, int]] = {}
        self._writes: dict[str, int] = {}
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
        counts = self._operations.get(operation)
        if counts is None:
            counts = self._operations[operation] = {}
        counts[status] = counts.get(status, 0) + 1

    def count_write(self, request: Request) -> None:
        """A write that was carried out."""
        if request.operation in WRITES:
            name = f"{request.bucket}/{request.key}"
            self._writes[name] = self._writes.get(name, 0) + 1

    def repeated_writes(self) -> dict[str, int]:
        """The keys that were written more than once, with how often."""
        return {name: count for name, count in self._writes.items() if count > 1}

    def as_json(self) -> dict[str, Any]:
        counts = self._operations.values()
        return {
            "operations": {name: dict(found) for name, found in sorted(self._operations.items())},
            "requests": sum(sum(found.values()) for found in counts),
            "slow_downs": sum(found.get("503", 0) for found in counts),
            "in_flight": self._in_flight,
            "peak_in_flight": self._peak,
            "keys_written": len(self._writes),
            "mistakes": self.mistakes,
        }
