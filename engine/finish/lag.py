"""What is done at one of two servers may show at the other a while later: zones that keep one bucket alike hand on what
is written and what is deleted."""

from __future__ import annotations

import anyio

LAG_S = 5.0
"""So long is waited for that. What is handed on later is not seen."""


async def wait_out() -> None:
    """Wait until what was done just now would show."""
    await anyio.sleep(LAG_S)
