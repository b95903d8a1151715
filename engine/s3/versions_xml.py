"""A page of ListObjectVersions, in the order in which S3 has it: key by key, the newest version first. Pure."""

from __future__ import annotations

from engine.model import ListedVersion, VersionsPage
from engine.s3 import xml
from engine.s3.answers import moment, upload_key
from engine.s3.asked import NO_WAY_ON, is_last


def versions_page(document: xml.Document, prefix: str) -> VersionsPage:
    """Raises KeyError for a version that lacks a part, ValueError for a size that is none, or a page that is not the
    last and does not say how to go on."""
    encoded = document.text("EncodingType") == "url"
    found = []
    for element in document.element:
        item = xml.Document(element)
        if item.name not in ("Version", "DeleteMarker"):
            continue
        fields = item.fields()
        found.append(
            ListedVersion(
                upload_key(fields["Key"], prefix, encoded=encoded),
                fields["VersionId"],
                0 if item.name == "DeleteMarker" else int(fields["Size"]),
                moment(fields["LastModified"]),
                fields.get("StorageClass", ""),
                fields["IsLatest"] == "true",
                item.name == "DeleteMarker",
            )
        )
    found.sort(key=lambda item: item.modified, reverse=True)  # some servers list delete markers after all versions;
    found.sort(key=lambda item: (item.key, not item.is_latest))  # S3's own order stays as it is
    if is_last(document.text("IsTruncated")):
        return VersionsPage(found)
    key = upload_key(document.text("NextKeyMarker"), prefix, encoded=encoded)
    if not key:
        raise ValueError(NO_WAY_ON)
    return VersionsPage(found, (key, document.text("NextVersionIdMarker")))
