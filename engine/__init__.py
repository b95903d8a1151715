"""Cartage: moves objects in S3 in bulk, as fast as S3 itself allows, and proves that nothing was lost.

Every verb of the command line is a call here, with the types of what it takes, gives and raises:

    import engine

    plan = engine.load_plan("plan.toml")
    found = await engine.survey(plan)       # what a run would do; nothing is written to S3
    result = await engine.migrate(plan)     # call it again: it resumes
    report = await engine.verify(plan)
    if result.complete and report.agrees:
        gate = await engine.cleanup(plan)   # shows; with delete=True it deletes what is proven
        print([reason.sentence for reason in gate.reasons if not reason.open])

Calls are coroutines; a script runs one with `asyncio.run`, or calls it by its name in `engine.sync`, which waits for
the result itself: `engine.sync.migrate(plan)`, in a notebook too. A name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "engine.api.accept": "Acceptances accept acceptances take_back",
    "engine.api.check": "CheckReport check",
    "engine.api.cleanup": "CleanupRefused CleanupResult cleanup",
    "engine.api.consent": "Act Consent",
    "engine.api.delete": "delete",
    "engine.api.export": "ExportRow export",
    "engine.api.fingerprint": "fingerprint",
    "engine.api.following": "follow",
    "engine.api.lifecycle": "LifecycleResult lifecycle",
    "engine.api.load": "load_plan",
    "engine.api.ls": "ls",
    "engine.api.manifest": "ManifestResult manifest",
    "engine.api.metrics": "Metrics",
    "engine.api.options": "Options ledger_path",
    "engine.api.plan": "SurveyResult survey",
    "engine.api.receipt": "ReceiptCheck check_receipt receipt",
    "engine.api.report": "Report report_on",
    "engine.api.restore": "RestoreResult restore",
    "engine.api.revert": "RevertResult revert",
    "engine.api.rewrite": "RewriteResult rewrite",
    "engine.api.run": "MigrationResult migrate",
    "engine.api.share": "Shared SharedObject share",
    "engine.api.status": "Status objects_aside status",
    "engine.api.stopping": "StopSignal",
    "engine.api.sync": "SyncResult synchronize",
    "engine.api.verify": "verify",
    "engine.errors": (
        "AccessDenied Ambiguous Archived AttemptError BadCredentials BucketMissing ClaimLost ClockSkew Conflict "
        "CredentialsExpired EngineError ExtraMissing GateClosed GoneTogether IntegrityError LedgerCorrupt LedgerError "
        "LedgerLocked LedgerMismatch LedgerMissing ListingBroken NameNotFound NotFound NothingThere ObjectError "
        "PlanError PreconditionFailed Rejected RulesChanged RunError Scope StoreError Throttled TooLate Unavailable "
        "Unreachable Unsupported Unwritable UsageError WrongRegion"
    ),
    "engine.events": (
        "BucketListed Doing Event GroupSummed Listener Looking Notice ObjectAside ObjectListed ObjectTook OutOfReach "
        "PrefixSummed Progress ReferenceFound RunStarted SlowedDown SnapshotClosed"
    ),
    "engine.finish.acceptances": "Accepted",
    "engine.finish.grouping": "Odd",
    "engine.finish.project": "Summary",
    "engine.finish.project_deletion": "DeleteResult",
    "engine.listing.kept": "KeptListings",
    "engine.model": "Location Proof",
    "engine.plan.document": "Plan",
    "engine.plan.lifecycle": "State",
    "engine.plan.locations": "parse_location",
    "engine.plan.permissions": "BucketPolicy bucket_policy policy",
    "engine.plan.rule_effects": "Effect",
    "engine.plan.rule_proposal": "RuleProposal",
    "engine.plan.starter": "starter_plan",
    "engine.proof.depth": "Depth parse_depth",
    "engine.proof.fingerprint": "Basis",
    "engine.proof.receipt": "ReceiptRefused",
    "engine.proof.verification": "Verification",
    "engine.shown": "LedgerResult Result",
    "engine.references.replacing": "ReplaceRefused",
    "engine.references.telling": "ManifestRefused",
    "engine.version": "__version__",
}
"""What each module gives. `__init__.pyi` says the same to type checkers; a test holds the two together."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(name for name in _HOMES if not name.startswith("_"))


def __getattr__(name: str) -> Any:
    """Imported when asked for: a pure part of the engine can be used without paying for the rest."""
    if name == "sync":
        return import_module("engine.sync")
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
