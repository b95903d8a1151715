"""The list of departures is held to the tests: each is asked for somewhere, and departs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.departures import DEPARTURES, NOT_ASKED
from tests.contract.test_listing import SPECIAL_KEYS

ASKED = re.compile(r'contract\.(?:holds|asks)\(\s*(f?)"([^"]+)"')
CHOICES: dict[str, list[str]] = {
    "name": [*SPECIAL_KEYS, *("content_type", "content_encoding", "content_disposition"), "content_language"],
    "kind": ["plain", "special"],
    "storage_class": ["GLACIER", "DEEP_ARCHIVE"],
    "behaviour": ["If-None-Match", "If-Match"],
}


def asked_behaviours() -> set[str]:
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for is_template, text in ASKED.findall(path.read_text(encoding="utf-8")):
            choice = re.search(r"\{(\w+)\}", text) if is_template else None
            if choice is None:
                found.add(text)
            else:
                found |= {text.replace(choice[0], value) for value in CHOICES[choice[1]]}
    return found


def test_every_departure_is_asked_for() -> None:
    asked = asked_behaviours()
    assert len(asked) > 80
    written = {behaviour for by in DEPARTURES.values() for behaviour in by}
    written |= {behaviour for by in NOT_ASKED.values() for behaviour in by}
    assert written - asked == set()


def test_every_departure_is_of_a_server_or_a_store() -> None:
    names = {"memory", "sandbox", "moto", "localstack", "rgw", "named"}
    known = names | {"wire", "boto"} | {f"{name}/{plane}" for name in names for plane in ("wire", "boto")}
    assert set(DEPARTURES) | set(NOT_ASKED) <= known
