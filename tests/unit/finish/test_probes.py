"""Probes: what they ask, what closes them, and that what could not be found out is never taken for good."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from engine.errors import AccessDenied, Ambiguous, BadCredentials, ListingBroken
from engine.finish import probes
from engine.finish.commands import KEPT_OUTPUT_BYTES, conceal, run_command
from engine.finish.probes import Commands, run_probe
from engine.finish.probing.answers import ProbeResult
from engine.model import Location, Page
from engine.plan.settings import CommandProbe, ExistsProbe, JsonProbe, MinObjectsProbe, NpyProbe, Probe
from engine.store import ListPage
from tests.fake_store import FakeStore
from tests.unit.finish.test_npy import npy

ARRAY = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}") + b"\0" * 24
REF = Location("b", "data/embeddings.npy")


async def ask(
    store: FakeStore, probe: Probe, *, allow_commands: bool = False, folder: Path | None = None
) -> ProbeResult:
    return await run_probe(store, probe, Commands(allow_commands, folder, (("CARTAGE_REGION", "us-east-2"),)))


async def test_an_array_of_the_shape_and_type_that_was_asked_for() -> None:
    store = FakeStore()
    store.put(f"s3://{REF.bucket}/{REF.key}", ARRAY)
    result = await ask(store, NpyProbe("the array", REF, (3, 2), "float32"))
    assert result.ok and "3 × 2 float32" in result.sentence
    ranges = [request for name, request in store.requests if name == "GetObject"]
    assert [(r.first, bool(r.if_match)) for r in ranges] == [(0, True)]


@pytest.mark.parametrize(
    ("body", "shape", "dtype", "why"),
    [
        (ARRAY, (2, 3), "", "its shape is [3, 2], not [2, 3]"),
        (ARRAY, None, "float64", "its type is float32, not float64"),
        (ARRAY[:-1], (3, 2), None, "its header asks for"),
        (ARRAY + b"\0", (3, 2), None, "its header asks for"),
        (b"not an array at all", None, "", "does not begin as an .npy file"),
        (b"", None, "", "only 0 bytes"),
    ],
)
async def test_an_array_that_is_not_what_was_asked_for(
    body: bytes, shape: tuple[int, ...] | None, dtype: str, why: str
) -> None:
    store = FakeStore()
    store.put(f"s3://{REF.bucket}/{REF.key}", body)
    result = await ask(store, NpyProbe("the array", REF, shape, dtype))
    assert not result.ok
    assert why in result.sentence


async def test_a_long_header_costs_a_second_request() -> None:
    fields = ", ".join(f"('field_{number:04}', '<f4')" for number in range(400))
    body = npy(f"{{'descr': [{fields}], 'fortran_order': False, 'shape': (1,)}}") + b"\0" * 1600
    store = FakeStore()
    store.put(f"s3://{REF.bucket}/{REF.key}", body)
    assert (await ask(store, NpyProbe("the array", REF, (1,)))).ok
    assert store.counts["GetObject"] == 2


@pytest.mark.parametrize(
    ("body", "items", "ok", "says"),
    [
        ({"a": 1, "b": 2}, 2, True, "2 items"),
        ([1, 2, 3], 2, False, "has 3 items, not 2"),
        ([], None, True, "0 items"),
        (5, None, True, "one int"),
        (5, 1, False, "not a list or object"),
    ],
)
async def test_json(body: object, items: int | None, ok: bool, says: str) -> None:
    store = FakeStore()
    store.put("s3://b/index.json", json.dumps(body).encode())
    result = await ask(store, JsonProbe("the index", Location("b", "index.json"), items))
    assert (result.ok, says in result.sentence) == (ok, True)


@pytest.mark.parametrize(("body", "says"), [(b"{", "not JSON"), (b"", "empty"), (b"[" * 100_000, "nested too deeply")])
async def test_what_is_no_json(body: bytes, says: str) -> None:
    store = FakeStore()
    store.put("s3://b/index.json", body)
    result = await ask(store, JsonProbe("the index", Location("b", "index.json")))
    assert not result.ok and says in result.sentence


async def test_json_too_large_for_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MAX_JSON_BYTES", 3)
    store = FakeStore()
    store.put("s3://b/index.json", b"[1, 2]")
    result = await ask(store, JsonProbe("the index", Location("b", "index.json")))
    assert not result.ok and store.counts["GetObject"] == 0


async def test_existence_and_a_minimum() -> None:
    store = FakeStore()
    for number in range(5):
        store.put(f"s3://b/images/{number}.png")
    store.put("s3://b/images/empty/", b"")
    store.page_keys = 2
    assert (await ask(store, ExistsProbe("it", Location("b", "images/0.png")))).ok
    assert not (await ask(store, ExistsProbe("it", Location("b", "images/9.png")))).ok
    assert (await ask(store, MinObjectsProbe("enough", Location("b", "images/"), 5))).ok
    assert (await ask(store, ExistsProbe("some", Location("b", "images/")))).ok
    assert not (await ask(store, ExistsProbe("none", Location("b", "texts/")))).ok
    result = await ask(store, MinObjectsProbe("enough", Location("b", "images/"), 6))
    assert not result.ok and "holds 5 objects, fewer than 6" in result.sentence


class Again(FakeStore):
    """Gives its first page again and again, and another token each time."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request._replace(token=None))
        return page._replace(next_token=f"{request.token or ''}+")


