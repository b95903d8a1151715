"""Images: one, or a sample of those under a prefix, decoded to the last pixel.

The sample is drawn by a hash of each key and the seed, so that the same seed takes the same keys whatever order they
come in, and a key that is added changes at most one place of it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from heapq import heappush, heappushpop
from itertools import pairwise
from typing import NamedTuple

import anyio
import anyio.to_thread
import xxhash

from engine.at_once import each
from engine.errors import AttemptError, NotFound, ObjectError, one_error
from engine.extras import needs
from engine.finish.probing.answers import ProbeResult
from engine.finish.probing.ranges import pinned
from engine.listing.ranges import listed_under
from engine.model import MIB, Location
from engine.plan.settings import ImageProbe
from engine.store import ObjectStore

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""What is decoded. Of the others that Pillow knows some start programs (EPS), and some cannot be decoded at all."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif")
MAX_IMAGE_BYTES = 64 * MIB
MAX_PIXELS = 80_000_000
"""Of one image, all its frames together: at most 320 MB in memory. A few kilobytes may claim to be far more."""
READS_AT_ONCE = 4
_FIRST = 3


class Picture(NamedTuple):
    """What an image is, once every pixel of it was decoded."""

    width: int
    height: int
    form: str


class NoImage(ValueError):
    """The bytes are no image, or not a whole one; the message says why."""


async def ask_images(store: ObjectStore, probe: ImageProbe) -> ProbeResult:
    """Decode the image, or the sample. Raises `ExtraMissing`."""
    with needs("image"):
        import PIL.Image  # noqa: F401
    decoding = anyio.CapacityLimiter(1)  # whatever they are, one is in memory
    if not probe.at.is_prefix:
        seen = await _look(store, probe, probe.at, decoding)
        if isinstance(seen, str):
            return ProbeResult(probe.name, False, "no image", f"{probe.at}: {seen}")
        shown = f"{seen.width} × {seen.height} {seen.form}"
        return ProbeResult(probe.name, True, shown, f"{probe.at} is an image of {shown} and decodes", 1)
    count, sample = await _drawn(store, probe)
    if not sample:
        return ProbeResult(probe.name, False, "no images", f"{probe.at} holds no image")
    reading = anyio.CapacityLimiter(READS_AT_ONCE)
    async with one_error():
        seen_of = await each(sample, lambda key: _look(store, probe, probe.at.at(key), decoding), reading)
    return judge_images(probe, count, dict(zip(sample, seen_of, strict=True)))


async def _drawn(store: ObjectStore, probe: ImageProbe) -> tuple[int, list[str]]:
    """How many images there are, and the keys of the sample in order."""
    seed = probe.seed.to_bytes(8, "little")
    count = 0
    drawn: list[tuple[int, str]] = []
    async with listed_under(store, probe.at) as batches:
        async for objects in batches:
            images = [item.key for item in objects if item.key.lower().endswith(SUFFIXES)]
            count += len(images)
            for key in images:
                rank = (-xxhash.xxh3_64_intdigest(seed + key.encode("utf-8", "surrogatepass")), key)
                (heappush if len(drawn) < probe.sample else heappushpop)(drawn, rank)
    return count, sorted(key for _, key in drawn)


async def _look(store: ObjectStore, probe: ImageProbe, at: Location, decoding: anyio.CapacityLimiter) -> Picture | str:
    """The image at a place as it is asked for, or what is wrong with it. Raises what stops every request."""
    try:
        found = await pinned(store, at)
        if found.size > MAX_IMAGE_BYTES:
            return f"it has {found.size:,} bytes, and at most {MAX_IMAGE_BYTES:,} are read"
        data = await found.read(0, found.size)
    except NotFound:
        return "it does not exist"
    except (ObjectError, AttemptError) as error:
        if not probe.at.is_prefix:
            raise
        return f"it could not be found out: {error}"
    try:
        picture = await anyio.to_thread.run_sync(decode, data, limiter=decoding)
    except NoImage as error:
        return str(error)
    if probe.pixels is not None and picture[:2] != probe.pixels:
        return f"it has {picture.width} × {picture.height} pixels, not {probe.pixels[0]} × {probe.pixels[1]}"
    return picture


def decode(data: bytes) -> Picture:
    """Decode every frame. Raises NoImage."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.verify()  # what a format has to know a damage by, as PNG its checksums; nothing is decoded
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            left, begins = MAX_PIXELS, {0}
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                left -= image.width * image.height
                if left < 0:
                    raise NoImage(f"it has more than {MAX_PIXELS:,} pixels, and is not decoded")
                image.load()
                if image.format == "MPO":
                    begins.add(getattr(image, "offset", 0))
            if not _has_end(data, sorted(begins)):
                raise NoImage("its end is missing: it was cut short, or overwritten")
            image.seek(0)
            return Picture(image.width, image.height, image.format or "")
    except NoImage:
        raise
    except UnidentifiedImageError:
        raise NoImage("it is no image that is known") from None
    except Exception as error:  # a decoder says in many ways that it was given something broken
        raise NoImage(f"it does not decode: {error or type(error).__name__}") from None


