"""Pictures come out upright, eight bit, three channels; what can't be read says why."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.dataset import pictures


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def marked(width: int = 40, height: int = 20) -> Image.Image:
    """White, with a black block in the upper left corner."""
    image = Image.new("RGB", (width, height), "white")
    image.paste((0, 0, 0), (0, 0, 10, 10))
    return image


@pytest.mark.parametrize(
    ("mode", "kind", "plain"),
    [("RGB", "PNG", True), ("RGB", "JPEG", True), ("L", "JPEG", True), ("P", "PNG", False),
     ("1", "PNG", False), ("CMYK", "JPEG", False), ("RGBA", "PNG", False), ("RGB", "WEBP", True),
     ("RGB", "TIFF", True),
     ("RGB", "BMP", True), ("P", "GIF", False)],
)  # fmt: skip
def test_every_usual_kind_is_read(mode: str, kind: str, plain: bool) -> None:
    picture = pictures.read(encoded(marked().convert(mode), kind))
    assert picture.pixels.shape == (20, 40, 3) and picture.pixels.dtype == np.uint8
    assert picture.pixels[5, 5].max() < 60 and picture.pixels[15, 30].min() > 200
    assert picture.plain is plain


def test_sixteen_bits_keep_their_shades() -> None:
    values = np.linspace(0, 65535, 40 * 20).reshape(20, 40).astype(np.uint16)
    picture = pictures.read(encoded(Image.fromarray(values), "PNG"))
    assert (
        picture.pixels[0, 0, 0] == 0
        and 120 < picture.pixels[10, 0, 0] < 135
        and picture.pixels[19, 39, 0] == 255
    )


def test_transparent_is_white() -> None:
    picture = pictures.read(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"))
    assert picture.pixels.min() == 255


def test_colours_are_blue_first() -> None:
    assert pictures.read(encoded(Image.new("RGB", (2, 2), (250, 0, 0)), "PNG")).pixels[0, 0].tolist() == [
        0,
        0,
        250,
    ]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "empty", id="zero bytes"),
        pytest.param(b"<html>not found</html>", "no picture", id="a web page"),
        pytest.param(encoded(marked(400, 300), "JPEG")[:-900], "cut off", id="truncated JPEG"),
        pytest.param(encoded(Image.effect_noise((90, 90), 80), "PNG")[:900], "cut off", id="cut PNG"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(pictures.UnreadablePicture, match=why):
        pictures.read(raw)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_outlines_follow_their_picture_when_it_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pictures.read(encoded(marked(), "PNG", exif=exif))
    block = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    turned = (picture.width, picture.height) == (20, 40)
    assert turned is (orientation >= 5)
    if turned:  # annotated on the stored pixels
        block, how = pictures.fit_outline(block, picture, 40, 20)
        assert how
        (x0, y0), (x1, y1) = block.min(axis=0).astype(int), block.max(axis=0).astype(int)
        assert picture.pixels[y0:y1, x0:x1].max() == 0, "the black block"


def test_outlines_are_scaled_to_the_picture() -> None:
    picture = pictures.read(encoded(marked(), "PNG"))
    points, how = pictures.fit_outline(np.array([[80.0, 40.0]]), picture, 80, 40)
    assert points.tolist() == [[40, 20]] and "80 x 40" in how
    assert pictures.fit_outline(np.array([[8.0, 4.0]]), picture, None, None)[1] == ""


def test_a_size_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="100 x 100"):
        pictures.fit_outline(np.zeros((4, 2)), pictures.read(encoded(marked(), "PNG")), 100, 100)
