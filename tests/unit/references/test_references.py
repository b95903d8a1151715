"""Which places in a text name an old path, what they become, and which are left alone with which reason."""

from __future__ import annotations

import json
import time

import pytest

from engine.model import Location
from engine.plan.route import Route
from engine.plan.selection import Selection
from engine.references import pairing
from engine.references.filetext import read_text
from engine.references.judging import Lookup, Moves, Presence
from engine.references.references import Examined, examine
from engine.references.wildcards import may_name

B = "pokemon-card-training-us-east-2"
P = "project/pokemon-card-recognition/"
ENCODED = P.replace("/", "%2F")
MOVED = {
    "raw": {"card_images/base1-4.png", "card_images/caf\u00e9 1.png", "card_images/a+b.png", "x,y.png", "pending.png"},
    "processed": {"classification/train/base1-4/0.png"},
    "teacher": {""},
}
ROUTES = (
    Route("raw", Location(B, "data/raw/"), Location(B, P + "data/raw/")),
    Route("processed", Location(B, "data/processed/"), Location(B, P + "data/processed/")),
    Route(
        "teacher",
        Location(B, "training-output/dinov3-teacher/model.tar.gz"),
        Location(B, P + "models/dinov3-teacher/v1.0/model.tar.gz"),
    ),
)
MOVES = Moves(ROUTES, ("http://127.0.0.1:9000",))


def lookup(route: str, key: str) -> Presence:
    keys = MOVED.get(route, set())
    under = True if any(item.startswith(key) for item in keys) else None
    return Presence(key != "pending.png" if key in keys else None, under)


def look(text: str, name: str = "a.txt", moves: Moves = MOVES, lookup: Lookup = lookup) -> Examined:
    file = read_text(text.encode())
    assert file is not None
    return examine(name, file, moves, lookup)


