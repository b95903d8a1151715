"""Every call of the library without `await`: `engine.sync.migrate(plan)` is what `await engine.migrate(plan)` is.

It takes, gives and raises the same, in a script, in a notebook, and on a thread where an event loop runs (which waits
meanwhile). The call has a thread and an event loop of its own, on which the listener is told; context variables are
those of the caller. Ctrl-C ends it as `StopSignal` does, pressed again at once; `KeyboardInterrupt` is raised once
everything known is committed. What gives batches is a plain iterator here.

    found = engine.sync.status(engine.ledger_path(plan))
    for rows in engine.sync.export(found.ledger):
        print(rows[0].target_key, rows[0].record.state)
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import engine
from engine.api.blocking import blocking

if TYPE_CHECKING:  # the names for type checkers; made below, each when it is first asked for
    accept = blocking(engine.accept)
    acceptances = blocking(engine.acceptances)
    check = blocking(engine.check)
    check_receipt = blocking(engine.check_receipt)
    cleanup = blocking(engine.cleanup)
    delete = blocking(engine.delete)
    export = blocking(engine.export)
    fingerprint = blocking(engine.fingerprint)
    follow = blocking(engine.follow)
    lifecycle = blocking(engine.lifecycle)
    ls = blocking(engine.ls)
    manifest = blocking(engine.manifest)
    migrate = blocking(engine.migrate)
    objects_aside = blocking(engine.objects_aside)
    receipt = blocking(engine.receipt)
    report_on = blocking(engine.report_on)
    restore = blocking(engine.restore)
    revert = blocking(engine.revert)
    rewrite = blocking(engine.rewrite)
    share = blocking(engine.share)
    status = blocking(engine.status)
    survey = blocking(engine.survey)
    synchronize = blocking(engine.synchronize)
    take_back = blocking(engine.take_back)
    verify = blocking(engine.verify)


def __getattr__(name: str) -> Any:
    call = getattr(engine, name, None) if name in engine.__all__ else None
    if not (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)):
        raise AttributeError(f"module 'engine.sync' has no attribute {name!r}")
    made = globals()[name] = blocking(call)
    return made


def __dir__() -> list[str]:
    """Every call there is, for completion in a notebook."""
    calls = [name for name in engine.__all__ if inspect.isroutine(getattr(engine, name))]
    return [name for name in calls if hasattr(engine.sync, name)]
