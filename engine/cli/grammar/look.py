"""Commands that look, at a plan's ledger or at S3, and change nothing."""

from __future__ import annotations

import click

from engine.cli.grammar.choices import complete_by
from engine.cli.grammar.shared import ALLOW_EMPTY, ASSUME, EVERYWHERE, LOCATION, NEW_FILE, plan_file
from engine.cli.grammar.words import SAFETY, Example, Flag, Place, Switch, Verb

EXPORTS = ("csv", "ndjson", "checksums", "parquet")
BASES = ("size", "etag", "bytes")

check = Verb(
    "check",
    """Say who the credentials belong to, and which endpoint and region are used. With LOCATION (s3://bucket/prefix/),
    try the actions that a migration needs there: reading by itself, writing only with --write.""",
    Place("location", required=False),
    Switch("--write", "Also try the write actions, on an object of its own that it removes.", SAFETY),
    *EVERYWHERE,
    examples=[
        Example("cartage check", "who am I, and where"),
        Example("cartage check s3://mybucket/project/ --write", "what may I do there"),
    ],
)
status = Verb(
    "status",
    """Read the ledger of the plan in FILE (or --ledger) alone: no request is made, and a run may be going on. With
    --state what is known there is read first, wherever the run is.""",
    plan_file(required=False),
    Switch("--failed", "List every object that is failed, drifted, in conflict, archived, damaged."),
    Switch("--watch", "Show how far it is until whoever is at work on it has ended."),
    *EVERYWHERE,
    examples=[
        Example("cartage status plan.toml", "how far it is"),
        Example("cartage status plan.toml --watch", "the same, drawn again until it ends"),
        Example("cartage status plan.toml --failed", "what is not done, and why"),
    ],
)
export = Verb(
    "export",
    """Write every object in the ledger of the plan in FILE (or --ledger) with its state and proof. No request is made
    (but with --state, to read what is known there), and a run may be going on. `checksums` has the objects whose bytes
    were read by verify --deep, under their target keys.""",
    plan_file(required=False),
    Flag("--format", "What is written.", to="form", type=click.Choice(EXPORTS), default="csv", show_default=True),
    Flag("--output -o", "A file (mode 0600, replaced as a whole) instead of stdout.", type=NEW_FILE),
    *EVERYWHERE,
    examples=[
        Example("cartage export plan.toml -o objects.csv", "every object, its state and proof"),
        Example("cartage export plan.toml --format ndjson", "the same for a program, on stdout"),
        Example("cartage export plan.toml --format parquet -o objects.parquet", "typed columns, for a database"),
    ],
)
report = Verb(
    "report",
    """Write one page to look at in a browser, from the ledger of the plan in FILE (or --ledger) alone: what was
    planned, done, proven and is left, how fast it went, what keeps the sources from being deleted, and what it costs.
    It may be asked for at any moment. Pictures need the extra `report`; without it the page has tables alone.""",
    plan_file(required=False),
    Flag(
        "--output -o",
        "Where (mode 0600, replaced as a whole); else <plan name>.report.html beside the ledger.",
        type=NEW_FILE,
    ),
    Switch("--follow", "Keep the page current until stdin ends, or Ctrl-C."),
    *EVERYWHERE,
    examples=[
        Example("cartage report plan.toml", "how it stands, as a page"),
        Example("cartage report plan.toml --follow -o now.html", "the same, kept current"),
    ],
)
ls = Verb(
    "ls",
    """List LOCATION: s3://bucket/prefix/ or a local folder, ./project/ (what is under it), or s3://bucket/key or a
    local file (that one). Its first level, every object with --recursive, the figures by first-level prefix with
    --summarize, or both. With --by the figures are by something else, and with what it costs in a month by AWS's list
    prices. s3:// alone lists the buckets there are.""",
    LOCATION,
    Switch("--recursive -r", "Every object under it."),
    Switch("--summarize -s", "Objects, bytes, classes, oldest and newest, by prefix."),
    Flag(
        "--by WHAT",
        "The figures, and dollars a month, by prefix, class, age, suffix or tag=NAME (a request an object).",
        default="",
        complete=complete_by,
    ),
    *EVERYWHERE,
    ALLOW_EMPTY,
    ASSUME,
    examples=[
        Example("cartage ls s3://", "the buckets there are"),
        Example("cartage ls s3://mybucket/data/", "the first level"),
        Example("cartage ls s3://mybucket/ --summarize", "how much is under each prefix"),
        Example("cartage ls s3://mybucket/ --summarize --by class", "the same by storage class, and what it costs"),
        Example("cartage ls s3://mybucket/data/ --summarize --by tag=team", "by a tag, which each object is asked for"),
        Example("cartage ls ./notebooks/ --recursive", "every file of a local folder"),
    ],
)
fingerprint = Verb(
    "fingerprint",
    """Print one line for everything under LOCATION (s3://bucket/prefix/, one exact key, or a local folder): a figure
    that does not depend on order, the number of objects and bytes, and what the figure is over. Two trees are the same
    if their two lines are.""",
    LOCATION,
    Flag(
        "--by",
        "What counts besides key and size: nothing, ETags that are MD5s, or all bytes, read.",
        type=click.Choice(BASES),
        default="etag",
        show_default=True,
    ),
    *EVERYWHERE,
    ALLOW_EMPTY,
    ASSUME,
    examples=[
        Example("cartage fingerprint s3://mybucket/data/", "by what S3 says of each object"),
        Example("cartage fingerprint s3://mybucket/data/ --by bytes", "by what is in them: all of it is read"),
    ],
)