@pytest.mark.parametrize(
    "before, after",
    [
        (f"s3://{B}/data/raw/", f"s3://{B}/{P}data/raw/"),
        (f"s3://{B}/data/raw", f"s3://{B}/{P}data/raw"),
        (f"see s3://{B}/data/raw.", f"see s3://{B}/{P}data/raw."),
        (f"(s3://{B}/data/raw/card_images/base1-4.png)", f"(s3://{B}/{P}data/raw/card_images/base1-4.png)"),
        (f"[a](s3://{B}/data/raw/card_images/), b", f"[a](s3://{B}/{P}data/raw/card_images/), b"),
        (f"**s3://{B}/data/raw/**", f"**s3://{B}/{P}data/raw/**"),
        (f"s3a://{B}/data/raw/*.png", f"s3a://{B}/{P}data/raw/*.png"),
        (f"/vsis3/{B}/data/raw/", f"/vsis3/{B}/{P}data/raw/"),
        (f'f"s3://{B}/data/raw/{{card}}.png"', f'f"s3://{B}/{P}data/raw/{{card}}.png"'),
        (f"'s3://{B}/data/raw/card_images/%s.png'", f"'s3://{B}/{P}data/raw/card_images/%s.png'"),
        (f"arn:aws:s3:::{B}/data/raw/*", f"arn:aws:s3:::{B}/{P}data/raw/*"),
        (f"arn:aws-us-gov:s3:::{B}/data/raw/*", f"arn:aws-us-gov:s3:::{B}/{P}data/raw/*"),
        (
            f"https://{B}.s3.us-east-2.amazonaws.com/data/raw/card_images/caf%C3%A9%201.png",
            f"https://{B}.s3.us-east-2.amazonaws.com/{P}data/raw/card_images/caf%C3%A9%201.png",
        ),
        (f"HTTPS://{B.upper()}.S3.AMAZONAWS.COM/data/raw/", None),
        (f"https://S3.US-EAST-2.amazonaws.com/{B}/data/raw/", None),
        (f"https://{B}.s3.amazonaws.com/data/raw/", f"https://{B}.s3.amazonaws.com/{P}data/raw/"),
        (f"https://{B}.s3-us-east-2.amazonaws.com/data/raw/", f"https://{B}.s3-us-east-2.amazonaws.com/{P}data/raw/"),
        (f"{B}.s3.dualstack.us-east-2.amazonaws.com/data/raw/", None),
        (f"https://{B}.s3-accelerate.amazonaws.com/data/raw/", None),
        (f"https://{B}.s3-accelerate.dualstack.amazonaws.com/data/raw/", None),
        (f"https://{B}.s3-fips.dualstack.us-east-2.amazonaws.com/data/raw/", None),
        (f"http://{B}.s3-website.us-east-2.amazonaws.com/data/raw/", None),
        (f"http://{B}.s3-website-us-west-2.amazonaws.com/data/raw/", None),
        (f"https://{B}.s3.cn-north-1.amazonaws.com.cn/data/raw/", None),
        (f"https://{B}.s3.ap-southeast-1.amazonaws.com/data/raw/", None),
        (f"https://s3.us-east-2.amazonaws.com/{B}/data/raw/", None),
        (f"https://s3-us-east-2.amazonaws.com/{B}/data/raw/", None),
        (f"https://s3.amazonaws.com/{B}/data/raw/", None),
        (f"https://s3.us-gov-west-1.amazonaws.com/{B}/data/raw/", None),
        (f"http://127.0.0.1:9000/{B}/data/raw/", None),
        (f"http://{B}.127.0.0.1:9000/data/raw/", None),
        (
            f"https://us-east-2.console.aws.amazon.com/s3/buckets/{B}?region=us-east-2&prefix=data/raw/&x=1",
            f"https://us-east-2.console.aws.amazon.com/s3/buckets/{B}?region=us-east-2&prefix={P}data/raw/&x=1",
        ),
        (f'CopySource="{B}/data/raw/card_images/base1-4.png"', None),
        (f"s3://{B}/training-output/dinov3-teacher/model.tar.gz", f"s3://{B}/{P}models/dinov3-teacher/v1.0/model.tar.gz"),
        (f"s3://{B}/data/raw/card_images/caf%C3%A9%201.png", f"s3://{B}/{P}data/raw/card_images/caf%C3%A9%201.png"),
        (f'"s3://{B}/data/raw/card_images/caf\u00e9 1.png"', f'"s3://{B}/{P}data/raw/card_images/caf\u00e9 1.png"'),
        (f'"s3://{B}/data/raw/x,y.png"', f'"s3://{B}/{P}data/raw/x,y.png"'),
        (f"s3://{B}/data/raw/,s3://{B}/data/processed/", f"s3://{B}/{P}data/raw/,s3://{B}/{P}data/processed/"),
        (
            f"https://{B}.s3.amazonaws.com/data%2Fraw%2Fcard_images%2F",
            f"https://{B}.s3.amazonaws.com/{ENCODED}data%2Fraw%2Fcard_images%2F",
        ),
    ],
)  # fmt: skip
def test_every_way_to_write_a_location_is_understood(before: str, after: str | None) -> None:
    expected = after if after is not None else before.replace("data/raw/", P + "data/raw/")
    found = look(before)
    assert found.after == expected
    assert all(item.becomes and not item.why for item in found.findings)
    assert look(expected) == Examined((), expected)


@pytest.mark.parametrize(
    "text",
    [
        f"s3://{B}/data/raw2/",
        f"s3://{B}/data/raw-old/x.png",
        f"s3://{B}/data/raw.bak",
        f's3://{B}/data/raw,old/x"',
        f"s3://{B}2/data/raw/",
        f"s3://my-{B}/data/raw/",
        f"s3://{B}.old/data/raw/",
        f"s3://{B}/{P}data/raw/x.png",
        f"s3://{B}/Data/Raw/",
        f"https://s3.amazonaws.com/{B.upper()}/data/raw/",
        f'join("s3://{B}", "data", "raw2")',
        f'join("s3://{B}", "project", "data", "raw")',
        f"s3://{B}//data/raw/",
        f"s3://{B}",
        f"s3://{B}/",
        f"arn:aws:s3:::{B}",
        f"arn:aws:s3:::{B}/*",
        f"https://{B}.s3.amazonaws.com.evil.example/data",
        f"{P}data/raw/x.png",
        "../data/raw/x.png and /mnt/data/raw/ and mydata/raw/",
        "data = raw",
        'PREFIX = "project"\nf"{PREFIX}/data/raw/"',
        'f"project/{NAME}/data/raw/"',
        f's3://{B}/project/{{name}}/data/raw/"',
    ],
)
def test_look_alikes_are_not_even_mentioned(text: str) -> None:
    assert look(text) == Examined((), text)
    assert look(text, "a.py") == Examined((), text)


