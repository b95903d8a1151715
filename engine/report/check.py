"""What `cartage check` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.check import NOT_GONE, CheckReport
from engine.api.commands import typed
from engine.report.ndjson import picked
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.text import duration_text, safe
from engine.sites.traits import sentences

WHO_ALLOWS = "whoever manages your permissions or the bucket's policy"
_VERDICTS = {"allowed": Tone.GOOD, "denied": Tone.BAD}


def check_page(report: CheckReport, location: str | None, took_s: float, flags: Sequence[str] = ()) -> Page:
    """Who and where, then what is allowed, an action a line, and what the server lacks. `location` is what it was asked
    of, None for no location; `flags` are the connection's, as they were given."""
    identity, facts = report.identity, report.facts
    who = f"{identity.arn} (account {identity.account})" if identity.arn else "not known"
    facts_told = [
        f"endpoint   {report.endpoint}",
        f"region     {report.region}",
        f"you are    {safe(who)}" + (f": {safe(identity.problem)}" if identity.problem else ""),
        f"key        {report.access_key}",
    ]
    if facts is not None:
        facts_told.append(f"bucket     {facts.bucket} answers; region {facts.region or 'not said'}")
        skew = f"{report.skew_s:+.0f} s from S3's" if report.skew_s is not None else "not said"
        facts_told.append(f"clock      {skew}")
        if facts.versioning:
            facts_told.append(f"versioning {facts.versioning}: a delete there only adds a marker")
    lines: list[str | Table] = [Toned(line, hang=11) for line in facts_told]
    if report.actions:
        rows = [
            [item.action, Toned(item.verdict, _VERDICTS.get(item.verdict, Tone.WARNING)), safe(item.reason)]
            for item in report.actions
        ]
        lines += ["", Table(["action", "", ""], rows, left=3)]
    if report.traits is not None:
        lines += [f"note: {sentence}" for sentence in sentences(report.traits)]
    if report.left:
        lines.append(Toned(f"left: {NOT_GONE}: {', '.join(safe(str(ref)) for ref in report.left)}", Tone.WARNING))
    if report.nothing:
        lines.append(Toned(safe(report.nothing), Tone.WARNING))
    lines.append(f"took {duration_text(took_s)}")
    return [*lines, *_next(report, location, flags)]


def _next(report: CheckReport, location: str | None, flags: Sequence[str]) -> list[str]:
    if location is None:
        return [next_step(typed("cartage", "check", "s3://BUCKET/PREFIX/", *flags))]
    if report.denied:
        denied = ", ".join(dict.fromkeys(report.denied))
        allow: list[str] = [Toned(f"next: have {denied} allowed by {WHO_ALLOWS}, then the same again", Tone.NEXT)]
        if report.facts or "--request-payer" in flags:
            return allow
        # Such a bucket denies all of it to whoever does not say so.
        return [Toned("if the bucket has its requesters pay: the same with --request-payer", Tone.NEXT), *allow]
    if report.is_open:
        return [Toned("next: the same again, since an answer was lost", Tone.NEXT)]
    if report.nothing:  # which may be as it should be of a prefix: a target that is written to later
        mend = Toned("next: mend the location, then the same again", Tone.NEXT)
        return [] if location.endswith("/") else [mend]
    return [next_step(typed("cartage", "ls", "--summarize", location, *flags))]


def check_values(report: CheckReport) -> dict[str, Any]:
    """The summary of a check."""
    return {
        **picked(report, "endpoint region account=identity.account arn=identity.arn"),
        "bucket": report.facts.bucket if report.facts else None,
        "skew_s": report.skew_s,
        "actions": {item.action: item.verdict for item in report.actions},
        "honours": report.traits,
        "left": [str(ref) for ref in report.left],
    }
