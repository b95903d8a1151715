"""A bucket whose requests are paid by whoever makes them: every command can say so, and a refusal says how."""

from __future__ import annotations

import pytest

from tests.cli.canned import Asked, Copied, Listing, Owned, Refusal, answering
from tests.cli.commands import Terminal, assert_said_well

HEADER = "x-amz-request-payer"
COMMANDS = {
    "ls": ("ls", "s3://bucket/old/"),
    "ls --summarize": ("ls", "--summarize", "s3://bucket/old/"),
    "fingerprint": ("fingerprint", "s3://bucket/old/"),
    "check": ("check", "s3://bucket/old/"),
    "delete": ("delete", "s3://bucket/old/", "--accept-delete-markers"),
    "cp": ("cp", "s3://bucket/old/", "s3://bucket/new/", "--yes"),
}


def answer(asked: Asked) -> Refusal | Listing | Copied | Owned:
    if asked.path.startswith("/bucket") and asked.headers.get(HEADER) != "requester":
        return Refusal(403, "AccessDenied", "Access Denied")
    if asked.query.keys() & {"tagging", "uploads", "location", "replication", "versioning", "encryption", "lifecycle"}:
        return Refusal(501, "NotImplemented")
    if "acl" in asked.query:
        return Owned("somebody")
    if asked.method == "PUT":
        return Copied()
    return Listing(("old/a",) if asked.prefix == "old/" else ())


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_pay(terminal: Terminal, name: str, store: str) -> None:
    words = COMMANDS[name]
    with answering(answer) as server:
        terminal.at(server.url)
        refused = terminal.call(*words, "--store", store)
        if name != "check":  # of which each refusal is a line of what was found
            assert_said_well(refused, words[0])
        assert refused.code == 1 and "--request-payer" in refused.out + refused.err
        paid = terminal.call(*words, "--store", store, "--request-payer")
    assert paid.code == 0, paid.err
