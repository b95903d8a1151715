"""What a project's manifest is written in, and how it names places. Pure.

JSON, YAML or TOML, by the file's name (JSON where that says nothing)."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from engine.extras import needs
from engine.model import Location

YAML, TOML, JSON = "YAML", "TOML", "JSON"
CONTENT_TYPES = {YAML: "application/yaml", TOML: "application/toml", JSON: "application/json"}
MOST_VALUES = 1_000_000
"""Of a YAML text, beyond those that are written: whatever its aliases stand for each time."""
_TOO_DEEP = re.compile(r"[\[{]{100}")
"""For what begins so the scanner takes seconds before it meets its own bound."""


class NotParsed(ValueError):
    """The text is not what its name says; the message says where."""


def form_of(name: str) -> str:
    """What a file of this name is written in."""
    suffix = name.rpartition("/")[2].lower().rpartition(".")[2]
    return YAML if suffix in ("yaml", "yml") else TOML if suffix == "toml" else JSON


def parse(form: str, text: str) -> Any:
    """The values of a text. Raises `NotParsed`, and `ExtraMissing` for YAML without its package."""
    try:
        if form == TOML:
            return tomllib.loads(text)
        return json.loads(text) if form == JSON else _parse_yaml(text)
    except RecursionError:
        raise NotParsed("it is nested too deeply") from None
    except ValueError as error:
        raise NotParsed(str(error)) from None


def _parse_yaml(text: str) -> Any:
    with needs("manifest"):
        from ruamel.yaml import YAML as Yaml
        from ruamel.yaml.constructor import SafeConstructor
        from ruamel.yaml.error import YAMLError

    class Bounded(SafeConstructor):  # type: ignore[misc]
        def construct_document(self, node: Any) -> Any:
            _refuse_many(node)  # before values are made of it, of which `<<` makes what it merges once more
            return super().construct_document(node)

    if _TOO_DEEP.search(text):
        raise NotParsed("it is nested too deeply")
    yaml = Yaml(typ="safe", pure=True)
    yaml.Constructor = Bounded
    try:
        return yaml.load(text)
    except YAMLError as error:
        raise NotParsed(" ".join(str(error).split())) from None


def _refuse_many(root: Any) -> None:
    """Refuse a text of a few lines whose aliases of aliases whoever walks through it would never come to the end of."""
    known: dict[int, int | None] = {}

    def values(node: Any) -> int:
        if id(node) not in known:
            known[id(node)] = None
            below = node.value if isinstance(node.value, list) else ()
            known[id(node)] = 1 + sum(
                sum(map(values, item)) if isinstance(item, tuple) else values(item) for item in below
            )
        if (found := known[id(node)]) is None:
            raise NotParsed("a value holds itself, by its alias")
        return found

    if values(root) > MOST_VALUES + len(known):  # as many as are written, and what the aliases make of them
        raise NotParsed(f"it has more than {MOST_VALUES:,} values more where its aliases are followed")


def written_place(there: Any, target: Location, base: Location) -> str:
    """The target, written as `there` is written: a URI, a key with or without the slash before it, or a path below the
    project's prefix; with a slash at its end or not. A local target is its path."""
    if target.is_local:
        return str(target)
    key = target.key
    if isinstance(there, str) and there:
        if not there.endswith("/"):
            key = key.removesuffix("/")
        if there.startswith("/"):
            return f"/{key}"
        if "://" not in there and target.bucket == base.bucket and key.startswith(base.key):
            return key[len(base.key) :]
        if "://" not in there:
            return key
    return f"s3://{target.bucket}/{key}"


def named_place(text: str, base: Location) -> Location | None:
    """Where a text of a manifest leads that is written in one of those ways; None for a URI of another kind."""
    if "://" in text:
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        return Location(bucket, key, base.site) if scheme in ("s3", "s3a", "s3n") and bucket else None
    if text.startswith("/"):
        return base.at(text[1:])
    return base.at(text if text.startswith(base.key) else base.key + text)
