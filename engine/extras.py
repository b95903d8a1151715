"""What comes with an extra (`pip install 'cartage-s3[NAME]'`), and what is said where it is missing.

The base is what every command needs. What only some need is imported where it is used, so:

    with needs("report"):
        import plotly
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from engine.errors import ExtraMissing

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

DISTRIBUTION = "cartage-s3"


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import in it what the extra brings. Raises `ExtraMissing` where a package is not installed; a module of our own
    that is not there is a mistake, and stays one."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "engine"):
            raise
        raise ExtraMissing(package, extra, f"pip install '{DISTRIBUTION}[{extra}]'") from error


def loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """What makes event loops: uvloop, where it runs; None for Python's own."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], AbstractEventLoop] = uvloop.new_event_loop
    return factory
