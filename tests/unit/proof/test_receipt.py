"""What a receipt sums up, refuses, and shows harmlessly."""

from __future__ import annotations

import pytest

from engine.ledger import Snapshot
from engine.model import Proof
from engine.plan.barred import no_run_mends
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord
from engine.proof.receipt import ReceiptRefused, RouteSums, Sums, refuse_unfinished, without_userinfo
from engine.report.receipt import escaped
from engine.sites.clock import time_text

MD5, PARTS = "0" * 32, "0" * 32 + "-2"


def row(key: str, source_etag: str, target_etag: str, *, at_ms: int = 0) -> ObjectRecord:
    values = dict.fromkeys(ObjectRecord._fields, "") | {
        "route": "raw",
        "key": key,
        "size": 10,
        "source_etag": source_etag,
        "target_etag": target_etag,
        "state": State.VERIFIED,
        "proof": Proof.DIGEST,
        "found": False,
        "copied_ms": at_ms,
        "digest_ms": at_ms + 1,
    }
    return ObjectRecord(**values)  # type: ignore[arg-type]


def test_a_digest_counts_only_where_both_sides_have_it() -> None:
    sums = RouteSums("raw")
    for item in (row("a", MD5, MD5), row("b", PARTS, PARTS), row("c", PARTS, MD5)):
        sums.add(item)
    assert sums.source_tree.line == sums.target_tree.line
    assert sums.target_tree.line.endswith("objects=3 bytes=30 by=key+size+md5:1")


def test_times_are_the_first_and_the_last() -> None:
    sums = RouteSums("raw")
    for at_ms in (3_000, 0, 1_000, 2_000):
        sums.add(row("a", MD5, MD5, at_ms=at_ms))
    assert sums.copied_ms == (1_000, 3_000)
    assert time_text(1_000) == "1970-01-01T00:00:01.000Z" and time_text(0) == ""


@pytest.mark.parametrize(
    "state, closed_ms, why",
    [
        (State.VERIFIED, 0, "its listing never reached its end"),
        (State.COPIED, 1, "1 copied; run and verify the plan"),
        (State.DAMAGED, 1, "1 damaged"),
        (State.DELETING, 1, "run cleanup again"),
        (None, 1, "holds no object yet"),
    ],
)
def test_what_is_not_done_is_refused(state: State | None, closed_ms: int, why: str) -> None:
    sums = RouteSums("raw")
    if state is not None:
        sums.add(row("a", MD5, MD5)._replace(state=state))
    with pytest.raises(ReceiptRefused, match=why):
        refuse_unfinished(
            Sums({"raw": sums}, "", (), sums.objects), [Snapshot("raw", 1, closed_ms, sums.objects, sums.bytes)]
        )


def test_no_run_is_named_for_keys_that_can_be_no_files_name() -> None:
    sums = RouteSums("raw")
    for key in ("a//b", "c//d"):
        sums.add(row(key, MD5, MD5)._replace(state=State.FAILED))
    whole, listed = Sums({"raw": sums}, "", (), sums.objects), [Snapshot("raw", 1, 1, sums.objects, sums.bytes)]
    with pytest.raises(ReceiptRefused, match="raw: 2 failed; run and verify the plan") as refused:
        refuse_unfinished(whole, listed, misnamed=1)
    assert no_run_mends(1, 0)[0] in str(refused.value)
    with pytest.raises(ReceiptRefused, match="raw: 2 failed\n") as refused:
        refuse_unfinished(whole, listed, misnamed=1, barred=1)
    assert "run and verify" not in str(refused.value)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a|b", "a\\|b"),
        ("[x](http://evil)", "\\[x\\](http&#58;//evil)"),
        ("`*_#~$\\", "\\`\\*\\_\\#\\~\\$\\\\"),
        ("two\nlines\x1b[31m", "two\\\\nlines\\\\x1b\\[31m"),
        ("\u202egnp.exe", "\\\\u202egnp.exe"),
        ("&amp;", "&amp;amp;"),
        ("www.example.com", "www&#46;example.com"),
    ],
)
def test_other_peoples_text_is_shown_and_does_nothing(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_no_password_of_a_url_stays() -> None:
    assert without_userinfo('endpoint_url = "https://me:pw@host:9000/x"') == 'endpoint_url = "https://host:9000/x"'
    assert without_userinfo("s3://bucket/a@b") == "s3://bucket/a@b"
