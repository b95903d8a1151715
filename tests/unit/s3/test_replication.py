"""Which rules of a bucket pass on deletes."""

from __future__ import annotations

import pytest

from engine.model import ReplicationRule
from engine.s3 import xml
from engine.s3.bucket_settings import replication_rules

ON = "<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>"
OFF = "<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>"
TAG = "<Tag><Key>env</Key><Value>prod</Value></Tag>"

RULES = {
    f"<Filter><Prefix>a/</Prefix></Filter>{ON}": ReplicationRule("r", "a/", "two"),
    f"<Filter></Filter>{ON}": ReplicationRule("r", "", "two"),
    f"<Filter><And><Prefix>a/</Prefix>{TAG}</And></Filter>{ON}": ReplicationRule("r", "a/", "two", ("env=prod",)),
    f"<Filter>{TAG}</Filter>{ON}": ReplicationRule("r", "", "two", ("env=prod",)),
    "<Prefix>a/</Prefix>": ReplicationRule("r", "a/", "two"),  # the older form passes them on without a word
    f"<Filter><Prefix>a/</Prefix></Filter>{OFF}": None,
    "<Filter><Prefix>a/</Prefix></Filter>": None,
    f"<Prefix>a/</Prefix>{OFF}": None,
}


def document(rule: str, status: str = "Enabled") -> str:
    where = "<Destination><Bucket>arn:aws:s3:::two</Bucket></Destination>"
    return (
        '<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>arn</Role>'
        f"<Rule><ID>r</ID>{rule}<Status>{status}</Status>{where}</Rule></ReplicationConfiguration>"
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_rule(rule: str) -> None:
    wanted = RULES[rule]
    body = document(rule)
    assert replication_rules(xml.read(body)) == ((wanted,) if wanted else ())


def test_a_rule_that_is_off_passes_nothing_on() -> None:
    body = document(f"<Filter/>{ON}", "Disabled")
    assert replication_rules(xml.read(body)) == ()


def test_minios_own_way_of_passing_on_deletes() -> None:
    body = document(f"<Filter/>{OFF}<DeleteReplication><Status>Enabled</Status></DeleteReplication>")
    assert replication_rules(xml.read(body)) == (ReplicationRule("r", "", "two"),)
