"""What a sandbox is asked to be: data only, the same on both sides of the process boundary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from engine.sandbox.faults import FaultRule

READS_PER_WRITE = 5500 / 3500
"""S3's own figures for one prefix: 5,500 GET or HEAD, and 3,500 COPY, PUT, POST or DELETE a second."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Everything but `port`, `region`, `tls*` and the keys may be changed while it runs (control "settings").

    `access_key` and `secret_key` are made up where they are empty. `session_token` makes them temporary ones, and
    `credentials_last_s` (0: for ever) says for how long.

    Latency is the median of a call; `latency_spread` is the sigma of a log-normal distribution, or where `uniform` is
    set, the fraction to either side. Listings take `list_latency_ms` exactly (None: as all). `bandwidth_mib_s` is what
    one copied object or part moves (0: any), `part_slots` how many parts of one upload move at once (0: all).
    `whitespace_s` is how often a slow copy sends white space, after the XML declaration, or before everything where
    `whitespace_leads`.

    `rate_rps` is the writes a second of one bucket and prefix family (the first `family_depth` levels of a key),
    0: any; `read_rate_rps` the reads (None: in S3's own proportion); `rate_burst` how many at once (None: a tenth of
    a second's).

    `complete_again`: a second Complete of one upload is answered by 200 and the same result, as S3 may for a while,
    and not by NoSuchUpload. Not `conditional_deletes`: deletes ignore the ETags they are given, as some gateways do.
    `echoes_checksums`: PutObject keeps and says whatever checksum it is sent, and of other bytes.

    `tls_names` are the host names in the certificate. `tls_flaw` is "", "expired", "self-signed" or
    "unknown-authority" (`ca_bundle` then holds another authority's certificate).
    """

    port: int = 0
    region: str = "us-east-2"
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    credentials_last_s: float = 0.0
    check_signatures: bool = True
    tls: bool = False
    tls_names: tuple[str, ...] = ("localhost", "127.0.0.1")
    tls_flaw: str = ""

    latency_ms: float = 0.0
    latency_spread: float = 0.4
    list_latency_ms: float | None = None
    uniform: bool = False
    bandwidth_mib_s: float = 0.0
    part_slots: int = 0
    whitespace_s: float = 0.0
    whitespace_leads: bool = False

    rate_rps: float = 0.0
    read_rate_rps: float | None = None
    rate_burst: float | None = None
    family_depth: int = 1

    seed: int = 1
    faults: tuple[FaultRule, ...] = ()
    clock_offset_s: float = 0.0
    count_writes: bool = False
    complete_again: bool = False
    conditional_deletes: bool = True
    echoes_checksums: bool = False
    body_limit_mib: int = 1024

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def changed(self, values: dict[str, Any]) -> SandboxSettings:
        """These settings with some replaced by values from JSON, as those of `as_json`; an unknown name is a
        TypeError."""
        if unknown := sorted(set(values) - {field.name for field in fields(self)}):
            raise TypeError(f"no such setting: {', '.join(unknown)}")
        found = dict(values)
        if "faults" in found:
            found["faults"] = tuple(FaultRule(**rule) for rule in found["faults"])
        if "tls_names" in found:
            found["tls_names"] = tuple(found["tls_names"])
        return replace(self, **found)