@pytest.mark.parametrize(
    "text, why",
    [
        (f"s3://{B}/data/", "goes to several places"),
        (f"aws s3 ls s3://{B}/data", "goes to several places"),
        (f's3://{B}/data/{{kind}}/x.png"', "goes to several places"),
        (f"arn:aws:s3:::{B}/data/*", "goes to several places"),
        (f"arn:aws:s3:::{B}/data/raw*", "goes to several places"),
        (f"s3://{B}/training-output/", "goes to several places"),
        (f"s3://{B}/data/raw/none.png", "no object of this name was moved"),
        (f"s3://{B}/data/raw/pending.png", "has not copied it yet"),
        (f"https://{B}.s3.amazonaws.com/data/raw/x,y.png?X-Amz-Signature=1", "signed"),
        (f"https://{B}.s3.amazonaws.com/data/raw/x,y.png?versionId=1", "version"),
        (f"https://cdn.example/{B}/data/raw/", "a form that is not known"),
        ("see data/raw/card_images", "a path without its bucket"),
        ("open('./data/raw/x.png')", "a path without its bucket"),
        (f'os.path.join("s3://{B}", "data", "raw", name)', "put together from several texts"),
        (f'os.path.join("s3://{B}/","data","raw","a.png")', "put together from several texts"),
        (f'Path("s3://{B}") / "data" / "raw"', "put together from several texts"),
        ('f"{ROOT}/data/raw/{card}.png"', "the file does not say which bucket ROOT is"),
        ('"s3://{}/data/raw/".format(bucket)', "which bucket this is"),
        ("s3://%s/data/raw/", "which bucket this is"),
        ("s3://<bucket>/data/raw/", "which bucket this is"),
        (f'"s3://{B}/" + "data/raw/"', "a path without its bucket"),
    ],
)
def test_what_is_not_certain_is_reported_and_left(text: str, why: str) -> None:
    found = look(text)
    assert found.after == text
    assert [item.why for item in found.findings if why not in item.why] == []
    assert found.findings


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.py", f's3.get_object(Bucket="{B}", Key="data/raw/x,y.png")'),
        ("a.py", f's3.get_object(Key="data/raw/x,y.png", Bucket="{B}")'),
        ("a.py", f'BUCKET = "{B}"\n\n\ndef f():\n    return list_all(Bucket=BUCKET, Prefix="data/raw/")\n'),
        ("a.py", f'BUCKET: str = "{B}"\nPREFIXES = ["data/raw/", "data/raw/card_images/"]\n'),
        ("a.py", f'BUCKET = "{B}"\ns3.download_file(BUCKET, "data/raw/x,y.png", "out")'),
        ("a.py", f's3.download_file("{B}", "data/raw/x,y.png", "out")'),
        ("a.py", f'BUCKET = "{B}"\nURI = f"s3://{{BUCKET}}/data/raw/{{card}}.png"'),
        ("a.py", f'ROOT = "s3://{B}"\nURI = f"{{ROOT}}/data/raw/{{card}}.png"'),
        ("a.py", f's3 = boto3.resource("s3").Bucket("{B}")\ns3.download_file("data/raw/x,y.png", "out")'),
        ("a.sh", f"BUCKET={B}\naws s3 sync s3://$BUCKET/data/raw/ .\naws s3 ls s3://${{BUCKET}}/data/raw/\n"),
        ("a.sh", f"aws s3api get-object --bucket {B} --key data/raw/x,y.png out"),
        ("a.json", f'{{"bucket": "{B}", "inputs": {{"prefix": "data/raw/"}}}}'),
        ("a.json", f'{{"bucket": "{B}",\r\n  "key": "data\\/raw\\/x,y.png"}}'),
        ("a.yaml", f"s3:\n  bucket: {B}\n  prefix: data/raw/\n"),
        ("a.toml", f'bucket = "{B}"\nprefix = "data/raw/"\n'),
        ("a.yaml", f"jobs:\n  - bucket: {B}\n    prefix: data/raw/\n  - bucket: other\n    prefix: data/x/\n"),
        ("a.yaml", f"jobs:\n  - name: a\n    prefix: data/raw/\n    bucket: {B}\n  - bucket: other\n"),
        ("a.toml", f'[a]\nbucket = "other"\n[b]\nprefix = "data/raw/"\nbucket = "{B}"\n[c]\nbucket = "x"\n'),
        ("a.py", f's3.download_file(\n    "{B}",\n    "data/raw/x,y.png",\n)'),
        ("a.csv", f"bucket,size,key\n{B},12,data/raw/card_images/base1-4.png\n"),
        ("a.csv", f'"{B}","data/raw/card_images/caf%C3%A9%201.png",12\r\n'),
        ("a.md", f"| {B} | data/raw/ |\n"),
    ],
)
def test_a_bucket_and_a_key_that_belong_together(name: str, text: str) -> None:
    found = look(text, name)
    new = P.replace("/", "\\/") if "\\/" in text else P
    old = "data\\/raw" if "\\/" in text else "data/raw"
    assert found.after == text.replace(old, new + old)
    assert look(found.after, name) == Examined((), found.after)


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.py", f'A_BUCKET = "{B}"\nB_BUCKET = "other"\nPREFIX = "data/raw/"'),
        ("a.py", f's3 = Bucket("{B}")\nhdfs.open("data/raw/x,y.png", "out")'),
        ("a.py", f'BUCKET = os.environ["BUCKET"]  # {B}\nPREFIX = "data/raw/"'),
        ("a.csv", f"{B},other,data/raw/card_images/base1-4.png\n"),
        ("a.csv", f"from_bucket,key\n{B},\nother,data/raw/card_images/base1-4.png\n"),
        ("a.py", f'BUCKET = "{B}"\nLOCAL_PREFIX = "data/raw/"'),
        ("a.py", f'f(Bucket="backup", Key="data/raw/x,y.png", Source={{"Bucket": "{B}"}})'),
        ("a.yaml", f"a:\n  bucket: {B}\n\nb:\n  bucket: other\n\nc:\n  prefix: data/raw/\n"),
        ("a.py", f'BUCKET = "{B}"\nopen("data/raw/x.png")'),
    ],
)
def test_a_bucket_that_is_not_evident_is_not_guessed(name: str, text: str) -> None:
    found = look(text, name)
    assert found.after == text
    assert [item.why for item in found.findings] == ["a path without its bucket"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.py", f's3.get_object(Bucket="other", Key="data/raw/x,y.png")  # {B}'),
        ("a.yaml", f"jobs:\n  - bucket: {B}\n  - bucket: other\n    prefix: data/raw/\n"),
        ("a.toml", f'[a]\nbucket = "{B}"\n[b]\nbucket = "other"\nprefix = "data/raw/"\n'),
        ("a.json", f'[{{"bucket": "{B}"}}, {{"bucket": "other", "key": "data/raw/x,y.png"}}]'),
    ],
)
def test_the_same_path_in_another_bucket_is_no_old_path(name: str, text: str) -> None:
    assert look(text, name) == Examined((), text)


