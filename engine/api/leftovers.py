"""What earlier runs left of files that they did not finish, in the folders of a plan's targets."""

from __future__ import annotations

from collections.abc import Iterable

from engine.events import Listener, Notice
from engine.plan.route import Route
from engine.sites.sites import Sites


async def tell_leftovers(opened: Sites, routes: Iterable[Route], listener: Listener, *, remove: bool) -> None:
    """Of what the listings of the targets met: removed, where `remove` says that no run is in want of it any more and
    it is safe; else named. It is no part of anything either way."""
    folders = opened.folders
    if folders is None:
        return
    for where in dict.fromkeys(route.target for route in routes if route.target.is_local and route.target.is_prefix):
        removed, left = await folders.sweep(where.bucket, where.key, remove=remove)
        if removed:
            files = "file that an earlier run had" if removed == 1 else "files that earlier runs had"
            listener(Notice("UnfinishedRemoved", f"{removed:,} {files} not finished removed from {where}"))
        if left:
            listener(
                Notice(
                    "UnfinishedLeft",
                    f"{len(left):,} not finished by earlier runs left in {where}, the first {left[0]}: a run that "
                    "leaves nothing undone removes what no process has open and was not written to for an hour",
                )
            )
