"""A run whose state is in S3: what is said to be next goes to the same state, and what it needs is said."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from engine.api.commands import command, kept_at, what_is_not_done
from engine.api.options import Options
from engine.cli.invocation import Invocation
from engine.plan.document import Plan
from engine.sandbox import Sandbox
from tests.cli.commands import Terminal, write_plan
from tests.servers import Endpoint

TEXT = """
name = "p"
bucket = "bucket"
[[routes]]
name = "r"
from = "/old/"
to = "/new/"
"""


def test_the_next_command_has_the_state_that_this_one_had() -> None:
    options = Options(state="s3://state/runs/")
    plan = Invocation("run", options, json=False, quiet=True, progress=None).named(Plan.parse(TEXT, "p.toml"))
    assert command(plan, None, "verify") == "cartage verify p.toml --state s3://state/runs/"


def test_what_is_not_done_is_listed_where_its_rows_are() -> None:
    state, plan, ledger = "s3://state/runs/", Plan.parse(TEXT, "p.toml"), Path("p.ledger")
    in_state = what_is_not_done(kept_at(plan, state), ledger, state)
    assert in_state == "cartage status p.toml --failed --state s3://state/runs/"
    assert what_is_not_done(plan, ledger, None) == "cartage status --ledger p.ledger --failed"


def test_a_plan_says_what_its_state_has_to_be_allowed(terminal: Terminal, sandbox: Endpoint) -> None:
    terminal.on(sandbox)
    sandbox.emptied("stated").put_object(Bucket="stated", Key="old/a", Body=b"a")
    plan = write_plan(terminal.folder, "stated")
    of_state = {"s3:DeleteObject", "s3:GetLifecycleConfiguration"}
    alone = set(terminal.call("plan", plan, "--ledger", "alone.ledger", "--json").summary["actions"])
    kept = ("--state", "s3://stated/state/")
    with_state = set(terminal.call("plan", plan, *kept, "--json").summary["actions"])
    assert with_state - alone == of_state
    policy = terminal.call("plan", plan, *kept, "--policy", "run", "--json").summary["policy"]
    assert with_state == {action for statement in policy["Statement"] for action in statement["Action"]}
    [line] = [it for it in terminal.call("plan", plan, *kept).out.splitlines() if it.startswith("needs")]
    assert "s3:DeleteObject" in line


def test_what_is_refused_for_a_missing_bucket_leaves_no_ledger(terminal: Terminal, sandbox: Endpoint) -> None:
    terminal.on(sandbox)
    sandbox.emptied("stated")
    plan = write_plan(terminal.folder, "stated", source="s3://not-there/old/")
    before = sorted(terminal.folder.iterdir())
    for verb in ("verify", "status", "plan"):
        ended = terminal.call(verb, plan, "--state", "s3://stated/state/")
        assert ended.code not in (0, 3), ended.out
        assert sorted(terminal.folder.iterdir()) == before, verb


def test_what_finds_nothing_carried_leaves_no_ledger_here_nor_there(terminal: Terminal, sandbox: Endpoint) -> None:
    terminal.on(sandbox)
    client = sandbox.emptied("stated")
    client.put_object(Bucket="stated", Key="old/a", Body=b"a")
    plan = write_plan(terminal.folder, "stated")
    before = sorted(terminal.folder.iterdir())
    accept = ("accept", "lost", "--found", "1", "--because", "it is")
    for verb, *more in (accept, ("verify",), ("cleanup",), ("revert",), ("receipt",), ("status",)):
        ended = terminal.call(verb, plan, *more, "--state", "s3://stated/state/")
        assert ended.code == terminal.call(verb, plan, *more).code, (verb, ended.err)
        assert "nothing was carried yet with --state s3://stated/state/" in ended.err, (verb, ended.err)
        assert sorted(terminal.folder.iterdir()) == before, verb
        assert [item["Key"] for item in client.list_objects_v2(Bucket="stated")["Contents"]] == ["old/a"], verb


def test_a_state_that_never_answers_holds_nobody_who_asks_to_leave_three_times(
    terminal: Terminal, server: Sandbox
) -> None:
    """What was told a journal and not answered is committed to its end, whoever is cancelled: without an answer that
    would be for ever."""
    terminal.on(Endpoint.of(server))
    server.control("fill", {"bucket": "stated", "prefix": "old/", "count": 20, "size": 9})
    plan = write_plan(terminal.folder, "stated")
    kept = ("--state", "s3://stated/state/")
    stuck = {"kind": "503", "operation": "PutObject", "every": 1, "key": "shards/000001/000000000001"}
    server.control("settings", {"faults": [stuck]})
    with terminal.start("run", plan, *kept, "--json") as process:
        while not server.control("fault_log")["log"]:
            assert process.poll() is None
        for _ in range(100):  # one is taken at a time, and the last of them is for whoever takes none any more
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
                break
        out, err = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out.splitlines()[-1])["interrupted"]) == (130, True), err
    assert "run the same command again to resume" in err
    server.control("settings", {"faults": []})
    assert terminal.call("run", plan, *kept, "--json").summary["complete"] is True