@pytest.mark.parametrize(
    "text",
    [
        "![](s3://{B}/data/raw/x,y.png)![](s3://{B}/{P}data/raw/x,y.png)",
        "[log](s3://{B}/logs/1)[img](s3://{B}/{P}data/raw/x,y.png)",
        "http://v/?log=s3://{B}/logs/1&src=s3://{B}/{P}data/raw/x,y.png",
        '"s3://{B}/logs:s3://{B}/{P}data/raw"',
        "{B}/logs/x,{B}/{P}data/raw/x,y.png",
        "{B}/{P}data/raw/x,y.png;{B}/{P}data/raw/x,y.png",
        "/vsis3/{B}/logs/x,/vsis3/{B}/{P}data/raw/x,y.png",
        "s3://{B}/logs/x,//{B}.s3.amazonaws.com/{P}data/raw/x,y.png",
        "[a](s3://{B}/logs/1)[b](s3://$BUCKET/{P}data/raw/x,y.png)\nBUCKET={B}",
        "[b](s3://$BUCKET/{P}data/raw/)[a](s3://{B}/{P}data/raw/)\nBUCKET={B}",
    ],
)
def test_a_path_that_follows_another_without_a_blank_is_one_of_its_own(text: str) -> None:
    expected = text.format(B=B, P=P).replace(f"s3://{B}/data/raw/x", f"s3://{B}/{P}data/raw/x")
    before = text.format(B=B, P="")
    found = look(before)
    assert found.after == expected
    assert all(item.becomes for item in found.findings)
    assert look(expected) == Examined((), expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"s3://{B}/labels/a.json,data/raw/x.png\n"),
        ("a.csv", f"s3://{B}/{P}data/raw/card_images/base1-4.png,data/raw/x.png\n"),
        ("a.yaml", f"[s3://{B}/logs,data/raw/x.png]\n"),
    ],
)
def test_a_bare_path_behind_one_is_reported(name: str, text: str) -> None:
    (found,) = look(text, name).findings
    assert found.written.startswith("data/raw/x.png") and found.why == "a path without its bucket"


