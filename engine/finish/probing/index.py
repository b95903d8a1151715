"""A vector index: what its header says, by range requests, and whether it finds its own vectors."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import ExtraMissing
from engine.extras import DISTRIBUTION
from engine.finish.commands import read_apart
from engine.finish.probing import searching
from engine.finish.probing.answers import ProbeResult, judged
from engine.finish.probing.laying import laid_down
from engine.finish.probing.ranges import PIECE_BYTES, Pinned, pinned
from engine.finish.probing.usearch import (
    FIRST_BYTES,
    GRAPH_BYTES,
    HEAD_BYTES,
    LEVEL_BYTES,
    Graph,
    NotUsearch,
    parse_head,
    places,
)
from engine.model import GIB, MIB
from engine.plan.settings import VECTOR_TYPES, UsearchProbe
from engine.store import ObjectStore

MAX_LEVELS_BYTES = 64 * MIB
"""Of an index of more nodes than these are the levels of, only the least length is known."""
SEARCH_S = 120
SEARCH_S_PER_GIB = 60


async def ask_usearch(store: ObjectStore, probe: UsearchProbe) -> ProbeResult:
    """The header; and where nothing is wrong with it, the search. Raises `ExtraMissing` where the plan asks for a
    search and USearch is not installed."""
    found = await pinned(store, probe.at)
    try:
        graph = await _graph(found)
    except NotUsearch as error:
        return ProbeResult(probe.name, False, "no index", f"{probe.at} cannot be read as a USearch index: {error}")
    result = judge_usearch(probe, graph)
    if not result.ok or probe.search is False or not graph.rows:
        return result
    return await _searched(found, probe, graph, result)


async def _graph(found: Pinned) -> Graph:
    """Read and hold against the object's length. Raises NotUsearch."""
    refusal = NotUsearch("it is no index")
    for place in places(await found.read(0, FIRST_BYTES), found.size):
        try:
            graph = parse_head(await found.read(place.head_at, HEAD_BYTES + GRAPH_BYTES), place)
            break
        except NotUsearch as error:
            refusal = error
    else:
        raise refusal
    if found.size < graph.least_bytes:
        raise NotUsearch(f"it has {found.size:,} bytes where its header asks for {graph.least_bytes:,} or more")
    if graph.nodes * LEVEL_BYTES > MAX_LEVELS_BYTES:
        return graph
    levels = bytearray()
    while missing := graph.nodes * LEVEL_BYTES - len(levels):
        levels += await found.read(graph.levels_at + len(levels), min(missing, PIECE_BYTES))
    total = graph.total_bytes(bytes(levels))
    if found.size != total:
        raise NotUsearch(f"it has {found.size:,} bytes where its header asks for {total:,}")
    return graph


def judge_usearch(probe: UsearchProbe, graph: Graph) -> ProbeResult:
    """Whether a header is what the probe asks for."""
    found = f"{graph.rows} rows × {graph.dims} {graph.scalar}, {graph.metric}"
    wrong = []
    if probe.rows is not None and graph.rows != probe.rows:
        wrong.append(f"it has {graph.rows:,} vectors, not {probe.rows:,}")
    if probe.dims is not None and graph.dims != probe.dims:
        wrong.append(f"its vectors have {graph.dims:,} dimensions, not {probe.dims:,}")
    if probe.metric and graph.metric != probe.metric:
        wrong.append(f"its metric is {graph.metric}, not {probe.metric}")
    if probe.dtype and VECTOR_TYPES[probe.dtype] != graph.scalar:
        wrong.append(f"its type is {graph.scalar}, not {probe.dtype}")
    holds = f"is an index of {graph.rows:,} vectors of {graph.dims:,} × {graph.scalar}, compared by {graph.metric}"
    return judged(probe.name, probe.at, found, wrong, holds, graph.rows, graph.dims)


async def _searched(found: Pinned, probe: UsearchProbe, graph: Graph, result: ProbeResult) -> ProbeResult:
    """The same result once the index was opened and searched; it stays what it was where nobody asked for that and
    USearch is not there, and says so."""
    if not probe.search and find_spec("usearch") is None:
        return result._replace(sentence=f"{result.sentence}; not opened: {_missing('usearch')}")
    with laid_down("; search = false in the probe does without") as folder:
        if shutil.disk_usage(folder).free < found.size:
            said = f"it was not opened: {folder} has no room for its {found.size:,} bytes"
        else:
            path = folder / "index"
            await found.save(path)
            said = await _opened(path, graph)
    if said:
        return result._replace(ok=False, sentence=f"{result.sentence}, but {said}")
    return result._replace(sentence=f"{result.sentence}; searched for vectors of its own, it finds them first")


async def _opened(path: Path, graph: Graph) -> str:
    """What is wrong with an index that lies at `path` once it is opened and searched; empty where nothing is."""
    limit_s = SEARCH_S + SEARCH_S_PER_GIB * graph.least_bytes / GIB
    end, said = await read_apart(searching.__file__, path, limit_s=limit_s)
    if end.code is None:
        return end.failure or f"it was not opened and searched within {limit_s:.0f} s"
    if end.code != 0:
        return f"the program that opened it ended with {end.code}, as it does where an index is damaged"
    return judge_search(said, graph)


def _missing(package: str) -> str:
    return str(ExtraMissing(package, "usearch", f"pip install '{DISTRIBUTION}[usearch]'"))


def judge_search(said: dict[str, Any], graph: Graph) -> str:
    """What is wrong with an index by what its search printed; empty where nothing is."""
    if "missing" in said:
        return f"it was not opened: {_missing(str(said['missing']))}"
    if "error" in said:
        return f"it cannot be opened: {said['error']}"
    if (said["rows"], said["dims"]) != (graph.rows, graph.dims):
        return f"once opened it has {said['rows']:,} vectors of {said['dims']:,} dimensions"
    if said["misses"]:
        keys = ", ".join(map(str, said["misses"]))
        return f"searched for its own vectors it does not find them first (keys {keys})"
    return ""
