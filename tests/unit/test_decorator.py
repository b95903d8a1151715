"""What is put around a store costs nothing where it does nothing."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from engine import store
from engine.decorator import Method, StoreDecorator
from engine.model import ObjectHead, ObjectRef
from engine.store import Answered, Asked
from tests.fake_store import FakeStore

HEAD = store.HeadObject(ObjectRef("bkt", "a"))


class Noting(StoreDecorator):
    """Notes every request."""

    def __init__(self, inner: store.ObjectStore) -> None:
        super().__init__(inner)
        self.asked: list[object] = []

    def _call(self, method: Method[Asked, Answered], request: Asked) -> Coroutine[Any, Any, Answered]:
        self.asked.append(request)
        return super()._call(method, request)


class Beheading(StoreDecorator):
    """Does something with HEAD alone."""

    async def head_object(self, request: store.HeadObject) -> ObjectHead:
        return (await super().head_object(request))._replace(etag="none")


async def test_a_layer_that_does_nothing_with_a_request_is_not_passed_through() -> None:
    inner = FakeStore()
    layers = Beheading(Beheading(inner))
    assert layers.copy_object == inner.copy_object
    assert layers.head_object != inner.head_object


async def test_what_lies_below_such_a_layer_is_asked_all_the_same() -> None:
    inner = FakeStore()
    inner.put("s3://bkt/a", b"bytes")
    noting = Noting(inner)
    assert (await Beheading(noting).head_object(HEAD)).etag == "none"
    await StoreDecorator(StoreDecorator(noting)).head_object(HEAD)
    assert noting.asked == [HEAD, HEAD]
