"""The order of keys: that of code points, which is the order of their UTF-8 bytes. Pure.

S3 lists a general-purpose bucket in it (API reference, ListObjectsV2), and everything that joins, cuts and ends
listings rests on it. A server may order otherwise, such as by UTF-16 units (Java, JavaScript, .NET), which differs for
keys beyond U+FFFF alone: so each page is looked at whole before anything is taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import lt


def fault_of(keys: Sequence[str], prefix: str, after: str | None = None) -> str:
    """Why a page of these keys is none of a listing of `prefix` that goes on after `after`; empty where it is one."""
    if not keys:
        return ""
    if not all(map(lt, keys, islice(keys, 1, None))):
        return "its keys do not rise"
    if not (keys[0].startswith(prefix) and keys[-1].startswith(prefix)):  # then so do all between, for they rise
        return f"it holds keys outside the prefix {prefix!r}"
    if after is not None and keys[0] <= after:
        return "it begins a page with what came before it"
    return ""


def just_before(key: str) -> str | None:
    """A text before `key` with nothing between but what begins with it, U+10FFFF and all; None before the empty key."""
    if not key:
        return None
    last = ord(key[-1])
    if last == 0:
        return key[:-1]
    return key[:-1] + chr(0xD7FF if last == 0xE000 else last - 1) + "\U0010ffff"
