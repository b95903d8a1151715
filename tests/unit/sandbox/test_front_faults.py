"""Faults: which request is struck, replayed from a seed, and how an answer is spoiled."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, cast

import pytest

from engine.sandbox import FaultRule, SandboxSettings
from engine.sandbox.connection import Connection
from engine.sandbox.control import COMMANDS
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.faults import Kind, Schedule, Subject, draw
from engine.sandbox.sabotage import spoil, spoil_page, spoils_the_wire, subject_of

COPIES = [Subject("CopyObject", "b", f"data/{number:04}.png") for number in range(400)]


def struck(schedule: Schedule, subjects: list[Subject]) -> set[Subject]:
    return {subject for subject in subjects if schedule.strike(subject, 0.0) is not None}


def test_a_seed_strikes_the_same_requests_in_whatever_order_they_come() -> None:
    rules = (FaultRule("500", probability=0.2), FaultRule("reset-served", "CopyObject", probability=0.1))
    shuffled = random.Random(7).sample(COPIES, len(COPIES))
    first = struck(Schedule(rules, 5), COPIES)
    assert first == struck(Schedule(rules, 5), shuffled)
    assert 60 < len(first) < 160
    assert first != struck(Schedule(rules, 6), COPIES)


def test_what_was_struck_draws_anew_when_it_comes_again() -> None:
    schedule = Schedule((FaultRule("503", probability=0.5),), 1)
    left = set(COPIES)
    for _ in range(40):
        left = struck(schedule, sorted(left))
    assert left == set()


def test_a_draw_depends_on_nothing_but_its_arguments() -> None:
    assert draw(1, 0, COPIES[0], 0) == draw(1, 0, COPIES[0], 0)
    assert len({draw(seed, place, COPIES[0], times) for seed in (1, 2) for place in (0, 1) for times in (0, 1)}) == 8
    assert 0 <= draw(1, 0, Subject("CopyObject", "b", "\udcff"), 0) < 1


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        (FaultRule("500", nth=3), [3]),
        (FaultRule("500", every=4), [4, 8, 12]),
        (FaultRule("500", every=4, times=2), [4, 8]),
        (FaultRule("500", first=2), [1, 2]),
        (FaultRule("500", "GetObject", first=2), []),
        (FaultRule("500", key="/0001", first=9), [2]),
        (FaultRule("500", bucket="other", first=9), []),
    ],
)
def test_a_rule_counts_the_requests_that_it_matches(rule: FaultRule, numbers: list[int]) -> None:
    schedule = Schedule((rule,), 1)
    assert [n for n in range(1, 13) if schedule.strike(COPIES[n - 1], 0.0) is not None] == numbers
    assert schedule.totals() == {"500": len(numbers)}
    assert [entry[0] for entry in schedule.log] == ["500"] * len(numbers)


def test_a_storm_has_a_beginning_and_an_end() -> None:
    schedule = Schedule((FaultRule("503", probability=1.0, from_s=2, to_s=12),), 1)
    assert [schedule.strike(COPIES[0], t) is not None for t in (0, 1.9, 2, 11.9, 12, 99)] == [0, 0, 1, 1, 0, 0]


def test_a_reset_before_the_body_is_asked_for_apart() -> None:
    schedule = Schedule((FaultRule("reset-before", first=1), FaultRule("500", first=1)), 1)
    before, after = schedule.strike(COPIES[0], 0.0, before=True), schedule.strike(COPIES[0], 0.0)
    assert before is not None and before.kind == Kind.RESET_BEFORE
    assert after is not None and after.kind == Kind.STATUS_500


def test_a_rule_that_is_none_or_never_strikes_is_refused() -> None:
    with pytest.raises(ValueError):
        FaultRule("explode", first=1)
    with pytest.raises(ValueError, match="never strikes"):
        FaultRule("500")
    assert SandboxSettings().changed({"faults": [{"kind": "500", "nth": 2}]}).faults == (FaultRule("500", nth=2),)


def test_parts_and_pages_of_one_key_are_subjects_of_their_own() -> None:
    asked = {"partNumber": "3", "uploadId": "made-up-by-the-run"}
    part = subject_of(Request("UploadPartCopy", "PUT", "b", "k", asked, {}))
    assert part == ("UploadPartCopy", "b", "k", "3")
    asked = {"list-type": "2", "prefix": "p/", "continuation-token": "t"}
    page = subject_of(Request("ListObjectsV2", "GET", "b", "", asked, {}))
    assert page.detail == "t&p/"


# --- pages -------------------------------------------------------------------------------------------------

PAGE = (
    b"<ListBucketResult><KeyCount>4</KeyCount>"
    + b"".join(b"<Contents><Key>%d</Key><Size>1</Size></Contents>" % number for number in (1, 2, 3, 4))
    + b"<NextContinuationToken>next</NextContinuationToken></ListBucketResult>"
)


def keys(page: bytes) -> list[str]:
    return [key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", page)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.PAGE_DUPLICATE, ["1", "2", "3", "3", "4"]),
        (Kind.PAGE_MISSING, ["1", "2", "4"]),
        (Kind.PAGE_KEYLESS, ["1", "2", "4"]),
        (Kind.PAGE_UNORDERED, ["3", "1", "2", "4"]),
        (Kind.PAGE_REPEATS, ["1", "2", "3", "4"]),
    ],
)
def test_a_page_is_spoiled_as_the_fault_says(kind: Kind, expected: list[str]) -> None:
    spoiled = spoil_page(kind, PAGE, "this")
    assert keys(spoiled) == expected
    assert spoiled.count(b"<Contents>") == (4 if kind == Kind.PAGE_KEYLESS else len(expected))
    assert (b">this<" in spoiled) == (kind == Kind.PAGE_REPEATS)


def test_an_empty_page_cannot_be_spoiled() -> None:
    empty = b"<ListBucketResult></ListBucketResult>"
    assert all(spoil_page(kind, empty, "") == empty for kind in Kind if kind.startswith("page-"))


# --- the wire ----------------------------------------------------------------------------------------------


class Wire:
    """Stands for a connection: what was sent, and how it ended."""

    is_open = True

    def __init__(self) -> None:
        self.sent = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.sent += data

    def finish(self, data: bytes, *, close: bool = False) -> None:
        self.sent += data
        self.ended = "closed" if close else "kept"

    def finish_with(self, pieces: Any, *, close: bool = False) -> None:
        self.finish(b"".join(pieces), close=close)

    def end(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "reset"


def sent(kind: Kind, number: int = 1, body: bytes = b"x" * 100) -> Wire:
    wire = Wire()
    reply = Reply(200, (("ETag", '"e"'),), body)
    request = Request("PutObject", "PUT", "b", "k", {}, {}, number=number)
    spoil(cast(Connection, wire), FaultRule(kind, first=1), request, reply, 0, seed=3)
    return wire


@pytest.mark.parametrize("number", range(20))
def test_an_answer_is_cut_within_the_part_that_the_fault_names(number: int) -> None:
    status = sent(Kind.CUT_STATUS, number).sent
    assert status and b"HTTP/1.1 200 OK".startswith(status)
    headers = sent(Kind.CUT_HEADERS, number).sent
    assert headers.startswith(b"HTTP/1.1 200 OK") and b"\r\n\r\n" not in headers
    body = sent(Kind.CUT_BODY, number).sent.partition(b"\r\n\r\n")
    assert body[1] and len(body[2]) < 100 and b"Content-Length: 100\r\n" in body[0] + b"\r\n"
    chunk = sent(Kind.CUT_CHUNK, number).sent.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in chunk[0] and b"0\r\n\r\n" not in chunk[2]
    length = re.search(rb"Content-Length: (\d+)", sent(Kind.WRONG_LENGTH, number).sent)
    assert length is not None and int(length[1]) > 100
    assert sent(Kind.CUT_BODY, number).sent == sent(Kind.CUT_BODY, number).sent


def test_every_fault_of_the_wire_ends_the_connection_as_it_says() -> None:
    takes_time = {Kind.SLOW_BYTES, Kind.HANG}
    kinds = {kind for kind in Kind if spoils_the_wire(FaultRule(kind, first=1))} - takes_time
    ends = {kind: sent(kind).ended for kind in kinds}
    assert ends.pop(Kind.RESET_SERVED) == "reset"
    assert set(ends.values()) == {"closed"}
    assert b"\r\nConnection: close\r\n" in sent(Kind.CLOSE).sent
    assert b"Connection" not in sent(Kind.CLOSE_IDLE).sent
    assert sent(Kind.CLOSE_IDLE).sent.endswith(b"x" * 100)


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert [kind for kind in Kind if f"`{kind}`" not in page] == []


def test_every_control_command_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`{name}`" not in page] == []