def test_what_stands_right_behind_a_slash_may_be_a_part_of_the_key_and_is_left() -> None:
    text = f"s3://{B}/mirror/{B}.s3.amazonaws.com/data/raw/x,y.png"
    (found,) = look(text).findings
    assert "a form that is not known" in found.why


@pytest.mark.parametrize(
    "text", ["s3://{B}/data/raw/{B}/data/raw/x", "https://{B}.s3.amazonaws.com/data/raw/{B}/data/raw/x"]
)
def test_a_key_that_has_its_buckets_name_in_it_is_one_key(text: str) -> None:
    moves = Moves((Route("raw", Location(B, "data/raw/"), Location(B, P)),))
    before = text.format(B=B)
    (found,) = look(before, moves=moves, lookup=lambda *_: Presence(True, True)).findings
    assert found.becomes == before.replace("data/raw/", P, 1) and not found.why


def test_another_bucket_takes_the_place_of_the_old_one_where_it_stands() -> None:
    moves = Moves(
        (Route("raw", Location(B, "data/raw/"), Location("new", "r/")),), (), {B: "us-east-2", "new": "eu-west-1"}
    )
    assert look(f"s3://{B}/data/raw/x", moves=moves).after == f"s3://{B}/data/raw/x"
    assert look(f"s3://{B}/data/raw/", moves=moves).after == "s3://new/r/"
    assert (
        look(f'get(Bucket="{B}", Key="data/raw/x,y.png")', "a.py", moves).after == 'get(Bucket="new", Key="r/x,y.png")'
    )
    url = f"https://{B}.s3.us-east-2.amazonaws.com/data/raw/"
    assert look(url, moves=moves).after == "https://new.s3.eu-west-1.amazonaws.com/r/"
    two = f'f(Bucket="{B}", Key="data/raw/x,y.png", Other_key="data/raw/")'
    assert look(two, "a.py", moves).after == two
    shared = f'BUCKET = "{B}"\n\nPREFIX = "data/raw/"\n'
    found = look(shared, "a.py", moves)
    assert found.after == shared and "the bucket stands elsewhere" in found.findings[0].why


