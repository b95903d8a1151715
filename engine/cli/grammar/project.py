"""Commands about a project as a unit: everything under one location."""

from __future__ import annotations

import click

from engine.cli.grammar.choices import complete_plans, complete_storage_classes
from engine.cli.grammar.shared import (
    ALLOW_EMPTY,
    ASSUME,
    COPYING,
    DRY_RUN,
    EVERYWHERE,
    LOCATION,
    MAX_RPS,
    NEW_FILE,
    PLAN_FILE,
    WHICH,
    YES,
    storage_class,
)
from engine.cli.grammar.words import SAFETY, WRITTEN, Example, Flag, Place, Switch, Verb

TIERS = ("bulk", "standard", "expedited")  # as engine.plan.prices has them, which help does not load
_LOCAL = ("s3:", "file:", ".", "/", "~")


def _each_pair(words: list[str]) -> list[str]:
    """Lets several pairs follow one flag: click takes one value for each."""
    found: list[str] = []
    flag = ""
    for word in words:
        is_pair = bool(flag) and "=" in word and not word.startswith(("-", *_LOCAL))
        if is_pair and found[-1] != flag:
            found.append(flag)
        elif not is_pair:
            flag = word if word in ("--tag", "--tags", "--metadata") else ""
        found.append(word)
    return found


lifecycle = Verb(
    "lifecycle",
    """Show what the bucket's lifecycle rules do with everything under LOCATION (s3://bucket/prefix/): what expires and
    what moves into which class, when, how many objects and bytes, and what that costs and saves a month.

    With --transition, --expire, --expire-noncurrent or --abort-uploads one rule for that prefix is proposed, and shown
    as a diff of the bucket's configuration. --apply writes it: every other rule stays as it is, nothing is written
    where somebody changed the configuration since it was shown, and what was there is kept for --undo. A rule that
    would expire what a move brought, under its hold, is refused.""",
    LOCATION,
    Flag(
        "--transition CLASS",
        "Objects move into this class, with --after.",
        default="",
        complete=complete_storage_classes,
    ),
    Flag("--after TIME", "How old they are then, in days: 90d.", default=""),
    Flag("--expire TIME", "Objects of this age are deleted.", default=""),
    Flag("--expire-noncurrent TIME", "Versions that have been older for so long go.", default=""),
    Flag("--abort-uploads TIME", "Uploads that are unfinished after so long are given up.", default=""),
    Switch("--apply", "Write the rule.", SAFETY),
    Switch("--undo", "Put back what was there before the last --apply.", SAFETY),
    Flag(
        "--plan",
        "A plan whose hold counts, beside those that are found here; may be given again.",
        SAFETY,
        type=PLAN_FILE,
        multiple=True,
        complete=complete_plans,
    ),
    YES,
    *EVERYWHERE,
    examples=[
        Example("cartage lifecycle s3://mybucket/data/", "what rules do there"),
        Example("cartage lifecycle s3://mybucket/data/ --transition GLACIER_IR --after 90d", "one proposed"),
        Example("cartage lifecycle s3://mybucket/data/ --abort-uploads 7d --apply", "one written"),
        Example("cartage lifecycle s3://mybucket/data/ --undo", "and put back"),
    ],
)
share = Verb(
    "share",
    """Write a page of links to everything under LOCATION (s3://bucket/prefix/), or to one exact key: each lets whoever
    has it read that object until --expires has passed, a week at most. Nothing is made public and nothing is written to
    S3. Links that are signed with a session's credentials end with that session.""",
    LOCATION,
    Flag("--expires TIME", "How long the links last: 12h, 7d (which is S3's limit).", default="1d", show_default=True),
    *WHICH[:2],
    Flag(
        "--output -o",
        "Where the page is written (mode 0600, replaced as a whole); else <name>.share.html.",
        type=NEW_FILE,
    ),
    Flag("--list", "The links alone too, a line each; without --output no page.", to="link_list", type=NEW_FILE),
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
    LOCATION,
    Flag("--read ARN", "Who reads: the ARN of a user, a role, or an account's root.", required=True),
    *EVERYWHERE,
    examples=[
        Example("cartage policy s3://mybucket/data/ --read arn:aws:iam::123456789012:user/ana", "for a colleague")
    ],
)

set = Verb(
    "set",
    """Set what the objects under LOCATION (s3://bucket/prefix/), or one exact key, carry: their storage class, tags,
    metadata. What is so already is left alone, and everything else stays as it is: headers, other tags and metadata,
    encryption, redirect, lock, ACL.

    Class and metadata are set by copying an object onto itself, only while it is what was listed, by its own parts
    where it has some; in a bucket that keeps versions each such copy is a new one. Tags alone need no copy. What would
    be set, what it costs, and what stays behind is shown and asked first; without a terminal --yes says it. Run it
    again after an interruption: it goes on.""",
    LOCATION,
    storage_class(by_variable=False),  # here it is what is done
    Flag("--tags --tag KEY=VALUE…", "Tags, laid over those that an object has.", WRITTEN, to="tags", multiple=True),
    Switch("--replace-tags", "They take the place of all tags that an object has.", WRITTEN),
    Flag("--metadata KEY=VALUE…", "User metadata, laid over the rest.", WRITTEN, multiple=True),
    *WHICH,
    DRY_RUN,
    YES,
    *EVERYWHERE,
    *(flag for flag in COPYING if flag.name != "durability"),
    preparing=_each_pair,
    examples=[
        Example("cartage set s3://mybucket/data/ --storage-class GLACIER_IR --dry-run", "what it would cost and save"),
        Example("cartage set s3://mybucket/data/ --storage-class GLACIER_IR --yes", "do it"),
        Example("cartage set s3://mybucket/data/ --tags team=cards x=y --yes", "tags alone: no copies"),
    ],
)
restore = Verb(
    "restore",
    """Show what is archived (GLACIER, DEEP_ARCHIVE, the archive tiers of INTELLIGENT_TIERING) of what a PLAN would
    copy, or of everything under a LOCATION (s3://bucket/prefix/, one exact key): what having it restored costs,
    and within which time it can be read. Once that is agreed to, S3 is asked for it. What is on its way already is not
    asked for again; `cartage run --wait-restore` copies it as it comes back.""",
    Place("what", metavar="PLAN|LOCATION", complete=complete_plans),
    Flag(
        "--days N",
        "How long the copies that S3 makes of GLACIER and DEEP_ARCHIVE are to last.",
        type=click.IntRange(min=1),
        default=7,
        show_default=True,
    ),
    Flag("--tier", "How fast, and at which price.", type=click.Choice(TIERS), default="bulk", show_default=True),
    YES,
    *EVERYWHERE,
    ALLOW_EMPTY,
    ASSUME,
    MAX_RPS,
    examples=[
        Example("cartage restore plan.toml", "what is archived of what the plan needs, and what it costs"),
        Example("cartage restore plan.toml --days 3 --yes", "ask for it, at the lowest price"),
        Example("cartage restore s3://mybucket/data/ --tier standard", "of everything under a location, sooner"),
    ],
)
