"""`-v`, `-vv` and `--log-file`: one line an event, a request with what became of it, and never a credential."""

from __future__ import annotations

import logging
import re
import stat
from pathlib import Path

import pytest

from engine.logs import LOG, destination, requests_are_logged
from engine.s3.boto_store import BotoStore
from engine.s3.logged import LoggedStore
from engine.s3.wire_store import WireStore
from engine.sites.opening import _logged
from tests.cli.canned import Asked, Listing, Refusal, answering, holding
from tests.cli.commands import SECRET, TOKEN, Terminal, write_plan
from tests.cli.finish_scene import Scene
from tests.cli.test_secrets import ACCESS_KEY
from tests.servers import Endpoint

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) (\w+)( \w+=(\S+|\".*\"))*\Z")
HIDDEN = (SECRET, TOKEN, ACCESS_KEY, "AWS4-HMAC-SHA256", "X-Amz-Signature", "x-amz-security-token", "Authorization")


def lines_of(text: str) -> list[str]:
    found = text.splitlines()
    assert [line for line in found if not LINE.match(line)] == []
    return found


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_each_request_is_a_line_with_what_became_of_it(
    sandbox: Endpoint, tmp_path: Path, terminal: Terminal, store: str
) -> None:
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    ended = terminal.call("ls", f"s3://{scene.bucket}/data/raw/", "-vv", "--log-file", "a.log", "--store", store)
    assert ended.code == 0 and ended.err == ""
    began, site, request, over = lines_of((tmp_path / "a.log").read_text())
    assert " INFO began command=ls version=" in began and f"endpoint={sandbox.url}" in site
    told = rf"DEBUG request operation=ListObjectsV2 bucket={scene.bucket} (key=\S+ )?status=200 request_id=\S+ ms="
    assert re.search(told, request)
    assert " INFO ended command=ls exit_code=0 seconds=" in over


def test_a_file_is_its_owners_alone_and_appended_to(terminal: Terminal) -> None:
    terminal.call("status", "--log-file", "a.log")
    first = (terminal.folder / "a.log").read_text()
    terminal.call("status", "-v", "--log-file", "a.log")
    assert stat.S_IMODE((terminal.folder / "a.log").stat().st_mode) == 0o600
    assert (terminal.folder / "a.log").read_text().startswith(first)
    told = [line.split(" ", 2)[2] for line in lines_of(first)]
    assert told[0].startswith("began command=status") and "exit_code=2" in told[-1]
    assert told[1].startswith('error error=UsageError message="there is no ledger here')


def test_without_a_file_lines_go_to_stderr_and_no_bar_between_them(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    with answering(holding("old/a")) as server:
        terminal.at(server.url)
        ended = terminal.call("plan", plan, "-v")
        assert ended.code == 0
        lines = lines_of(ended.err)
        assert not any(" request " in line for line in lines), "those are for -vv"
        terminal.set(CARTAGE_VERBOSE="2")
        assert any(" request " in line for line in lines_of(terminal.call("plan", plan).err))


def test_what_is_set_aside_and_noticed_is_logged(terminal: Terminal) -> None:
    def answer(asked: Asked) -> Refusal | Listing:
        if asked.key:
            return Refusal(403, "AccessDenied", f"Access Denied with {NASTY}")
        return Listing(("old/a%0Ab",)) if asked.prefix == "old/" else Listing()

    with answering(answer) as server:
        terminal.at(server.url)
        assert terminal.call("run", write_plan(terminal.folder), "--yes", "--log-file", "a.log").code == 3
    lines = lines_of((terminal.folder / "a.log").read_text())
    (aside,) = [line for line in lines if " WARNING object " in line]
    assert r'key="a\nb"' in aside and "state=failed code=403" in aside
    assert any(" INFO snapshot route=raw objects=1" in line for line in lines)
    assert any(" INFO progress " in line for line in lines)


NASTY = '\x1b[31mred\x1b[0m and a quote "'


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize("code", ["", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "ExpiredToken"])
def test_no_credential_signature_or_token_is_logged(
    terminal: Terminal, capfd: pytest.CaptureFixture[str], store: str, code: str
) -> None:
    """Also where others have turned on everything that they log."""
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    try:
        with answering(Refusal(403, code, "no") if code else Listing(("old/a",))) as server:
            terminal.at(server.url)
            for words in (["check", "s3://bucket/old/"], ["ls", "s3://bucket/old/"], ["cp", "s3://bucket/a", "./a"]):
                ended = terminal.call(*words, "-vv", "--store", store, "--give-up-after", "0.1")
                filed = terminal.call(*words, "-vv", "--log-file", "a.log", "--store", store, "--give-up-after", "0.1")
                everything = ended.out + ended.err + filed.out + filed.err + (terminal.folder / "a.log").read_text()
                assert " request " in ended.err
                assert [hidden for hidden in HIDDEN if hidden.lower() in everything.lower()] == []
    finally:
        logging.getLogger("botocore").setLevel(logging.NOTSET)


def test_other_processes_of_a_run_log_to_the_same_place(sandbox: Endpoint, tmp_path: Path, terminal: Terminal) -> None:
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    ended = terminal.call("run", scene.plan, "--yes", "--processes", "2", "-vv", "--log-file", "a.log")
    assert ended.code == 0, ended.err
    lines = lines_of((tmp_path / "a.log").read_text())
    assert sum(" operation=CopyObject " in line and " status=200 " in line for line in lines) >= 6
    assert [line.split()[2] for line in (lines[0], lines[-1])] == ["began", "ended"]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("nowhere/a.log", "No such file or directory"),
        ("link.log", "it is a link, and nothing is written through one"),
        (".", "is a directory"),
    ],
)
def test_a_log_that_cannot_be_written_is_said_before_anything_is_done(terminal: Terminal, file: str, why: str) -> None:
    (terminal.folder / "other").write_text("")
    (terminal.folder / "link.log").symlink_to("other")
    ended = terminal.call("ls", "s3://bucket/", "--log-file", file)
    assert ended.code == 2 and why in ended.err
    assert (terminal.folder / "other").read_text() == ""


def test_a_disk_that_is_full_stops_nothing(terminal: Terminal) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with answering(Listing(("old/a",))) as server:
        terminal.at(server.url)
        ended = terminal.call("ls", "s3://bucket/old/", "--log-file", full)
    assert ended.code == 0 and "old/a" in ended.out
    assert "the log lacks lines: No space left on device" in ended.err


def test_off_it_costs_a_request_nothing() -> None:
    """Another class is opened where requests are logged: the plain one has no line for it."""
    assert destination() is None and not requests_are_logged()
    assert (_logged(WireStore), _logged(BotoStore)) == (WireStore, BotoStore)
    level = LOG.level
    LOG.setLevel(logging.DEBUG)
    try:
        assert issubclass(_logged(WireStore), LoggedStore) and issubclass(_logged(BotoStore), LoggedStore)
    finally:
        LOG.setLevel(level)
