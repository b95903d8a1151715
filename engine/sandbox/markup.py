"""S3's XML: built by joining strings, since listings are built thousands of times; read with the standard library."""

from __future__ import annotations

import re
from urllib.parse import quote_plus
from xml.etree import ElementTree

from engine.sandbox.exchange import Reply
from engine.sandbox.refusals import S3Error

XML_HEADERS = (("Content-Type", "application/xml"),)

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile('[\x00-\x1f&<>"\x7f]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_NOT_URL_PLAIN = re.compile(r"[^A-Za-z0-9\-_./*\n]").search


def escape(text: str) -> str:
    """As an element's text. A control character becomes a reference that XML 1.0 does not allow: so S3 does it, and
    it is why a listing is asked for with encoding-type=url."""
    return _SPECIAL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    found = match[0]
    return _NAMED.get(found) or f"&#x{ord(found):X};"


def url_encoded(text: str) -> str:
    """A key as encoding-type=url gives it: "+" for a space; "/" and "*" as they are, "~" not."""
    return quote_plus(text, safe="/*", errors="surrogateescape").replace("~", "%7E")


def all_plain(keys: list[str]) -> bool:
    """Whether none of these keys (without line breaks in them) would be changed by encoding."""
    return not _NOT_URL_PLAIN("\n".join(keys)) and not any("\n" in key for key in keys)


def element(name: str, text: str | int) -> str:
    """One element; empty text gives an empty element, as S3 sends it."""
    return f"<{name}>{escape(text) if isinstance(text, str) else text}</{name}>"


def xml_reply(root: str, *parts: str, headers: tuple[tuple[str, str], ...] = (), moved_bytes: int = 0) -> Reply:
    """200 with a whole document in S3's namespace."""
    text = f'{DECLARATION}<{root} xmlns="{_NAMESPACE}">{"".join(parts)}</{root}>'
    return Reply(200, XML_HEADERS + headers, text.encode("utf-8", "surrogateescape"), moved_bytes)


def read_document(body: bytes, root: str) -> ElementTree.Element:
    """The root element of a request's XML, namespaces removed. Raises MalformedXML."""
    if b"<!" in body:
        raise S3Error("MalformedXML")
    try:
        found = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError) as error:
        raise S3Error("MalformedXML") from error
    for item in found.iter():
        item.tag = item.tag.rpartition("}")[2]
    if found.tag != root:
        raise S3Error("MalformedXML")
    return found
