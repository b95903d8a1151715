"""`cartage fingerprint LOCATION`: one short line that is equal for equal trees."""

from __future__ import annotations

from engine.api.fingerprint import fingerprint
from engine.cli.invocation import Invocation
from engine.proof.fingerprint import Basis


def fingerprint_command(invocation: Invocation, location: str, by: str) -> None:
    line = invocation.run(lambda options, _: fingerprint(location, options, basis=Basis(by)), asides=False)
    invocation.give(line)
    values = {"location": location, "fingerprint": line, "unlisted": invocation.left.count}
    invocation.end(invocation.done(), values)
