"""`python .ci/botocore_range.py FOLDER`: sessions, credentials and endpoints tested at both ends of botocore's range.

The base alone is installed at each end, beside the boto3 of the same age, in environments under FOLDER that the next
run takes up. What lies between differs in nothing that these tests see: the range begins where they pass.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TESTS = (
    "tests/unit/s3/test_sessions.py",
    "tests/unit/s3/test_endpoints.py",
    "tests/unit/s3/test_addresses.py",
    "tests/cli/test_credential_sources.py",
)
WITH = ("pytest", "pytest-asyncio", "hypothesis", "cryptography", "sortedcontainers")
"""What these tests need beside the base: themselves, and a sandbox."""


def lowest() -> str:
    """The first version that pyproject.toml allows."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (line,) = [line for line in project["dependencies"] if line.startswith("botocore")]
    found = re.fullmatch(r"botocore>=([\d.]+),<2", line)
    assert found is not None, line
    return found[1] if found[1].count(".") > 1 else f"{found[1]}.0"


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], cwd=REPOSITORY, check=True)


def main(folder: Path) -> None:
    for end, wanted in {
        "lowest": (f"botocore=={lowest()}", f"boto3=={lowest()}"),
        "newest": ("botocore", "boto3"),
    }.items():
        python = folder / end / "bin" / "python"
        if not python.exists():
            run(sys.executable, "-m", "venv", folder / end)
        run(python, "-m", "pip", "install", "-q", "--upgrade", "-e", REPOSITORY, *WITH, *wanted)
        shown = "import boto3, botocore; print('botocore', botocore.__version__, 'beside boto3', boto3.__version__)"
        run(python, "-c", shown)
        run(python, "-m", "pytest", "-p", "no:cacheprovider", *TESTS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
