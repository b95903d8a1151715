"""Everyday copies: commands that need no plan file."""

from __future__ import annotations

import click

from engine.cli.grammar.choices import complete_places
from engine.cli.grammar.shared import ASSUME, COPYING, DELETING, EVERYWHERE, LOCATION, REPORT, ROUTE, SNAPSHOT, confirm
from engine.cli.grammar.words import SAFETY, Example, Flag, Place, Switch, Verb

_SOURCE, _TARGET = Place("source", complete=complete_places), Place("target", complete=complete_places)

cp = Verb(
    "cp",
    """Copy SOURCE to TARGET. Each is s3://bucket/prefix/ or a local folder, ./project/ (everything under it), or
    s3://bucket/key or a local file, ./project/file (that one; it goes into a TARGET that ends with a slash).

    The two may be at different endpoints, or belong to different accounts: the flags that begin with --from and --to
    say so for one side. What is between two endpoints, or goes to or from a local folder, passes through this
    machine.""",
    _SOURCE,
    _TARGET,
    Flag(
        "--overwrite WHEN",
        "What may happen to a target that holds something else: never, if-different, always.",
        SAFETY,
        type=click.Choice(["never", "if-different", "always"]),
        default="never",
        show_default=True,
    ),
    REPORT,
    *ROUTE,
    *EVERYWHERE,
    *COPYING,
    examples=[
        Example("cartage cp s3://mybucket/data/raw/ s3://mybucket/copy/ --dry-run", "what would be copied"),
        Example("cartage cp s3://mybucket/data/raw/ s3://mybucket/copy/", "within S3"),
        Example('cartage cp ./notebooks/ s3://mybucket/notebooks/ --exclude "*.tmp"', "a local folder into S3"),
        Example("cartage cp s3://mybucket/data/ ./data/ --yes", "and out of it, asking nothing"),
        Example("cartage cp s3://mybucket/data/ s3://theirs/data/ --to-profile theirs", "to another account"),
    ],
)
sync = Verb(
    "sync",
    """Bring TARGET up to date with SOURCE; each is s3://bucket/prefix/ or a local folder, ./project/. What differs in
    TARGET is written over.

    With --delete, what stands in TARGET alone is shown, and deleted once that is confirmed on a terminal or by --yes:
    exactly what was listed, each only while it is what was listed and SOURCE has none of its name. What --include and
    --exclude leave out is not deleted either. Nothing is deleted where anything of SOURCE could not be copied, or where
    SOURCE holds nothing.""",
    _SOURCE,
    _TARGET,
    Switch("--delete", "Delete what stands in TARGET alone, of what the patterns take.", SAFETY),
    *SNAPSHOT,
    *DELETING,
    REPORT,
    *ROUTE,
    *EVERYWHERE,
    *COPYING,
    examples=[
        Example("cartage sync ./notebooks/ s3://mybucket/notebooks/", "what is new or differs"),
        Example("cartage sync ./notebooks/ s3://mybucket/notebooks/ --delete --dry-run", "what would go"),
        Example("cartage sync ./notebooks/ s3://mybucket/notebooks/ --delete", "shown, asked, then deleted"),
    ],
)
delete = Verb(
    "delete",
    """Take a snapshot of everything under LOCATION, in S3 or a local folder such as ./project/, and show it by
    first-level prefix. Once the location is typed (or given by --confirm), and the hold has passed since the snapshot,
    exactly its keys are deleted, each only while it is what was listed. What arrived later is left, and said. Run it
    again after an interruption: it goes on.""",
    LOCATION,
    confirm("LOCATION", "The location again"),
    *SNAPSHOT,
    *DELETING,
    *EVERYWHERE,
    ASSUME,
    examples=[
        Example("cartage delete s3://mybucket/old/", "snapshot it, show it, have it typed"),
        Example("cartage delete s3://mybucket/old/ --hold 7d", "not before it has stood for a week"),
    ],
)