ELSEWHERE = Moves((Route("raw", Location(B, "data/raw/"), Location("new", "r/")),))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", f"bucket: {B}\nraw_prefix: data/raw/\nmodels_prefix: models\n"),
        ("a.yaml", f"bucket: {B}\nraw_prefix: data/raw/\n\nmodels: models/\n"),
        ("a.yaml", f"train:\n  bucket: {B}\n  raw_prefix: data/raw/\n\n  thumb: a.png\n"),
        ("a.json", f'{{"bucket": "{B}", "raw_prefix": "data/raw/", "models_prefix": "models/"}}'),
        ("a.toml", f'[s3]\nbucket = "{B}"\nprefix = "data/raw/"\ncheckpoint_key = "models/m.bin"\n'),
        ("a.csv", f"bucket,key,thumb_key\n{B},data/raw/x,thumb\n"),
        ("a.csv", f"bucket,key,thumb\n{B},data/raw/x,thumbs/x\n"),
        ("a.csv", f"{B},data/raw/x,thumbs/x\n"),
        ("a.py", f'sync("{B}", "data/raw/", "models/")'),
        ("a.py", f'list_all(Bucket="{B}", Prefix="data/raw/", StartAfter="x")'),
        ("a.py", f'BUCKET = "{B}"\nPREFIX = "data/raw/"\n\nget(Bucket=BUCKET, Key="models/m.bin")\n'),
    ],
)
def test_a_bucket_that_other_keys_share_stays(name: str, text: str) -> None:
    found = look(text, name, ELSEWHERE, lambda *_: Presence(True, True))
    assert found.after == text
    assert [item.why for item in found.findings] == ["it is in new now, and the bucket stands elsewhere"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", f"bucket: {B}\nprefix: data/raw/\nregion: us-east-2\naccess_key: AKIA\nlocal: /tmp/x\n"),
        ("a.yaml", f"- bucket: {B}\n  prefix: data/raw/\n- bucket: other\n  prefix: models/\n"),
        ("a.toml", f'[a]\nbucket = "{B}"\nprefix = "data/raw/"\n\n[b]\nprefix = "models/"\n'),
        ("a.json", f'[{{"bucket": "{B}", "key": "data/raw/"}}, {{"bucket": "other", "key": "models/m.bin"}}]'),
        ("a.csv", f"bucket,size,key\n{B},12,data/raw/\n"),
        ("a.py", f's3.download_file("{B}", "data/raw/", "/tmp/out")'),
        ("a.sh", f"aws s3api list-objects-v2 --bucket {B} --prefix data/raw/ --max-keys 1000"),
    ],
)
def test_a_bucket_whose_only_key_moves_is_exchanged(name: str, text: str) -> None:
    found = look(text, name, ELSEWHERE, lambda *_: Presence(True, True))
    assert found.after == text.replace(B, "new").replace("data/raw/", "r/")


def test_a_route_that_takes_only_a_part_moves_no_folder() -> None:
    picky = Route("raw", Location(B, "data/raw/"), Location(B, P), selection=Selection(include=("*.png",)))
    found = look(f"s3://{B}/data/raw/ s3://{B}/data/raw/x,y.png", moves=Moves((picky,)))
    assert "only a part" in found.findings[0].why
    assert found.after == f"s3://{B}/data/raw/ s3://{B}/{P}x,y.png"


@pytest.mark.parametrize("name", ["a.json", "a.ipynb"])
def test_a_path_that_json_writes_with_escapes_is_met_without_its_bucket_too(name: str) -> None:
    moves = Moves((Route("raw", Location(B, "donn\u00e9es/"), Location(B, P + "data/")),))
    text = json.dumps({"path": "donn\u00e9es/base1-4.png"})
    assert "\\u00e9" in text
    (found,) = look(text, name, moves).findings
    assert found.written == "donn\u00e9es/base1-4.png"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", 'const c = {"p": "s3:\\/\\/{B}\\/data\\/raw\\/x,y.png"}'),
        ("a.json", '// settings\n{"p": "s3:\\/\\/{B}\\/data\\/raw\\/x,y.png"}'),
        ("a.json", '// settings\n{"Bucket": "{B}", "Key": "data\\u002fraw\\u002fx,y.png"}'),
        ("a.json", '{"inner": "{\\"p\\": \\"s3:\\\\/\\\\/{B}\\\\/data\\\\/raw\\\\/\\"}"}'),
        ("a.jsonl", '{"p": "s3:\\/\\/{B}\\/data\\/raw\\/"}\n{"p":\n'),
        ("a.yaml", 'p: "s3:\\/\\/{B}\\x2Fdata\\/raw\\/"\n'),
        ("a.html", '<a href="/v?u=s3%3A%2F%2F{B}%2Fdata%2Fraw%2F">'),
        ("a.html", '<a href="/v?u=https%253A%252F%252F{B}.s3.amazonaws.com%252Fdata%252Fraw%252F">'),
        ("a.html", '<a href="s3:&#x2F;&#x2F;{B}&#x2F;data&#x2F;raw&#x2F;">'),
    ],
)
def test_escapes_of_other_languages_are_seen_and_left(name: str, text: str) -> None:
    text = text.replace("{B}", B)
    found = look(text, name)
    assert found.after == text
    (finding,) = found.findings
    assert finding.why == "it is written with escapes that are not understood here"
    assert finding.line == text[: text.index(B)].count("\n") + 1
    assert finding.written in text or "inner" in text
    moved = text.replace("data", "other")
    assert look(moved, name) == Examined((), moved)


