"""HTML as a tree: what is text is text, so that nothing can be forgotten to be escaped.

Elements are made by `tag` and written out by `document` alone (the standard library's ElementTree, which escapes). Text
is made harmless first, as it is for a terminal: control characters and bidirectional marks are shown as escapes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

from engine.report.text import safe

Child: TypeAlias = str | int | Element | Iterable["Child"] | None


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Element:
    """An element. Attributes that are None or False are left out, True stands without a value; `class_` is "class" and
    `data_value` "data-value"."""
    made = Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            made.set(key.rstrip("_").replace("_", "-"), "" if value is True else safe(str(value)))
    for child in children:
        _put(made, child)
    return made


def _put(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str | int):
        text = safe(str(child))
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text
    else:
        for item in child:
            _put(parent, item)


def document(title: str, style: str, head: Iterable[Element], body: Iterable[Element]) -> str:
    """A whole page, which a browser lets load nothing, run nothing and send nothing: its style is named by its hash.
    `style` is our own text, and must not close its element."""
    if "</" in style:
        raise ValueError("a style sheet that closes its element")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sheet = Element("style")
    sheet.text = style
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", name="referrer", content="no-referrer"),
            head,
            tag("title", title),
            sheet,
        ),
        tag("body", body),
        lang="en",
    )
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"
