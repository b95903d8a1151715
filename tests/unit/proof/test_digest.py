"""Reading by ranges: the figure is that of the whole, the memory is bounded, what changes meanwhile is noticed."""

from __future__ import annotations

import base64
import random

import anyio
import pytest
import xxhash

from engine.errors import IntegrityError, PreconditionFailed, Unavailable
from engine.model import Checksum, ListedObject, ObjectRef
from engine.proof.digest import HASHES, ByteBudget, ByteReader, checksum_of_s3
from engine.s3 import parsing
from engine.store import Body, GetRange
from tests.fake_store import Held
from tests.unit.proof.scene import SlowStore

REF = ObjectRef("b", "k")


def stored(size: int) -> tuple[SlowStore, Held]:
    store = SlowStore()
    store.put("s3://b/k", random.Random(size).randbytes(size))
    return store, store.objects[REF]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000, 1001, 5003])
async def test_ranges_give_the_hash_of_the_whole(size: int) -> None:
    store, held = stored(size)
    reader = ByteReader(range_bytes=100, memory_bytes=600)
    read = await reader.read(store, REF, held.etag, size)
    assert read.xxh3 == xxhash.xxh3_128_hexdigest(held.body or b"")
    assert store.counts["GetObject"] == max(1, -(-size // 100))
    assert reader.budget.held_bytes == 0


async def test_many_objects_at_once_stay_within_the_memory_they_were_given() -> None:
    store = SlowStore()
    for number in range(20):
        store.put(f"s3://b/{number}", bytes([number]) * 950)
    reader = ByteReader(range_bytes=100, memory_bytes=500)
    found: dict[str, str] = {}

    async def one(ref: ObjectRef) -> None:
        held = store.objects[ref]
        found[ref.key] = (await reader.read(store, ref, held.etag, 950)).xxh3

    async with anyio.create_task_group() as group:
        for ref in store.objects:
            group.start_soon(one, ref)
    assert found == {ref.key: xxhash.xxh3_128_hexdigest(held.body or b"") for ref, held in store.objects.items()}
    assert 100 < store.most_bytes <= 500
    assert reader.bytes_read == 20 * 950


async def test_an_object_that_changes_while_it_is_read_gives_no_figure() -> None:
    store, held = stored(1000)

    def change(operation: str, request: GetRange) -> None:
        if store.counts["GetObject"] == 4:
            store.put("s3://b/k", bytes(1000))

    store.before = change
    reader = ByteReader(range_bytes=100, memory_bytes=300)
    with pytest.raises(PreconditionFailed):
        await reader.read(store, REF, held.etag, 1000)
    assert reader.budget.held_bytes == 0


async def test_an_error_ends_the_other_ranges_and_gives_their_memory_back() -> None:
    store, held = stored(5000)

    def fail(operation: str, request: GetRange) -> None:
        if request.first == 300:
            raise Unavailable("no", operation="GetObject")

    store.before = fail
    reader = ByteReader(range_bytes=100, memory_bytes=1000)
    with pytest.raises(Unavailable):
        await reader.read(store, REF, held.etag, 5000)
    assert reader.budget.held_bytes == 0
    assert store.counts["GetObject"] < 50


async def test_a_server_that_ignores_the_range_is_found_out() -> None:
    class WholeStore(SlowStore):
        async def get_range(self, request: GetRange) -> Body:
            return await super().get_range(GetRange(request.ref))

    store = WholeStore()
    store.put("s3://b/k", bytes(250))
    with pytest.raises(IntegrityError, match="250 bytes"):
        await ByteReader(range_bytes=100).read(store, REF, store.objects[REF].etag, 250)


@pytest.mark.parametrize(("algorithm", "function"), [("XXHASH128", xxhash.xxh3_128), ("XXHASH3", xxhash.xxh3_64)])
async def test_s3_s_own_xxhash_is_asked_for_only_where_the_listing_names_it(algorithm: str, function: object) -> None:
    store, held = stored(1000)
    ours = base64.b64encode(function(held.body).digest()).decode()  # type: ignore[operator]
    held.checksums = (Checksum(algorithm, "FULL_OBJECT", ours),)
    reader = ByteReader(range_bytes=300)
    plain = ListedObject("k", 1000, held.etag, held.modified, "STANDARD", "CRC64NVME:FULL_OBJECT")
    assert await checksum_of_s3(store, REF, plain) == ("", "")
    assert store.counts["HeadObject"] == 0
    listed = plain._replace(checksum=f"{algorithm}:FULL_OBJECT")
    assert await checksum_of_s3(store, REF, listed) == (algorithm, ours)
    assert (await reader.read(store, REF, held.etag, 1000, algorithm)).of_s3 == ours


def test_the_checksums_that_reading_can_confirm_are_read() -> None:
    assert set(HASHES) <= set(parsing.CHECKSUMS)


async def test_the_budget_serves_in_the_order_of_asking_and_survives_cancellation() -> None:
    budget = ByteBudget(10)
    order: list[str] = []

    async def want(name: str, size: int) -> None:
        await budget.take(size)
        order.append(name)

    await budget.take(8)
    async with anyio.create_task_group() as group:
        group.start_soon(want, "large", 10)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(want, "small", 1)
        await anyio.wait_all_tasks_blocked()
        assert order == []  # the small one does not overtake
        budget.give(8)
        await anyio.wait_all_tasks_blocked()
        assert order == ["large"]
        budget.give(10)
    assert order == ["large", "small"]
    budget.give(1)
    await budget.take(10)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await want("never", 5)
    budget.give(10)
    assert budget.held_bytes == 0
