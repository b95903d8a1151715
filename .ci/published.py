"""`python .ci/published.py FOLDER`: what is published is built, looked at, installed as a user does, and used.

Run with the development environment's Python: its sandbox is the S3 that the installed command copies on.
"""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.sandbox import Sandbox, start_sandbox
from engine.version import __version__

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = (
    "share/man/man1/cartage.1",
    "share/bash-completion/completions/cartage",
    "share/zsh/site-functions/_cartage",
    "share/fish/vendor_completions.d/cartage.fish",
)
"""What comes beside the package."""
OF_EXTRAS = ("aiobotocore", "aiohttp", "boto3", "cryptography", "pandas", "pyarrow", "sortedcontainers")
"""What the base must do without."""


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None, *, code: int = 0) -> str:
    """All that a command says. Ends everything where it ends with another code than that."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=tempfile.gettempdir(),  # where there is no source to be imported instead
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def tool(folder: Path) -> Path:
    """A Python with what builds and checks."""
    python = folder / "tools" / "bin" / "python"
    if not (folder / "tools" / "bin" / "twine").exists():
        venv.create(folder / "tools", clear=True, with_pip=True)
        run([python, "-m", "pip", "install", "-q", "build", "twine"])
    return python


def build(folder: Path) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is built from it."""
    dist = folder / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    run([tool(folder), "-m", "build", "-o", dist, REPOSITORY])
    run([tool(folder), "-m", "twine", "check", "--strict", *dist.iterdir()])
    (source,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return source, wheel


def look_into(source: Path, wheel: Path) -> None:
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    lacking = {"tests/conftest.py", "docs/design.md", "examples/pokemon.toml", "LICENSE", "CHANGELOG.md"} - inside
    assert not lacking, f"the source distribution lacks {lacking}"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        described = next(name for name in names if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(described))
    information = described.removesuffix("METADATA")
    beside = f"{information.removesuffix('.dist-info/')}.data/data/"
    wanted = {"engine/py.typed", "engine/__init__.pyi", "engine/sandbox/pokemon.toml", f"{information}licenses/LICENSE"}
    wanted |= {beside + name for name in SHARED}
    assert not wanted - set(names), f"the wheel lacks {wanted - set(names)}"
    others = [name for name in names if not name.startswith(("engine/", information, beside))]
    assert not others, f"the wheel has more than the package: {others}"
    assert (about["Name"], about["Version"]) == ("cartage-s3", __version__)
    described_long = str(about.get_payload())
    relative = [link for link in re.findall(r"\]\(([^)\s]+)", described_long) if not link.startswith(("https://", "#"))]
    assert not relative, f"links of the long description that lead nowhere: {relative}"


def install(folder: Path, wheel: Path) -> Path:
    """A fresh environment with the wheel, and nothing of its extras."""
    place = folder / "base"
    venv.create(place, clear=True, with_pip=True)
    run([place / "bin" / "python", "-m", "pip", "install", "-q", wheel])
    for name in OF_EXTRAS:
        run([place / "bin" / "python", "-c", f"import {name}"], code=1)
    missing = [name for name in SHARED if not (place / name).is_file()]
    assert not missing, f"not installed: {missing}"
    return place


def use(place: Path, folder: Path, sandbox: Sandbox) -> None:
    """Copy and verify as a user does; what needs an extra says which."""
    command = place / "bin" / "cartage"
    filled = sandbox.control("reference", {"scale": 0.001})
    where = {
        "AWS_ENDPOINT_URL_S3": sandbox.url,
        "AWS_ACCESS_KEY_ID": sandbox.access_key,
        "AWS_SECRET_ACCESS_KEY": sandbox.secret_key,
        "AWS_REGION": sandbox.region,
    }
    assert __version__ in run([command, "--version"])
    assert "verify" in run([command, "--help"])
    ends = [f"s3://{filled['bucket']}/data/", f"s3://{filled['bucket']}/copied/"]
    ledger = folder / "copy.ledger"
    for name in folder.glob(f"{ledger.name}*"):
        name.unlink()
    said = run([command, "cp", *ends, "--yes", "--json", "--ledger", ledger], where)
    summary = json.loads(said.splitlines()[-1])
    assert summary["copied"] > 0, said
    profile = folder / "config"  # credentials and region by botocore
    profile.write_text(
        f"[profile own]\nregion = {sandbox.region}\nendpoint_url = {sandbox.url}\n"
        f"aws_access_key_id = {sandbox.access_key}\naws_secret_access_key = {sandbox.secret_key}\n"
    )
    run([command, "ls", ends[1], "--profile", "own"], {"AWS_CONFIG_FILE": str(profile)})
    assert "pip install 'cartage-s3[sandbox]'" in run([command, "demo"], code=2)
    assert "pip install 'cartage-s3[boto]'" in run([command, "ls", ends[0], "--store", "boto"], where, code=2)


def count_by_aws(place: Path, wheel: Path) -> None:
    """The quickest library is taken once it is there, and counts as it should."""
    python = place / "bin" / "python"
    run([python, "-m", "pip", "install", "-q", f"{wheel}[crt]"])
    counts = "from engine import crc; e = crc.engine_of(crc.CRC64NVME); print(e.__module__, hex(e(b'123456789', 0)))"
    said = run([python, "-c", counts])
    assert said.strip() == "awscrt.checksums 0xae8b14860a799888", said


def build_image(folder: Path) -> Path:
    """What the Dockerfile's first stage does, done here: it copies what it names alone, and installs that. Gives the
    environment that the image is made of."""
    stage = (REPOSITORY / "Dockerfile").read_text("utf-8").partition("\nFROM ")[2].partition("\nFROM ")[0]
    context, place = folder / "image-source", folder / "image"
    for old in (context, place):
        shutil.rmtree(old, ignore_errors=True)
    context.mkdir()
    for line in stage.splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                of, to = REPOSITORY / name, context / target
                to.parent.mkdir(parents=True, exist_ok=True)
                if of.is_dir():  # a link stays one, as there
                    shutil.copytree(of, to, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(of, to)
        elif word == "RUN":
            rest = rest.replace("/opt/cartage", str(place)).replace("python -m", f"{sys.executable} -m")
            run(["sh", "-c", f"cd {context} && {rest}"], {"EXTRAS": ""})
    return place


def size_mib(place: Path) -> float:
    """What an environment's packages take, beside pip's own."""
    packages = next((place / "lib").glob("python*/site-packages"))
    files = [path for path in packages.rglob("*") if path.is_file()]
    own = [path for path in files if not path.relative_to(packages).parts[0].startswith(("pip", "setuptools"))]
    return sum(path.stat().st_size for path in own if path.suffix != ".pyc") / (1 << 20)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source, wheel = build(folder)
    look_into(source, wheel)
    place = install(folder, wheel)
    with start_sandbox() as sandbox:
        use(place, folder, sandbox)
    took_mib = size_mib(place)
    count_by_aws(place, wheel)
    assert __version__ in run([build_image(folder) / "bin" / "cartage", "--version"])
    print(f"{source.name} and {wheel.name} are built and sound; the base takes {took_mib:.0f} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
