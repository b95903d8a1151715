"""`cartage --version`: what a report of a fault needs to say."""

from __future__ import annotations

import platform
import re
import sqlite3
from importlib import metadata

from engine.extras import DISTRIBUTION
from engine.s3.trust import openssl_version
from engine.version import __version__

MATTER = ("botocore", "httptools", "uvloop", "click", "rich")
"""Packages of the base by which Cartage behaves otherwise."""
OF_DEVELOPERS = {"all", "dev", "docs"}


def versions() -> str:
    """A line for Cartage, what it runs on, the packages that matter, and each extra: its packages, or that it is not
    installed."""
    lines = [
        f"cartage, version {__version__}",
        f"python {platform.python_version()} ({platform.python_implementation()}), sqlite {sqlite3.sqlite_version}, "
        f"openssl {openssl_version()}",
        platform.platform(),
        ", ".join(f"{name} {_version(name) or 'not installed'}" for name in MATTER),
    ]
    for extra, packages in sorted(_extras().items()):
        found = [f"{name} {version}" for name in packages if (version := _version(name))]
        whole = len(found) == len(packages)
        lines.append(f"[{extra}] {', '.join(found) if whole else 'not installed'}")
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> dict[str, list[str]]:
    """The packages that each extra brings by itself, as the distribution says; empty where it is not installed as one,
    but run from its source."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in required:  # "pyarrow>=15; extra == 'parquet'"
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name is not None and extra is not None and extra[1] not in OF_DEVELOPERS and name[0] != DISTRIBUTION:
            found.setdefault(extra[1], []).append(name[0])
    return found
