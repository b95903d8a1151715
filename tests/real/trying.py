"""What works on a server, tried by the commands themselves: one scene, one line of facts.

`python -m tests.real.trying SERVER…` tries servers ("sandbox", "moto", "localstack", "rgw", "swift", "s3rver",
"rclone"; the last two where node's s3rver and rclone are on the PATH), writes what came of it to tests/real/tried.json
and the table of docs/guides.md that is made of it. A test holds the three together, and the servers that the tests
start to what is written down.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.real.commands import Cartage
from tests.servers import (
    REPOSITORY,
    Endpoint,
    start_localstack,
    start_moto,
    start_rclone,
    start_rgw,
    start_s3rver,
    start_sandbox_endpoint,
    start_swift,
)

RESULTS = Path(__file__).with_name("tried.json")
GUIDE = REPOSITORY / "docs" / "guides.md"
BEGIN, END = "<!-- tried: begin -->", "<!-- tried: end -->"

STARTS: dict[str, Callable[[], contextlib.AbstractContextManager[Endpoint]]] = {
    "sandbox": start_sandbox_endpoint,
    "moto": start_moto,
    "localstack": start_localstack,
    "rgw": start_rgw,
    "swift": start_swift,
    "s3rver": start_s3rver,
    "rclone": start_rclone,
}
NAMES = {
    "sandbox": "Cartage's sandbox",
    "moto": "moto 5.2",
    "localstack": "LocalStack 4.9",
    "rgw": "Ceph RGW 16.2",
    "swift": "OpenStack Swift 2.30",
    "s3rver": "s3rver 3.7",
    "rclone": "rclone serve s3",
}

MIB5 = 5 << 20
KEYS = {"plain": b"plain", "empty": b"", "a b+ü/x": b"a key of odd letters"}
"""Without "%", on which RGW 16 aborts when it stands in a part's source."""

Facts = dict[str, str]


class Column(NamedTuple):
    """One column of the table: its head, and the fact that it shows."""

    head: str
    fact: str


COLUMNS = (
    Column("plain objects", "plain"),
    Column("objects of parts", "parts"),
    Column("tags", "tags"),
    Column("metadata", "metadata"),
    Column("source pinned", "copy_pins"),
    Column("a part's source pinned", "part_pins_parts"),
    Column("target guarded", "copy_if_absent"),
    Column("checksums", "checksums"),
    Column("`verify --deep`", "deep"),
    Column("deletes by ETag", "deletes"),
    Column("`cleanup`", "cleanup"),
)


def try_server(endpoint: Endpoint, folder: Path) -> Facts:
    """Copy, verify, read back and clean up on a server; every fact in a word or two."""
    bucket = f"tried-{uuid.uuid4().hex[:8]}"
    client = endpoint.client()
    client.create_bucket(Bucket=bucket, **_where(endpoint))
    for name, body in KEYS.items():
        client.put_object(Bucket=bucket, Key=f"old/{name}", Body=body, Metadata={"card": "25"})
    parts = _put_parts(client, bucket, "old/parts")
    tagged = _tagged(client, bucket, "old/plain")
    plan = folder / "tried.toml"
    plan.write_text(
        f'name = "tried"\nbucket = "{bucket}"\n[[routes]]\nname = "r"\nfrom = "/old/"\nto = "/new/"\n'
        '[cleanup]\nhold = "0s"\n'
    )
    cartage = Cartage(endpoint, plan, folder / "tried.ledger")
    facts: Facts = _honours(cartage, bucket)
    cartage.end("run", "--yes")
    verified = cartage.end("verify")
    held = _proofs(cartage, "r")
    facts["plain"] = _level([held.get(name, "") for name in KEYS])
    facts["parts"] = _level([held.get("parts", "")]) if parts else "cannot be made"
    facts["verify"] = str(verified.code)
    facts["deep"] = {0: "agrees", 4: "differs"}.get(cartage.end("verify", "--deep").code, "fails")
    facts["tags"] = _arrived(lambda: client.get_object_tagging(Bucket=bucket, Key="new/plain")["TagSet"], tagged)
    facts["metadata"] = _arrived(lambda: client.head_object(Bucket=bucket, Key="new/plain")["Metadata"], True)
    cleaned = cartage.end("cleanup", "--delete", "--confirm", "tried")
    left = client.list_objects_v2(Bucket=bucket, Prefix="old/").get("KeyCount", 0)
    facts["cleanup"] = "deletes all" if cleaned.code == 0 and left == 0 else _why_not(cleaned)
    return facts


