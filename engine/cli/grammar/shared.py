"""Flags that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from engine.cli.grammar.choices import (
    complete_ledgers,
    complete_places,
    complete_plans,
    complete_profiles,
    complete_storage_classes,
    complete_tables,
)
from engine.cli.grammar.words import ENDS, OUTPUT, SAFETY, SPEED, WRITTEN, Flag, Place, Setting, Switch

if TYPE_CHECKING:
    from engine.api.metrics import Metrics


class PlanPath(click.Path):
    """A plan's file. A location is none, and is told so before it is read as a path: what does the same without a plan
    is named."""

    INSTEAD: ClassVar[dict[str, str]] = {
        "plan": "cartage cp SOURCE TARGET --dry-run shows what a copy without one would do",
        "run": "cartage cp SOURCE TARGET copies without one",
        "cleanup": "cartage delete LOCATION deletes without one",
        **dict.fromkeys(
            ("verify", "accept", "status", "report", "export"),
            "of a copy without one the ledger is named, with --ledger FILE",
        ),
    }

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).startswith(("s3://", "file://")):
            command = (ctx.info_name if ctx is not None else None) or ""
            said = [
                f"{value} is a location, and {command} takes a plan's file",
                *filter(None, [self.INSTEAD.get(command)]),
            ]
            self.fail(f"{'; '.join(said)}.", param, ctx)
        return super().convert(value, param, ctx)


PLAN_FILE = PlanPath(path_type=Path)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)
LEDGER = click.Path(path_type=Path)
"""One file, or a folder of shards."""


def plan_file(*, required: bool = True) -> Place:
    """The plan, which for some commands a ledger alone stands for."""
    return Place("file", type=PLAN_FILE, required=required, complete=complete_plans)


LOCATION = Place("location", complete=complete_places)
"""What the commands are about that need no plan."""

CONNECTING = (
    Setting("--endpoint-url URL", "An S3-compatible server instead of AWS."),
    Setting("--region NAME", "The buckets' region."),
    Setting("--profile NAME", "A profile of the AWS configuration.", complete=complete_profiles),
    Setting(
        "--no-sign-request",
        "Sign nothing: for a bucket that anybody may read.",
        field="credentials",
        is_flag=True,
        read=lambda given: "none" if given else None,
    ),
    Setting(
        "--request-payer",
        "Pay for requests to a bucket that has its requesters pay.",
        is_flag=True,
        read=lambda given: "requester" if given else None,
    ),
    Setting(
        "--links",
        "Symbolic links in local folders: set aside (the default), followed, or kept as links.",
        type=click.Choice(["skip", "follow", "keep"]),
        by_variable=False,  # it says which objects are meant
    ),
    Setting("--ledger", "The ledger's file, or folder.", type=LEDGER, complete=complete_ledgers),
    Setting(
        "--state-dir DIR",
        "Where ledgers are, each by its plan's name, in place of beside the plan.",
        type=click.Path(path_type=Path, file_okay=False),
    ),
    Setting(
        "--state s3://BUCKET/PREFIX/",
        "Keep the ledger's changes there too: several machines carry one plan, any goes on with it.",
    ),
    Setting("--store", "How to speak to S3.", type=click.Choice(["wire", "boto"])),
    Setting(
        "--give-up-after SECONDS",
        "How long S3 may be out of reach: by default 300, but 15 before it has ever answered.",
        field="give_up_after_s",
        type=click.FloatRange(min=0),
    ),
)
TELLING = (
    Switch("--json", "NDJSON on stdout: events, then one summary line.", OUTPUT, to="as_json", by_variable=False),
    Switch("--quiet -q", "Only what is wrong, and a list that was asked for.", OUTPUT),
    Flag("--progress/--no-progress", "A progress bar on stderr; by default on a terminal.", OUTPUT, default=None),
    Flag("--verbose -v", "Log what goes on to stderr, a line an event; -vv each request too.", OUTPUT, count=True),
    Flag("--log-file FILE", "Log to FILE instead: made with mode 0600, appended to.", OUTPUT, type=NEW_FILE),
)
EVERYWHERE = (*CONNECTING, *TELLING)
"""What nearly every command takes."""

YES = Switch("--yes -y", "Do not ask.", SAFETY)
YES_TO_COPY = Switch("--yes -y", "Do not ask; without a terminal nobody is asked.", SAFETY)
"""Of what copies: that goes on where nobody can be asked."""
ASSUME = Setting(
    "--assume",
    "Take the server for one that honours all that AWS does, without trying it.",
    SAFETY,
    type=click.Choice(["aws"]),
)
ALLOW_EMPTY = Setting("--allow-empty", "It is no mistake where there is nothing.", SAFETY, is_flag=True)
ALLOW_COMMANDS = Switch("--allow-commands", "Let the plan's own commands run as probes.", SAFETY)
DELETING = (
    Switch("--accept-delete-markers", "Delete in a bucket that keeps versions.", SAFETY, to="delete_markers"),
    Switch("--unconditional", "Also on a server that cannot delete by ETag.", SAFETY),
)
AGREEING = (ALLOW_COMMANDS, *DELETING)
"""What is said yes to beforehand: each fills the field of `Consent` that it is named like."""
SNAPSHOT = (
    Flag("--hold TIME", "How long the snapshot must have stood.", SAFETY, default="0s", show_default=True),
    Switch("--again", "Take a new snapshot in place of an earlier one.", SAFETY),
)


def confirm(metavar: str, what: str) -> Flag:
    """What is typed before anything is deleted, as a flag."""
    return Flag(f"--confirm {metavar}", f"{what}, in place of typing it.", SAFETY)


def conditional_writes(text: str) -> Flag:
    return Setting(
        "--no-conditional-writes",
        text,
        SAFETY,
        field="conditional_writes",
        is_flag=True,
        read=lambda without: not without,
    )


UNGUARDED = conditional_writes("For servers that cannot write by ETag (If-Match).")


def _metrics(where: str) -> Metrics:
    from engine.api.metrics import WHERE, Metrics  # what serves them need not be installed
    from engine.errors import UsageError

    if not where:  # which a program says that serves them itself
        raise UsageError("--metrics is empty.", advice=WHERE)
    return Metrics(where)


METRICS = Setting(
    "--metrics FILE|:PORT",
    "Figures for Prometheus: at a port (on loopback, or HOST:PORT), or in a file for node_exporter.",
    SPEED,
    read=_metrics,
)
MAX_RPS = Setting("--max-rps N", "At most so many requests a second.", SPEED, type=click.FloatRange(min=0.1))
REPORT = Flag("--report", "A page to look at, kept current meanwhile.", type=NEW_FILE)
COPYING = (
    ALLOW_EMPTY,
    ASSUME,
    conditional_writes("Leave out If-Match and If-None-Match on the target, for servers that answer 501 to them."),
    Setting(
        "--durability",
        "Of local files that are written: object (the default) has each on the disk before it counts as copied; "
        "none is faster, and a power cut may lose what was copied.",
        SAFETY,
        type=click.Choice(["none", "object"]),
    ),
    Setting("--concurrency N", "At most so many requests under way.", SPEED, type=click.IntRange(min=1)),
    Setting("--processes N", "So many processes, each with shards of the plan.", SPEED, type=click.IntRange(min=1)),
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
    Flag("--include PATTERN", "Only keys that match; may be given again.", multiple=True),
    Flag("--exclude PATTERN", "No keys that match; wins over --include.", multiple=True),
    Flag("--since TIME", "Only what was modified at this time or later.", default=""),
    Flag("--until TIME", "Only what was modified before this time.", default=""),
    Flag("--min-size SIZE", "Only objects of at least this size, such as 5MB.", default=""),
    Flag("--max-size SIZE", "Only objects of at most this size.", default=""),
    Flag("--keys FILE", "A list of keys in place of a listing; local or in S3.", default="", complete=complete_tables),
)
"""Which objects of a location; the first two by their keys' patterns alone."""


