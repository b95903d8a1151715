"""What lies in a folder and cannot be an object is said, and nothing is concluded from its absence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.options import Options
from engine.api.plan import survey
from engine.api.run import migrate
from engine.api.verify import verify
from engine.listing.unlisted import UnlistedThings, told
from engine.model import Unlisted
from engine.plan.document import Plan
from engine.proof.judge import Kind
from tests.servers import Endpoint

BUCKET = "unlisted-target"


@pytest.fixture(autouse=True)
def client(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return sandbox.emptied(BUCKET)


async def test_what_became_a_link_is_not_gone_and_is_a_difference(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "d").mkdir(parents=True)
    for name in ("a", "d/x", "d.txt"):
        (folder / name).write_bytes(b"x")
    plan = Plan.of(f"{folder}/", f"s3://{BUCKET}/p/", name="up", folder=tmp_path)
    options = Options(ledger=tmp_path / "up.ledger")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees
    (folder / "d").rename(tmp_path / "elsewhere")
    (folder / "d").symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        again = await migrate(plan, options)
        assert ([item.key for item in again.unlisted], again.aside, again.complete) == (["d"], {}, False)
    found = await verify(plan, options)
    assert [(item.key, item.kind) for item in found.differences] == [("d", Kind.UNREAD)]
    (folder / "d").unlink()
    (tmp_path / "elsewhere").rename(folder / "d")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees


def test_nothing_below_what_is_unlisted_is_judged() -> None:
    met = UnlistedThings()
    things = [("cycle/", Unlisted("p/cycle/", "LinkCycle", "a cycle")), ("d", Unlisted("p/d", "Link", "a link"))]
    met.add(met.reading(None), things)
    assert all(met.covers(key) for key in ("d", "d/", "d/x", "d/x/y", "cycle/", "cycle/x"))
    assert not any(met.covers(key) for key in ("d.txt", "de", "c/d", "cycle.txt"))


def test_one_listing_that_is_read_piece_by_piece_is_counted_once() -> None:
    one, other = UnlistedThings(), UnlistedThings()
    for met, key in ((one, "a"), (other, "b")):
        met.add(met.reading(None), [(key, Unlisted(key, "Link", "a link"))])
    found = told([("r", one), ("s", other), ("r", one)])
    assert (found.count, [(item.route, item.key) for item in found.named]) == (2, [("r", "a"), ("s", "b")])


@pytest.mark.parametrize("kind", ["link", "pipe", "directory-link"])
async def test_what_is_in_the_way_in_a_target_is_called_that_and_nothing_else(
    kind: str, client: Any, tmp_path: Path
) -> None:
    for key in ("p/a", "p/d/x", "p/d/y"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    folder = tmp_path / "clone"
    plan = Plan.of(f"s3://{BUCKET}/p/", f"{folder}/", name="down", folder=tmp_path)
    options = Options(ledger=tmp_path / "down.ledger")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees
    taken = folder / ("d" if kind == "directory-link" else "a")
    taken.rename(tmp_path / "elsewhere")
    os.mkfifo(taken) if kind == "pipe" else taken.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        found = await verify(plan, options)
        assert [(item.key, item.kind) for item in found.differences] == [(taken.name, Kind.UNREAD)]
    survey_of = await survey(plan, options)
    assert survey_of.routes[0].conflicting == (2 if kind == "directory-link" else 1)
    again = await migrate(plan, options)
    assert sum(again.aside.values()) == survey_of.routes[0].conflicting and not again.complete
    assert taken.is_symlink() or taken.is_fifo()
    taken.unlink()
    (tmp_path / "elsewhere").rename(taken)
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees


async def test_the_gate_stays_closed_and_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    plan = Plan.of(f"{folder}/", f"s3://{BUCKET}/p/", name="up", folder=tmp_path)
    options = Options(ledger=tmp_path / "up.ledger")
    assert (await migrate(plan, options)).complete
    (folder / "link").symlink_to("a")
    gate = await cleanup(plan, options)
    assert not gate.open
    assert any("'link'" in reason.sentence for reason in gate.reasons if not reason.open)