def _where(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.name != "sandbox":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}}


def _put_parts(client: Any, bucket: str, key: str) -> bool:
    place = {"Bucket": bucket, "Key": key}
    try:
        upload = {**place, "UploadId": client.create_multipart_upload(**place, Metadata={"card": "25"})["UploadId"]}
        etags = [
            client.upload_part(**upload, PartNumber=number, Body=b"p" * size)["ETag"]
            for number, size in ((1, MIB5), (2, 100))
        ]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except Exception:
        return False
    return True


def _tagged(client: Any, bucket: str, key: str) -> bool:
    """Whether an object can be given a tag, and still is what it was."""
    try:
        client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": [{"Key": "set", "Value": "base1"}]})
        return bool(client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
    except Exception:
        return False
    finally:
        client.put_object(Bucket=bucket, Key=key, Body=KEYS["plain"], Metadata={"card": "25"})
        with contextlib.suppress(Exception):
            client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": [{"Key": "set", "Value": "base1"}]})
            if client.get_object(Bucket=bucket, Key=key)["Body"].read() != KEYS["plain"]:  # written over by its tags
                client.put_object(Bucket=bucket, Key=key, Body=KEYS["plain"], Metadata={"card": "25"})


def _arrived(read: Callable[[], Any], there: bool) -> str:
    if not there:
        return "none"
    try:
        return "arrive" if read() else "are lost"
    except Exception:
        return "are lost"


def _honours(cartage: Cartage, bucket: str) -> Facts:
    checked = cartage.bare("check", f"s3://{bucket}/new/", "--write")
    facts = {name: str(value) for name, value in sorted((checked.summary.get("honours") or {}).items())}
    by_etag = (facts.get("delete_if_match") == "yes", facts.get("batch_if_match") == "yes")
    ways = {(True, True): "yes", (True, False): "one by one", (False, True): "in batches", (False, False): "no"}
    return facts | {"deletes": ways[by_etag]}


def _proofs(cartage: Cartage, route: str) -> dict[str, str]:
    """The proof of each object that is verified, by its key."""
    exported = cartage.plan.parent / "export.json"
    exported.unlink(missing_ok=True)
    cartage.end("export", "--format", "ndjson", "--output", str(exported))
    rows = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    return {row["key"]: row["proof"] if row["state"] == "verified" else "" for row in rows}


def _level(proofs: list[str]) -> str:
    if not all(proofs):
        return "not copied" if not any(proofs) else "not all copied"
    return "by size" if "size" in proofs else "by digest"


def _why_not(cleaned: Any) -> str:
    closed = [item["name"] for item in cleaned.summary.get("reasons", ()) if not item["open"]]
    return f"refused: {', '.join(closed)}" if closed else f"ends with {cleaned.code}"


# --- the table --------------------------------------------------------------------------------------------


def table(tried: dict[str, Facts]) -> str:
    """The table of docs/guides.md."""
    lines = ["| server | " + " | ".join(column.head for column in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, facts in tried.items():
        lines.append(f"| {NAMES[name]} | " + " | ".join(facts.get(column.fact, "–") for column in COLUMNS) + " |")
    return "\n".join(lines)


def guide_with(text: str, tried: dict[str, Facts]) -> str:
    """The guide with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(tried)}\n{END}{after}"


def written() -> dict[str, Facts]:
    """What is written down, by server."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cartage-tried-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(names: list[str]) -> None:
    tried = written()
    for name in names or list(STARTS):
        with STARTS[name]() as endpoint, scratch() as folder:
            tried[name] = try_server(endpoint, folder)
        print(name, tried[name], flush=True)
        ordered = {known: tried[known] for known in STARTS if known in tried}
        RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        GUIDE.write_text(guide_with(GUIDE.read_text(encoding="utf-8"), ordered), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
