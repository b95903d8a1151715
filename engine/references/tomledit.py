"""TOML text changed in one place, everything else staying as it is written: comments, order, spelling. Pure.

tomlkit keeps what it does not change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engine.extras import needs
from engine.plan.manifest_text import NotParsed
from engine.references.places import NoPlace

_LONE = re.compile(r"(?<!\r)\n")


def with_set(text: str, segments: Sequence[str], value: Any) -> str:
    """The text with a value set; the `segments` of its path are known to lead somewhere. Raises `NoPlace` for a value
    that TOML has not, and `ExtraMissing` without tomlkit."""
    with needs("manifest"):
        import tomlkit
        from tomlkit.exceptions import ParseError, TOMLKitError
    windows = "\r\n" in text and not _LONE.search(text)
    try:
        document = tomlkit.parse(text)
        *above, last = segments
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
    except (TypeError, ValueError, TOMLKitError) as error:
        raise NoPlace(f'"{".".join(segments)}" cannot be set: {error}') from None
    return _LONE.sub("\r\n", after) if windows else after
