"""Objects that a listing shows and that cannot be read: a sentence with the key, exit 1, and no figure."""

from __future__ import annotations

import pytest

from tests.cli.canned import Asked, Listing, Refusal, answering
from tests.cli.commands import Terminal, assert_said_well

KEYS = ("old/a", "old/b")


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize(("method", "basis"), [("HEAD", "etag"), ("GET", "bytes")])
@pytest.mark.parametrize("refusal", [Refusal(403, "AccessDenied", "Access Denied"), Refusal(404, "NoSuchKey", "gone")])
def test_a_fingerprint_of_what_may_not_be_read_is_refused(
    terminal: Terminal, refusal: Refusal, method: str, basis: str, store: str
) -> None:
    def answer(asked: Asked) -> Refusal | Listing:
        if asked.key and asked.method == method:
            return refusal
        return Listing(KEYS if asked.prefix == "old/" else ())

    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("fingerprint", "s3://bucket/old/", "--by", basis, "--store", store, "--assume", "aws")
    assert ended.err.startswith("cartage fingerprint: ") and "s3://bucket/old/" in ended.err
    assert "Traceback" not in ended.err and "mistake" not in ended.err
    assert (ended.code, ended.out) == (1, "")
    if refusal.status == 403:
        assert_said_well(ended, "fingerprint")


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_tags_that_may_not_be_read_are_no_untagged_objects(terminal: Terminal, store: str) -> None:
    def answer(asked: Asked) -> Refusal | Listing:
        return Refusal(403, "AccessDenied", "Access Denied") if asked.key else Listing(KEYS)

    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("ls", "s3://bucket/old/", "--by", "tag=team", "--store", store, "--assume", "aws")
    assert ended.code == 3, ended.err
    assert "(could not be read)" in ended.out and "(untagged)" not in ended.out
    assert "the tags of 2 objects could not be read, first s3://bucket/old/" in ended.out
