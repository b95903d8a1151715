"""Before anything is deleted: nobody else deletes there, and what stands for the deleted is no second name of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from engine.finish.claim import STALE_S, Holder
from engine.plan.own import CLAIM, PROBE
from engine.sandbox import Sandbox
from tests.cli.commands import Terminal
from tests.cli.moving import Moving

OTHER = Holder("1" * 32, "bob@there", "revert", "moving", "2026-01-31 10:00:00 UTC", "another boot:1:2")
KEYS = 5


class Two(Moving):
    """It moves a few objects from one bucket to another; `alias` is a second name of the source's."""

    def __init__(self, server: Sandbox, terminal: Terminal) -> None:
        super().__init__(server, terminal)
        self.source, self.target, self.alias = (f"{name}-{uuid.uuid4().hex[:12]}" for name in ("from", "to", "also"))
        for bucket in (self.source, self.target):
            server.control("bucket", {"name": bucket})
        server.control("bucket", {"name": self.alias, "alias_of": self.source})
        for number in range(KEYS):
            self.put(self.source, f"data/{number}", str(number))
        self.write_plan(f"{self.source}/data/", f"{self.target}/new/")

    def put(self, bucket: str, key: str, text: str) -> None:
        self.server.control("put", {"bucket": bucket, "key": key, "text": text})

    def keys(self, bucket: str) -> list[str]:
        return [key for key, *_ in self.server.control("dump", {"bucket": bucket})["objects"]]

    def write_plan(self, source: str, target: str) -> None:
        self.plan.write_text(
            f'name = "moving"\n[[routes]]\nname = "r"\nfrom = "s3://{source}"\nto = "s3://{target}"\n'
            '[cleanup]\nhold = "0s"\n'
        )


@pytest.fixture
def two(server: Sandbox, terminal: Terminal) -> Iterator[Two]:
    two = Two(server, terminal)
    yield two
    two.end()


@pytest.mark.parametrize("verb", ["cleanup", "revert"])
def test_two_names_of_one_bucket_are_refused_and_nothing_is_deleted(two: Two, verb: str) -> None:
    two.write_plan(f"{two.source}/data/", f"{two.alias}/data/")
    two.migrate()
    assert two.call("verify", "--deep", "-q").code == 0  # by bytes, even
    ended = two.delete(verb=verb)
    assert ended.code == 5 and "are two names of one bucket" in ended.out + ended.err
    ended = two.delete("--unconditional", verb=verb)
    assert ended.code == 5 and "are two names of one bucket" in ended.out + ended.err
    assert two.keys(two.source) == [f"data/{number}" for number in range(KEYS)]


def test_two_names_are_found_out_also_where_no_claim_can_be_taken(two: Two) -> None:
    two.write_plan(f"{two.source}/data/", f"{two.alias}/data/")
    two.migrate()
    two.fault("403", "PutObject", probability=1, key=CLAIM)
    ended = two.delete("--unconditional")
    assert ended.code == 5 and "the same objects by two names" in ended.out + ended.err
    assert two.keys(two.source) == [f"data/{number}" for number in range(KEYS)]


def test_what_may_not_be_tried_closes_the_gate_until_it_is_accepted_by_name(two: Two) -> None:
    two.migrate()
    two.fault("403", "PutObject", probability=1, key=f"data/{PROBE}")
    name = f"names.{two.source}.{two.target}"
    ended = two.delete()
    assert ended.code == 5 and "whether" in ended.out + ended.err and len(two.keys(two.source)) == KEYS
    assert f"cartage accept {two.plan} {name} --found unknown" in ended.out
    ended = two.delete(verb="revert")
    assert ended.code == 5 and f"{name} --found unknown" in ended.out + ended.err
    assert two.call("accept", name, "--found", "unknown", "--because", "two accounts").code == 0
    assert two.delete().code == 0
    assert two.keys(two.source) == []


