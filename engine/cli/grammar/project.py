"""Commands about a project as a unit: everything under one location."""

from __future__ import annotations

from engine.cli.grammar.choices import complete_places
from engine.cli.grammar.shared import EVERYWHERE
from engine.cli.grammar.words import Example, Flag, Place, Verb

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
