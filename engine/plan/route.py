"""A route: one source location to one target location, with its rules. Pure, and quick where a run asks per object."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Literal

from engine.model import ListedObject, Location, Overwrite
from engine.plan.locations import MAX_KEY_BYTES, key_problem

Policy = Literal["preserve", "set", "drop", "fail"]


@dataclass(frozen=True, slots=True)
class PropertyRules:
    """What becomes of each property: kept as the source has it, set by the route, left out, or a reason to fail.

    Defaults are what a copy by hand would be expected to do; the ACL is not copied (with BucketOwnerEnforced, S3's
    default since April 2023, there is none)."""

    content_headers: Policy = "preserve"
    metadata: Policy = "preserve"
    tags: Policy = "preserve"
    storage_class: Policy = "preserve"
    encryption: Policy = "drop"
    website_redirect: Policy = "drop"
    lock: Policy = "drop"
    acl: Policy = "drop"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of the source belong to the route. All that is given must hold; nothing given selects all.

    Patterns are matched against the relative key as the AWS CLI matches: `*` any characters, `/` among them, `?` one,
    `[…]` one of a set; case counts. `exclude` wins over `include`. `since` and `until` are ISO 8601 in UTC as S3 lists
    them, `since` inclusive, `until` exclusive; sizes are bytes, both inclusive."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    min_size: int | None = None
    max_size: int | None = None

    @property
    def is_all(self) -> bool:
        return self == Selection()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of some routes. `tolerance` is a fraction of the size (0.01: one per cent)."""

    name: str
    routes: tuple[str, ...]
    objects: int | None = None
    size_bytes: int | None = None
    tolerance: float = 0.01


@dataclass(frozen=True, slots=True)
class Route:
    """One source to one target. `set_tags` and `set_metadata` replace or add what the source has; `listing` names a
    key list or an inventory manifest that stands in for ListObjects."""

    name: str
    source: Location
    target: Location
    overwrite: Overwrite = Overwrite.NEVER
    selection: Selection = Selection()
    properties: PropertyRules = PropertyRules()
    storage_class: str = ""
    set_tags: tuple[tuple[str, str], ...] | None = None
    set_metadata: tuple[tuple[str, str], ...] = ()
    exact: bool = False
    expect: Expectation | None = None
    listing: str = ""
    selects_all: bool = field(init=False)
    plain_properties: bool = field(init=False)
    maps_any_key: bool = field(init=False)
    _include: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _exclude: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "selects_all", self.selection.is_all)
        put(
            self,
            "plain_properties",
            self.properties == PropertyRules() and self.set_tags is None and not self.set_metadata,
        )
        # Source keys have at most 1,024 bytes, so that a target prefix no longer than the source's holds them all.
        grows = len(self.target.key.encode()) - len(self.source.key.encode())
        put(self, "maps_any_key", not self.source.is_prefix or grows <= 0)
        put(self, "_include", _compiled(self.selection.include))
        put(self, "_exclude", _compiled(self.selection.exclude))

    # --- keys ---------------------------------------------------------------------------------------------

    def relative(self, source_key: str) -> str:
        """The key after the source's prefix; empty for a route of one exact key."""
        return source_key[len(self.source.key) :]

    def source_key(self, relative: str) -> str:
        return self.source.key + relative

    def target_key(self, relative: str) -> str:
        return self.target.key + relative

    def problem_of(self, source_key: str) -> str:
        """Why this key cannot go where the route sends it; empty where it can."""
        problem = key_problem(self.target.key + source_key[len(self.source.key) :])
        return f"{source_key!r} would need a target key over {MAX_KEY_BYTES} bytes: {problem}" if problem else ""

    # --- rules --------------------------------------------------------------------------------------------

    def selects(self, listed: ListedObject) -> bool:
        """Whether this listed source object belongs to the route."""
        rule = self.selection
        if rule.min_size is not None and listed.size < rule.min_size:
            return False
        if rule.max_size is not None and listed.size > rule.max_size:
            return False
        if rule.since and listed.modified < rule.since:
            return False
        if rule.until and listed.modified >= rule.until:
            return False
        relative = listed.key[len(self.source.key) :]
        if self._include is not None and not self._include.match(relative):
            return False
        return self._exclude is None or not self._exclude.match(relative)

    def storage_class_for(self, listed: ListedObject) -> str:
        """The class that the target is written in. S3 would fall back to STANDARD if it were not sent."""
        if self.storage_class:
            return self.storage_class
        return "STANDARD" if self.properties.storage_class == "drop" else listed.storage_class

    @property
    def overwrites_different(self) -> bool:
        """Whether a target that is not known to be equal may be replaced."""
        return self.overwrite is not Overwrite.NEVER

    @property
    def rewrites_headers(self) -> bool:
        """Whether CopyObject must be told all headers and metadata, because some of them change."""
        rules = self.properties
        return bool(
            self.set_metadata
            or rules.content_headers == "drop"
            or rules.metadata == "drop"
            or "preserve" in (rules.website_redirect, rules.encryption, rules.lock)
        )

    @property
    def digest(self) -> str:
        """A digest of the rules that decide what is copied, for the ledger's binding."""
        rule = self.selection
        text = json.dumps(
            [rule.include, rule.exclude, rule.since, rule.until, rule.min_size, rule.max_size, self.listing]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns), re.DOTALL)