def _has_end(data: bytes, begins: Sequence[int]) -> bool:
    """Whether a GIF, or each JPEG that begins in a file, is there to its end. A decoder takes zeros for pixels, or for
    the last frame's end, and has no checksum to know better by. What stands behind the end is no matter: many cameras
    put something there."""
    if data.startswith(b"\xff\xd8"):
        return all(_jpeg_has_end(data, at, upto) for at, upto in pairwise([*begins, len(data)]))
    return not data.startswith(b"GIF8") or _gif_has_end(data)


_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""One that begins a segment with a length, or the end: within pixels each FF is followed by 00, or restarts."""
_GIF_BLOCK = re.compile(rb"[!,;]")
_REPEATS = b"NETSCAPE2.0"
"""What a GIF has within that is a film."""


def _jpeg_has_end(data: bytes, begin: int, upto: int) -> bool:
    """Past each segment, since those may hold another picture, and past the pixels."""
    at = begin + 2
    while (found := _JPEG_MARKER.search(data, at, upto)) is not None:
        at = found.end()
        if found[1] == b"\xd9":
            return True
        at += int.from_bytes(data[at : at + 2])
    return False


def _gif_has_end(data: bytes) -> bool:
    """Past each block. Between two a decoder bears what begins none. Some that are as old as GIF end with their one
    picture, without the byte that says so; of a film that would be its first."""
    at = 13 + _colours(data, 10)
    frames, is_frame = 0, False
    while (found := _GIF_BLOCK.search(data, at)) is not None:
        at = found.end()
        if found[0] == b";":
            return True
        is_frame = found[0] == b","
        frames += is_frame
        at += 10 + _colours(data, at + 8) if is_frame else 1
        while length := int.from_bytes(data[at : at + 1]):
            at += 1 + length
        at += 1
    return is_frame and frames == 1 and at == len(data) and _REPEATS not in data


def _colours(data: bytes, flags_at: int) -> int:
    """The length of the table of colours that these flags of a GIF tell of."""
    flags = int.from_bytes(data[flags_at : flags_at + 1])
    return 6 << (flags & 7) if flags & 0x80 else 0


def judge_images(probe: ImageProbe, count: int, found: dict[str, Picture | str]) -> ProbeResult:
    """Whether a sample of `count` images is as the probe asks for."""
    pictures = [item for item in found.values() if isinstance(item, Picture)]
    broken = {key: item for key, item in found.items() if isinstance(item, str)}
    of = f"{len(found):,} of {count:,} images under {probe.at} (seed {probe.seed})"
    if probe.rows is not None and count != probe.rows:
        said = f"{probe.at} holds {count:,} images, not {probe.rows:,}"
        return ProbeResult(probe.name, False, f"{count} images", said, count)
    if broken:
        first = "; ".join(f"{key[len(probe.at.key) :]}: {why}" for key, why in list(broken.items())[:_FIRST])
        more = f" and {len(broken) - _FIRST:,} more" if len(broken) > _FIRST else ""
        said = f"of {of} {len(broken):,} are not as they should be: {first}{more}"
        return ProbeResult(probe.name, False, f"{len(broken)} broken", said, count)
    return ProbeResult(probe.name, True, f"{len(found)} decoded", f"{of} decode, {_range(pictures)}", count)


def _range(pictures: Sequence[Picture]) -> str:
    low, high = min(pictures), max(pictures)
    forms = "/".join(sorted({item.form for item in pictures}))
    if low[:2] == high[:2]:
        return f"each {low.width} × {low.height} {forms}"
    smallest = min(pictures, key=lambda item: item.width * item.height)
    largest = max(pictures, key=lambda item: item.width * item.height)
    return f"from {smallest.width} × {smallest.height} to {largest.width} × {largest.height} {forms}"
