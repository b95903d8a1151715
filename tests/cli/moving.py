"""A plan that moves, on a sandbox whose clock and faults are a test's own."""

from __future__ import annotations

from dataclasses import asdict

from engine.sandbox import FaultRule, Sandbox
from tests.cli.commands import Ended, Terminal
from tests.servers import Endpoint


class Moving:
    """The plan moving.toml of a terminal's folder, and the commands on it."""

    def __init__(self, server: Sandbox, terminal: Terminal) -> None:
        self.server, self.terminal = server, terminal
        self.plan = terminal.folder / "moving.toml"
        self.passed_s = 0.0
        server.control("settings", {"faults": [], "check_signatures": True, "latency_ms": 0})
        terminal.on(Endpoint.of(server))

    def call(self, verb: str, *flags: str) -> Ended:
        return self.terminal.call(verb, self.plan, *flags)

    def delete(self, *flags: str, verb: str = "cleanup") -> Ended:
        return self.call(verb, "--delete", "--confirm", "moving", *flags)

    def migrate(self) -> None:
        assert self.call("run", "--yes", "-q").code == 0
        assert self.call("verify", "-q").code == 0

    def pass_time(self, seconds: float) -> None:
        """Move the server's clock alone. A signature of today is then out of date, which this is not about."""
        self.server.control("settings", {"check_signatures": False})
        self.server.control("advance_clock", {"seconds": seconds})
        self.passed_s += seconds

    def fault(self, kind: str, operation: str, **rule: object) -> None:
        rules = [asdict(FaultRule(kind, operation, **rule))]  # type: ignore[arg-type]
        self.server.control("settings", {"faults": rules})

    def end(self) -> None:
        self.server.control("advance_clock", {"seconds": -self.passed_s})
