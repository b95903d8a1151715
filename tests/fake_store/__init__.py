"""One S3 in memory for every test that needs no server."""

from engine.model import Location
from engine.store import ObjectStore, StoreOf
from tests.fake_store.held import START_S, Held, md5
from tests.fake_store.store import FakeStore

__all__ = ["START_S", "FakeStore", "Held", "everywhere", "md5"]


def everywhere(store: ObjectStore) -> StoreOf:
    """Whatever the location: that store."""

    def store_of(where: Location) -> ObjectStore:
        return store

    return store_of
