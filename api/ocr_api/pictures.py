"""Pictures of the volume made small: a page shows a hundred photographs, which may be a gigabyte as they are.

What users upload is decoded here, in a pod with half a gigabyte of memory: how many pixels a file claims is
judged before they are decoded, two pictures are decoded at a time and a large one alone.
"""

import io
import os
import struct
import threading
from collections import OrderedDict
from contextlib import nullcontext
from typing import BinaryIO, NamedTuple

from anyio import CapacityLimiter, to_thread
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.concurrency import run_in_threadpool

from ocr_api.errors import TooLarge, UnsupportedContent
from ocr_api.files import Volume

MOST_BYTES = 64 * 1024 * 1024
"""Of the pictures that are kept in memory."""
MOST_FILE_BYTES = 128 * 1024 * 1024
MOST_DECODED_BYTES = 200_000_000
"""So much memory decoding one may take: a page of A4 at 600 dots per inch does, and any plain JPEG file."""
_LARGE_BYTES = 50_000_000
_AT_A_TIME = 2
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")
"""Those of the files that a run takes for images. Pillow knows others that start programs."""
_QUALITY = 85


class Small(NamedTuple):
    etag: str
    """Of this very file at this size."""
    jpeg: bytes | None
    """None: not made yet."""


class Pictures:
    """Small pictures, made once and kept while there is room."""

    def __init__(self, volume: Volume, most_bytes: int = MOST_BYTES) -> None:
        self._volume, self._most_bytes = volume, most_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._large = threading.Lock()
        self._limit = CapacityLimiter(_AT_A_TIME)

    async def known(self, folder: str, path: str, side: int) -> Small:
        """What the folder's picture would be at `side` pixels, made or not; NotFound where it is missing."""
        return await run_in_threadpool(self._known, folder, path, side)

    async def made(self, folder: str, path: str, side: int) -> Small:
        """The folder's picture at `side` pixels of its longer side, at most its own.

        NotFound; UnsupportedContent for what is no picture; TooLarge for one that would fill the memory.
        """
        small = await self.known(folder, path, side)
        if small.jpeg is None:
            small = await to_thread.run_sync(self._made, folder, path, side, limiter=self._limit)
        return small

    def _known(self, folder: str, path: str, side: int) -> Small:
        with self._volume.opened(folder, path) as file:
            return self._look(file, side)

    def _made(self, folder: str, path: str, side: int) -> Small:
        with self._volume.opened(folder, path) as file:
            small = self._look(file, side)
            if small.jpeg is None:
                small = Small(small.etag, self._decode(file, side))
                self._keep(small)
        return small

    def _look(self, file: BinaryIO, side: int) -> Small:
        found = os.fstat(file.fileno())
        etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}-{side}"'
        with self._lock:
            if etag in self._kept:
                self._kept.move_to_end(etag)
            return Small(etag, self._kept.get(etag))

    def _keep(self, small: Small) -> None:
        assert small.jpeg is not None
        with self._lock:
            self._bytes += len(small.jpeg) - len(self._kept.pop(small.etag, b""))
            self._kept[small.etag] = small.jpeg
            while self._bytes > self._most_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)

    def _decode(self, file: BinaryIO, side: int) -> bytes:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_FILE_BYTES:
            raise TooLarge(f"the file has {size} bytes; a picture is shown up to {MOST_FILE_BYTES}")
        try:
            with Image.open(file, formats=_FORMATS) as image:
                needed = draft(image, side)
                with self._large if needed > _LARGE_BYTES else nullcontext():
                    return shrink(image, side)
        except UnidentifiedImageError:
            raise UnsupportedContent("the file is no picture that can be read") from None
        except Image.DecompressionBombError as error:
            raise TooLarge(f"the picture is too large: {error}") from None
        except _BROKEN as error:
            raise UnsupportedContent(f"the picture can't be decoded: {error}") from None


_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError, IndexError, KeyError, struct.error
)  # fmt: skip
"""What Pillow's decoders raise at files that are cut off or wrong."""


def draft(image: Image.Image, side: int) -> int:
    """Have an opened picture be decoded no larger than needed; the bytes that takes, or TooLarge."""
    full = f"{image.width} x {image.height} pixels"
    # A progressive JPEG file is kept whole in memory until its last byte, at any size.
    kept = 6 * image.width * image.height if "progressive" in image.info else 0
    image.draft(None, (2 * side, 2 * side))  # JPEG alone: a half, a quarter or an eighth of the size
    needed = kept + _bytes_per_pixel(image) * image.width * image.height
    if needed > MOST_DECODED_BYTES:
        raise TooLarge(f"the picture has {full}, too many of its kind to be shown; download the file")
    return needed


def shrink(image: Image.Image, side: int) -> bytes:
    """A JPEG file, upright, of `side` pixels at most, without what the camera wrote about the place."""
    image.load()  # a TIFF file turns upright here
    top = None
    if image.mode.startswith("I") or image.mode == "F":
        # As the trainer does: of 16 bits, unless nothing in it needs more than 8.
        top = 65535 if _highest(image) > 255 else 255
        image = image.convert("F")
    elif _is_transparent(image):
        image = image.convert("RGBA")
    elif image.mode in ("P", "1"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image.thumbnail((side, side))
    upright = ImageOps.exif_transpose(image)
    if top is not None:
        upright = upright.point(lambda value: value * (255 / top)).convert("L")
    buffer = io.BytesIO()
    _on_white(upright).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _bytes_per_pixel(image: Image.Image) -> int:
    """Measured, with what shrinking takes besides."""
    if image.format == "WEBP":
        return 16  # libwebp's canvases and their copies
    if _is_transparent(image):
        return 12
    return 6 if image.mode.startswith("I") else 5


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def _highest(image: Image.Image) -> float:
    extremes = image.getextrema()
    highest = extremes[1]
    return highest if isinstance(highest, int | float) else highest[1]


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA"):
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layers).convert("RGB")
    return image if image.mode in ("RGB", "L") else image.convert("RGB")
