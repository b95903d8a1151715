"""Reads the XML of answers: strictly, and never more than it must. Pure.

Documents come from servers that we do not know. They are decoded as UTF-8 before the parser sees them (so that none
can hide a declaration in another encoding), a document type is refused (without one there are no entities to expand
or fetch: CWE-611, CWE-776), and the caller has bounded the size. `ElementTree` on a text uses the C parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

_LEAF = re.compile(r"<(\w+)>([^<]*)<").findall
"""Of what `_FLAT` has matched, where no tag is without its end."""
_FLAT = re.compile(
    r'[ \t\r\n]*(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")?\?>[ \t\r\n]*)?'
    r'<(\w+)(?:[ \t\r\n]+xmlns="[^"<>&\x00-\x1f]*")?>((?:[ \t\r\n]*<(\w+)>[^<>&\x00-\x1f]*</\3>)*)[ \t\r\n]*</\1>'
    r"[ \t\r\n]*"
).fullmatch
"""No value with a control character: the parser refuses most (XML 1.0, production Char), and reads a carriage return as
a line feed."""


MOST_TAGS = 60_000
"""A page of 1,000 keys has under 30,000; an element takes a hundred times the memory of its tag."""


class NotXml(ValueError):
    """The text is no XML document that we read."""


class Document:
    """A root element's name and its children, without namespaces."""

    __slots__ = ("element", "name")

    def __init__(self, element: ElementTree.Element) -> None:
        self.element = element
        self.name = local(element.tag)

    def text(self, name: str) -> str:
        """The text of the first child of that name; empty where there is none."""
        for child in self.element:
            if local(child.tag) == name:
                return child.text or ""
        return ""

    def text_in(self, parent: str, name: str) -> str:
        """The same of the first child `parent`."""
        return next((child.text(name) for child in self.all(parent)), "")

    def fields(self) -> dict[str, str]:
        """The children that have text and no children of their own."""
        return {local(child.tag): child.text or "" for child in self.element if not len(child)}

    def all(self, name: str) -> Iterator[Document]:
        """The children of that name."""
        for child in self.element:
            if local(child.tag) == name:
                yield Document(child)


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def decode(body: bytes) -> str:
    """A body as text. Raises `NotXml`."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise NotXml("it is not UTF-8") from error


def read(text: str) -> Document:
    """Parse a whole document; white space before it is what S3 sends while it works. Raises `NotXml`."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise NotXml("it has a document type")
    if text.count("<") > MOST_TAGS:
        raise NotXml("it has more elements than any answer of S3")
    try:
        return Document(ElementTree.fromstring(text.lstrip()))
    except (ElementTree.ParseError, ValueError) as error:
        why = str(error)
    raise NotXml(why)  # out here: the parser's error would keep all that was parsed so far


def read_flat(body: bytes) -> tuple[str, dict[str, str]]:
    """The root's name and its children's texts: the answer to a copy, and errors. Raises `NotXml`.

    The usual form, all tags balanced and without references but &quot;, is matched whole by one expression at a
    third of a parser's cost; whatever is not of that form goes to the parser."""
    text = decode(body)
    match = _FLAT(text.replace("&quot;", '"') if "&" in text else text)
    if match is not None and "\ufffe" not in text and "\uffff" not in text:
        return match[1], dict(_LEAF(match[2]))
    document = read(text)
    return document.name, document.fields()
