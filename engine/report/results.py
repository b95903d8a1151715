"""The values of every result, by the names that `--json` has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from engine.report.ndjson import plain

_VALUES = {
    "CheckReport": "check.check_values",
    "CleanupResult": "cleanup.gate_values",
    "DeleteResult": "delete.delete_values",
    "LifecycleResult": "lifecycle.lifecycle_values",
    "ManifestResult": "manifest.manifest_values",
    "MigrationResult": "run.result_values",
    "Report": "report.report_values",
    "RestoreResult": "restore.restore_values",
    "RevertResult": "revert.revert_values",
    "RewriteResult": "rewrite.rewrite_values",
    "Shared": "share.share_values",
    "Status": "status.status_values",
    "Summary": "ls.summary_values",
    "SurveyResult": "plan.plan_values",
    "SyncResult": "sync.sync_values",
    "Verification": "verify.verification_values",
}
"""Whose values are not its fields: the report that says them."""


def values_of(result: object) -> dict[str, Any]:
    """What a command's summary line says of its result, but for the code that it ends with."""
    home, _, name = _VALUES.get(type(result).__name__, "").partition(".")
    values: dict[str, Any] = plain(getattr(import_module(f"engine.report.{home}"), name)(result) if home else result)
    return values
