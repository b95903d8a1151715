"""A bucket's lifecycle rules: what each asks of an object, and what it does with it. Pure.

S3 User Guide, "Lifecycle configuration elements". What a rule says that is not read here stays in its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.model import LifecycleConfiguration, LifecycleRule, Node

MOST_RULES = 1_000


class Does(StrEnum):
    """What a rule can do; in the order in which S3 prefers it of what is due on the same day."""

    EXPIRE = "expire"
    MOVE = "move"
    EXPIRE_NONCURRENT = "expire older versions"
    MOVE_NONCURRENT = "move older versions"
    ABORT_UPLOADS = "abort unfinished uploads"
    REMOVE_MARKERS = "remove delete markers that nothing is left behind"


class Action(NamedTuple):
    """`days` after an object was written (became noncurrent, was begun), or on a `date` as S3 writes it. `keep` older
    versions stay in any case."""

    does: Does
    days: int | None = None
    date: str = ""
    storage_class: str = ""
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It takes keys that begin with `prefix`, of objects larger than `more_than` and smaller than `less_than`
    bytes, with all of `tags`."""

    rule_id: str
    enabled: bool
    prefix: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    more_than: int | None = None
    less_than: int | None = None
    actions: tuple[Action, ...] = ()

    @property
    def only(self) -> tuple[str, ...]:
        """What it asks of an object beside its prefix, in order."""
        sizes = [(">", self.more_than), ("<", self.less_than)]
        return tuple(
            sorted(
                [f"{key}={value}" for key, value in self.tags]
                + [f"{sign}{size}" for sign, size in sizes if size is not None]
            )
        )

    @property
    def is_by_size(self) -> bool:
        return self.more_than is not None or self.less_than is not None

    def takes(self, key: str, size: int) -> bool:
        """As far as key and size tell."""
        if self.more_than is not None and size <= self.more_than:
            return False
        return key.startswith(self.prefix) and (self.less_than is None or size < self.less_than)


def rules_of(configuration: LifecycleConfiguration) -> tuple[Rule, ...]:
    """Every rule, in order. Raises ValueError where a figure cannot be read."""
    return tuple([_rule(node) for node in configuration.rules if node.name == "Rule"])


def expirations(configuration: LifecycleConfiguration) -> tuple[LifecycleRule, ...]:
    """The enabled rules that expire current objects. Raises as `rules_of`."""
    return tuple(
        [
            LifecycleRule(rule.rule_id, rule.prefix, action.days, action.date, rule.only)
            for rule in rules_of(configuration)
            for action in rule.actions
            if rule.enabled and action.does is Does.EXPIRE
        ]
    )


def _rule(node: Node) -> Rule:
    chosen = node.one("Filter")
    parts = (chosen, chosen.one("And"))
    more_than, less_than = (
        next((int(text) for part in parts if (text := part.one(name).text)), None)
        for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
    )
    return Rule(
        node.one("ID").text,
        node.one("Status").text == "Enabled",
        next((text for part in (*parts, node) if (text := part.one("Prefix").text)), ""),
        tuple([(tag.one("Key").text, tag.one("Value").text) for part in parts for tag in part.all("Tag")]),
        more_than,
        less_than,
        tuple(_actions(node)),
    )


def _actions(node: Node) -> list[Action]:
    found = []
    for item in node.all("Expiration"):
        if item.one("Days").text or item.one("Date").text:
            found.append(Action(Does.EXPIRE, _number(item, "Days"), item.one("Date").text))
        if item.one("ExpiredObjectDeleteMarker").text == "true":
            found.append(Action(Does.REMOVE_MARKERS))
    for item in node.all("Transition"):
        date, into = item.one("Date").text, item.one("StorageClass").text
        found.append(Action(Does.MOVE, _number(item, "Days"), date, into))
    for item in node.all("NoncurrentVersionExpiration"):
        keep = _number(item, "NewerNoncurrentVersions") or 0
        found.append(Action(Does.EXPIRE_NONCURRENT, _number(item, "NoncurrentDays"), keep=keep))
    for item in node.all("NoncurrentVersionTransition"):
        keep, into = _number(item, "NewerNoncurrentVersions") or 0, item.one("StorageClass").text
        found.append(Action(Does.MOVE_NONCURRENT, _number(item, "NoncurrentDays"), "", into, keep))
    for item in node.all("AbortIncompleteMultipartUpload"):
        found.append(Action(Does.ABORT_UPLOADS, _number(item, "DaysAfterInitiation")))
    return found


def _number(node: Node, name: str) -> int | None:
    text = node.one(name).text
    return int(text) if text else None


# --- configurations as wholes -------------------------------------------------------------------------------


def same(one: LifecycleConfiguration, other: LifecycleConfiguration) -> bool:
    """Whether two configurations mean the same: neither the order of rules and elements counts, nor white space, nor in
    which of its two forms a rule says its prefix (Ceph's gateway answers in the other one). A least size that is not
    known is any."""
    known = one.least_size and other.least_size
    return (not known or one.least_size == other.least_size) and _canonical(one) == _canonical(other)


def _canonical(configuration: LifecycleConfiguration) -> list[Node]:
    return sorted(_sorted(rule._replace(children=tuple(map(_filtered, rule.children)))) for rule in configuration.rules)


def _filtered(part: Node) -> Node:
    """A part of a rule; its prefix as a filter, which has none where that is empty."""
    chosen = Node("Filter", "", (part,)) if part.name == "Prefix" else part
    if chosen.name != "Filter":
        return part
    return Node("Filter", "", tuple([item for item in chosen.children if item != Node("Prefix")]))


def _sorted(node: Node) -> Node:
    return Node(node.name, node.text.strip(), tuple(sorted(map(_sorted, node.children))))


def with_rule(configuration: LifecycleConfiguration, rule: Node) -> LifecycleConfiguration:
    """The same with one rule more, or in the place of the one of its ID; every other stays as it is, whatever stands in
    it."""
    rule_id = rule.one("ID").text
    others = [item for item in configuration.rules if item.one("ID").text != rule_id]
    at = next((at for at, item in enumerate(configuration.rules) if item.one("ID").text == rule_id), len(others))
    return configuration._replace(rules=(*others[:at], rule, *others[at:]))


def text_of(configuration: LifecycleConfiguration) -> str:
    """The configuration to be read and compared, an element a line; empty where there is none."""
    if not configuration.rules:
        return ""
    head = [f"transition-default-minimum-object-size: {configuration.least_size}"] if configuration.least_size else []
    return "".join(f"{line}\n" for line in head + [line for rule in configuration.rules for line in _lines(rule, "")])


def _lines(node: Node, indent: str) -> list[str]:
    if not node.children:
        return [f"{indent}<{node.name}>{node.text}</{node.name}>"]
    inside = [line for child in node.children for line in _lines(child, indent + "  ")]
    return [f"{indent}<{node.name}>", *inside, f"{indent}</{node.name}>"]
