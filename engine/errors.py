"""The error tree: one class for each thing a caller can do about it.

A `StoreError` carries a *scope*, which says how far it reaches:

- `attempt`: this one request; the same request may succeed later (`Throttled`, `Unavailable`), its outcome is not known
  (`Ambiguous`) and has to be looked up before anything is sent again, or what it rests on grew old (`TooLate`);
- `object`: this one object; every other object goes on;
- `run`: nothing else can succeed either; the run stops, keeps what it has and says why.

Cancellation is never wrapped in any of these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import ClassVar, Required, TypedDict, Unpack


class Scope(StrEnum):
    """How far a `StoreError` reaches."""

    ATTEMPT = "attempt"
    OBJECT = "object"
    RUN = "run"


class EngineError(Exception):
    """Base of everything the engine raises on purpose.

    `advice` is a sentence that says what the user can do; `exit_code` is what the command line ends with
    (docs/exit-codes.md).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    @property
    def advised(self) -> str:
        """The message with the advice, where there is one text for both."""
        return f"{self.message.removesuffix('.')}. {self.advice}" if self.advice else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """As it is, from one process to another: an exception is else made anew from its message alone."""
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[EngineError], args: tuple[object, ...], values: dict[str, object]) -> EngineError:
    error = kind.__new__(kind, *args)
    vars(error).update(values)
    return error


class UsageError(EngineError):
    """What was asked for does not make sense: a flag, a location, a combination of them."""

    exit_code = 2


class ExtraMissing(UsageError):
    """What was asked for needs a package that only an extra of the distribution brings."""

    def __init__(self, package: str, extra: str, install: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"this needs {package}, which is not installed: {install}",
            advice="The extra [all] brings every such package.",
        )


class NothingThere(UsageError):
    """A location holds nothing, and nobody said that this is all right; `said_by` is how that is said, empty where it
    cannot be."""

    def __init__(self, message: str, said_by: str = "") -> None:
        super().__init__(message, advice=self.advice_of(said_by))

    @staticmethod
    def advice_of(said_by: str) -> str:
        """What to do about it."""
        return f"Mend the location{f'; where it may hold nothing, {said_by} goes on' if said_by else ''}."


class PlanError(EngineError):
    """The plan is refused. `problems` lists every reason, each naming its line or route; `subject` is what has them."""

    exit_code = 2

    def __init__(self, problems: Sequence[str], *, advice: str = "", subject: str = "The plan") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{subject} has one problem" if count == 1 else f"{subject} has {count} problems"
        super().__init__("\n".join([head + ":", *(f"  - {problem}" for problem in self.problems)]), advice=advice)


class IntegrityError(EngineError):
    """Bytes or digests that must agree do not. Reaches one object."""


class LedgerError(EngineError):
    """The ledger cannot be used."""


class LedgerMissing(LedgerError):
    """There is no ledger where one was expected."""


class LedgerLocked(LedgerError):
    """Another run holds this ledger."""


class LedgerMismatch(LedgerError):
    """The ledger is bound to another endpoint, other buckets or other routes."""


class LedgerCorrupt(LedgerError):
    """The file is not a ledger, is damaged, or could not be written in full."""


class GateClosed(EngineError):
    """Cleanup refused. `reasons` holds one line for each reason that is closed."""

    exit_code = 5

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(["The gate is closed:", *(f"  - {reason}" for reason in self.reasons)]))


class ClaimLost(GateClosed):
    """Another deletion has taken over what this one held: it ends. What was deleted before is committed."""


class RulesChanged(EngineError):
    """A bucket's lifecycle configuration is no longer what was looked at, or applied: nothing was written."""


class GoneTogether(EngineError):
    """What was deleted took with it what was to stay: source and target are the same objects by two names."""


class _About(TypedDict, total=False):
    """What every `StoreError` takes beside its message."""

    operation: Required[str]
    ref: str
    code: str
    request_id: str
    advice: str


class StoreError(EngineError):
    """A request to S3 did not succeed.

    `operation` is the S3 action's name ("CopyObject"), `ref` what it was about ("s3://bucket/key"), `code` the
    error code that S3 gave (or a short word of ours where S3 gave none), `request_id` what to quote to support. `site`
    is the plan's name for where it was sent, empty for its own connection: two may have a bucket of one name.
    `refuses` is the property ("tags") that a write was refused for, where the answer says so.
    """

    scope: ClassVar[Scope]
    usual_code: ClassVar[str] = ""

    def __init__(
        self, message: str, *, operation: str, ref: str = "", code: str = "", request_id: str = "", advice: str = ""
    ) -> None:
        super().__init__(message, advice=advice)
        self.operation = operation
        self.ref = ref
        self.code = code or self.usual_code
        self.request_id = request_id
        self.site = ""
        self.refuses = ""

    @property
    def place(self) -> str:
        """`ref` as a plan says it, with its site; empty where it was about none."""
        return f"{self.site}:{self.ref}" if self.site and self.ref else self.ref

    def __str__(self) -> str:
        at = f' at the site "{self.site}"' if self.site else ""
        about = f" {self.place}" if self.ref else at
        code = f" [{self.code}]" if self.code else ""
        return f"{self.operation}{about}: {self.message}{code}"


# --- scope: attempt ---------------------------------------------------------------------------------------


