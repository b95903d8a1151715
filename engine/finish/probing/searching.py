"""Run in a process of its own: opens a USearch index and searches it for some of its own vectors.

An index is read by machine code that trusts it, so that a damaged one may end the process: then only this one ends.
Its answer is JSON, in the file that it is given second: {"rows": …, "dims": …, "misses": […]}, or {"missing": package},
or {"error": …}. Nothing of our own is imported here: the file is started by its path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TRIES = 3
FIRST = 10
_ROUNDING = 1e-6


def search(path: str) -> dict[str, Any]:
    """What the index at `path` holds, and which of the keys that were tried did not come back first.

    A vector that is no farther from the one that is looked for than that is from itself is as good: its equal, or any
    that the metric prefers (by inner product a longer one)."""
    from usearch.index import Index

    index = Index.restore(path, view=True)
    if index is None:
        return {"error": "it is no index"}
    count = len(index)
    misses = []
    for place in sorted({count * number // TRIES for number in range(TRIES)}) if count else ():
        key = int(index.keys[place])
        vector = index.get(key)
        vector = vector[0] if vector.ndim > 1 else vector
        found = index.search(vector, min(FIRST, count))
        itself = float(index.pairwise_distance(key, key))
        if not len(found) or (
            int(found.keys[0]) != key and float(found.distances[0]) > itself + _ROUNDING * max(1.0, abs(itself))
        ):
            misses.append(key)
    return {"rows": count, "dims": int(index.ndim), "misses": misses}


if __name__ == "__main__":
    try:
        said = search(sys.argv[1])
    except ModuleNotFoundError as error:
        said = {"missing": (error.name or "usearch").partition(".")[0]}
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    Path(sys.argv[2]).write_text(json.dumps(said))
