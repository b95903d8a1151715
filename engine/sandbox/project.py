"""What the reference migration's project holds already: models, notebooks, scripts, a manifest and a README that name
the old places of the data in every way that people write them."""

from __future__ import annotations

import json
from typing import NamedTuple

from engine.sandbox.bodies import Content, Stream

PREFIX = "project/pokemon-card-recognition/"
TEACHER_KEY = "training-output/dinov3-teacher/model.tar.gz"

_JSON = "application/json"
_PYTHON = "text/x-python"
_MARKDOWN = "text/markdown"
_NOTEBOOK = "application/x-ipynb+json"


class Holding(NamedTuple):
    """One object that is in place already; `key` is under the project's prefix."""

    key: str
    content: Content
    content_type: str


def holdings(bucket: str, region: str) -> list[Holding]:
    """All of them, in no particular order."""
    return [
        Holding("README.md", _readme(bucket).encode(), _MARKDOWN),
        Holding("metadata/project_manifest.json", _manifest(bucket, region), _JSON),
        Holding("models/efficientnet-student/v1.0/student.pt", Stream(9_001, 74_700_000), "binary/octet-stream"),
        Holding("models/efficientnet-student/v1.0/student.onnx", Stream(9_002, 22_800_000), "binary/octet-stream"),
        Holding("models/efficientnet-hailo/v1.0/efficientnet.hef", Stream(9_003, 13_800_000), "binary/octet-stream"),
        Holding("models/efficientnet-hailo/calibration/", b"", "application/x-directory"),
        Holding("pipelines/prepare_images.py", _prepare(bucket).encode(), _PYTHON),
        Holding("pipelines/train_teacher.py", _train(bucket, region).encode(), _PYTHON),
        Holding("pipelines/build_reference.py", _build(bucket).encode(), _PYTHON),
        Holding("pipelines/calibrate_hailo.py", _calibrate(bucket).encode(), _PYTHON),
        Holding("pipelines/policy.json", _policy(bucket), _JSON),
        Holding("experiments/2025-03-teacher/train.ipynb", _notebook(bucket, "raw"), _NOTEBOOK),
        Holding("experiments/2025-04-distillation/eval.ipynb", _notebook(bucket, "processed"), _NOTEBOOK),
        Holding("experiments/2025-04-distillation/params.json", b'{"lr": 0.0003, "epochs": 40, "batch": 256}\n', _JSON),
        Holding("analytics/accuracy.json", b'{"top1": 0.9713, "top5": 0.9958, "cards": 17592}\n', _JSON),
        Holding("profiling/hailo8l.json", b'{"fps": 96.4, "latency_ms": 10.4, "power_w": 2.1}\n', _JSON),
    ]  # fmt: skip


def _readme(bucket: str) -> str:
    return f"""# Pokémon card recognition

| what | where |
|---|---|
| card images | `s3://{bucket}/data/raw/card_images/` |
| training set | `s3://{bucket}/data/processed/classification/train/` |
| reference database | s3://{bucket}/data/reference/ |
| calibration images | https://{bucket}.s3.us-east-2.amazonaws.com/data/calibration/ |
| teacher model | `s3://{bucket}/{TEACHER_KEY}` |

    aws s3 sync s3://{bucket}/data/reference/ ./reference/
    aws s3 ls s3://{bucket}/data/calibration/

The student model is in `s3://{bucket}/{PREFIX}models/efficientnet-student/v1.0/`, where it belongs.

<!-- cartage:data -->
<!-- /cartage:data -->
"""


def _manifest(bucket: str, region: str) -> bytes:
    def dataset(path: str, files: int, description: str, **size: float) -> dict[str, object]:
        return {"path": f"s3://{bucket}/{path}", **size, "num_files": files, "description": description}

    found = {
        "project": {
            "name": "pokemon-card-recognition",
            "version": "1.4.0",
            "region": region,
            "bucket": bucket,
            "data": {
                "raw": dataset("data/raw/", 17_592, "Card images", size_gb=13.0),
                "processed": dataset("data/processed/", 17_592, "Images for classification", size_gb=13.0),
                "reference": dataset("data/reference/", 4, "Embeddings and index", size_mb=106.0),
                "calibration": dataset("data/calibration/", 1_024, "Calibration images", size_mb=734.0),
            },
            "models": {
                "teacher": {"path": f"s3://{bucket}/{TEACHER_KEY}", "size_gb": 5.6},
                "student": {"path": f"s3://{bucket}/{PREFIX}models/efficientnet-student/v1.0/", "size_mb": 97.5},
                "hailo": {"path": f"s3://{bucket}/{PREFIX}models/efficientnet-hailo/v1.0/", "size_mb": 13.8},
            },
            "owners": ["vision@example.com"],
        }
    }
    return json.dumps(found, indent=2).encode() + b"\n"


def _prepare(bucket: str) -> str:
    return f'''"""Cut, centre and augment the card images."""

import boto3

BUCKET = "{bucket}"
RAW_PREFIX = "data/raw/card_images/"
OUT = "s3://{bucket}/data/processed/classification/train/"

s3 = boto3.client("s3")


def cards():
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="{bucket}", Prefix="data/raw/card_images/"):
        yield from page.get("Contents", [])


def one(card_id):
    return s3.get_object(Bucket=BUCKET, Key=f"data/raw/card_images/{{card_id}}.png")["Body"].read()
'''


def _train(bucket: str, region: str) -> str:
    return f'''"""Train the teacher on the processed images."""

from sagemaker.inputs import TrainingInput

train = TrainingInput("s3://{bucket}/data/processed/classification/train/", content_type="image/png")
val = TrainingInput("s3://{bucket}/data/processed/classification/val/", content_type="image/png")
model = "s3://{bucket}/{TEACHER_KEY}"
mirror = "https://s3.{region}.amazonaws.com/{bucket}/data/processed/classification/"
# a sibling that must stay as it is: s3://{bucket}/data/processed-2023/
'''


def _build(bucket: str) -> str:
    return f'''"""Embed every card and build the search index."""

import boto3

s3 = boto3.resource("s3").Bucket("{bucket}")
s3.download_file("data/reference/embeddings.npy", "embeddings.npy")
s3.download_file("data/reference/usearch.index", "usearch.index")
INDEX_ARN = "arn:aws:s3:::{bucket}/data/reference/index.json"
METADATA = {{"Bucket": "{bucket}", "Key": "data/reference/metadata.json"}}
'''


def _calibrate(bucket: str) -> str:
    return f'''"""Quantise the student for Hailo with the calibration images."""

CALIBRATION = "s3a://{bucket}/data/calibration/"
HTTP = "https://{bucket}.s3.amazonaws.com/data/calibration/calib_0000.png"
COUNT = 1024
'''


def _policy(bucket: str) -> bytes:
    statement = {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/data/raw/*", f"arn:aws:s3:::{bucket}/data/processed/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2).encode() + b"\n"


def _notebook(bucket: str, dataset: str) -> bytes:
    """A Jupyter notebook that reads a data set, in its source and in a saved output."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [f"# From `s3://{bucket}/data/{dataset}/`\n"]},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "outputs": [
                {"name": "stdout", "output_type": "stream", "text": [f"reading s3://{bucket}/data/{dataset}/ …\n"]}
            ],
            "source": [
                "import s3fs\n",
                f'root = "s3://{bucket}/data/{dataset}/"\n',
                f'files = s3fs.S3FileSystem().ls("{bucket}/data/{dataset}/")\n',
            ],
        },
    ]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()
