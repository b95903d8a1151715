"""Lifecycle configurations: what the sandbox keeps of them, and what it refuses, as S3 does."""

from __future__ import annotations

import base64
import hashlib

import pytest

from engine.sandbox.exchange import Reply
from tests.unit.sandbox.asking import Sandbox, header

DAYS = "<Expiration><Days>30</Days></Expiration>"
ALL = "<Filter></Filter>"
LEAST_SIZE = "x-amz-transition-default-minimum-object-size"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def rule(*actions: str, rule_id: str = "a", takes: str = ALL, status: str = "Enabled") -> str:
    return f"<Rule><ID>{rule_id}</ID>{takes}<Status>{status}</Status>{''.join(actions)}</Rule>"


def move(days: int, into: str) -> str:
    return f"<Transition><Days>{days}</Days><StorageClass>{into}</StorageClass></Transition>"


def body_of(*rules: str) -> bytes:
    return f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode()


def asked(body: bytes) -> dict[str, str]:
    return {"content_md5": base64.b64encode(hashlib.md5(body).digest()).decode()}


def put(sandbox: Sandbox, *rules: str, **headers: str) -> Reply:
    body = body_of(*rules)
    return sandbox("PUT", "bbb", "", body, {"lifecycle": ""}, **asked(body), **headers)


def test_a_configuration_is_kept_as_it_was_sent(sandbox: Sandbox) -> None:
    put(sandbox, rule(DAYS), rule(DAYS, rule_id="b"))
    assert sandbox("GET", "bbb", query={"lifecycle": ""}).body == body_of(rule(DAYS), rule(DAYS, rule_id="b"))
    sandbox("DELETE", "bbb", query={"lifecycle": ""})
    sandbox.refused("NoSuchLifecycleConfiguration", "GET", "bbb", query={"lifecycle": ""})


def test_the_least_size_is_a_part_of_it_that_every_put_sets_anew(sandbox: Sandbox) -> None:
    put(sandbox, rule(DAYS), x_amz_transition_default_minimum_object_size="varies_by_storage_class")
    assert header(sandbox("GET", "bbb", query={"lifecycle": ""}), LEAST_SIZE) == "varies_by_storage_class"
    put(sandbox, rule(DAYS))
    assert header(sandbox("GET", "bbb", query={"lifecycle": ""}), LEAST_SIZE) == "all_storage_classes_128K"


TAGGED = "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"
MARKERS = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
ABORT = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{}</DaysAfterInitiation></AbortIncompleteMultipartUpload>"


@pytest.mark.parametrize(
    ("rules", "code", "said"),
    [
        ((), "MalformedXML", ""),
        (tuple(rule(DAYS, rule_id=str(number)) for number in range(1001)), "MalformedXML", ""),
        ((rule(DAYS, status="On"),), "MalformedXML", ""),
        ((rule(DAYS, takes=""),), "MalformedXML", ""),
        ((rule(DAYS, takes=f"{ALL}<Prefix>a</Prefix>"),), "MalformedXML", ""),
        ((rule(),), "InvalidRequest", "At least one action"),
        ((rule(DAYS), rule(DAYS)), "InvalidArgument", "Rule ID must be unique"),
        ((rule(DAYS, rule_id="x" * 256),), "InvalidArgument", "255"),
        ((rule(DAYS), rule(DAYS, rule_id="b", takes="<Prefix>a</Prefix>")), "InvalidRequest", "Base level prefix"),
        (
            (rule(DAYS, takes="<Prefix/>"), rule(DAYS, rule_id="b", takes="<Prefix>a</Prefix>")),
            "InvalidRequest",
            "Found overlapping prefixes '' and 'a' for same action type 'Expiration'",
        ),
        ((rule("<Expiration><Days>0</Days></Expiration>"),), "InvalidArgument", "positive integer"),
        ((rule("<Expiration><Days>x</Days></Expiration>"),), "MalformedXML", ""),
        ((rule("<Expiration><Date>2030-01-01T10:00:00Z</Date></Expiration>"),), "InvalidArgument", "midnight"),
        ((rule(move(29, "STANDARD_IA")),), "InvalidArgument", "greater than or equal to 30"),
        ((rule(move(1, "STANDARD")),), "MalformedXML", ""),
        (
            (rule(move(90, "GLACIER"), "<Expiration><Days>90</Days></Expiration>"),),
            "InvalidArgument",
            "must be greater",
        ),
        ((rule(MARKERS, takes=TAGGED),), "InvalidRequest", "cannot be specified with Tags"),
        ((rule(ABORT.format(7), takes=TAGGED),), "InvalidRequest", "cannot be specified with Tags"),
        ((rule(ABORT.format(0)),), "InvalidArgument", "positive integer"),
    ],
)
def test_what_s3_refuses_is_refused(sandbox: Sandbox, rules: tuple[str, ...], code: str, said: str) -> None:
    body = body_of(*rules)
    assert said in sandbox.refused(code, "PUT", "bbb", "", body, {"lifecycle": ""}, **asked(body)).message


def test_rules_with_a_filter_may_overlap_and_move_at_once(sandbox: Sandbox) -> None:
    put(
        sandbox, rule(DAYS), rule(DAYS, move(0, "GLACIER_IR"), rule_id="b", takes="<Filter><Prefix>a</Prefix></Filter>")
    )


def test_a_body_without_its_md5_is_refused(sandbox: Sandbox) -> None:
    refused = sandbox.refused("InvalidRequest", "PUT", "bbb", "", body_of(rule(DAYS)), {"lifecycle": ""})
    assert "Content-MD5" in refused.message
    sandbox.refused("BadDigest", "PUT", "bbb", "", body_of(rule(DAYS)), {"lifecycle": ""}, **asked(b"another"))
