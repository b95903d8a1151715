"""The text of `cartage init`: a plan to start from, every setting there with a word on it. Pure.

It is a plan that loads as it is. Settings that are not needed stand behind a "#" without a space, so that taking the
"#" away makes each of them count.
"""

from __future__ import annotations

import json
import re

EXAMPLE = "my-bucket"
"""The bucket of a plan that nobody has put a bucket into yet: the default of `starter_plan`."""
_TEXT = """\
# A plan for cartage: which objects go where, and what is expected of them.
#
#   cartage plan {file}       lists both sides and shows what would be done; writes nothing to S3
#   cartage run {file}        copies; run it again to resume
#   cartage verify {file}     compares both sides again
#   cartage cleanup {file}    shows what still keeps the sources from being deleted

name   = {name}    # the ledger beside this file is called after it
bucket = {bucket}    # what a location that begins with "/" is in
prefix = {prefix}    # what a relative "to" or key is under; it ends with a slash

[connection]
# All optional: flags and the AWS environment work too.
{region}
#endpoint_url = "https://s3.example.com"
#profile = "default"
#credentials = "none"    # nothing is signed, for what anybody may read
#addressing_style = "path"    # or "virtual"; "auto" unless said
#request_payer = "requester"
#expected_bucket_owner = "123456789012"

#[sites.other]    # another server or account, for routes that say from_site or to_site; the keys of [connection]
#endpoint_url = "https://s3.example.org"
#profile = "other"

# --- what goes where ---------------------------------------------------------------------------------------------
# A trailing slash means everything under it; without one it is that one exact key. Write as many [[routes]] as needed.
# A local folder is written ./data/, ~/data/ or file:///data/ (beside this file, in the home folder, by its whole path).

[[routes]]
name = "data"
from = {source}
to   = {target}
#expect = { objects = 1024, size = "734 MB" }    # what you believe is there: counted exactly, sizes within 1 %
#include = ["*.png", "*.json"]    # "*" is any characters, slashes too; matched after "from"; exclude wins
#exclude = ["*.tmp"]
#since = 2020-01-01    # by the time of the last change, in UTC; "until" is not included
#until = 2030-01-01T00:00:00Z
#min_size = "1 byte"
#max_size = "5 TB"
#storage_class = "INTELLIGENT_TIERING"    # unless said, as the source has it
#tags = { project = "example" }    # takes the place of the source's tags
#metadata = { origin = "example" }    # laid over the source's metadata
#properties = { content_headers = "preserve", encryption = "drop" }    # preserve, drop, fail, or a table of values
#overwrite = "never"    # "if-different" and "always" replace what we did not write
#exact = false    # true: anything else under the target is a difference
#allow_empty = false    # true: it is no mistake if there is nothing under "from"
#to_site = "other"    # where "to" is; and from_site; [connection] unless said
#keys = "keys.txt"    # a list of keys in place of listing; or inventory = "s3://…/manifest.json"

# --- what is expected of several routes together -----------------------------------------------------------------

#[[expect]]
#routes = ["data"]    # all of them unless said
#objects = 1024
#size = "734 MB"
#tolerance = "1 %"

# --- what must hold on the targets before anything is deleted ----------------------------------------------------

#[[probes]]
#exists = "README.md"

#[[probes]]
#json = "index.json"
#items = 100

#[[probes]]
#npy = "embeddings.npy"
#shape = [100, 768]
#dtype = "float32"
#agrees = "database"    # as many rows and dimensions as the others that say so

#[[probes]]
#usearch = "vectors.index"    # opened and searched where the extra "usearch" is installed
#agrees = "database"

#[[probes]]
#csv = "labels.csv"    # or parquet, with the extra "parquet"
#rows = 100
#header = ["id", "label"]

#[[probes]]
#images = { under = "images/", sample = 200 }    # decoded, with the extra "image"

#[[probes]]
#manifest = "manifest.json"    # what it tells of paths, files and sizes is so

#[[probes]]
#under = "images/"
#min_objects = 100

#[[probes]]
#command = "python3"    # your own program; only with --allow-commands
#args = ["check.py"]
#at = "index.json"

# --- what has to be told of the move -----------------------------------------------------------------------------

#[manifest]    # what is brought up to date: JSON, YAML or TOML, and tables in Markdown
#object = "manifest.json"
#tables = ["README.md"]    # between <!-- cartage:data --> and <!-- /cartage:data -->
#set = { "project.version" = "2.0.0" }
#datasets = [ { at = "project.data", route = "data", description = "Everything" } ]

#[references]    # where old locations are looked for; "./" is a local folder
#scan = ["pipelines/", "./notebooks/"]
#exclude = ["*.bak"]

# --- when the sources may go -------------------------------------------------------------------------------------

[cleanup]
hold  = "24h"    # per object, since it was first proven
proof = "digest"    # or "size", or "bytes" (both sides read)
#unconditional = false    # true: also on a server that cannot delete by ETag
"""


_PLACE = re.compile(r"\{(?:name|bucket|prefix|source|target|region|file)\}")


def starter_plan(
    name: str = "my-migration",
    *,
    bucket: str = "my-bucket",
    prefix: str = "project/",
    source: str = "/data/",
    target: str = "data/",
    region: str = "",
    file: str = "plan.toml",
) -> str:
    """The commented text (TOML) of a plan to start from, with these values filled in. `file` is the name that its
    comments use."""
    filled = {
        "{name}": quoted(name),
        "{bucket}": quoted(bucket),
        "{prefix}": quoted(prefix),
        "{source}": quoted(source),
        "{target}": quoted(target),
        "{region}": f"region = {quoted(region)}" if region else '#region = "us-east-1"',
        "{file}": "".join(char for char in file if char.isprintable()),
    }
    return _PLACE.sub(lambda found: filled[found.group()], _TEXT)


def quoted(text: str) -> str:
    """A TOML string: JSON's escapes are all TOML's too, and only DEL has to be escaped besides."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
