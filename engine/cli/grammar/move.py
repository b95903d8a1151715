"""A move, day by day: the commands that work on a plan and change something."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.grammar.choices import complete_acceptable, complete_accepted, complete_figures, complete_sites
from engine.cli.grammar.shared import (
    ALLOW_COMMANDS,
    ALLOW_EMPTY,
    ASSUME,
    COPYING,
    DELETING,
    EVERYWHERE,
    METRICS,
    NEW_FILE,
    PLAN_FILE,
    REPORT,
    UNGUARDED,
    YES_TO_COPY,
    confirm,
    plan_file,
)
from engine.cli.grammar.words import SAFETY, SPEED, WHAT, Example, Flag, Place, Setting, Switch, Verb

POLICIES = ("list", "plan", "restore", "run", "verify", "cleanup", "rewrite", "revert")
WRITES_PER_S = 3500.0  # as engine.plan.estimate has it, which help does not load

_UNDO = Switch("--undo", "Put back what was there before.", SAFETY)


def _bare_deep(words: list[str]) -> list[str]:
    """Lets `--deep` stand alone: click would take the word after it for its value, which is the plan's file."""
    return ["--deep=all" if word == "--deep" else word for word in words]


init = Verb(
    "init",
    "Write a commented plan to FILE (plan.toml), which must not exist yet.",
    Place("file", type=PLAN_FILE, default="plan.toml"),
    examples=[Example("cartage init plan.toml", "then put your locations in it")],
    bare=True,
)
plan = Verb(
    "plan",
    """List source and target of every route in FILE and show, per route and in total, what a run would do, what is
    expected against what is found, requests, cost, time floor and the IAM actions needed.""",
    plan_file(),
    Flag(
        "--max-rps N",
        "Requests a second that the time floor is reckoned with.",
        type=click.FloatRange(min=0.1),
        default=WRITES_PER_S,
        show_default=True,
    ),
    Switch(
        "--probe",
        "Also try which of S3's conditions the server honours, on small objects of our own under the targets.",
    ),
    Flag(
        "--policy COMMAND",
        f"Print the smallest IAM policy of a command instead, without asking S3: {', '.join(POLICIES)}.",
        to="policy_of",
        type=click.Choice(POLICIES),
    ),
    Flag(
        "--site NAME",
        'With --policy: the site whose policy it is; "connection" for the plan\'s own.',
        complete=complete_sites,
    ),
    *EVERYWHERE,
    ASSUME,
    ALLOW_EMPTY,
    examples=[
        Example("cartage plan plan.toml", "what a run would do and cost"),
        Example("cartage plan plan.toml --probe", "and what the server honours"),
        Example("cartage plan plan.toml --policy run", "the IAM policy that a run needs"),
    ],
)
run = Verb(
    "run",
    """Carry out the plan in FILE. Run it again after an interruption, an error or a change: it goes on from its
    ledger, copies what is missing and takes new arrivals along.""",
    plan_file(),
    YES_TO_COPY,
    REPORT,
    *EVERYWHERE,
    *COPYING,
    Setting(
        "--wait-restore",
        "Wait for archived objects that are on their way back, and copy them as they come.",
        WHAT,
        is_flag=True,
    ),
    Setting(
        "--look-every SECONDS",
        "How often to look for them; else every minute at first, every quarter of an hour later.",
        WHAT,
        field="look_every_s",
        type=click.FloatRange(min=0),
    ),
    Flag(
        "--dask ADDRESS", "Have the workers of this Dask scheduler carry it out, with --state (the extra dask).", SPEED
    ),
    examples=[
        Example("cartage run plan.toml", "on a terminal: shows the plan, asks, copies"),
        Example("cartage run plan.toml --yes --report now.html", "with a page that shows how far it is"),
        Example("cartage run plan.toml --yes --max-rps 500", "asks nothing, and goes gently"),
        Example("cartage run plan.toml --yes --metrics :9400", "and has figures for Prometheus meanwhile"),
        Example("cartage run plan.toml --processes 4", "millions of objects, on four cores"),
        Example("cartage run plan.toml --yes --wait-restore", "archived objects too, as they come back"),
    ],
)
verify = Verb(
    "verify",
    """List source and target of every route in FILE again and compare them with the ledger: what is missing,
    damaged, of another size or digest, changed since, or extra. Every copy that agrees becomes verified, at the proof
    that S3's own figures give; --deep raises it to the bytes' own.

    What `cartage cp` copied is verified by its ledger alone: --ledger in place of FILE.

    A deep verification that was interrupted goes on where it was: what was read and did not change is not read again.
    """,
    plan_file(required=False),
    Flag(
        "--deep [=WHAT]",
        "Read the bytes of both sides too: =all (also without a value), =below-digest, =sample:500 or =sample:5%.",
    ),
    Switch("--properties", "Compare headers, metadata, tags and the like as well: a HEAD on each side."),
    *EVERYWHERE,
    METRICS,
    ASSUME,
    ALLOW_EMPTY,
    examples=[
        Example("cartage verify plan.toml", "by sizes and S3's own digests"),
        Example("cartage verify plan.toml --properties", "and by what each object carries"),
        Example("cartage verify plan.toml --deep=sample:1%", "and by the bytes of every hundredth"),
    ],
    preparing=_bare_deep,
)
accept = Verb(
    "accept",
    """Accept WHAT (such as processed.objects, as `cartage plan` and `cartage cleanup` name it) as it was found. Of a
    copy without a plan file WHAT alone is given, with --ledger.""",
    plan_file(required=False),
    Place("what", required=False, complete=complete_acceptable),
    Flag("--found FIGURE", "The figure that was found; it is not accepted for any other.", complete=complete_figures),
    Flag("--because WHY", "Why; kept with the date and shown in the receipt."),
    Switch("--list", "What was accepted, and what can be.", to="listed"),
    Flag("--remove NAME", "Take back what was accepted as NAME.", complete=complete_accepted),
    *EVERYWHERE,
    examples=[
        Example("cartage accept plan.toml --list", "what was accepted, and what can be"),
        Example(
            'cartage accept plan.toml raw.objects --found 5 --because "two retired"', "five objects are as they should"
        ),
        Example("cartage accept plan.toml --remove raw.objects", "take that back"),
    ],
)
rewrite = Verb(
    "rewrite",
    """Look through the files that [references] of the plan in FILE names, in S3 and on disk, for everything that names
    a path that was moved, and show what it becomes. Only paths that the ledger knows to be at their target are
    changed; what is not certain is listed with its line and left alone.""",
    plan_file(),
    Switch("--apply", "Write the changes, each file only if nobody changed it since."),
    _UNDO,
    Switch("--include-moved", "Also in files that are moved themselves; they are then copied again."),
    *EVERYWHERE,
    UNGUARDED,
    ASSUME,
    examples=[
        Example("cartage rewrite plan.toml", "show what names the old paths"),
        Example("cartage rewrite plan.toml --apply", "change it"),
        Example("cartage rewrite plan.toml --undo", "put it back"),
    ],
)
manifest = Verb(
    "manifest",
    """Show what [manifest] of the plan in FILE changes in the files that it names: path, size, number of files and
    description of each data set, from what the ledger holds, and the values that are set, in a JSON, YAML or TOML file;
    and a table of them between two marks in Markdown texts. Everything else stays as it is, to the last character.""",
    plan_file(),
    Switch("--apply", "Write it, only if nobody changed it since."),
    _UNDO,
    Switch("--create", "Make a new one where there is none."),
    *EVERYWHERE,
    UNGUARDED,
    ASSUME,
    examples=[
        Example("cartage manifest plan.toml", "show what changes"),
        Example("cartage manifest plan.toml --apply", "write it"),
        Example("cartage manifest plan.toml --undo", "put it back"),
    ],
)
receipt = Verb(
    "receipt",
    """Write <plan name>.receipt.json and .md for the plan in FILE: figures, proof and fingerprints per route, who
    accepted what, times, and digests of plan and ledger; and beside them <plan name>.report.html. Refused (exit 5)
    until every listing reached its end and every object is verified.""",
    plan_file(),
    Flag(
        "--output DIR",
        "Where; else in --state-dir, or beside the plan.",
        type=click.Path(path_type=Path, file_okay=False),
    ),
    Flag(
        "--check RECEIPT",
        "A receipt (JSON) to hold against plan, ledger and targets; exit 4 where anything differs.",
        to="checked",
        type=NEW_FILE,
    ),
    *EVERYWHERE,
    ASSUME,
    examples=[
        Example("cartage receipt plan.toml", "write it beside the plan"),
        Example("cartage receipt plan.toml --check cards.receipt.json", "does one still hold?"),
    ],
)
cleanup = Verb(
    "cleanup",
    """Show what keeps the sources of the plan in FILE from being deleted, a reason a line: every object verified, the
    hold passed, both sides unchanged just now, what was expected, the probes, what still names the old paths, and what
    the buckets would do to the targets. Exit 5 while any of it is closed. With --delete, and everything open, deletes
    exactly what the ledger holds as proven, each source only while it bears the ETag that was proven.""",
    plan_file(),
    Switch("--delete", "Delete the sources, if the gate is open and the plan's name is typed.", SAFETY),
    confirm("NAME", "The plan's name"),
    ALLOW_COMMANDS,
    *DELETING,
    *EVERYWHERE,
    METRICS,
    ASSUME,
    examples=[
        Example("cartage cleanup plan.toml", "what keeps the sources from being deleted"),
        Example("cartage cleanup plan.toml --delete", "delete them, once the plan's name is typed"),
        Example("cartage cleanup plan.toml --delete --confirm cards", "the same without a terminal"),
    ],
)
revert = Verb(
    "revert",
    """Show which copies the plan in FILE made. With --delete they are removed, each only if its source is still there
    as it was copied and the copy is as it was written; what was found in place or overwritten stays, and is listed.
    Unfinished uploads are aborted. Once cleanup has deleted a source, nothing is removed: a plan for the way back is
    written, to be run like any other.""",
    plan_file(),
    Switch("--delete", "Remove the copies, once the plan's name is typed.", SAFETY),
    confirm("NAME", "The plan's name"),
    *DELETING,
    *EVERYWHERE,
    ASSUME,
    examples=[
        Example("cartage revert plan.toml", "which copies would go"),
        Example("cartage revert plan.toml --delete", "remove them, once the plan's name is typed"),
    ],
)
