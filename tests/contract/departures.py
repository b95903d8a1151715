"""What each server does otherwise than S3, as tests/contract observed it. Written down here alone.

A test that meets a departure demands exactly what is written: one that no longer holds fails. Keys: the server
("moto"), one store on a server ("moto/boto"), or a store on every server ("boto").
"""

from __future__ import annotations

from typing import NamedTuple

from engine.model import MIB, Checksum


class Departure(NamedTuple):
    """`does` is what is observed instead of what S3 promises; `why` says more where that helps."""

    does: object
    why: str = ""


NO_SIGNATURES = "it does not check signatures"
IGNORED = "the condition is ignored"

UNSIGNED = {
    "a wrong secret": Departure(["done"] * 3, NO_SIGNATURES),
    "an unknown access key": Departure(["done"] * 3, NO_SIGNATURES),
    "another region": Departure(["done"] * 3, NO_SIGNATURES),
    "a clock an hour late": Departure(["done"] * 3, NO_SIGNATURES),
}

RESTORED_AT_ONCE = {
    "HEAD shows a restore that is under way": Departure(False, "there is none: it can be read at once"),
    "a listing shows a restore that is under way": Departure(False, "no listing tells of a restore"),
    "a restore is not begun twice": Departure("done"),
}

DEPARTURES: dict[str, dict[str, Departure]] = {
    "memory": {
        "what belongs to rules is told": Departure("", "it says nothing of a least size"),
        **UNSIGNED,
        "a bucket's encryption": Departure("", "it encrypts nothing"),
        "tags with & < > are refused": Departure("done", "any character is taken"),
    },
    "sandbox": {
        "tags with & < > are refused": Departure("done", "any character is taken"),
        "an ACL can be put": Departure("Rejected", "its buckets take no ACLs, as new ones on AWS"),
        "an ACL can be given to a copy": Departure("Rejected", "its buckets take no ACLs, as new ones on AWS"),
    },
    "moto/wire": {
        "retention without Object Lock": Departure("Ambiguous UnreadableAnswer attempt", "it answers something else"),
        "a legal hold without Object Lock": Departure("done"),
    },
    "moto/boto": {
        "retention without Object Lock": Departure("Ambiguous 500 attempt"),
        "a legal hold without Object Lock": Departure("done"),
    },
    "moto": {
        "a bucket's encryption": Departure("", "it has none unless one is set, and says so"),
        **UNSIGNED,
        "a key of 1,025 bytes is refused": Departure("done"),
        "a body that is not its checksum's is refused": Departure("done", "it keeps what it is told"),
        "a key with newline is stored": Departure("NotFound", "its routes end at a line break"),
        "CopyObject copy-source-if-match": Departure("done", IGNORED),
        "CopyObject If-Match": Departure("done", IGNORED),
        "CopyObject If-None-Match": Departure("done", IGNORED),
        "CopyObject answers with the checksum": Departure(
            (Checksum("CRC64NVME", "FULL_OBJECT", "7pwvPQ=="),), "CRC32 under the name of CRC64NVME"
        ),
        "HEAD of a copy shows its checksum": Departure((Checksum("CRC64NVME", "FULL_OBJECT", "7pwvPQ=="),)),
        "the checksum of an upload": Departure((Checksum("CRC64NVME", "FULL_OBJECT", "Ato3xg=="),)),
        "copying from GLACIER": Departure("Archived ObjectNotInActiveTierError object"),
        "copying from DEEP_ARCHIVE": Departure("Archived ObjectNotInActiveTierError object"),
        "UploadPartCopy copy-source-if-match": Departure("done", IGNORED),
        "UploadPartCopy past the end": Departure("done"),
        "UploadPartCopy of a missing key": Departure("NotFound 404 object", "the answer has no body"),
        "UploadPart after Abort": Departure("Ambiguous 500 attempt"),
        "Complete after Abort": Departure("Ambiguous 500 attempt"),
        "a second Complete": Departure("done"),
        "Complete If-Match": Departure("done", IGNORED),
        "Complete with a wrong checksum": Departure("done"),
        "Complete with another MpuObjectSize": Departure("done"),
        "Complete with parts out of order": Departure("Rejected EntityTooSmall object", "it sorts them"),
        "HEAD partNumber": Departure(
            [(2, 5 * MIB, 5 * MIB), (2, MIB, MIB)], "no Content-Range, so that the whole size is not known"
        ),
        "PutObjectTagging of no tags": Departure("Ambiguous", "status 500"),
        **RESTORED_AT_ONCE,
        "DeleteObjects by ETag": Departure([], IGNORED),
        "DeleteObjects says which ETags differ": Departure(False, IGNORED),
    },
    "localstack": {
        **RESTORED_AT_ONCE,
        **UNSIGNED,
        "CopyObject If-Match": Departure("done", IGNORED),
        "CopyObject If-None-Match": Departure("done", IGNORED),
        "DeleteObject If-Match": Departure("Unsupported", "status 501"),
        "DeleteObject If-Match of what is there": Departure("Unsupported", "status 501"),
        "DeleteObjects by ETag": Departure([], IGNORED),
        "DeleteObjects says which ETags differ": Departure(False, IGNORED),
        "DeleteObjects confirms each key verbatim": Departure(False, "a carriage return goes out as it is"),
        "HEAD counts tags": Departure(None),
        "ListMultipartUploads gives keys verbatim": Departure(False, "it says that it encodes, and does not"),
        "pages of special keys leave none out": Departure(False, "it compares encoded keys with plain ones"),
        "start-after with special keys": Departure(False, "it compares encoded keys with plain ones"),
    },
    "rgw": {
        "what belongs to rules is told": Departure("", "it says nothing of a least size"),
        "restoring what is not archived is refused": Departure("Unsupported", "it knows no RestoreObject"),
        "a bucket's encryption": Departure(None, "it answers with a listing of the bucket"),
        "another region": Departure(["done"] * 3, "any region is accepted"),
        "CRC64NVME is kept": Departure((), "it has no checksums"),
        "a body that is not its checksum's is refused": Departure("done", "it has no checksums"),
        "PutObject answers with the checksum": Departure((), "it has no checksums"),
        "HEAD shows the checksum where it is asked for": Departure((), "it has no checksums"),
        "CopyObject answers with the checksum": Departure((), "it has no checksums"),
        "HEAD of a copy shows its checksum": Departure((), "it has no checksums"),
        "the checksum of an upload": Departure((), "it has no checksums"),
        "CopyObject copy-source-if-match": Departure("done", IGNORED),
        "CopyObject If-Match": Departure("done", IGNORED),
        "CopyObject If-None-Match": Departure("done", IGNORED),
        "CopyObject replaces tags": Departure((), "they are lost"),
        "GLACIER can be put": Departure("Rejected", "classes have to be made first"),
        "DEEP_ARCHIVE can be put": Departure("Rejected", "classes have to be made first"),
        "PutObject If-Match of what is there": Departure("PreconditionFailed", "it compares with the quotes"),
        "UploadPartCopy copy-source-if-match": Departure("done", IGNORED),
        "UploadPart 10,001": Departure("done"),
        "ListParts after Abort": Departure("NotFound NoSuchKey object"),
        "Complete answers with the ETag": Departure("Ambiguous", "the ETag is empty"),
        "Complete If-Match": Departure("Ambiguous", "carried out, and the ETag is empty"),
        "Complete If-None-Match": Departure("Ambiguous", "carried out, and the ETag is empty"),
        "Complete after Abort": Departure("Ambiguous InternalError attempt"),
        "a second Complete": Departure("done"),
        "Complete with the right checksum": Departure("Ambiguous", "carried out, and the ETag is empty"),
        "Complete with another MpuObjectSize": Departure("Ambiguous", "carried out, and the ETag is empty"),
        "Complete with parts out of order": Departure("Rejected EntityTooSmall object"),
        "tags given at Create": Departure((), "they are lost"),
        "tags with & < > are refused": Departure("done"),
        "HEAD partNumber": Departure([(None, None, 6 * MIB)] * 2, "the part number is ignored"),
        "ListMultipartUploads gives keys verbatim": Departure(False, "it encodes and does not say so"),
        "DeleteObject If-Match": Departure("done", IGNORED),
        "DeleteObjects by ETag": Departure([], IGNORED),
        "DeleteObjects says which ETags differ": Departure(False, IGNORED),
    },
}

NOT_ASKED: dict[str, dict[str, str]] = {
    "rgw": {
        "a part copied from a special key": "radosgw decodes the source key twice, and aborts on a percent sign in it",
    },
}
"""What a server must not be asked: it would take harm."""
