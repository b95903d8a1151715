"""Which request meets which fault: rules as data, and a pure function of the seed. `sabotage` carries them out.

A rule that goes by probability draws from (seed, the rule's place, operation, subject, how often this subject was
struck already): the draw does not depend on the order in which requests happen to arrive, so a seed replays under
any concurrency, and only what was struck takes memory. A rule that goes by number counts the requests that it
matches.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What happens. Not carried out, unless the name or the rule (`served`) says so."""

    RESET_BEFORE = "reset-before"  # the connection is reset when the head was read, and the body is not read on
    RESET_UNSERVED = "reset-unserved"  # … after the whole request was read
    RESET_SERVED = "reset-served"  # … after it was carried out: a lost success
    HANG = "hang"  # no answer for `delay_ms` (0: ever)
    CUT_STATUS = "cut-status"  # carried out; the connection ends within the status line
    CUT_HEADERS = "cut-headers"
    CUT_CHUNK = "cut-chunk"  # … within a chunk of a chunked body
    CUT_BODY = "cut-body"
    SLOW_BYTES = "slow-bytes"  # carried out; the answer comes in pieces with `delay_ms` between them
    WRONG_LENGTH = "wrong-length"  # carried out; Content-Length says more than is sent
    CLOSE = "close"  # carried out; the answer says "Connection: close"
    CLOSE_IDLE = "close-idle"  # carried out; closed after the answer without a word
    STATUS_500 = "500"
    STATUS_503 = "503"
    EMPTY_503 = "503-empty"
    ERROR_IN_200 = "200-error"  # `code`: InternalError by default
    EMPTY_200 = "200-empty"
    HTML_200 = "200-html"
    STATUS_409 = "409"
    STATUS_412 = "412"  # `code`: the Condition that is named, where one is
    STATUS_404 = "404"
    STATUS_403 = "403"
    EXPIRED_TOKEN = "expired-token"
    REDIRECT_301 = "301"
    REDIRECT_307 = "307"
    PAGE_DUPLICATE = "page-duplicate"  # one object twice
    PAGE_MISSING = "page-missing"  # one object left out, KeyCount as before
    PAGE_KEYLESS = "page-keyless"  # one entry without a key
    PAGE_UNORDERED = "page-unordered"
    PAGE_REPEATS = "page-repeats"  # the token of the next page is that of this one
    DELETE_ERROR = "delete-error"  # of DeleteObjects' keys one is not deleted: its own error (`code`) inside the 200
    DELETE_KEYLESS = "delete-keyless"  # … and the error does not name its key
    SOURCE_CHANGED = "source-changed"  # the source has new content just before it is carried out
    TARGET_APPEARS = "target-appears"  # somebody else's object is at the key just before it is carried out
    TARGET_REPLACED = "target-replaced"  # … just after
    UPLOAD_VANISHED = "upload-vanished"  # the upload is aborted just before


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule. It matches requests of `operation` ("*": any) whose key contains `key`, in `bucket` ("": any), from
    `from_s` to `to_s` seconds after the rules were set (0: without end). Of those it strikes the `nth`, or `every`
    nth, or the `first` so many, or each with `probability`; at most `times` in all (0: any number).

    `served`: the request is carried out first, and then answered as the fault says.
    """

    kind: str
    operation: str = "*"
    probability: float = 0.0
    nth: int = 0
    every: int = 0
    first: int = 0
    times: int = 0
    key: str = ""
    bucket: str = ""
    from_s: float = 0.0
    to_s: float = 0.0
    code: str = ""
    served: bool = False
    delay_ms: float = 0.0

    def __post_init__(self) -> None:
        Kind(self.kind)  # ValueError names what is not one
        if not (self.probability or self.nth or self.every or self.first):
            raise ValueError(f"the rule for {self.kind} never strikes: give probability, nth, every or first")


class Subject(NamedTuple):
    """What a request is about. `detail` tells apart requests for one key that are not repetitions of each other: a
    part's number, a page's token."""

    operation: str
    bucket: str
    key: str
    detail: str = ""


def matches(rule: FaultRule, subject: Subject, elapsed_s: float) -> bool:
    """Whether the rule is about this request at all."""
    return (
        rule.operation in ("*", subject.operation)
        and rule.bucket in ("", subject.bucket)
        and rule.key in subject.key
        and rule.from_s <= elapsed_s
        and (not rule.to_s or elapsed_s < rule.to_s)
    )


def draw(seed: int, place: int, subject: Subject, struck: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    text = "\0".join((str(seed), str(place), str(struck), *subject)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big") / (1 << 56)


def strikes(rule: FaultRule, seed: int, place: int, subject: Subject, number: int, struck: int) -> bool:
    """Whether a rule strikes a request that it matches. `number` counts the rule's matches from 1; `struck` is how
    often it struck this subject."""
    if rule.nth:
        return number == rule.nth
    if rule.every:
        return number % rule.every == 0
    if rule.first:
        return number <= rule.first
    return draw(seed, place, subject, struck) < rule.probability


class Schedule:
    """The rules with their counts. `log` holds (kind, operation, bucket, key) of the faults so far, up to a bound."""

    LOG_LENGTH = 10_000

    def __init__(self, rules: tuple[FaultRule, ...], seed: int) -> None:
        self.rules = rules
        self._seed = seed
        self._numbers = [0] * len(rules)
        self._total = [0] * len(rules)
        self._struck: dict[tuple[int, Subject], int] = {}
        self.log: list[tuple[str, str, str, str]] = []

    def strike(self, subject: Subject, elapsed_s: float, *, before: bool = False) -> FaultRule | None:
        """The fault that this request meets, or None. Each request is to be asked about once, and where there are
        rules that strike before its body is read, once more for those (`before`)."""
        for place, rule in enumerate(self.rules):
            if before is not (rule.kind == Kind.RESET_BEFORE) or not matches(rule, subject, elapsed_s):
                continue
            self._numbers[place] += 1
            if rule.times and self._total[place] >= rule.times:
                continue
            struck = self._struck.get((place, subject), 0)
            if strikes(rule, self._seed, place, subject, self._numbers[place], struck):
                self._total[place] += 1
                if rule.probability:
                    self._struck[place, subject] = struck + 1
                if len(self.log) < self.LOG_LENGTH:
                    self.log.append((rule.kind, *subject[:3]))
                return rule
        return None

    def totals(self) -> dict[str, int]:
        """How often each kind struck."""
        found: dict[str, int] = {}
        for rule, total in zip(self.rules, self._total, strict=True):
            found[rule.kind] = found.get(rule.kind, 0) + total
        return found
