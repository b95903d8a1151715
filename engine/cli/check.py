"""`cartage check [LOCATION]`: who am I, which region and endpoint, does the bucket answer, what may I do."""

from __future__ import annotations

import click

from engine.api.check import check
from engine.cli.common import DONE, FATAL, Invocation, Teller, run, shared_flags
from engine.plan.locations import parse_location
from engine.report.text import safe, table
from engine.sites.traits import sentences


@click.command("check", short_help="Who am I, which endpoint, does the bucket answer, what may I do.")
@click.argument("location", required=False)
@click.option("--write", is_flag=True, help="Also try the write actions, on an object of its own that it removes.")
@shared_flags
def check_command(invocation: Invocation, location: str | None, write: bool) -> None:
    """Say who the credentials belong to, and which endpoint and region are used. With LOCATION (s3://bucket/prefix/),
    try the actions that a migration needs there: reading by itself, writing only with --write."""
    where = parse_location(location) if location else None
    teller = Teller(invocation, "check")
    report = run(invocation, "check", lambda options, _: check(where, options, write=write), teller=teller)
    who = f"{report.identity.arn} (account {report.identity.account})" if report.identity.arn else "not known"
    lines = [
        f"endpoint   {report.endpoint}",
        f"region     {report.region}",
        f"you are    {safe(who)}" + (f": {safe(report.identity.problem)}" if report.identity.problem else ""),
        f"key        {report.access_key}",
    ]
    if report.facts is not None:
        facts = report.facts
        lines.append(f"bucket     {facts.bucket} answers; region {facts.region or 'not said'}")
        lines.append(
            f"clock      {report.skew_s:+.0f} s from S3's" if report.skew_s is not None else "clock      not said"
        )
        if facts.versioning:
            lines.append(f"versioning {facts.versioning}: a delete there only adds a marker")
    invocation.say("\n".join(lines))
    if report.actions:
        rows = [[item.action, item.verdict, safe(item.reason)] for item in report.actions]
        invocation.say("\n" + table(["action", "", ""], rows, left=3))
    for sentence in sentences(report.traits) if report.traits else ():
        invocation.say(f"note: {sentence}")
    code = FATAL if any(item.verdict == "denied" for item in report.actions) else DONE
    teller.summary(
        "check",
        code,
        {
            "endpoint": report.endpoint,
            "region": report.region,
            "account": report.identity.account,
            "arn": report.identity.arn,
            "bucket": report.facts.bucket if report.facts else None,
            "skew_s": report.skew_s,
            "actions": {item.action: item.verdict for item in report.actions},
            "honours": report.traits.as_note() if report.traits else None,
        },
    )
    raise SystemExit(code)
