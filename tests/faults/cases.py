"""Every kind of fault as data: which requests it strikes, and whose objects it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.sandbox import FaultRule

COPIES = ("CopyObject", "UploadPartCopy", "CompleteMultipartUpload")
ERRORS_IN_200 = (
    "InternalError",
    "SlowDown",
    "ServiceUnavailable",
    "AccessDenied",
    "NoSuchKey",
    "InvalidRequest",
    "PreconditionFailed",
    "RequestTimeout",
    "ExpiredToken",
    "NotImplemented",
)
STORM = 300
"""So many refusals are a storm: by number, since what lasts so many seconds may be over before anything is copied."""


@dataclass(frozen=True, slots=True)
class Case:
    """`foreign`: somebody else writes to targets, which then have to be set aside and left as they are. `legacy`: the
    bucket is older than S3's default checksums, so that large objects are copied in their own parts. `scale` is how
    much of the reference migration it takes. `complete_again`: a second Complete is answered by 200, as S3 does for a
    while, and not by NoSuchUpload."""

    name: str
    rules: tuple[FaultRule, ...]
    foreign: bool = False
    legacy: bool = False
    scale: float = 0.004
    store: str = "wire"
    complete_again: bool = False


def _each(kind: str, operations: tuple[str, ...] = ("*",), p: float = 0.12, **more: object) -> tuple[FaultRule, ...]:
    return tuple(FaultRule(kind, operation, probability=p, **more) for operation in operations)  # type: ignore[arg-type]


def _cases() -> list[Case]:
    found = [
        Case(kind, _each(kind))
        for kind in (
            "reset-before",
            "reset-unserved",
            "reset-served",
            "cut-status",
            "cut-headers",
            "cut-chunk",
            "cut-body",
            "wrong-length",
            "close",
            "close-idle",
            "500",
            "503",
            "503-empty",
        )
    ]
    found += [
        Case("500 after it was done", _each("500", served=True)),
        Case("503 without a body after it was done", _each("503-empty", served=True)),
        Case(
            "SlowDown, 90 % of requests for a while",
            _each("503", ("CopyObject", "HeadObject"), 0.9, times=STORM, key="data/"),
        ),
        Case("slow-bytes", _each("slow-bytes", delay_ms=3.0)),
        Case("an answer that comes late", _each("hang", delay_ms=300.0)),
        Case("an answer that never comes", _each("hang", COPIES, p=0.03)),
        Case("200-empty", _each("200-empty", COPIES)),
        Case("200-empty after it was done", _each("200-empty", COPIES, served=True)),
        Case("200-html", _each("200-html", (*COPIES, "ListObjectsV2"))),
        Case("409 on a copy", _each("409", ("CopyObject",))),
        Case("409 on Complete", (FaultRule("409", "CompleteMultipartUpload", first=2),)),
        Case("404 on a listed object", _each("404", ("CopyObject", "HeadObject", "UploadPartCopy"))),
        Case("404 on an upload", (FaultRule("404", "CompleteMultipartUpload", first=1),), legacy=True),
        Case("403 on every 9th", (FaultRule("403", every=9),)),
        Case("expired-token", (FaultRule("expired-token", every=40, times=4),)),
        Case("301", (FaultRule("301", nth=30),)),
        Case("307", (FaultRule("307", nth=60),)),
        Case("Complete done, and answered 500", (FaultRule("500", "CompleteMultipartUpload", served=True, first=2),)),
        Case("Complete done, and reset", (FaultRule("reset-served", "CompleteMultipartUpload", first=9),), legacy=True),
        Case("Create done, and reset", (FaultRule("reset-served", "CreateMultipartUpload", first=2),)),
        Case("Create done, and reset each time", (FaultRule("reset-served", "CreateMultipartUpload", first=99),)),
        Case(
            "Abort fails",
            (FaultRule("409", "CompleteMultipartUpload", first=9), *_each("500", ("AbortMultipartUpload",), 1.0)),
        ),
        Case("an upload vanishes under its parts", (FaultRule("upload-vanished", "UploadPartCopy", nth=20),)),
        Case("uploads vanish", (FaultRule("upload-vanished", "UploadPartCopy", every=40, times=5),), legacy=True),
        Case("an upload vanishes before Complete", (FaultRule("upload-vanished", "CompleteMultipartUpload", first=1),)),
        Case("source-changed", _each("source-changed", ("CopyObject",), 0.05)),
        Case("a large source changes", (FaultRule("source-changed", "UploadPartCopy", nth=30),)),
        Case("target-appears", _each("target-appears", ("CopyObject",), 0.05), foreign=True),
        Case(
            "a target appears before Complete",
            (FaultRule("target-appears", "CompleteMultipartUpload", first=1),),
            foreign=True,
        ),
        Case("target-replaced", _each("target-replaced", ("CopyObject",), 0.05), foreign=True),
        Case(
            "a target is replaced after Complete",
            (FaultRule("target-replaced", "CompleteMultipartUpload", first=1),),
            foreign=True,
        ),
        Case("page-duplicate", (FaultRule("page-duplicate", "ListObjectsV2", every=3),)),
        Case("page-missing", (FaultRule("page-missing", "ListObjectsV2", every=2),)),
        Case("page-keyless", (FaultRule("page-keyless", "ListObjectsV2", every=3),)),
        Case("page-unordered", (FaultRule("page-unordered", "ListObjectsV2", every=3),)),
        Case("page-repeats", (FaultRule("page-repeats", "ListObjectsV2", probability=0.5),), scale=0.09),
    ]
    found += [Case(f"200 with {code} inside", _each("200-error", COPIES, code=code)) for code in ERRORS_IN_200]
    found += [
        Case(
            f"412 naming {condition or 'nothing'}",
            _each("412", ("CopyObject", "CompleteMultipartUpload"), 0.05, code=condition),
        )
        for condition in ("", "x-amz-copy-source-if-match", "If-None-Match")
    ]
    found += [
        replace(case, name=f"{case.name}, own parts", legacy=True)
        for case in found
        if case.name in ("reset-served", "cut-body", "500", "503-empty", "404 on a listed object")
    ]
    found += [
        replace(case, name=f"{case.name}, and a second Complete is answered by 200", complete_again=True)
        for case in found
        if case.name in ("Complete done, and answered 500", "Complete done, and reset", "200-empty after it was done")
    ]
    found += [
        replace(case, name=f"{case.name}, by aiobotocore", store="boto")
        for case in found
        if case.name
        in ("reset-served", "cut-body", "500", "200 with InternalError inside", "page-missing", "expired-token")
    ]
    return found


CASES: dict[str, Case] = {case.name: case for case in _cases()}
ALONE = {"301", "307", "page-repeats", "expired-token"}
"""What stops a run by itself is kept rare in the mixture, or nothing else would be met."""


def together(foreign: bool) -> tuple[FaultRule, ...]:
    """All kinds at once, each seldom. Rules are asked in order and the first that strikes is it."""
    rules: list[FaultRule] = []
    for case in CASES.values():
        if (
            case.store != "wire"
            or case.legacy
            or case.complete_again
            or ((case.foreign and not foreign) or case.name == "an answer that never comes")
        ):
            continue
        for rule in case.rules:
            if case.name in ALONE or rule.kind.startswith("page-") or rule.kind == "403":
                rules.append(replace(rule, nth=0, every=0, first=0, probability=0.004, times=1))
            elif rule.probability:
                rules.append(replace(rule, probability=min(0.01, rule.probability / 4)))
            else:
                rules.append(rule)
    return tuple(rules)
