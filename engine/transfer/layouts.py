"""The layout that a multipart source was uploaded in, found with as few HEADs as it takes."""

from __future__ import annotations

from engine.errors import ObjectError
from engine.model import ObjectHead, ObjectRef
from engine.plan.integrity import parts_of
from engine.plan.parts import MAX_PARTS, Layout, guessed_layout, sized_layout, uniform_layout
from engine.store import HeadObject, ObjectStore


async def own_layouts(store: ObjectStore, ref: ObjectRef, head: ObjectHead) -> tuple[list[Layout], int]:
    """The source's possible layouts, best first, and how many requests it took to learn them.

    One HEAD of part 1 gives its size and the number of parts (API reference, HeadObject, partNumber): parts of equal
    size, which the finished copy's ETag confirms. Where sizes cannot be equal, one HEAD a part. A server that does
    not tell parts leaves the sizes that the usual tools upload with. Empty: no layout of N parts is possible.
    """
    count = parts_of(head.etag)
    if not count or count > MAX_PARTS:
        return [], 0
    first = await _part(store, ref, 1)
    if first is None or first.part_size is None or first.parts_count != count:
        guess = guessed_layout(head.size, count)
        return ([guess] if guess else []), 1
    uniform = uniform_layout(head.size, first.part_size, count)
    if uniform is not None and count <= 2:
        return [uniform], 1  # two parts leave nothing to guess
    if uniform is not None:
        # The second part tells a regular layout from nearly every odd one before a byte is copied.
        second = await _part(store, ref, 2)
        if second is not None and second.part_size == first.part_size:
            return [uniform], 2
    sizes = [first.part_size]
    for number in range(2, count + 1):
        part = await _part(store, ref, number)
        if part is None or part.part_size is None:
            return [], number
        sizes.append(part.part_size)
    exact = sized_layout(head.size, sizes)
    return ([exact] if exact else []), count


async def _part(store: ObjectStore, ref: ObjectRef, number: int) -> ObjectHead | None:
    """HEAD of one part; None where the server does not know the parameter."""
    try:
        return await store.head_object(HeadObject(ref, part_number=number))
    except ObjectError:
        return None
