"""ListObjectsV2: pages, their order, and keys that arrive verbatim."""

from __future__ import annotations

import hashlib

import pytest

from engine.model import ListedObject, ObjectRef
from engine.store import CopyObject, DeleteObject, GetRange, HeadObject, ListPage
from tests.contract.ground import Contract, outcome

SPECIAL_KEYS = {
    "space": "a b",
    "plus": "a+b",
    "percent": "100%25",
    "question": "what?versionId=1",
    "hash": "a#b",
    "ampersand": "a&b=c;d",
    "quotes": "a\"b'c",
    "angles": "a<b>c",
    "backslash": "a\\b",
    "double slash": "a//b",
    "dots": "a/../b/./c",
    "tilde": "~a!*()",
    "colon": "a:b@c$d,e",
    "umlaut": "grün/é",
    "emoji": "\N{PILE OF POO}",
    "japanese": "ポケモン",
    "newline": "a\nb",
    "tab": "a\tb",
    "control": "a\x01b",
    "delete": "a\x7fb",
    "line separator": "a\u2028b",
    "brackets": "[a]{b}|c^d`e",
}


async def keys_under(contract: Contract, prefix: str, max_keys: int = 1_000) -> list[str]:
    keys, token = [], None
    while True:
        page = await contract.store.list_page(ListPage(contract.ground.bucket, prefix, token=token, max_keys=max_keys))
        keys += [item.key for item in page.objects]
        token = page.next_token
        if token is None:
            return keys


async def test_pages_follow_each_other_to_the_end(contract: Contract) -> None:
    refs = [await contract.put(f"{number:02d}") for number in range(7)]
    sizes, keys, token = [], [], None
    while True:
        page = await contract.store.list_page(
            ListPage(contract.ground.bucket, contract.prefix, token=token, max_keys=3)
        )
        sizes.append(len(page.objects))
        keys += [item.key for item in page.objects]
        token = page.next_token
        if token is None:
            break
    assert (sizes, keys) == ([3, 3, 1], [ref.key for ref in refs])


async def test_start_after_is_a_full_key_and_exclusive(contract: Contract) -> None:
    for kind, folder in (("plain", "a/"), ("special", "a b/")):
        refs = [await contract.put(f"{folder}{number}") for number in range(3)]
        page = await contract.store.list_page(
            ListPage(contract.ground.bucket, contract.prefix + folder, start_after=refs[1].key, max_keys=5)
        )
        keys = [item.key for item in page.objects]
        contract.holds(f"start-after with {kind} keys", keys == [refs[2].key], True)


async def test_a_line_says_size_etag_time_and_class(contract: Contract) -> None:
    ref = await contract.put("one", b"12345")
    page = await contract.store.list_page(ListPage(contract.ground.bucket, contract.prefix))
    (item,) = page.objects
    head = await contract.store.head_object(HeadObject(ref))
    etag = hashlib.md5(b"12345").hexdigest()
    assert (item.key, item.size, item.etag, item.storage_class) == (ref.key, 5, etag, "STANDARD")
    assert (len(item.modified), item.modified[10], item.modified[-1]) == (24, "T", "Z")
    assert item.modified[:19] == head.modified[:19]
    assert page.next_token is None


async def test_nothing_under_a_prefix_is_an_empty_page(contract: Contract) -> None:
    page = await contract.store.list_page(ListPage(contract.ground.bucket, contract.prefix + "nothing/"))
    assert (page.objects, page.next_token) == ([], None)


async def test_a_delimiter_gathers_what_is_below_it(contract: Contract) -> None:
    for name in ("a", "b/1", "b/2", "c d/1"):
        await contract.put(name)
    page = await contract.store.list_page(ListPage(contract.ground.bucket, contract.prefix, delimiter="/"))
    assert [item.key for item in page.objects] == [contract.prefix + "a"]
    assert page.common_prefixes == (contract.prefix + "b/", contract.prefix + "c d/")


async def test_keys_rise_by_the_bytes_of_their_utf_8(contract: Contract) -> None:
    # In UTF-16, as some stores sort, the last two are the other way round.
    names = ["A", "Z", "a", "a b", "a!", "a/b", "aa", "é", "～", "\N{PILE OF POO}"]
    for name in reversed(names):
        await contract.put(name)
    promised = [contract.prefix + name for name in sorted(names, key=lambda name: name.encode())]
    keys = await keys_under(contract, contract.prefix)
    contract.holds("a listing rises by UTF-8 bytes", keys == promised, True)
    assert sorted(keys) == sorted(promised)
    pages = await keys_under(contract, contract.prefix, max_keys=4)
    contract.holds("pages of special keys leave none out", sorted(pages) == sorted(promised), True)


@pytest.mark.parametrize("name", SPECIAL_KEYS)
async def test_a_special_key_arrives_verbatim(contract: Contract, name: str) -> None:
    """Put, listed, read, copied from and to, and removed."""
    key, store = SPECIAL_KEYS[name], contract.store
    stored = await outcome(contract.put(f"from/{key}", b"special"))
    if not contract.holds(f"a key with {name} is stored", stored, "done"):
        return
    source, target = contract.ref(f"from/{key}"), contract.ref(f"to/{key}")
    listed = await keys_under(contract, contract.prefix)
    contract.holds(f"a key with {name} is listed verbatim", listed, [source.key])
    assert (await store.get_range(GetRange(source))).data == b"special"
    etag = hashlib.md5(b"special").hexdigest()
    copied = await outcome(store.copy_object(CopyObject(source, target, etag)))
    if contract.holds(f"a key with {name} is copied", copied, "done"):
        assert (await store.head_object(HeadObject(target))).etag == etag
    removed = await outcome(store.delete_object(DeleteObject(source)))
    if contract.holds(f"a key with {name} is deleted", removed, "done"):
        assert await outcome(store.head_object(HeadObject(source))) == "NotFound"


async def test_the_longest_key_arrives_verbatim(contract: Contract) -> None:
    room = 1024 - len(contract.prefix.encode())
    for name in ("x" * room, "é" * (room // 2)):
        if await outcome(contract.put(name)) != "done":
            contract.holds("a key of 1,024 bytes is stored", False, True)
            return
    contract.holds("a key of 1,024 bytes is stored", True, True)
    assert len(await keys_under(contract, contract.prefix)) == 2


async def test_a_key_of_1025_bytes_is_refused(contract: Contract) -> None:
    name = "x" * (1025 - len(contract.prefix.encode()))
    contract.holds("a key of 1,025 bytes is refused", await outcome(contract.put(name)), "Rejected")


async def test_a_neighbouring_prefix_is_not_listed(contract: Contract) -> None:
    await contract.put("raw/1")
    await contract.put("raw2/1")
    assert await keys_under(contract, contract.prefix + "raw/") == [contract.prefix + "raw/1"]


async def test_the_restore_status_of_a_plain_object_is_no_error(contract: Contract) -> None:
    ref = await contract.put("plain")
    page = await contract.store.list_page(ListPage(ref.bucket, ref.key))
    assert isinstance(page.objects[0], ListedObject)
    assert page.objects[0].restore == ""
    assert ObjectRef(ref.bucket, page.objects[0].key) == ref
