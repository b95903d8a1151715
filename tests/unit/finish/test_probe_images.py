"""Probes of images: every pixel is decoded, of one or of a sample that its seed determines."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest

from engine.errors import AccessDenied, BadCredentials
from engine.finish.probes import run_probe
from engine.finish.probing import images
from engine.finish.probing.answers import ProbeResult
from engine.model import Location
from engine.plan.settings import ImageProbe
from tests.fake_store import FakeStore

pytest.importorskip("PIL")
UNDER = Location("b", "cards/")


def image(width: int = 4, height: int = 3, form: str = "PNG", **how: Any) -> bytes:
    from PIL import Image

    body = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(body, form, **how)
    return body.getvalue()


def cards(count: int) -> FakeStore:
    store = FakeStore()
    store.page_keys = 7
    for number in range(count):
        store.put(f"s3://b/cards/{number:03}.png", image())
    store.put("s3://b/cards/", b"")
    store.put("s3://b/cards/labels.txt", b"no image")
    return store


def looked_at(store: FakeStore) -> list[str]:
    return sorted(request.ref.key for name, request in store.requests if name == "GetObject")


async def ask(store: FakeStore, at: Location = UNDER, **asked: Any) -> ProbeResult:
    return await run_probe(store, ImageProbe("cards", at, **asked))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
async def test_one_image_decodes(form: str) -> None:
    store = FakeStore()
    store.put("s3://b/a", image(form=form))
    result = await ask(store, Location("b", "a"), pixels=(4, 3))
    assert result.ok and f"4 × 3 {form}" in result.sentence


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (image(64, 64)[:-60], "it does not decode"),
        (image(64, 64, "JPEG")[:600], "it does not decode"),
        (image(4, 3)[:-13], "it does not decode"),  # every pixel is there, and a checksum cut short
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no image that is known"),
        (b"", "it is no image that is known"),
        (image(5, 3), "it has 5 × 3 pixels, not 4 × 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
async def test_what_is_no_such_image(body: bytes, why: str) -> None:
    store = FakeStore()
    store.put("s3://b/a", body)
    result = await ask(store, Location("b", "a"), pixels=(4, 3))
    assert not result.ok and why in result.sentence


def film(**how: object) -> bytes:
    from PIL import Image

    frames = [Image.effect_noise((40, 30), 60) for _ in range(6)]
    body = io.BytesIO()
    frames[0].save(body, "GIF", save_all=True, append_images=frames[1:], **how)
    return body.getvalue()


def several() -> bytes:
    """As of a camera with two lenses: each picture is a JPEG of its own."""
    from PIL import Image

    pictures = [Image.effect_noise((64, 64), 60) for _ in range(3)]
    body = io.BytesIO()
    pictures[0].save(body, "MPO", save_all=True, append_images=pictures[1:])
    return body.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG whose first segment holds another whole one."""
    small, large = image(8, 8, "JPEG"), image(64, 64, "JPEG")
    segment = b"\xff\xe1" + (len(small) + 8).to_bytes(2) + b"Exif\0\0" + small
    return large[:2] + segment + large[2:]


WHOLE = {
    "JPEG": image(64, 64, "JPEG"),
    "progressive": image(64, 64, "JPEG", progressive=True),
    "restarts": image(64, 64, "JPEG", restart_marker_rows=1),
    "thumbnail": with_thumbnail(),
    "GIF": image(64, 64, "GIF"),
    "film": film(),
    "several": several(),
}
FORM = {"GIF": "GIF", "film": "GIF", "several": "MPO"}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("behind", [b"", b"\0" * 4096, b"SEFT\0of a camera", image(5, 5, "JPEG")])
def test_what_stands_behind_the_end_is_no_matter(kind: str, behind: bytes) -> None:
    assert images.decode(WHOLE[kind] + behind).form == FORM.get(kind, "JPEG")


