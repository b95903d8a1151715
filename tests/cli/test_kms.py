"""Where a bucket encrypts by KMS, ETags are no digests: what is equal there is found so by checksums."""

from __future__ import annotations

from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Terminal
from tests.servers import Endpoint

KEY = "arn:aws:kms:us-east-2:111122223333:key/k"
RULE = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}


def test_another_ledger_finds_what_is_there(terminal: Terminal) -> None:
    with start_sandbox(SandboxSettings()) as server:
        endpoint = Endpoint.of(server)
        terminal.on(endpoint)
        s3 = endpoint.client()
        for bucket in ("plain", "kms"):
            server.control("bucket", {"name": bucket})
        s3.put_bucket_encryption(Bucket="kms", ServerSideEncryptionConfiguration={"Rules": [RULE]})
        for key in "abc":
            s3.put_object(Bucket="plain", Key=f"src/{key}", Body=key.encode() * 100, ChecksumAlgorithm="CRC32")
        words = ("cp", "s3://plain/src/", "s3://kms/dst/", "--yes")
        assert terminal.call(*words, "--ledger", "first.ledger").code == 0
        again = terminal.call(*words, "--ledger", "second.ledger", "--json").summary
        assert (again["exit_code"], again["copied"]) == (0, 0)
        s3.put_object(Bucket="kms", Key="dst/a", Body=b"b" * 100)
        assert terminal.call(*words, "--ledger", "third.ledger").code == 3


def test_where_etags_are_digests_nothing_more_is_asked(terminal: Terminal) -> None:
    with start_sandbox(SandboxSettings()) as server:
        endpoint = Endpoint.of(server)
        terminal.on(endpoint)
        server.control("bucket", {"name": "plain"})
        s3 = endpoint.client()
        for key in "abc":
            s3.put_object(Bucket="plain", Key=f"src/{key}", Body=b"1")
            s3.put_object(Bucket="plain", Key=f"dst/{key}", Body=b"2")
        server.control("reset_stats")
        assert terminal.call("cp", "s3://plain/src/", "s3://plain/dst/", "--yes", "--assume", "aws").code == 3
        assert "HeadObject" not in server.control("stats")["operations"]
