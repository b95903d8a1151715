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

Calls are coroutines; a script runs one with `asyncio.run`. A name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.api.accept import Acceptances as Acceptances
    from engine.api.accept import accept as accept
    from engine.api.accept import acceptances as acceptances
    from engine.api.accept import take_back as take_back
    from engine.api.check import CheckReport as CheckReport
    from engine.api.check import check as check
    from engine.api.cleanup import CleanupRefused as CleanupRefused
    from engine.api.cleanup import CleanupResult as CleanupResult
    from engine.api.cleanup import cleanup as cleanup
    from engine.api.consent import Act as Act
    from engine.api.consent import Consent as Consent
    from engine.api.delete import DeleteResult as DeleteResult
    from engine.api.delete import delete as delete
    from engine.api.export import ExportRow as ExportRow
    from engine.api.export import export as export
    from engine.api.fingerprint import fingerprint as fingerprint
    from engine.api.load import load_plan as load_plan
    from engine.api.ls import ls as ls
    from engine.api.manifest import ManifestResult as ManifestResult
    from engine.api.manifest import manifest as manifest
    from engine.api.options import Options as Options
    from engine.api.options import ledger_path as ledger_path
    from engine.api.plan import SurveyResult as SurveyResult
    from engine.api.plan import survey as survey
    from engine.api.receipt import ReceiptCheck as ReceiptCheck
    from engine.api.receipt import check_receipt as check_receipt
    from engine.api.receipt import receipt as receipt
    from engine.api.revert import RevertResult as RevertResult
    from engine.api.revert import revert as revert
    from engine.api.rewrite import RewriteResult as RewriteResult
    from engine.api.rewrite import rewrite as rewrite
    from engine.api.run import MigrationResult as MigrationResult
    from engine.api.run import migrate as migrate
    from engine.api.status import Status as Status
    from engine.api.status import objects_aside as objects_aside
    from engine.api.status import status as status
    from engine.api.stopping import StopSignal as StopSignal
    from engine.api.verify import verify as verify
    from engine.errors import AccessDenied as AccessDenied
    from engine.errors import Ambiguous as Ambiguous
    from engine.errors import Archived as Archived
    from engine.errors import AttemptError as AttemptError
    from engine.errors import BadCredentials as BadCredentials
    from engine.errors import BucketMissing as BucketMissing
    from engine.errors import ClaimLost as ClaimLost
    from engine.errors import ClockSkew as ClockSkew
    from engine.errors import Conflict as Conflict
    from engine.errors import CredentialsExpired as CredentialsExpired
    from engine.errors import EngineError as EngineError
    from engine.errors import GateClosed as GateClosed
    from engine.errors import GoneTogether as GoneTogether
    from engine.errors import IntegrityError as IntegrityError
    from engine.errors import LedgerCorrupt as LedgerCorrupt
    from engine.errors import LedgerError as LedgerError
    from engine.errors import LedgerLocked as LedgerLocked
    from engine.errors import LedgerMismatch as LedgerMismatch
    from engine.errors import LedgerMissing as LedgerMissing
    from engine.errors import ListingBroken as ListingBroken
    from engine.errors import NameNotFound as NameNotFound
    from engine.errors import NotFound as NotFound
    from engine.errors import NothingThere as NothingThere
    from engine.errors import ObjectError as ObjectError
    from engine.errors import PlanError as PlanError
    from engine.errors import PreconditionFailed as PreconditionFailed
    from engine.errors import Rejected as Rejected
    from engine.errors import RunError as RunError
    from engine.errors import Scope as Scope
    from engine.errors import StoreError as StoreError
    from engine.errors import Throttled as Throttled
    from engine.errors import TooLate as TooLate
    from engine.errors import Unavailable as Unavailable
    from engine.errors import Unreachable as Unreachable
    from engine.errors import Unsupported as Unsupported
    from engine.errors import Unwritable as Unwritable
    from engine.errors import UsageError as UsageError
    from engine.errors import WrongRegion as WrongRegion
    from engine.events import Event as Event
    from engine.events import Listener as Listener
    from engine.events import Notice as Notice
    from engine.events import ObjectAside as ObjectAside
    from engine.events import ObjectListed as ObjectListed
    from engine.events import PrefixSummed as PrefixSummed
    from engine.events import Progress as Progress
    from engine.events import ReferenceFound as ReferenceFound
    from engine.events import RunStarted as RunStarted
    from engine.events import SnapshotClosed as SnapshotClosed
    from engine.finish.acceptances import Accepted as Accepted
    from engine.finish.project import Summary as Summary
    from engine.model import Location as Location
    from engine.model import Proof as Proof
    from engine.plan.document import Plan as Plan
    from engine.plan.lifecycle import State as State
    from engine.plan.locations import parse_location as parse_location
    from engine.plan.permissions import policy as policy
    from engine.plan.starter import starter_plan as starter_plan
    from engine.proof.depth import Depth as Depth
    from engine.proof.depth import parse_depth as parse_depth
    from engine.proof.fingerprint import Basis as Basis
    from engine.proof.receipt import ReceiptRefused as ReceiptRefused
    from engine.proof.verification import Verification as Verification
    from engine.references.manifest import ManifestRefused as ManifestRefused
    from engine.references.replacing import ReplaceRefused as ReplaceRefused

