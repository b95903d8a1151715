"""Metadata that is not ASCII, as S3 gives it: in the words of RFC 2047. Pure.

S3 decodes such words before it stores a value, and encodes what is not ASCII before it returns it (User Guide, "Working
with object metadata"). What HEAD gave is therefore sent on exactly as it came, and arrives as it was; and two values
are compared by what they mean, since the encoding is the server's to choose.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header


def meaning(value: str) -> str:
    """What a value says: its words decoded; itself where it has none, or none that can be read."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value
