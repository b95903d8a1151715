"""Flags that several commands take. Each with a `field` sets that one of `Options`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.grammar.choices import (
    complete_ledgers,
    complete_plans,
    complete_profiles,
    complete_storage_classes,
    complete_tables,
)
from engine.cli.grammar.words import CONNECTION, ENDS, OUTPUT, SAFETY, SPEED, WRITTEN, Flag, Place

if TYPE_CHECKING:
    from engine.api.metrics import Metrics

PLAN_FILE = click.Path(path_type=Path)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)
LEDGER = click.Path(path_type=Path)
"""One file, or a folder of shards."""


def plan_file(*, required: bool = True) -> Place:
    """The plan, which for some commands a ledger alone stands for."""
    return Place("file", type=PLAN_FILE, required=required, complete=complete_plans)


class _Shared(Flag):
    """A flag of the connection: named for the field that it sets."""

    def __init__(self, name: str, **attributes: Any) -> None:
        super().__init__(name, **{"group": CONNECTION, "by_variable": True, **attributes})


CONNECTING = (
    _Shared("--endpoint-url", field="endpoint_url", metavar="URL", help="An S3-compatible server instead of AWS."),
    _Shared("--region", field="region", metavar="NAME", help="The buckets' region."),
    _Shared(
        "--profile",
        field="profile",
        metavar="NAME",
        help="A profile of the AWS configuration.",
        complete=complete_profiles,
    ),
    _Shared(
        "--request-payer",
        field="request_payer",
        is_flag=True,
        read=lambda given: "requester" if given else None,
        help="Pay for requests to a bucket that has its requesters pay.",
    ),
    _Shared(
        "--links",
        field="links",
        type=click.Choice(["skip", "follow", "keep"]),
        help="Symbolic links in local folders: set aside (the default), followed, or kept as links.",
    ),
    _Shared("--ledger", field="ledger", type=LEDGER, help="The ledger's file, or folder.", complete=complete_ledgers),
    _Shared(
        "--state-dir",
        field="state_dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where ledgers are, each by its plan's name, in place of beside the plan.",
    ),
    _Shared(
        "--state",
        field="state",
        metavar="s3://BUCKET/PREFIX/",
        help="Keep the ledger's changes there too: several machines carry one plan, any goes on with it.",
    ),
    _Shared("--store", field="store", type=click.Choice(["wire", "boto"]), help="How to speak to S3."),
    _Shared(
        "--give-up-after",
        field="give_up_after_s",
        type=click.FloatRange(min=0),
        default=300.0,
        metavar="SECONDS",
        show_default=True,
        help="How long S3 may be out of reach.",
    ),
)
TELLING = (
    Flag("--json", "as_json", group=OUTPUT, is_flag=True, help="NDJSON on stdout: events, then one summary line."),
    Flag("--quiet", "-q", group=OUTPUT, by_variable=True, is_flag=True, help="Only errors."),
    Flag(
        "--progress/--no-progress",
        group=OUTPUT,
        by_variable=True,
        default=None,
        help="A progress bar on stderr; by default on a terminal.",
    ),
    Flag(
        "--verbose",
        "-v",
        group=OUTPUT,
        by_variable=True,
        count=True,
        help="Log what goes on to stderr, a line an event; -vv each request too.",
    ),
    Flag(
        "--log-file",
        group=OUTPUT,
        by_variable=True,
        type=NEW_FILE,
        metavar="FILE",
        help="Log to FILE instead: made with mode 0600, appended to.",
    ),
)
EVERYWHERE = (*CONNECTING, *TELLING)
"""What nearly every command takes."""

YES = Flag("--yes", "-y", group=SAFETY, is_flag=True, help="Do not ask.")
ASSUME = Flag(
    "--assume",
    field="assume",
    group=SAFETY,
    type=click.Choice(["aws"]),
    help="Take the server for one that honours all that AWS does, without trying it.",
)
ALLOW_EMPTY = Flag(
    "--allow-empty", field="allow_empty", group=SAFETY, is_flag=True, help="It is no mistake where there is nothing."
)
DELETING = (
    Flag("--accept-delete-markers", group=SAFETY, is_flag=True, help="Delete in a bucket that keeps versions."),
    Flag("--unconditional", group=SAFETY, is_flag=True, help="Also on a server that cannot delete by ETag."),
)
SNAPSHOT = (
    Flag(
        "--hold",
        group=SAFETY,
        default="0s",
        show_default=True,
        metavar="TIME",
        help="How long the snapshot must have stood.",
    ),
    Flag("--again", group=SAFETY, is_flag=True, help="Take a new snapshot in place of an earlier one."),
)


def confirm(metavar: str, what: str) -> Flag:
    """What is typed before anything is deleted, as a flag."""
    return Flag("--confirm", group=SAFETY, metavar=metavar, help=f"{what}, in place of typing it.")


def conditional_writes(text: str) -> Flag:
    return Flag(
        "--no-conditional-writes",
        field="conditional_writes",
        group=SAFETY,
        is_flag=True,
        read=lambda without: not without,
        help=text,
    )


UNGUARDED = conditional_writes("For servers that cannot write by ETag (If-Match).")


def _metrics(where: str) -> Metrics:
    from engine.api.metrics import Metrics  # what serves them need not be installed

    return Metrics(where)


METRICS = Flag(
    "--metrics",
    field="metrics",
    group=SPEED,
    by_variable=True,
    read=_metrics,
    metavar="FILE|:PORT",
    help="Figures for Prometheus: at a port (on loopback, or HOST:PORT), or in a file for node_exporter.",
)
MAX_RPS = Flag(
    "--max-rps",
    field="max_rps",
    group=SPEED,
    by_variable=True,
    type=click.FloatRange(min=0.1),
    metavar="N",
    help="At most so many requests a second.",
)
REPORT = Flag(
    "--report",
    type=NEW_FILE,
    help="A page to look at, kept current meanwhile.",
)
COPYING = (
    ALLOW_EMPTY,
    ASSUME,
    conditional_writes("Leave out If-Match and If-None-Match on the target, for servers that answer 501 to them."),
    Flag(
        "--durability",
        field="durability",
        group=SAFETY,
        type=click.Choice(["none", "object"]),
        help="Of local files that are written: object (the default) has each on the disk before it counts as copied; "
        "none is faster, and a power cut may lose what was copied.",
    ),
    Flag(
        "--concurrency",
        field="concurrency",
        group=SPEED,
        by_variable=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="At most so many requests under way.",
    ),
    Flag(
        "--processes",
        field="processes",
        group=SPEED,
        by_variable=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="So many processes, each with shards of the plan.",
    ),
    MAX_RPS,
    METRICS,
)

# --- one route as flags -------------------------------------------------------------------------------------

_SETTINGS = {
    "endpoint_url": ("URL", "{} is at this endpoint."),
    "region": ("NAME", "{} is in this region."),
    "profile": ("NAME", "{} is asked for with this AWS profile."),
}
SIDES = {"from": "SOURCE", "to": "TARGET"}
WHICH = (
    Flag("--include", multiple=True, metavar="PATTERN", help="Only keys that match; may be given again."),
    Flag("--exclude", multiple=True, metavar="PATTERN", help="No keys that match; wins over --include."),
    Flag("--since", default="", metavar="TIME", help="Only what was modified at this time or later."),
    Flag("--until", default="", metavar="TIME", help="Only what was modified before this time."),
    Flag("--min-size", default="", metavar="SIZE", help="Only objects of at least this size, such as 5MB."),
    Flag("--max-size", default="", metavar="SIZE", help="Only objects of at most this size."),
    Flag(
        "--keys",
        default="",
        metavar="FILE",
        help="A list of keys in place of a listing; local or in S3.",
        complete=complete_tables,
    ),
)
"""Which objects of a location; the first two by their keys' patterns alone."""
STORAGE_CLASS = Flag(
    "--storage-class",
    group=WRITTEN,
    by_variable=True,
    default="",
    metavar="CLASS",
    help="The storage class that they are to have.",
    complete=complete_storage_classes,
)
DRY_RUN = Flag(
    "--dry-run", "dry", group=SAFETY, is_flag=True, help="Show what would be done, as plan does; write nothing."
)
ROUTE = (
    *WHICH,
    Flag(
        "--inventory",
        default="",
        metavar="MANIFEST",
        help="An S3 Inventory in place of a listing.",
        complete=complete_tables,
    ),
    STORAGE_CLASS,
    Flag(
        "--tag",
        "tags",
        group=WRITTEN,
        multiple=True,
        metavar="KEY=VALUE",
        help="A tag of the targets, in place of the sources'.",
    ),
    Flag("--no-tags", group=WRITTEN, is_flag=True, help="Leave the sources' tags out; they are not read either."),
    Flag("--metadata", group=WRITTEN, multiple=True, metavar="KEY=VALUE", help="Metadata laid over the sources' own."),
    *(
        Flag(
            f"--{side}-{name.replace('_', '-')}",
            group=ENDS,
            default="",
            metavar=word,
            help=text.format(end),
            complete=complete_profiles if name == "profile" else None,
        )
        for side, end in SIDES.items()
        for name, (word, text) in _SETTINGS.items()
    ),
    DRY_RUN,
    YES,
)
"""The rules of one route, and whether it is carried out."""
CONNECTION_OF_A_SIDE = tuple(_SETTINGS)