@pytest.mark.parametrize("verb", ["cleanup", "revert"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_one_deletion_at_a_time_in_either_bucket_whatever_ledger_it_has(two: Two, verb: str, side: str) -> None:
    two.migrate()
    bucket = getattr(two, side)
    two.put(bucket, CLAIM, OTHER.as_body().decode())
    ended = two.delete(verb=verb)
    assert ended.code == 5 and 'cartage revert of "moving" by bob@there' in ended.out + ended.err
    assert len(two.keys(two.source)) + len(two.keys(two.target)) == 2 * KEYS + 1
    two.pass_time(STALE_S)
    ended = two.delete(verb=verb)
    assert ended.code == 0, ended.err
    assert "is taken over" in ended.out + ended.err
    assert two.keys(two.target if verb == "cleanup" else two.source) != []
    assert two.keys(two.source if verb == "cleanup" else two.target) == []


def test_the_gate_shows_who_else_deletes(two: Two) -> None:
    two.migrate()
    two.put(two.target, CLAIM, OTHER.as_body().decode())
    ended = two.call("cleanup")
    assert ended.code == 5
    assert any(line.startswith("CLOSED  claim") and "bob@there" in line for line in ended.out.splitlines())


def test_a_project_is_not_deleted_while_somebody_else_deletes_in_its_bucket(two: Two) -> None:
    where = f"s3://{two.source}/"
    assert two.terminal.call("delete", where, "-q").code == 0
    two.put(two.source, CLAIM, OTHER.as_body().decode())
    ended = two.terminal.call("delete", where, "--confirm", where)
    assert ended.code == 5 and "bob@there" in ended.out + ended.err
    two.pass_time(STALE_S)
    ended = two.terminal.call("delete", where, "--confirm", where, "--json")
    assert (ended.code, ended.summary["deleted"], ended.summary["arrived"]) == (0, KEYS, 0)
    assert two.keys(two.source) == []


def test_a_claim_is_no_object_of_the_project(two: Two) -> None:
    two.put(two.source, CLAIM, OTHER.as_body().decode())
    two.put(two.source, f"data/{PROBE}{'0a' * 8}", "cartage")
    two.write_plan(f"{two.source}/", f"{two.target}/copy/")
    two.migrate()
    assert [key for key in two.keys(two.target) if ".cartage" in key] == []
    two.pass_time(STALE_S)
    ended = two.delete("--json")
    assert (ended.code, ended.summary["deleted"]) == (0, KEYS)
    assert two.call("verify", "-q").code == 0


# --- replication --------------------------------------------------------------------------------------------


def replicating(
    to: str, markers: str = "<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>"
) -> str:
    return (
        "<ReplicationConfiguration><Role>r</Role><Rule><ID>mirror</ID><Priority>1</Priority><Filter><Prefix/></Filter>"
        f"<Status>Enabled</Status>{markers}<Destination><Bucket>arn:aws:s3:::{to}</Bucket></Destination></Rule>"
        "</ReplicationConfiguration>"
    )


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_replication_of_deletes_to_the_other_copies_closes_the_gate(two: Two, store: str) -> None:
    two.write_plan(f"{two.source}/data/", f"{two.target}/data/")
    two.migrate()
    for side, other, verb in ((two.source, two.target, "cleanup"), (two.target, two.source, "revert")):
        two.server.control("bucket", {"name": side, "replication": replicating(other)})
        ended = two.delete("--store", store, verb=verb)
        assert ended.code == 5 and f"{side} replicates what is deleted" in ended.out + ended.err
        found = f"mirror::{other}"
        assert f"replication.{side} --found {found}" in ended.out + ended.err
        assert two.call("accept", f"replication.{side}", "--found", found, "--because", "by hand").code == 0
    assert two.delete("--store", store).code == 0


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_replication_that_passes_on_no_deletes_is_no_reason(two: Two, store: str) -> None:
    two.write_plan(f"{two.source}/data/", f"{two.target}/data/")
    two.migrate()
    off = "<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>"
    two.server.control("bucket", {"name": two.source, "replication": replicating(two.target, off)})
    assert two.delete("--store", store).code == 0


def test_replication_that_may_not_be_read_closes_the_gate(two: Two) -> None:
    two.migrate()
    two.fault("403", "GetBucketReplication", probability=1)
    ended = two.delete()
    assert ended.code == 5 and f"replication.{two.source} --found unknown" in ended.out


def test_a_plan_says_of_an_access_point_that_its_name_hides_its_bucket(two: Two) -> None:
    alias = f"{two.alias}-s3alias"
    two.server.control("bucket", {"name": alias, "alias_of": two.source})
    two.write_plan(f"{two.source}/data/", f"{alias}/new/")
    ended = two.call("plan")
    assert ended.code == 0 and f"{alias} is the name of an access point" in ended.out
    two.write_plan(f"{two.source}/data/", f"{alias}/data/")
    ended = two.call("plan")
    assert ended.code == 2 and "an access point may stand for the same bucket" in ended.err
