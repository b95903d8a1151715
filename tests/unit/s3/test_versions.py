"""Versions as servers list them."""

from __future__ import annotations

from engine.s3 import xml
from engine.s3.versions_xml import versions_page


def version(tag: str, number: str, modified: str, latest: str = "false") -> str:
    return (
        f"<{tag}><Key>a</Key><VersionId>{number}</VersionId><IsLatest>{latest}</IsLatest>"
        f"<LastModified>{modified}</LastModified><Size>1</Size></{tag}>"
    )


def test_times_of_any_form_are_compared_in_one() -> None:
    """A server that writes no fraction, and its delete markers after all versions: the newest comes first."""
    body = (
        "<ListVersionsResult><IsTruncated>false</IsTruncated>"
        + version("Version", "oldest", "2026-01-31T10:00:00Z")
        + version("Version", "newest", "2026-01-31T13:00:00+01:00", "true")
        + version("DeleteMarker", "between", "2026-01-31T10:00:00.500Z")
        + "</ListVersionsResult>"
    )
    page = versions_page(xml.read(body), "")
    assert [(item.version_id, item.modified) for item in page.versions] == [
        ("newest", "2026-01-31T12:00:00.000Z"),
        ("between", "2026-01-31T10:00:00.500Z"),
        ("oldest", "2026-01-31T10:00:00.000Z"),
    ]
