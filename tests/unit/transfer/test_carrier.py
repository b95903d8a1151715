"""What became of an object, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import AccessDenied, Conflict
from engine.model import ListedObject
from engine.transfer.carrier import Task, outcome_of
from tests.unit.transfer.scene import ROUTE

TASK = Task(ROUTE, "k", ListedObject("old/k", 1, "etag", ""), "*")


@pytest.mark.parametrize("message", ["another process is writing this file", "another process is writing this file."])
def test_what_went_wrong_and_what_to_do_about_it_are_two_sentences(message: str) -> None:
    told = outcome_of(TASK, Conflict(message, operation="PutObject", advice="Wait for the other run to end."))
    assert told.message == "another process is writing this file. Wait for the other run to end."


def test_without_advice_it_is_as_it_was_said() -> None:
    assert outcome_of(TASK, Conflict("access denied", operation="PutObject")).message == "access denied"


@pytest.mark.parametrize(
    ("operation", "ref", "action", "code"),
    [
        ("GetObject", "s3://bkt/old/k", "s3:GetObject", "SourceDenied"),
        ("PutObject", "s3://bkt/new/k", "s3:PutObject", "AccessDenied"),
        ("HeadObject", "s3://bkt/new/k", "s3:GetObject", "AccessDenied"),
        ("CopyObject", "s3://bkt/new/k", "s3:PutObject, and s3:GetObject of the source", "AccessDenied"),
        ("CopyObject", "s3://bkt/new/k", "s3:GetObject", "SourceDenied"),  # as S3 itself said
        ("UploadPartCopy", "s3://bkt/new/k", "s3:GetObject", "SourceDenied"),
    ],
)
def test_which_side_was_denied_is_known_by_the_code(operation: str, ref: str, action: str, code: str) -> None:
    denied = AccessDenied("access denied", operation=operation, ref=ref, code="AccessDenied", action=action)
    assert outcome_of(TASK, denied).code == code


def test_a_key_of_the_other_site_is_not_taken_for_the_source() -> None:
    """Two endpoints may have a bucket of one name."""
    denied = AccessDenied("access denied", operation="PutObject", ref="s3://bkt/old/k", code="AccessDenied")
    denied.site = "minio"
    mirrored = replace(ROUTE, target=replace(ROUTE.source, site="minio"))
    task = Task(mirrored, "k", TASK.source, "*")
    assert outcome_of(task, denied).code == "AccessDenied"
    denied.site = ""
    assert outcome_of(task, denied).code == "SourceDenied"