async def test_objects_that_are_listed_twice_are_not_counted_twice() -> None:
    store = Again()
    store.page_keys = 2
    for number in range(2):
        store.put(f"s3://b/images/{number}")
    with pytest.raises(ListingBroken, match="begins a page with what came before it"):
        await ask(store, MinObjectsProbe("enough", Location("b", "images/"), 3))


@pytest.mark.parametrize("error", [AccessDenied("no", operation="HeadObject"), Ambiguous("reset", operation="Head")])
async def test_what_could_not_be_found_out_is_not_ok(error: Exception) -> None:
    store = FakeStore()
    store.put("s3://b/a")
    store.plan("HeadObject", ("before", error), key="a")
    result = await ask(store, ExistsProbe("it", Location("b", "a")))
    assert not result.ok and "could not be found out" in result.sentence


async def test_what_stops_every_request_is_raised() -> None:
    store = FakeStore()
    store.plan("HeadObject", ("before", BadCredentials("expired", operation="HeadObject")), key="a")
    with pytest.raises(BadCredentials):
        await ask(store, ExistsProbe("it", Location("b", "a")))


# --- commands -------------------------------------------------------------------------------------------------------


def python(code: str, *arguments: str, limit_s: float = 60.0) -> CommandProbe:
    return CommandProbe("mine", sys.executable, ("-c", code, *arguments), Location("b", "index/"), limit_s)


async def test_a_command_is_not_run_unless_it_was_allowed(tmp_path: Path) -> None:
    probe = python(f"open({str(tmp_path / 'ran')!r}, 'w')")
    result = await ask(FakeStore(), probe)
    assert not result.ok and "--allow-commands" in result.sentence
    assert not (tmp_path / "ran").exists()


async def test_a_command_has_the_target_in_its_environment_and_the_plans_folder_under_it(tmp_path: Path) -> None:
    code = (
        "import os; print(os.environ['CARTAGE_TARGET'], os.environ['CARTAGE_BUCKET'], os.environ['CARTAGE_PREFIX'],"
        " os.environ['CARTAGE_REGION'], os.getcwd())"
    )
    result = await ask(FakeStore(), python(code), allow_commands=True, folder=tmp_path)
    assert result.ok
    assert f"s3://b/index/ b index/ us-east-2 {tmp_path.resolve()}" in result.sentence


async def test_no_shell_reads_its_words() -> None:
    code = "import sys; sys.exit(sys.argv[1:] != ['$HOME; echo *', '&&'])"
    assert (await ask(FakeStore(), python(code, "$HOME; echo *", "&&"), allow_commands=True)).ok


async def test_a_command_that_fails_is_not_ok_and_its_words_are_kept() -> None:
    result = await ask(FakeStore(), python("print('row 7 is wrong'); raise SystemExit(3)"), allow_commands=True)
    assert not result.ok and "ended with 3: row 7 is wrong" in result.sentence


async def test_a_command_that_hangs_is_stopped_at_its_limit() -> None:
    result = await ask(FakeStore(), python("import time; time.sleep(600)", limit_s=0.05), allow_commands=True)
    assert not result.ok and "took longer than 0.05 s and was stopped" in result.sentence


async def test_when_cancelled_a_command_goes_with_all_that_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, os, pathlib; path = pathlib.Path(sys.argv[1]);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "path.with_suffix('.new').write_text(str(child.pid)); path.with_suffix('.new').rename(path); child.wait()"
    )
    async with anyio.create_task_group() as group:
        group.start_soon(partial(run_command, [sys.executable, "-c", code, str(pid_file)], {}, limit_s=600))
        await wait_until(pid_file.exists)
        group.cancel_scope.cancel()
    pid = int(pid_file.read_text())
    await wait_until(lambda: not _runs(pid))


async def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if happened():
            return
        await anyio.sleep(0.01)
    raise AssertionError("it did not happen within 30 s")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Where no one reaps orphans, a dead one stays as a zombie.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_a_command_that_does_not_exist() -> None:
    probe = CommandProbe("mine", "no-such-program-anywhere")
    result = await ask(FakeStore(), probe, allow_commands=True)
    assert not result.ok and "could not be started" in result.sentence


async def test_only_the_end_of_a_long_output_is_kept() -> None:
    end = await run_command([sys.executable, "-c", "print('x' * 1_000_000 + 'END')"], {}, limit_s=60)
    assert end.code == 0 and end.output.endswith("END") and len(end.output) <= KEPT_OUTPUT_BYTES


async def test_secrets_of_the_environment_are_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very/secret+key=")
    code = "import os; print('key', os.environ['AWS_SECRET_ACCESS_KEY'])"
    result = await ask(FakeStore(), python(code), allow_commands=True)
    assert "very/secret+key=" not in result.sentence and "•••" in result.sentence


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert conceal("a\x1b[31mb\x07", {}) == "a [31mb"
    assert conceal("short", {"TOKEN": "short"}) == "short"  # too short to be struck out of every word
