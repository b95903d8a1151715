"""One S3 in memory for every test that needs no server."""

from tests.fake_store.held import START_S, Held, md5
from tests.fake_store.store import FakeStore

__all__ = ["START_S", "FakeStore", "Held", "md5"]