@pytest.mark.parametrize("kind", WHOLE)
def test_zeros_in_the_place_of_the_end_are_no_image(kind: str) -> None:
    body = WHOLE[kind]
    for kept in (len(body) // 2, len(body) * 9 // 10, len(body) - 2, len(body) - 1):
        with pytest.raises(images.NoImage):
            images.decode(body[:kept] + bytes(len(body) - kept))
            pytest.fail(f"{kept} of {len(body)} bytes")


def test_each_picture_of_a_file_is_asked_for_its_end() -> None:
    body = several()
    ends = [found.end() for found in re.finditer(rb"\xff\xd9(?=\xff\xd8|$)", body)]
    assert len(ends) == 3
    for end in ends:
        with pytest.raises(images.NoImage):
            images.decode(body[: end - 2] + bytes(2) + body[end:])


def test_a_film_cut_between_two_frames_is_not_whole() -> None:
    body = film()
    cut = body.index(b"!\xf9\x04", len(body) // 2)
    with pytest.raises(images.NoImage, match="its end is missing"):
        images.decode(body[:cut])


def test_one_picture_that_is_whole_needs_no_byte_that_says_so() -> None:
    """As some of the 1990s are, and those that Python's editor draws a tree with."""
    body = WHOLE["GIF"]
    assert body.endswith(b"\0;") and images.decode(body[:-1]).form == "GIF"
    body_of_film = film(loop=0)
    first = body_of_film[: body_of_film.index(b"!\xf9\x04", 1_000)]
    assert first.endswith(b"\0") and first.count(b"NETSCAPE2.0") == 1
    for cut in (body[:-2], first):
        with pytest.raises(images.NoImage):
            images.decode(cut)


async def test_an_image_that_claims_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFile

    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    store = FakeStore()
    store.put("s3://b/a", image(10, 10))
    result = await ask(store, Location("b", "a"))
    assert not result.ok and "it has more than 99 pixels, and is not decoded" in result.sentence


async def test_all_frames_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    frames = [Image.new("L", (10, 10), shade) for shade in range(0, 250, 10)]
    body = io.BytesIO()
    frames[0].save(body, "GIF", save_all=True, append_images=frames[1:])
    store = FakeStore()
    store.put("s3://b/a", body.getvalue())
    assert (await ask(store, Location("b", "a"))).ok
    monkeypatch.setattr(images, "MAX_PIXELS", 2_400)
    assert not (await ask(store, Location("b", "a"))).ok


async def test_an_image_of_too_many_bytes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", 10)
    store = FakeStore()
    store.put("s3://b/a", image())
    result = await ask(store, Location("b", "a"))
    assert not result.ok and "at most 10 are read" in result.sentence and not looked_at(store)


async def test_a_sample_is_drawn_by_its_seed_and_the_seed_is_said() -> None:
    store = cards(40)
    result = await ask(store, sample=6, seed=1, rows=40)
    assert result.ok and result.rows == 40
    assert result.sentence == "6 of 40 images under s3://b/cards/ (seed 1) decode, each 4 × 3 PNG"
    first = looked_at(store)
    assert len(first) == 6

    again = cards(40)
    again.page_keys = 1000
    await ask(again, sample=6, seed=1)
    assert looked_at(again) == first
    other = cards(40)
    await ask(other, sample=6, seed=2)
    assert looked_at(other) != first


async def test_a_sample_of_more_than_there_are_is_all_of_them() -> None:
    store = cards(5)
    assert (await ask(store, sample=200)).sentence.startswith("5 of 5 images")
    assert len(looked_at(store)) == 5


async def test_broken_ones_are_named() -> None:
    store = cards(5)
    for number in range(1, 5):
        store.put(f"s3://b/cards/{number:03}.png", image(64, 64)[:-60])
    result = await ask(store)
    assert not result.ok and result.rows == 5
    assert re.search(r"4 are not as they should be: 001\.png: it does not decode.* and 1 more$", result.sentence)


async def test_another_number_of_images_is_not_ok() -> None:
    result = await ask(cards(5), rows=6)
    assert not result.ok and "holds 5 images, not 6" in result.sentence


async def test_no_image_at_all_is_not_ok() -> None:
    result = await ask(cards(0))
    assert not result.ok and "holds no image" in result.sentence


async def test_one_that_may_not_be_read_is_not_ok_and_the_others_are_looked_at() -> None:
    store = cards(3)
    store.plan("GetObject", ("before", AccessDenied("no", operation="GetObject")), key="cards/001.png")
    result = await ask(store)
    assert not result.ok and "1 are not as they should be: 001.png: it could not be found out" in result.sentence


async def test_what_stops_every_request_is_raised() -> None:
    store = cards(3)
    store.plan("HeadObject", ("before", BadCredentials("expired", operation="HeadObject")), key="cards/001.png")
    with pytest.raises(BadCredentials):
        await ask(store)


async def test_without_its_extra_a_probe_is_not_ok_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    store = cards(1)
    monkeypatch.setitem(sys.modules, "PIL", None)
    result = await ask(store)
    assert not result.ok and "pip install 'cartage-s3[image]'" in result.sentence
