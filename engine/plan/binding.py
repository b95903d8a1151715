"""What tells whether two plans mean the same: canonical forms and their digests, which ledgers are bound to. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from engine.model import Location
from engine.plan.route import Route


class RouteBinding(NamedTuple):
    """What a ledger is bound to, one a route. `digest` is of the rules that decide what is copied and how it is
    written; who may be overwritten and what is expected can change under a ledger, and is not in it."""

    name: str
    source: str
    target: str
    digest: str


_FREE_TO_CHANGE = frozenset({"name", "source", "target", "overwrite", "exact", "allow_empty"})


def binding_of(route: Route) -> RouteBinding:
    """What a ledger keeps of a route to know it again."""
    rules = {key: value for key, value in canonical(route).items() if key not in _FREE_TO_CHANGE}
    return RouteBinding(route.name, str(route.source), str(route.target), digest_of(rules))


def canonical(value: Any) -> Any:
    """A value as plain JSON values. What equals its default is left out, so that a later version with more settings
    still gives an old plan the digest that its ledger was bound to."""
    if isinstance(value, Location):
        return str(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            item.name: getattr(value, item.name)
            for item in fields(value)
            if item.init and item.compare and getattr(value, item.name) != _default_of(item)
        }
        return {"": type(value).__name__} | {key: canonical(item) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return value


def _default_of(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def text_of(value: Any) -> str:
    """Plain JSON values as the one text that digests are of."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def digest_of(value: Any) -> str:
    return hashlib.sha256(text_of(value).encode()).hexdigest()


_ON, _UUID = " of file system ", ", UUID "


def folder_identity(inode: int, file_system: int, uuid: str) -> str:
    """What a ledger keeps of a folder to know it again; `uuid` is empty where the file system's number tells it."""
    return f"inode {inode}{_ON}{file_system:x}{_UUID if uuid else ''}{uuid}"


def is_same_owner(bound: str, now: str) -> bool:
    """Whether an owner, or a folder's identity, is the one that was bound. Where both say a file system's UUID its
    number does not count; where one does not (an older Cartage's) the number is all there is."""
    (was, _, old), (found, _, new) = bound.partition(_UUID), now.partition(_UUID)
    return (was.partition(_ON)[0] == found.partition(_ON)[0] and old == new) if old and new else was == found


def known_owner(bound: str, now: str) -> str:
    """What to keep of what was bound and what was found: what says more, else the first, which receipts seal."""
    says_more = not bound or (_UUID in now and _UUID not in bound and is_same_owner(bound, now))
    return now if now and says_more else bound
