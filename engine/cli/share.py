"""`cartage share LOCATION`: a page of signed links, or a list of them."""

from __future__ import annotations

from pathlib import Path

from engine.api.share import share
from engine.cli.codes import ASIDE, DONE
from engine.cli.confirming import seconds
from engine.cli.invocation import Invocation
from engine.plan.locations import location_of
from engine.references.local_files import refuse_ours
from engine.report.share import share_lines


def share_command(
    invocation: Invocation,
    location: str,
    expires: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    output: Path | None,
    link_list: Path | None,
) -> None:
    expires_s = seconds("--expires", expires)
    for path in filter(None, (output, link_list)):
        refuse_ours(path)
    shared = invocation.run(
        lambda options, _: share(location, options, expires_s=expires_s, include=include, exclude=exclude)
    )
    page = None if link_list is not None and output is None else shared.write(output or _named_for(location))
    if link_list is not None:
        shared.write_links(link_list)
    invocation.say(share_lines(shared, page, link_list))
    written = {name: path for name, path in {"page": page, "links": link_list}.items() if path is not None}
    invocation.end(DONE if len(shared.linked) == len(shared.objects) else ASIDE, shared, **written)


def _named_for(location: str) -> Path:
    """After the last part of the location, in the working folder."""
    place = location_of(location)
    name = place.key.rstrip("/").rpartition("/")[2] or place.bucket
    return Path(f"{name.replace(':', '-') or 'shared'}.share.html")