class AttemptError(StoreError):
    """This request did not succeed; the next may."""

    scope = Scope.ATTEMPT


class Throttled(AttemptError):
    """503 SlowDown and its kin: S3 did not carry the request out and asks for fewer of them.

    `retry_after_s` is the server's own wish, where it sent one.
    """

    usual_code = "SlowDown"

    def __init__(self, message: str, *, retry_after_s: float | None = None, **about: Unpack[_About]) -> None:
        super().__init__(message, **about)
        self.retry_after_s = retry_after_s


class Unavailable(AttemptError):
    """The request was certainly not carried out: no connection, or refused before it was read."""


class Ambiguous(AttemptError):
    """The request may or may not have been carried out: reset, time-out, 500, an answer cut short, or a
    success without an ETag. A conditional write is never sent again after this without a look at the target."""


class TooLate(AttemptError):
    """The request was certainly not carried out: what it rests on was looked at too long ago, so that it was not sent.
    Who looks again may send it again."""


# --- scope: object ----------------------------------------------------------------------------------------


class ObjectError(StoreError):
    """This object cannot be done now; the others can."""

    scope = Scope.OBJECT


class NotFound(ObjectError):
    """404 for a key, or for an upload id (code `NoSuchUpload`)."""


class PreconditionFailed(ObjectError):
    """412. `condition` is the header that S3 says failed ("x-amz-copy-source-if-match", "If-None-Match",
    "If-Match"), or empty where the server does not say: source changed, target there, or our own lost success."""

    usual_code = "PreconditionFailed"

    def __init__(self, message: str, *, condition: str = "", **about: Unpack[_About]) -> None:
        super().__init__(message, **about)
        self.condition = condition


class Conflict(ObjectError):
    """409 ConditionalRequestConflict: another write to the same key was under way. A copy may be sent again, an
    upload has to be started anew."""


class AccessDenied(ObjectError):
    """403 for this key. Without s3:ListBucket it can also mean that the key does not exist. `action` is what IAM has to
    allow ("s3:GetObject"), as S3 says it or as the operation takes it; empty where neither tells."""

    def __init__(self, message: str, *, action: str = "", **about: Unpack[_About]) -> None:
        super().__init__(message, **about)
        self.action = action


class Archived(ObjectError):
    """The object must be restored before it can be read (InvalidObjectState, ObjectNotInActiveTierError)."""


class Rejected(ObjectError):
    """S3 understood the request and will not do it: InvalidRequest, EntityTooLarge, InvalidPart, and so on."""


CUSTOMER_KEY = "CustomerKey"
"""The code of `Rejected` for an object under a key of its owner's own (SSE-C), which has to come with each request."""


class Unsupported(ObjectError):
    """501 NotImplemented: this server does not know the operation or the condition."""


# --- scope: run -------------------------------------------------------------------------------------------


class RunError(StoreError):
    """Nothing else can succeed either."""

    scope = Scope.RUN


class BadCredentials(RunError):
    """Missing, wrong or expired credentials. `may_pass`: their source failed just now (a program, a host), and may give
    some when it is asked again."""

    may_pass = False


class CredentialsExpired(BadCredentials):
    """Fresh ones may mend it."""


class BucketMissing(RunError):
    """The bucket does not exist, or is in another region or account."""


class Unwritable(RunError):
    """Nothing can be written to a local folder: its disk or its user's quota is full, it is mounted read-only, or it
    cannot be synced as it is to be."""


class WrongRegion(RunError):
    """301 or 400 with the right region in a header. `region` is what the server says, where it says it."""

    usual_code = "PermanentRedirect"

    def __init__(self, message: str, *, region: str = "", **about: Unpack[_About]) -> None:
        super().__init__(message, **about)
        self.region = region


class ClockSkew(RunError):
    """RequestTimeTooSkewed: this machine's clock is too far from S3's."""


class Unreachable(RunError):
    """The endpoint cannot be used at all: name not found, TLS refused, or nothing answered for too long."""


class NameNotFound(Unreachable):
    """The endpoint's name is not found, which time may mend: the request was certainly not carried out."""


class ListingBroken(RunError):
    """A listing whose keys do not rise, repeats its token or lacks what it must carry cannot be joined."""


@contextmanager
def refused_as(what: str, advice: str = "") -> Iterator[None]:
    """What the system refuses inside of what a user named is a `UsageError`: `what` ("x cannot be read"), and why."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror or error}", advice=advice) from error


@asynccontextmanager
async def one_error() -> AsyncIterator[None]:
    """Task groups raise groups of errors; the caller gets the one that stopped them, or one that is alone (as what a
    listener of theirs raised), as it was."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(each_error(group))
        first = next((error for error in errors if isinstance(error, EngineError)), errors[0])
        ours = isinstance(first, EngineError)
        if not ours and (len(errors) > 1 or not isinstance(first, Exception)):
            raise
        before = None if ours else first.__context__
        try:
            if ours:
                raise first from None
            raise first
        finally:  # it was given the group as its context, whose member it is: nothing can send such a circle on
            first.__context__ = before


def each_error(error: BaseException) -> Iterator[BaseException]:
    """Those that a group holds, and the groups in it; what is no group by itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from each_error(inner)
    else:
        yield error
