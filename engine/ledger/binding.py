"""What a ledger is bound to, so that it is never used for another place. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from engine.plan.binding import RouteBinding


@dataclass(frozen=True, slots=True)
class Binding:
    """Endpoint, buckets with their owners' ids (empty where it cannot be known), and routes; `lists` are the digests of
    what the routes' lists of keys said, by route. Hold, probes and expectations are not part of it and may change.

    A ledger that was made before lists were bound has none; nor has what a command wants that reads no list."""

    plan_name: str
    endpoint: str
    routes: tuple[RouteBinding, ...]
    buckets: tuple[tuple[str, str], ...] = ()
    lists: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """As the ledger's meta table keeps it."""
        return json.dumps(
            {
                "plan": self.plan_name,
                "endpoint": self.endpoint,
                "routes": [list(item) for item in self.routes],
                "buckets": [list(item) for item in self.buckets],
                **({"lists": dict(self.lists)} if self.lists else {}),
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Binding:
        """Raises `ValueError` for anything that `text` never gave."""
        try:
            values = json.loads(text)
            return cls(
                values["plan"],
                values["endpoint"],
                tuple(RouteBinding(*item) for item in values["routes"]),
                tuple((name, owner) for name, owner in values["buckets"]),
                tuple((name, digest) for name, digest in values.get("lists", {}).items()),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a binding: {error}") from error


def learned(bound: Binding, wanted: Binding) -> Binding:
    """What is bound, with the owners that have become known since."""
    owners = dict(wanted.buckets)
    return replace(bound, buckets=tuple((name, owner or owners.get(name, "")) for name, owner in bound.buckets))


def differences(bound: Binding, wanted: Binding) -> list[str]:
    """Every way in which what is wanted is not what the ledger is bound to, a sentence each. Of lists it says nothing:
    whether another one will do, only its keys can tell."""
    lines = []
    if bound.plan_name != wanted.plan_name:
        lines.append(f"it belongs to the plan {bound.plan_name!r}, not {wanted.plan_name!r}")
    if bound.endpoint != wanted.endpoint:
        lines.append(f"it was made on {bound.endpoint}, and this is {wanted.endpoint}")
    owners = dict(wanted.buckets)
    for bucket, owner in bound.buckets:
        if owner and owners.get(bucket) and owners[bucket] != owner:
            lines.append(f"the bucket {bucket} belonged to {owner}, and belongs to {owners[bucket]} now")
    known = {item.name: item for item in bound.routes}
    asked = {item.name: item for item in wanted.routes}
    for name in known.keys() - asked.keys():
        lines.append(f'the route "{name}" is in the ledger and not in the plan')
    for name in asked.keys() - known.keys():
        lines.append(f'the route "{name}" is in the plan and not in the ledger')
    for name in sorted(known.keys() & asked.keys()):
        old, new = known[name], asked[name]
        for what in ("source", "target"):
            if getattr(old, what) != getattr(new, what):
                lines.append(f'the {what} of "{name}" was {getattr(old, what)}, and is {getattr(new, what)} now')
        if old.digest != new.digest:
            lines.append(f'the filters of "{name}" have changed')
    return sorted(lines)