def storage_class(*, by_variable: bool) -> Flag:
    return Flag(
        "--storage-class CLASS",
        "The storage class that they are to have.",
        WRITTEN,
        default="",
        complete=complete_storage_classes,
        by_variable=by_variable,
    )


DRY_RUN = Switch("--dry-run", "Show what would be done, as plan does; write nothing.", SAFETY, to="dry")
ROUTE = (
    *WHICH,
    Flag("--inventory MANIFEST", "An S3 Inventory in place of a listing.", default="", complete=complete_tables),
    storage_class(by_variable=True),
    Flag("--tag KEY=VALUE", "A tag of the targets, in place of the sources'.", WRITTEN, to="tags", multiple=True),
    Switch("--no-tags", "Leave out the sources' tags, unread.", WRITTEN),
    Flag("--metadata KEY=VALUE", "Metadata laid over the sources' own.", WRITTEN, multiple=True),
    *(
        Flag(
            f"--{side}-{name.replace('_', '-')} {word}",
            text.format(end),
            ENDS,
            default="",
            complete=complete_profiles if name == "profile" else None,
        )
        for side, end in SIDES.items()
        for name, (word, text) in _SETTINGS.items()
    ),
    Switch("--from-no-sign-request", "SOURCE is for anybody: nothing is signed.", ENDS),
    DRY_RUN,
    YES_TO_COPY,
)
"""The rules of one route, and whether it is carried out."""
CONNECTION_OF_A_SIDE = tuple(_SETTINGS)
