"""A route: one source location mapped to one target location, with its rules. Pure.

An object's *relative key* is what follows the source location in its key. It names the object on both sides, and is
empty for the one object of an exact route and for an object whose key is the prefix itself. Both directions of the
mapping only exchange the head of the key, so the mapping is injective, and no character of a key is ever changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.model import Encryption, ListedObject, Location, ObjectLock, Overwrite
from engine.plan.locations import MAX_KEY_BYTES, key_bytes, problem_of_key
from engine.plan.selection import Selection

Pairs = tuple[tuple[str, str], ...]


class PropertyRule(StrEnum):
    """What is to happen to one property of an object on its way."""

    PRESERVE = "preserve"  # the target gets what the source has
    SET = "set"  # the target gets what the route says
    DROP = "drop"  # the target gets what S3 gives a new object
    FAIL = "fail"  # an object that carries it fails, so that nobody loses it unseen


@dataclass(frozen=True, slots=True)
class PropertyRules:
    """The properties contract of a route, the same for CopyObject and for copies by parts.

    The defaults are what CopyObject does by itself and costs nothing to keep: content headers, metadata, tags and the
    storage class are preserved; encryption is the target bucket's default, and there is no website redirect, no lock
    and a private ACL (API reference, CopyObject).
    """

    content_headers: PropertyRule = PropertyRule.PRESERVE
    metadata: PropertyRule = PropertyRule.PRESERVE
    tags: PropertyRule = PropertyRule.PRESERVE
    storage_class: PropertyRule = PropertyRule.PRESERVE
    encryption: PropertyRule = PropertyRule.DROP
    website_redirect: PropertyRule = PropertyRule.DROP
    lock: PropertyRule = PropertyRule.DROP
    acl: PropertyRule = PropertyRule.DROP


@dataclass(frozen=True, slots=True)
class KeyList:
    """A list that stands in for the source's listing.

    `kind` "keys" (a text file, one full key a line) or "inventory" (an S3 Inventory manifest.json). `location` where it
    is in S3; else `path`, as the plan writes it, relative to the plan's folder; `at`: where that is, of a plan that has
    no file, wherever its ledger is looked at from.
    """

    kind: str
    location: Location | None = None
    path: str = ""
    at: str = field(default="", compare=False)

    def __str__(self) -> str:
        return str(self.location) if self.location is not None else self.path


@dataclass(frozen=True, slots=True)
class Route:
    """One source location, one target location, and the rules between them.

    `overwrite` says what may happen to a target that holds something we did not write; `exact` that anything else
    under the target counts as a difference. `storage_class` is given to every copy where it is not empty.
    `set_tags` (None: not set) replaces the object's tags, `set_metadata` is laid over its user metadata,
    `set_headers` (fields of `model.Properties`) over its content headers; `set_encryption`, `set_lock`, `set_redirect`
    and `set_acl` (a canned one) go with `PropertyRule.SET` of their property. `allow_empty`: its source may hold
    nothing. `in_place`: its target is its source, and what its objects carry is set where they are; `lays_tags`: then
    `set_tags` are laid over the object's own. `line` is the plan's line, 0 where there is none.
    """

    name: str
    source: Location
    target: Location
    overwrite: Overwrite = Overwrite.NEVER
    exact: bool = False
    selection: Selection = field(default_factory=Selection)
    key_list: KeyList | None = None
    storage_class: str = ""
    set_tags: Pairs | None = None
    set_metadata: Pairs = ()
    set_headers: Pairs = ()
    set_encryption: Encryption | None = None
    set_lock: ObjectLock | None = None
    set_redirect: str = ""
    set_acl: str = ""
    properties: PropertyRules = field(default_factory=PropertyRules)
    allow_empty: bool = False
    in_place: bool = False
    lays_tags: bool = False
    line: int = field(default=0, compare=False)
    selects_all: bool = field(init=False, repr=False, compare=False)
    maps_any_key: bool = field(init=False, repr=False, compare=False)
    plain_properties: bool = field(init=False, repr=False, compare=False)
    """Whether one CopyObject does right by every property, but the storage class, with nothing asked of it."""
    _cut: int = field(init=False, repr=False, compare=False)
    _grows_bytes: int = field(init=False, repr=False, compare=False)
    _source_key: str = field(init=False, repr=False, compare=False)
    _target_key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once: these are asked for each object.
        grows = key_bytes(self.target.key) - key_bytes(self.source.key)
        fits = grows <= 0 and not self.source.is_local  # S3's keys are short enough, a local path may be longer
        object.__setattr__(self, "selects_all", self.selection.is_everything)
        object.__setattr__(self, "maps_any_key", fits or self.target.is_local or not self.source.is_prefix)
        object.__setattr__(self, "plain_properties", self._is_plain())
        object.__setattr__(self, "_cut", len(self.source.key))
        object.__setattr__(self, "_grows_bytes", grows)
        object.__setattr__(self, "_source_key", self.source.key)
        object.__setattr__(self, "_target_key", self.target.key)

    @property
    def stays_here(self) -> bool:
        """Whether both of its sides are folders of this machine, so that no server is asked."""
        return self.source.is_local and self.target.is_local

    # --- keys -----------------------------------------------------------------------------------------------

    def relative(self, key: str) -> str:
        """The relative key of a source key. The key must be one of this route's."""
        return key[self._cut :]

    def source_key(self, relative: str) -> str:
        """The source key of a relative key."""
        return self._source_key + relative

    def target_key(self, relative: str) -> str:
        """The target key of a relative key."""
        return self._target_key + relative

    def problem_of(self, key: str) -> str:
        """Why the object at the source key `key` cannot be mapped; empty where it can.

        Asked while planning, and only where `maps_any_key` is false: a target key can then be over S3's 1,024 bytes."""
        if key_bytes(key) + self._grows_bytes <= MAX_KEY_BYTES:
            return ""
        return f'the target key of "{key}" {problem_of_key(self.target_key(self.relative(key)))}'

    # --- rules ----------------------------------------------------------------------------------------------

    def selects(self, listed: ListedObject) -> bool:
        """Whether the route takes this source object. Not worth asking where `selects_all`."""
        return self.selects_all or self.selection.takes(listed.key[self._cut :], listed)

    def storage_class_for(self, listed: ListedObject) -> str:
        """The storage class that the copy of this object is to have."""
        if self.storage_class:
            return self.storage_class
        if self.properties.storage_class is PropertyRule.DROP:
            return "STANDARD"
        return listed.storage_class or "STANDARD"

    @property
    def overwrites_different(self) -> bool:
        """Whether a target that differs, or cannot be told to be equal, may be replaced."""
        return self.overwrite is not Overwrite.NEVER

    @property
    def rewrites_headers(self) -> bool:
        """Whether one CopyObject has to replace headers and metadata, which needs a HEAD of the source."""
        rules = self.properties
        changed = bool({rules.content_headers, rules.metadata} & {PropertyRule.SET, PropertyRule.DROP})
        return changed or bool(self.set_metadata or self.set_headers)

    @property
    def looks_at_source(self) -> bool:
        """Whether a HEAD of the source is needed: where headers are replaced, where the route preserves what CopyObject
        drops, or has to look for what must not be lost. What the route itself says needs none."""
        rules = self.properties
        extras = {rules.encryption, rules.website_redirect, rules.lock}
        refused = PropertyRule.FAIL in (rules.content_headers, rules.metadata)
        return self.rewrites_headers or refused or bool(extras & {PropertyRule.PRESERVE, PropertyRule.FAIL})

    @property
    def sets_unlisted(self) -> bool:
        """Whether something is set that no listing tells."""
        return self.set_tags is not None or bool(self.set_metadata or self.set_headers)

    @property
    def sets_tags_alone(self) -> bool:
        """Whether nothing but tags is set, for which no object has to be copied."""
        return self.in_place and not (self.storage_class or self.set_metadata or self.set_headers)

    @property
    def reads_tags(self) -> bool:
        """Whether what is sent anew is to bear the source's tags, which no other answer tells."""
        return self.properties.tags is not PropertyRule.DROP and (self.set_tags is None or self.lays_tags)

    def tags_over(self, there: Pairs) -> Pairs:
        """The tags that an object is to have which bears these now."""
        if self.set_tags is None:
            return there
        return tuple(sorted((dict(there) | dict(self.set_tags)).items())) if self.lays_tags else self.set_tags

    def _is_plain(self) -> bool:
        rules = self.properties
        return (
            self.set_tags is None
            and rules.tags is PropertyRule.PRESERVE
            and not self.looks_at_source
            and {rules.encryption, rules.website_redirect, rules.lock, rules.acl} == {PropertyRule.DROP}
            and rules.storage_class is not PropertyRule.FAIL
        )
