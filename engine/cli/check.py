"""`cartage check [LOCATION]`: who am I, which region and endpoint, does the bucket answer, what may I do."""

from __future__ import annotations

from engine.api.check import check
from engine.cli.codes import DONE, FATAL
from engine.cli.invocation import Invocation
from engine.report.check import check_page


def check_command(invocation: Invocation, location: str | None, write: bool) -> None:
    report = invocation.run(lambda options, _: check(location or None, options, write=write))
    invocation.say(check_page(report, location, invocation.took_s, invocation.connection_flags))
    invocation.end(FATAL if report.denied or report.is_open or report.left else DONE, report)