_NAMES = {
    "engine.api.accept": "Acceptances accept acceptances take_back",
    "engine.api.check": "CheckReport check",
    "engine.api.cleanup": "CleanupRefused CleanupResult cleanup",
    "engine.api.consent": "Act Consent",
    "engine.api.delete": "DeleteResult delete",
    "engine.api.export": "ExportRow export",
    "engine.api.fingerprint": "fingerprint",
    "engine.api.load": "load_plan",
    "engine.api.ls": "ls",
    "engine.api.manifest": "ManifestResult manifest",
    "engine.api.options": "Options ledger_path",
    "engine.api.plan": "SurveyResult survey",
    "engine.api.receipt": "ReceiptCheck check_receipt receipt",
    "engine.api.revert": "RevertResult revert",
    "engine.api.rewrite": "RewriteResult rewrite",
    "engine.api.run": "MigrationResult migrate",
    "engine.api.status": "Status objects_aside status",
    "engine.api.stopping": "StopSignal",
    "engine.api.verify": "verify",
    "engine.errors": (
        "AccessDenied Ambiguous Archived AttemptError BadCredentials BucketMissing ClaimLost ClockSkew Conflict "
        "CredentialsExpired EngineError GateClosed GoneTogether IntegrityError LedgerCorrupt LedgerError "
        "LedgerLocked LedgerMismatch LedgerMissing ListingBroken NameNotFound NotFound NothingThere ObjectError "
        "PlanError PreconditionFailed Rejected RunError Scope StoreError Throttled TooLate Unavailable Unreachable "
        "Unsupported Unwritable UsageError WrongRegion"
    ),
    "engine.events": (
        "Event Listener Notice ObjectAside ObjectListed PrefixSummed Progress ReferenceFound RunStarted SnapshotClosed"
    ),
    "engine.finish.acceptances": "Accepted",
    "engine.finish.project": "Summary",
    "engine.model": "Location Proof",
    "engine.plan.document": "Plan",
    "engine.plan.lifecycle": "State",
    "engine.plan.locations": "parse_location",
    "engine.plan.permissions": "policy",
    "engine.plan.starter": "starter_plan",
    "engine.proof.depth": "Depth parse_depth",
    "engine.proof.fingerprint": "Basis",
    "engine.proof.receipt": "ReceiptRefused",
    "engine.proof.verification": "Verification",
    "engine.references.manifest": "ManifestRefused",
    "engine.references.replacing": "ReplaceRefused",
}
"""What each module gives."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Imported when asked for: a pure part of the engine can be used without paying for the rest."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
