"""What a HEAD's headers say of an object."""

from __future__ import annotations

import pytest

from engine.s3.parsing import Answer, object_head


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("aws-chunked", ""),
        ("gzip", "gzip"),
        ("gzip, br", "gzip, br"),
        ("gzip,aws-chunked", "gzip"),
        ("AWS-Chunked, gzip, br", "gzip,br"),
        ("", ""),
    ],
)
def test_how_a_body_was_sent_is_no_property(said: str, kept: str) -> None:
    """Some servers keep `aws-chunked`: sent again with a plain body it is refused, or not kept."""
    head = object_head(Answer(200, {b"content-length": b"1", b"content-encoding": said.encode()}, b""))
    assert head.properties.content_encoding == kept
