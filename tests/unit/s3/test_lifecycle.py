"""A bucket's lifecycle rules: what is read of them, and that nothing of them is lost."""

from __future__ import annotations

from engine.model import LifecycleConfiguration, LifecycleRule
from engine.plan.bucket_rules import expirations
from engine.s3 import xml
from engine.s3.lifecycle_xml import lifecycle_configuration


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


def configuration(*rules: str, least_size: str = "") -> LifecycleConfiguration:
    return lifecycle_configuration(
        xml.read(f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>"), least_size
    )


def test_a_rule_that_expires_is_read_with_all_that_it_asks_for() -> None:
    assert expirations(configuration(*RULES)) == tuple(rule for rule in RULES.values() if rule is not None)
