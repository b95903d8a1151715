"""Commands about a project as a unit: everything under one location."""

from __future__ import annotations

from engine.cli.grammar.choices import complete_places
from engine.cli.grammar.shared import ALLOW_EMPTY, EVERYWHERE, NEW_FILE
from engine.cli.grammar.words import Example, Flag, Place, Verb

share = Verb(
    "share",
    """Write a page of links to everything under LOCATION (s3://bucket/prefix/), or to one exact key: each lets whoever
    has it read that object until --expires has passed, a week at most. Nothing is made public and nothing is written to
    S3. Links that are signed with a session's credentials end with that session.""",
    Place("location", complete=complete_places),
    Flag(
        "--expires",
        default="1d",
        show_default=True,
        metavar="TIME",
        help="How long the links last: 12h, 7d (which is S3's limit).",
    ),
    Flag("--include", multiple=True, metavar="PATTERN", help="Only keys that match; may be given again."),
    Flag("--exclude", multiple=True, metavar="PATTERN", help="No keys that match; wins over --include."),
    Flag(
        "--output",
        "-o",
        type=NEW_FILE,
        help="Where the page is written (mode 0600, replaced as a whole); else <name>.share.html.",
    ),
    Flag("--list", "link_list", type=NEW_FILE, help="The links alone too, a line each; without --output no page."),
    *EVERYWHERE,
    ALLOW_EMPTY,
    examples=[
        Example("cartage share s3://mybucket/data/ --expires 7d", "a page to hand on"),
        Example("cartage share s3://mybucket/data/ --list links.txt", "a list, for curl or wget"),
    ],
)
policy = Verb(
    "policy",
    """Print the smallest bucket policy that lets somebody else read everything under LOCATION (s3://bucket/prefix/), or
    one exact key: what to get, and what to list. What it does not give is said on stderr. S3 is not asked, and nothing
    is changed.""",
    Place("location", complete=complete_places),
    Flag("--read", required=True, metavar="ARN", help="Who reads: the ARN of a user, a role, or an account's root."),
    *EVERYWHERE,
    examples=[
        Example("cartage policy s3://mybucket/data/ --read arn:aws:iam::123456789012:user/ana", "for a colleague"),
    ],
)
