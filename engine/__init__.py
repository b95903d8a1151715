"""Cartage: moves objects in S3 in bulk, as fast as S3 itself allows, and proves that nothing was lost.

plan = engine.load_plan("plan.toml")
result = await engine.migrate(plan)
report = await engine.verify(plan)
gate = await engine.cleanup(plan)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.api.cleanup import CleanupResult as CleanupResult
    from engine.api.cleanup import cleanup as cleanup
    from engine.api.consent import Consent as Consent
    from engine.api.load import load_plan as load_plan
    from engine.api.options import Options as Options
    from engine.api.revert import revert as revert
    from engine.api.run import MigrationResult as MigrationResult
    from engine.api.run import migrate as migrate
    from engine.api.stopping import StopSignal as StopSignal
    from engine.api.verify import verify as verify
    from engine.errors import EngineError as EngineError
    from engine.plan.document import Plan as Plan

_HOMES = {
    "CleanupResult": "engine.api.cleanup",
    "Consent": "engine.api.consent",
    "EngineError": "engine.errors",
    "MigrationResult": "engine.api.run",
    "Options": "engine.api.options",
    "Plan": "engine.plan.document",
    "StopSignal": "engine.api.stopping",
    "cleanup": "engine.api.cleanup",
    "load_plan": "engine.api.load",
    "migrate": "engine.api.run",
    "revert": "engine.api.revert",
    "verify": "engine.api.verify",
}

__all__ = [
    "CleanupResult",
    "Consent",
    "EngineError",
    "MigrationResult",
    "Options",
    "Plan",
    "StopSignal",
    "cleanup",
    "load_plan",
    "migrate",
    "revert",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Imported when asked for: a pure part of the engine can be used without paying for the rest."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
