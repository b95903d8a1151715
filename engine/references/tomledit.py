"""TOML text changed in places, everything else staying as it is written: comments, order, spelling. Pure.

tomlkit keeps what it does not change; that it did is looked at in what came out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from engine.extras import needs
from engine.plan.manifest_text import TOML, NotParsed, parse
from engine.references.places import NoPlace, same, value_in, with_value

_LONE = re.compile(r"(?<!\r)\n")


def value_at(text: str, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing. Raises `NotParsed`."""
    return value_in(parse(TOML, text), path)


def set_values(text: str, values: Iterable[tuple[str, Any]]) -> str:
    """The text with every (dotted path, value) set, one after the other. Raises `NotParsed`, `NoPlace`, and
    `ExtraMissing` without tomlkit."""
    before = parse(TOML, text)
    for path, value in values:
        wanted = with_value(before, path, value)
        if same(before, wanted):
            continue
        text = _edited(text, path, value)
        before = parse(TOML, text)
        if not same(before, wanted):
            raise NoPlace(f'"{path}" cannot be set without changing something else')
    return text


def _edited(text: str, path: str, value: Any) -> str:
    with needs("manifest"):
        import tomlkit
        from tomlkit.exceptions import ParseError, TOMLKitError
    windows = "\r\n" in text and not _LONE.search(text)
    try:
        document = tomlkit.parse(text)
        *above, last = path.split(".")
        node: Any = document
        for at, segment in enumerate(above):
            if isinstance(node, list):
                node = node[int(segment)]
            elif segment in node:
                node = node[segment]
            else:
                for missing in reversed([*above[at + 1 :], last]):
                    value = {missing: value}
                last = segment
                break
        node[int(last) if isinstance(node, list) else last] = value
        after = str(tomlkit.dumps(document))
    except ParseError as error:
        raise NotParsed(str(error)) from None
    except (TypeError, ValueError, TOMLKitError) as error:  # a value that TOML has not
        raise NoPlace(f'"{path}" cannot be set: {error}') from None
    return _LONE.sub("\r\n", after) if windows else after
