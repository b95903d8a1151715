"""The questions of a bucket that are only advice: whatever comes back, a command goes on, and no answer is made up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.bucket_facts import BucketFacts
from engine.errors import (
    AccessDenied,
    Ambiguous,
    BadCredentials,
    BucketMissing,
    NotFound,
    Rejected,
    StoreError,
    Throttled,
    Unavailable,
    Unsupported,
    WrongRegion,
)
from engine.model import LifecycleRule
from engine.s3.bucket import ATTEMPTS, BucketHead, bucket_facts

RULES = (LifecycleRule("r", "", 1),)
SETTINGS = ("versioning", "lifecycle", "encryption", "owner")


def error(kind: type[StoreError], code: str) -> StoreError:
    return kind(f"the words of {code}", operation="Get", code=code)


class Questions:
    """Everything is known, but what `errors` names."""

    def __init__(self, **errors: StoreError | ValueError) -> None:
        self._errors = errors
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[[str], Awaitable[Any]]:
        told = {"head": BucketHead("eu-west-1", "a date", "a server"), "lifecycle": RULES}

        async def question(bucket: str) -> Any:
            self.asked.append(name)
            if name in self._errors:
                raise self._errors[name]
            return told.get(name, f"the {name}")

        return question


async def facts_of(questions: Questions) -> BucketFacts:
    async def sleep(delay_s: float) -> None:
        pass

    return await bucket_facts(questions, "bucket", "us-east-1", sleep=sleep, now_s=lambda: 1000.0)  # type: ignore[arg-type]


NOT_KNOWN = [
    # what comes back, and how often it is asked for
    (error(AccessDenied, "AccessDenied"), 1),
    (error(Rejected, "InvalidRequest"), 1),
    (error(Rejected, "MethodNotAllowed"), 1),
    (error(NotFound, "404"), 1),
    (error(Ambiguous, "UnreadableAnswer"), 1),  # a listing, or no XML at all
    (error(BadCredentials, "InvalidToken"), 1),
    (error(WrongRegion, "PermanentRedirect"), 1),
    (error(BucketMissing, "NoSuchBucket"), 1),
    (ValueError("what is no number"), 1),
    (error(Ambiguous, "InternalError"), ATTEMPTS),
    (error(Ambiguous, "CutShort"), ATTEMPTS),
    (error(Unavailable, "NoConnection"), ATTEMPTS),
    (error(Throttled, "SlowDown"), ATTEMPTS),
]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("answer", "times"), NOT_KNOWN, ids=lambda value: getattr(value, "code", str(value)))
async def test_a_setting_that_is_not_told_is_not_known_and_its_cause_is(
    setting: str, answer: StoreError | ValueError, times: int
) -> None:
    questions = Questions(**{setting: answer})
    facts = await facts_of(questions)
    assert getattr(facts, setting, facts.owner_id if setting == "owner" else "") in (None, "")
    if setting != "owner":
        assert getattr(facts, setting) is None
    assert str(getattr(answer, "message", answer)) in facts.cause(setting)
    assert questions.asked.count(setting) == times
    assert [name for name, _ in facts.causes] == [setting]


@pytest.mark.parametrize(("setting", "nothing"), [("versioning", ""), ("lifecycle", ()), ("encryption", "")])
async def test_501_is_that_the_server_has_no_such_thing(setting: str, nothing: object) -> None:
    facts = await facts_of(Questions(**{setting: error(Unsupported, "NotImplemented")}))
    assert getattr(facts, setting) == nothing
    assert facts.cause(setting) == "this server has no such thing (NotImplemented)"


@pytest.mark.parametrize(
    ("setting", "code", "nothing"),
    [
        ("lifecycle", "NoSuchLifecycleConfiguration", ()),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError", ""),
    ],
)
async def test_a_setting_that_is_not_set_is_known(setting: str, code: str, nothing: object) -> None:
    facts = await facts_of(Questions(**{setting: error(NotFound, code)}))
    assert (getattr(facts, setting), facts.causes) == (nothing, ())


async def test_a_failure_that_passes_leaves_nothing_behind() -> None:
    questions = Questions(lifecycle=error(Ambiguous, "InternalError"))

    async def sleep(delay_s: float) -> None:
        questions._errors.clear()

    facts = await bucket_facts(questions, "bucket", "", sleep=sleep)  # type: ignore[arg-type]
    assert (facts.lifecycle, facts.causes) == (RULES, ())


async def test_what_head_says_is_raised_whatever_else_is_said() -> None:
    questions = Questions(head=error(BucketMissing, "NoSuchBucket"), lifecycle=error(AccessDenied, "AccessDenied"))
    with pytest.raises(BucketMissing):
        await facts_of(questions)


async def test_the_servers_clock_comes_with_the_moment_at_which_it_was_told() -> None:
    facts = await facts_of(Questions())
    assert (facts.date, facts.date_s, facts.region) == ("a date", 1000.0, "eu-west-1")
