"""A bucket's lifecycle rules: both planes read the same of them, and all that a rule asks of an object."""

from __future__ import annotations

from botocore.parsers import create_parser
from botocore.session import get_session

from engine.s3 import xml
from engine.s3.answers import lifecycle_of
from engine.s3.parsing import lifecycle_rules
from engine.store import LifecycleRule


def rule(name: str, filter_xml: str, status: str = "Enabled", when: str = "<Days>30</Days>") -> str:
    return f"<Rule><ID>{name}</ID>{filter_xml}<Status>{status}</Status><Expiration>{when}</Expiration></Rule>"


def tag(key: str, value: str) -> str:
    return f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"


RULES = {
    rule("all", "<Filter></Filter>"): LifecycleRule("all", "", 30),
    rule("old form", "<Prefix>a/</Prefix>"): LifecycleRule("old form", "a/", 30),
    rule("prefix", "<Filter><Prefix>a/</Prefix></Filter>"): LifecycleRule("prefix", "a/", 30),
    rule("tag", f"<Filter>{tag('env', 'test')}</Filter>"): LifecycleRule("tag", "", 30, only=("env=test",)),
    rule("small", "<Filter><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>"): LifecycleRule(
        "small", "", 30, only=("<9",)
    ),
    rule(
        "both",
        f"<Filter><And><Prefix>a/</Prefix>{tag('z', '1')}{tag('b', '')}"
        "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>",
    ): LifecycleRule("both", "a/", 30, only=(">5", "b=", "z=1")),
    rule("off", "<Filter></Filter>", "Disabled"): None,
    rule("markers", "<Filter></Filter>", when="<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"): None,
}


def test_both_planes_read_the_same_rules_with_all_that_they_ask_for() -> None:
    body = f"<LifecycleConfiguration>{''.join(RULES)}</LifecycleConfiguration>"
    shape = get_session().get_service_model("s3").operation_model("GetBucketLifecycleConfiguration").output_shape
    parsed = create_parser("rest-xml").parse({"status_code": 200, "headers": {}, "body": body.encode()}, shape)
    expected = tuple(rule for rule in RULES.values() if rule is not None)
    assert lifecycle_rules(xml.read(body)) == expected
    assert lifecycle_of(parsed["Rules"]) == expected
