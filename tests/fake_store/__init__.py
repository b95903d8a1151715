"""One S3 in memory for every test that needs no server."""

from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import ObjectStore, StoreOf
from tests.fake_store.held import START_S, Held, md5
from tests.fake_store.store import FakeStore

__all__ = ["START_S", "FakeStore", "Held", "everywhere", "md5", "sites_of"]


def sites_of(store: ObjectStore, *, trusted: bool = False) -> Sites:
    """A plan's one site, whose store this is."""
    return Sites({"": Site("", "http://fake", store, KnownTraits(store, trusted=trusted))})


def everywhere(store: ObjectStore) -> StoreOf:
    """That store, whichever side is asked for."""
    return sites_of(store).store
