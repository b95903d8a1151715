"""Whether the folders of routes lie apart, whatever they are called: asked of the file system before anything is done;
and whether a source and its target do.

A plan is refused where one path begins with another (`engine.plan.overlap`). What no path tells, a symbolic link, a
letter's case, a folder that is mounted a second time, is told by each folder's device and inode, and by those of all
that it lies in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.errors import PlanError, StoreError
from engine.folder.making import Identity
from engine.folder.mounts import is_mounted
from engine.folder.names import parts_of
from engine.folder.roots import Root
from engine.model import Location
from engine.plan.overlap import refuse_collisions
from engine.plan.route import Route


def refuse_nested(routes: Sequence[Route]) -> None:
    """Raise `PlanError` where a route between folders would copy its own copies, or a file onto itself, and where
    routes meet in a folder that they call by different names. Blocks."""
    found = [f'route "{route.name}": {why}' for route in routes if (why := _nested(route))]
    if found:
        raise PlanError(found)
    resolved = [replace(route, source=_resolved(route.source), target=_resolved(route.target)) for route in routes]
    if resolved != list(routes):
        # Which sites of S3 may be one server was asked when the plan was read, and is no question of folders.
        sites = {at.site for route in routes for at in (route.source, route.target)}
        refuse_collisions(resolved, {site: f"http://{number}.invalid" for number, site in enumerate(sorted(sites))})


def _nested(route: Route) -> str:
    source, target = route.source, route.target
    if not route.stays_here:
        return ""
    above_source, above_target = list(_above(source.bucket)), list(_above(target.bucket))
    are_one = above_source[:1] == above_target[:1] and Path(source.bucket).exists() and Path(target.bucket).exists()
    if not source.is_prefix:
        is_itself = are_one and _is_one_file(source, target)
        return f"{source} and {target} are one file by two names: it would copy it onto itself" if is_itself else ""
    if are_one:
        return f"{source} and {target} are one folder by two names: it would copy it onto itself"
    if above_source[0] in above_target and Path(source.bucket).exists():
        return f"its target {target} lies inside its source {source}, by another name: it would copy its own copies"
    if above_target[0] in above_source and Path(target.bucket).exists():
        return f"its source {source} lies inside its target {target}, by another name: originals and copies would mix"
    return ""


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is, or would be, in a folder, by whatever link or mount either is called. Blocks."""
    inner, outer = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    there = next(place for place in (outer, *outer.parents) if _identity(place) is not None)
    below = outer.relative_to(there).parts  # of the folder, yet to be made
    return any(
        _identity(place) == _identity(there) and inner.relative_to(place).parts[: len(below)] == below
        for place in (inner, *inner.parents)
    )


def _identity(place: Path) -> Identity | None:
    with suppress(OSError):
        status = place.stat()
        return status.st_dev, status.st_ino
    return None


def _above(path: str) -> Iterator[Identity]:
    """A folder, or the nearest one above it that is there, and all that it lies in."""
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            status = place.stat()
            yield status.st_dev, status.st_ino


def _is_one_file(source: Location, target: Location) -> bool:
    """Whether two names in one directory are one: the same, or another spelling on a file system that folds them."""
    if source.key == target.key:
        return True
    places = [Path(at.bucket, at.key) for at in (source, target)]
    with suppress(OSError):
        one, other = (place.lstat() for place in places)
        return os.path.samestat(one, other) and one.st_nlink == 1
    return False


def _resolved(at: Location) -> Location:
    """The same place without links in its path."""
    return replace(at, bucket=os.path.realpath(at.bucket)) if at.is_local else at


def is_one_file(source: tuple[Root, str], target: tuple[Root, str], *, follow: bool) -> bool:
    """Whether what stands for two keys, each below its folder, is one file by two names, so that to delete the source
    is to delete both: by a second mount, or, with `follow`, by a link in the target. Hard links are two files to that:
    each of their names keeps the bytes, unless it is a name that a file is mounted over. So is a link in the source,
    which is deleted as itself. Blocks."""
    try:
        place, status = _stands(*source, follow=False)  # as a delete has it
        other_place, other = _stands(*target, follow=follow)
        if not os.path.samestat(status, other):
            return False
        if other_place in (None, place) or status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
            return True
        return _is_mounted(*source, follow=False) or _is_mounted(*target, follow=follow)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, StoreError):
        return True  # nothing is deleted for the sake of what may not be looked at


def _is_mounted(root: Root, key: str, *, follow: bool) -> bool:
    *above, name = parts_of(key)
    with root.directory(above, follow=follow) as directory:
        return is_mounted(directory, name)


def _stands(root: Root, key: str, *, follow: bool) -> tuple[tuple[Identity, bytes] | None, os.stat_result]:
    """What stands for a key: its directory's identity and its name, None where that is a link that is followed; and
    the file."""
    *above, name = parts_of(key)
    with root.directory(above, follow=follow) as directory:
        within = os.fstat(directory)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if follow and stat.S_ISLNK(status.st_mode):
            return None, os.stat(name, dir_fd=directory)
        return ((within.st_dev, within.st_ino), name), status