def test_a_separator_of_lines_in_a_string_ends_no_line_of_json() -> None:
    text = f'{{"t": "a\u2028b", "p": "s3:\\/\\/{B}\\/data\\/raw\\/"}}\n{{"p": 1}}\n'
    assert look(text, "a.jsonl").after == text.replace("data", P.replace("/", "\\/") + "data")


def test_a_notebook_stays_valid_and_everything_else_in_it_as_it_was() -> None:
    notebook = json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "source": [f'bucket = "{B}"\n', 'key = "data/raw/x,y.png"\n', "print('\u00fc \\u00fc')"],
                    "outputs": [{"text": [f"s3://{B}/data/raw/\n"]}],
                }
            ],
            "nbformat": 4,
        },
        indent=1,
    )
    found = look(notebook, "a.ipynb")
    assert json.loads(found.after)["cells"][0]["source"][1] == f'key = "{P}data/raw/x,y.png"\n'
    assert found.after == notebook.replace("data/raw", P + "data/raw")


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + f"a;s3://{B}/data/raw/\r\nb".encode(),
        b"\xff\xfe" + f"a;s3://{B}/data/raw/\r\nb".encode("utf-16-le"),
        b"caf\xe9 " + f"s3://{B}/data/raw/\rno end".encode(),
    ],
)
def test_encodings_marks_and_line_ends_stay(body: bytes) -> None:
    file = read_text(body)
    assert file is not None
    found = examine("a.txt", file, MOVES, lookup)
    after = file.encode(found.after)
    width = 2 if body.startswith(b"\xff\xfe") else 1
    assert len(after) == len(body) + len(P) * width
    assert file.encode(found.after.replace(P, "")) == body


def test_bytes_that_are_no_text_are_told_from_text() -> None:
    assert read_text(b"\x93NUMPY\x01\x00v\x00") is None
    assert read_text(b"\xff\xfe\x00\xd8") is None
    assert read_text(b"\x1b[1mbold\x1b[0m") is not None


def test_lines_are_counted_in_the_file() -> None:
    found = look(f"\n\ns3://{B}/data/\r\n\ns3://{B}/data/raw/")
    assert [(item.line, item.written) for item in found.findings] == [
        (3, f"s3://{B}/data/"),
        (5, f"s3://{B}/data/raw/"),
    ]


@pytest.mark.parametrize(
    "noise",
    [
        "bucket: " + " " * 50_000 + "x key: " + " " * 50_000,
        "QUJDbucket" * 20_000 + " ",
        "=" * 50_000 + " ",
        "a:" * 50_000 + " ",
        "${a" * 20_000 + " ",
        "{([" * 20_000 + " ",
        "key = " * 20_000,
        "bucket = key, " * 10_000,
        "\\" * 50_000 + "\\/",
        "%25" * 50_000 + "%2F",
    ],
)
def test_no_text_takes_the_square_of_its_length(noise: str) -> None:
    began = time.process_time()
    found = look(noise + f"s3://{B}/data/raw/", "a.py")
    assert len(found.findings) == 1
    assert time.process_time() - began < 20  # a square would be minutes


