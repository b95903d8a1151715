"""Where the journal of a view is, as the view itself says. Pure, and light: `status` reads no more of journals."""

from __future__ import annotations

import json


def place_of(kept: str) -> str:
    """The place of a plan's journals, of what the `meta` of its ledger says."""
    place: str = json.loads(kept)[0]
    return place.removesuffix("index/")


def given_of(kept: str, plan_name: str) -> str:
    """What `--state` named, of the same."""
    return place_of(kept).removesuffix(f"{plan_name}/")
