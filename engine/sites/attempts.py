"""What becomes of a request that a server is tried by: done, held back by its condition, refused, or not known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from engine.errors import AttemptError, NotFound, ObjectError, PreconditionFailed, Rejected, Unsupported
from engine.sites.own import ATTEMPTS
from engine.sites.paging import TRIALS
from engine.sites.traits import Answer

Result = TypeVar("Result")


class Met(Enum):
    """What became of a request that bears a condition."""

    DONE = "done"
    UNMET = "412"
    REFUSED = "501, 400 and the like"
    OPEN = "denied, or not known"


def judged(right: Met, wrong: Met) -> Answer:
    """What a request that meets its condition, and one that does not, say together."""
    if right in (Met.UNMET, Met.REFUSED) or wrong is Met.REFUSED:
        return Answer.REFUSED
    if wrong is Met.DONE:
        return Answer.NO
    return Answer.YES if (right, wrong) == (Met.DONE, Met.UNMET) else Answer.UNKNOWN


async def attempted(attempt: Callable[[], Awaitable[Result]], times: int = ATTEMPTS) -> tuple[Met, Result | None]:
    """Send a request, again while its outcome is not known; what became of it, and the answer where it was done."""
    for _ in range(times):
        try:
            return Met.DONE, await attempt()
        except PreconditionFailed:
            return Met.UNMET, None
        except (Unsupported, Rejected, NotFound):
            return Met.REFUSED, None
        except AttemptError:
            continue
        except ObjectError:
            return Met.OPEN, None
    return Met.OPEN, None


async def met_by(attempt: Callable[[], Awaitable[object]], times: int = ATTEMPTS) -> Met:
    return (await attempted(attempt, times))[0]


async def let(attempt: Callable[[], Awaitable[Met]]) -> Met:
    """What becomes of a request that meets its condition: one 412 to it is no server's habit."""
    for _ in range(TRIALS - 1):
        if (met := await attempt()) is not Met.UNMET:
            return met
    return await attempt()


async def both(right: Callable[[], Awaitable[object]], wrong: Callable[[], Awaitable[object]]) -> Answer:
    """`judged`, of a request that meets its condition and one that does not."""
    return judged(await let(lambda: met_by(right)), await met_by(wrong))