@pytest.mark.parametrize("lines", ["bucket: {}\nkey: data/raw/x.png\n", '"Bucket": "{}", "Key": "data/raw/x.png",\n'])
@pytest.mark.parametrize("code", [False, True])
def test_what_a_whole_text_calls_its_bucket_is_not_looked_through_for_each_path(
    monkeypatch: pytest.MonkeyPatch, lines: str, code: bool
) -> None:
    asked = 0

    class Counted(pairing.Named):
        @property
        def bucket(self) -> str | None:
            nonlocal asked
            asked += 1
            return self[1]

    monkeypatch.setattr(pairing, "Named", Counted)
    text, sources = lines.format(B) * 500, [Location(B, "data/raw/")]
    found = list(pairing.Pairing(text, sources, {}, code=code, rows=False, exchanging=True).mentions([]))
    assert len(found) == 500
    assert asked < 500 * 10


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("m.json", '{"project": {"data": {"raw": 1}}}', []),
        ("m.json", '{"a": 1, "data" : 2}', []),
        ("m.json", '{"at": "data"}', ["data"]),
        ("m.json", '["data"]', ["data"]),
        ("m.json", '{"data/raw/": 1}', ["data/raw/"]),
        ("a.py", "settings = {\"data\": 1, 'data': 2}", []),
        ("a.py", 'open("data")', ["data"]),
        ("a.js", 'const at = local ? "data" : remote', ["data"]),
        ("a.yaml", '"data": 3', []),
    ],
)
def test_what_a_member_is_called_is_no_path(name: str, text: str, found: list[str]) -> None:
    moves = Moves((Route("data", Location(B, "data/"), Location(B, "project/data/")),))
    examined = look(text, name, moves, lambda *_: Presence(None, True))
    assert [item.written for item in examined.findings] == found


def test_a_key_of_many_parts_that_are_known_later_is_matched_in_a_moment() -> None:
    began = time.process_time()
    known = "".join(f"{{{name}}}a" for name in "abcdefghijkl")
    assert not may_name(known + "Q/zz", "a" * 1000 + "/", inside=True, percent=False, known=lambda _: False)
    assert may_name(known + "/zz", "a" * 1000 + "/", inside=True, percent=False, known=lambda _: False)
    assert time.process_time() - began < 2  # each place of each for itself would be years


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ("", False),
        ("data/", False),  # what is under it is still under it
        ("{anything}", False),
        ("{prefix}/{name}", False),
        ("{name}.json", False),
        ("$PREFIX/other.png", False),
        ("data/{key}", False),
        ("data/**", False),
        ("data/...", False),
        ("data/m*/x.png", False),
        ("data/{kind}-old/x.png", False),
        ("models/{kind}/{name}", False),
        ("data/%s/no-such.png", False),
        ("{prefix}/raw/{name}", True),
        ("data/{kind}/{name}", True),
        ("data/%s/card_images/base1-4.png", True),
        ("data/*/x.png", True),
        ("data/r*/x.png", True),
        ("data/r?w", True),
        ("data/*", True),
        ("*/*/x.png", True),
        ("$PREFIX/card_images/base1-4.png", True),
        ("${PREFIX}/card_images/", True),
        ("{prefix}/card_images", True),
        ("data/$STAGE/card_images", True),
        ("data/$STAGE/card", False),
        ("data/{{stage}}/card_images/base1-4.png", True),
        ("data/{{stage}}/no-such.png", False),
        ("data/${{env.STAGE}}/card_images/base1-4.png", True),
        ("data/#{stage}/card_images/base1-4.png", True),
        ("data/%{stage}/card_images/base1-4.png", True),
        ("data/r%{rest}/x.png", True),
        ("data/{n:{w}}/card_images/base1-4.png", True),
        ("data/{a}/{b}/{c}/{d}/{e}/{f}/{g}", True),
        ("data/{a}-{b}-{c}-{d}-{e}-{f}-{g}/x.png", False),
        ("data/r{kind}/", True),
    ],
)
@pytest.mark.parametrize("target", ["data/v2/raw/", "data/raw-2/"])
def test_a_part_that_is_known_later_may_name_what_moves_within_its_folder(
    written: str, reported: bool, target: str
) -> None:
    moves = Moves((Route("raw", Location(B, "data/raw/"), Location(B, target)),))
    found = look(f'x = "s3://{B}/{written}"', moves=moves)
    assert [(item.why != "", item.becomes) for item in found.findings] == [(True, "")] * reported


def test_a_variable_of_rubys_is_no_end_of_a_url() -> None:
    moves = Moves((Route("raw", Location(B, "data/raw/"), Location(B, "data/raw-2/")),))
    (found,) = look(
        f'x = "https://{B}.s3.amazonaws.com/data/#{{stage}}/card_images/base1-4.png#top"', moves=moves
    ).findings
    assert found.written.endswith("/base1-4.png")
