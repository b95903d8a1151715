"""A rule that is proposed: what S3 is given, what stays as it is, and what is refused before S3 refuses it."""

from __future__ import annotations

import pytest

from engine.errors import UsageError
from engine.model import LifecycleConfiguration, Location, Node
from engine.plan.bucket_rules import Does, rules_of, same, text_of, with_rule
from engine.plan.rule_proposal import RuleProposal, check, proposed, rule_id_of

PLACE = Location("bucket", "data/raw/")
WHOLE = RuleProposal("GLACIER_IR", 90, 400, 30, 7)


def leaf(name: str, text: str) -> Node:
    return Node(name, text)


def other(rule_id: str = "theirs", *more: Node, filtered: bool = True) -> Node:
    prefix = leaf("Prefix", "logs/")
    chosen = Node("Filter", "", (prefix,)) if filtered else prefix
    days = Node("Expiration", "", (leaf("Days", "30"),))
    return Node("Rule", "", (leaf("ID", rule_id), chosen, leaf("Status", "Enabled"), days, *more))


def test_the_rule_says_what_was_asked_for() -> None:
    configuration = proposed(LifecycleConfiguration(), WHOLE, PLACE)
    (rule,) = rules_of(configuration)
    assert (rule.rule_id, rule.prefix, rule.enabled, rule.only) == ("cartage:data/raw/", "data/raw/", True, ())
    assert [(item.does, item.days, item.storage_class) for item in rule.actions] == [
        (Does.EXPIRE, 400, ""),
        (Does.MOVE, 90, "GLACIER_IR"),
        (Does.EXPIRE_NONCURRENT, 30, ""),
        (Does.ABORT_UPLOADS, 7, ""),
    ]


def test_every_other_rule_stays_with_all_that_stands_in_it() -> None:
    unknown = Node("SomethingOfNextYear", "", (leaf("Inside", " kept "),))
    before = LifecycleConfiguration((other("a", unknown), other("b")), "varies_by_storage_class")
    after = proposed(before, WHOLE, PLACE)
    assert after.rules[:2] == before.rules
    assert after.least_size == "varies_by_storage_class"


def test_an_earlier_rule_of_ours_for_the_prefix_is_replaced_where_it_stands() -> None:
    first = proposed(LifecycleConfiguration((other("a"),)), WHOLE, PLACE)
    first = with_rule(first, other("z"))
    before, rule, after = proposed(first, RuleProposal(abort_uploads_days=3), PLACE).rules
    assert (before, after) == (other("a"), other("z"))
    assert rule.all("AbortIncompleteMultipartUpload") and not rule.all("Transition")


def test_the_form_of_a_configuration_is_kept_since_s3_takes_no_two() -> None:
    _, older = proposed(LifecycleConfiguration((other(filtered=False),)), WHOLE, PLACE).rules
    assert older.one("Prefix").text == "data/raw/" and not older.all("Filter")
    _, newer = proposed(LifecycleConfiguration((other(),)), WHOLE, PLACE).rules
    assert newer.one("Filter").one("Prefix").text == "data/raw/" and not newer.all("Prefix")


def test_an_id_is_the_prefixs_and_s3_takes_it() -> None:
    assert rule_id_of("data/") == "cartage:data/"
    for prefix in ("x" * 300 + "/", "ü/", "a\n/"):
        made = rule_id_of(prefix)
        assert made == rule_id_of(prefix) and len(made) <= 255 and made.isascii()
    assert rule_id_of("ü/") != rule_id_of("ö/")


@pytest.mark.parametrize(
    ("proposal", "said"),
    [
        (RuleProposal("GLACIER_IR"), "a class and a time"),
        (RuleProposal(move_after_days=90), "a class and a time"),
        (RuleProposal("STANDARD", 90), "no rule moves objects into STANDARD"),
        (RuleProposal("STANDARD_IA", 29), "before it is 30 days old"),
        (RuleProposal(expire_days=0), "before it is a day old"),
        (RuleProposal(abort_uploads_days=0), "before it is a day old"),
        (RuleProposal("GLACIER", 90, 90), "never moved"),
    ],
)
def test_what_s3_would_refuse_is_refused_in_words(proposal: RuleProposal, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(proposal, PLACE)


def test_a_rule_for_one_key_would_take_others() -> None:
    with pytest.raises(UsageError, match="every key that begins with 'data/raw'"):
        check(WHOLE, Location("bucket", "data/raw"))


def test_a_bucket_has_at_most_a_thousand_rules() -> None:
    full = LifecycleConfiguration(tuple(other(str(number)) for number in range(1_000)))
    with pytest.raises(UsageError, match="1,000 lifecycle rules"):
        proposed(full, WHOLE, PLACE)


def test_configurations_are_the_same_by_what_they_mean() -> None:
    def of(*rules: Node) -> LifecycleConfiguration:
        return LifecycleConfiguration(rules)

    turned = other("a")._replace(children=other("a").children[::-1])
    assert same(of(other("a"), other("b")), of(other("b"), turned))
    assert same(of(other("a")), of(other("a", filtered=False))), "as Ceph's gateway gives it back"
    everything = Node("Rule", "", (Node("Filter", "", (leaf("Prefix", ""),)),))
    assert same(of(everything), of(Node("Rule", "", (leaf("Prefix", ""),))))
    assert same(of(everything), of(Node("Rule", "", (Node("Filter"),))))
    assert not same(of(other("a")), of(other("b")))
    assert not same(of(other("a")), of(other("a"), other("a")))
    one, two = (LifecycleConfiguration((other("a"),), size) for size in ("a_size", "another"))
    assert not same(one, two) and same(one, of(other("a"))), "one that is not known is any"


def test_a_configuration_is_shown_an_element_a_line() -> None:
    assert text_of(LifecycleConfiguration()) == ""
    assert text_of(LifecycleConfiguration((other(),), "varies_by_storage_class")).splitlines()[:4] == [
        "transition-default-minimum-object-size: varies_by_storage_class",
        "<Rule>",
        "  <ID>theirs</ID>",
        "  <Filter>",
    ]
