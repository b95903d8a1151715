"""One file or key, copied: below a target that ends with a slash, by its own name; else to exactly what is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.commands import Ended, Terminal
from tests.servers import Endpoint

BUCKET = "one-key"


@pytest.fixture
def client(sandbox: Endpoint, terminal: Terminal) -> Any:
    terminal.on(sandbox)
    client = sandbox.emptied(BUCKET)
    client.put_object(Bucket=BUCKET, Key="p/a.txt", Body=b"far")
    client.put_object(Bucket=BUCKET, Key="p/..", Body=b"up")
    (terminal.folder / "a.txt").write_bytes(b"near")
    (terminal.folder / "sub").mkdir()
    return client


def copied(terminal: Terminal, source: str, target: str) -> Ended:
    ended = terminal.call("cp", source, target, "--yes", "--ledger", "one.ledger")
    assert ended.code == 0, ended.err
    assert terminal.call("verify", "--ledger", "one.ledger").code == 0
    return ended


@pytest.mark.parametrize(
    ("source", "target", "stands"),
    [
        (f"s3://{BUCKET}/p/a.txt", "./new/", "new/a.txt"),
        (f"s3://{BUCKET}/p/a.txt", ".", "a.txt"),
        (f"s3://{BUCKET}/p/a.txt", "./sub/other", "sub/other"),
        ("./a.txt", "./sub/", "sub/a.txt"),
        ("./a.txt", f"s3://{BUCKET}/up/", "s3://up/a.txt"),
        ("./a.txt", f"s3://{BUCKET}", "s3://a.txt"),
        (f"s3://{BUCKET}/p/a.txt", f"s3://{BUCKET}/q/", "s3://q/a.txt"),
    ],
)
def test_one_key_goes_below_a_place_that_ends_with_a_slash(
    terminal: Terminal, client: Any, source: str, target: str, stands: str
) -> None:
    if target == ".":
        (terminal.folder / "a.txt").unlink()
    copied(terminal, source, target)
    bytes_there = b"far" if source.startswith("s3://") else b"near"
    if stands.startswith("s3://"):
        assert client.get_object(Bucket=BUCKET, Key=stands[5:])["Body"].read() == bytes_there
        client.delete_object(Bucket=BUCKET, Key=stands[5:])
    else:
        assert (terminal.folder / stands).read_bytes() == bytes_there


def test_a_key_whose_name_leads_elsewhere_is_refused(terminal: Terminal, client: Any) -> None:
    ended = terminal.call("cp", f"s3://{BUCKET}/p/..", "./sub/", "--yes")
    assert ended.code == 2 and "one exact key" in ended.err


def test_a_folder_in_the_place_of_a_file_is_said_before_anything_is_done(terminal: Terminal, client: Any) -> None:
    """No exclude and no second run would help one key."""
    ended = terminal.call("cp", "./a.txt", "./sub")
    assert ended.code == 2
    assert ended.err == (
        "cartage cp: What was asked for has one problem:\n"
        "  - ./sub is a folder, and no file can take its place: write ./sub/a.txt\n"
    )
    assert not list(terminal.folder.glob("*.ledger"))


def test_it_is_no_rule_of_sync_and_of_plans(terminal: Terminal, client: Any) -> None:
    ended = terminal.call("sync", "./a.txt", "./sub/")
    assert ended.code == 2 and 'write "./sub/a.txt"' in ended.err
    plan = terminal.folder / "plan.toml"
    plan.write_text(f'bucket = "{BUCKET}"\n\n[[routes]]\nname = "r"\nfrom = "/p/a.txt"\nto = "/q/"\n')
    ended = terminal.call("plan", plan)
    assert ended.code == 2 and 'write "/q/a.txt"' in ended.err


def test_a_file_url_without_an_absolute_path_is_told_how_to_be_written(terminal: Terminal, client: Any) -> None:
    ended = terminal.call("cp", "file://sub/", f"s3://{BUCKET}/x/")
    assert ended.code == 2
    assert "write file:///path/sub/, or ./sub/ for one from here" in ended.err
    assert "or ./a.txt for a local path" in terminal.call("cp", f"s3://{BUCKET}/p/a.txt", "a.txt").err


def test_of_one_key_whose_name_cannot_be_made_no_other_run_is_advised(terminal: Terminal, client: Any) -> None:
    ended = terminal.call("cp", "./a.txt", f"./{'x' * 300}", "--yes")
    assert ended.code == 3
    assert "not done: 1 failed\neach with its reason: cartage status --failed" in ended.out
    assert "run again" not in ended.out and "or leave it out" not in ended.err
