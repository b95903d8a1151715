"""What `cartage check` shows."""

from __future__ import annotations

from typing import Any

from engine.api.check import CheckReport
from engine.report.text import safe, table
from engine.sites.traits import sentences


def check_text(report: CheckReport) -> str:
    """Who and where, then what is allowed, an action a line, and what the server lacks."""
    identity, facts = report.identity, report.facts
    who = f"{identity.arn} (account {identity.account})" if identity.arn else "not known"
    lines = [
        f"endpoint   {report.endpoint}",
        f"region     {report.region}",
        f"you are    {safe(who)}" + (f": {safe(identity.problem)}" if identity.problem else ""),
        f"key        {report.access_key}",
    ]
    if facts is not None:
        lines.append(f"bucket     {facts.bucket} answers; region {facts.region or 'not said'}")
        skew = f"{report.skew_s:+.0f} s from S3's" if report.skew_s is not None else "not said"
        lines.append(f"clock      {skew}")
        if facts.versioning:
            lines.append(f"versioning {facts.versioning}: a delete there only adds a marker")
    if report.actions:
        rows = [[item.action, item.verdict, safe(item.reason)] for item in report.actions]
        lines += ["", table(["action", "", ""], rows, left=3)]
    if report.traits is not None:
        lines += [f"note: {sentence}" for sentence in sentences(report.traits)]
    return "\n".join(lines)


def check_values(report: CheckReport) -> dict[str, Any]:
    """The summary of a check."""
    return {
        "endpoint": report.endpoint,
        "region": report.region,
        "account": report.identity.account,
        "arn": report.identity.arn,
        "bucket": report.facts.bucket if report.facts else None,
        "skew_s": report.skew_s,
        "actions": {item.action: item.verdict for item in report.actions},
        "honours": report.traits.as_note() if report.traits else None,
    }
