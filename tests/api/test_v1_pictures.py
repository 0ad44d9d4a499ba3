"""Small pictures over /api/v1: of any kind that people upload, upright, cached; and of what is no picture."""

import asyncio
import io
import struct
import zlib
from pathlib import Path

import httpx
import pytest
from PIL import Image

from facade_process import Facade
from ocr_api.files import Volume
from ocr_api.pictures import Pictures

RED, WHITE = (255, 0, 0), (255, 255, 255)


def half_red(mode: str = "RGB", size: tuple[int, int] = (800, 600)) -> Image.Image:
    """Red on the left, white on the right."""
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    exif[0x010F] = "maker of the camera"
    return exif


@pytest.fixture
def test(project_id: str) -> str:
    return f"/api/v1/projects/{project_id}/tests/t1/pictures"


def put(facade: Facade, project_id: str, name: str, content: bytes) -> Path:
    return facade.put(f"test/{project_id}/t1/{name}", content)


def shown(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(answer.content))
    assert image.format == "JPEG"
    return image


def close(colour: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(colour, tuple)
    return all(abs(a - b) < 12 for a, b in zip(colour, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.jpg", encoded(half_red(), "JPEG", quality=95)),
        ("progressive.jpg", encoded(half_red(), "JPEG", quality=95, progressive=True)),
        ("print.jpg", encoded(half_red("CMYK"), "JPEG", quality=95)),
        ("scan.tif", encoded(half_red(), "TIFF", compression="tiff_lzw")),
        ("few colours.png", encoded(half_red("P"), "PNG")),
        ("收据/page.webp", encoded(half_red(), "WEBP", lossless=True)),
        ("old.bmp", encoded(half_red(), "BMP")),
        ("moving.gif", encoded(half_red("P"), "GIF")),
        ("through.png", encoded(half_red("RGBA"), "PNG")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures_of_every_kind_are_shown_small(
    facade: Facade, project_id: str, test: str, name: str, content: bytes
) -> None:
    put(facade, project_id, name, content)
    image = shown(facade.get(f"{test}/{name}"))
    assert image.size == (320, 240)
    assert close(image.getpixel((40, 120)), RED) and close(image.getpixel((280, 120)), WHITE)
    assert shown(facade.get(f"{test}/{name}", size=64)).size == (64, 48)
    assert shown(facade.get(f"{test}/{name}", size=2048)).size == (800, 600)  # never larger than it is


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_are_upright_and_tell_nothing_of_the_camera(
    facade: Facade, project_id: str, test: str, kind: str
) -> None:
    put(facade, project_id, "a", encoded(half_red(), kind, exif=turned()))
    image = shown(facade.get(f"{test}/a", size=400))
    assert image.size == (300, 400)
    assert close(image.getpixel((150, 50)), RED) and close(image.getpixel((150, 350)), WHITE)
    assert not image.getexif()


@pytest.mark.parametrize(
    ("content", "dark", "light"),
    [
        (encoded(Image.linear_gradient("L").convert("I").point(lambda v: v * 257), "TIFF"), 0, 255),
        (encoded(Image.linear_gradient("L").convert("I;16"), "PNG"), 0, 255),  # 8 bits, kept in 16
        (encoded(Image.linear_gradient("L"), "PNG"), 0, 255),
        (encoded(Image.linear_gradient("L").convert("1"), "TIFF", compression="group4"), 0, 255),
    ],
    ids=["32", "8 in 16", "8", "1"],
)
def test_grey_of_any_depth_keeps_its_shades(
    facade: Facade, project_id: str, test: str, content: bytes, dark: int, light: int
) -> None:
    put(facade, project_id, "grey", content)
    image = shown(facade.get(f"{test}/grey", size=64)).convert("L")
    top, bottom = image.getpixel((32, 1)), image.getpixel((32, 62))
    assert isinstance(top, int) and isinstance(bottom, int)
    assert abs(top - dark) < 20 and abs(bottom - light) < 20


def test_what_can_be_seen_through_lies_on_white(facade: Facade, project_id: str, test: str) -> None:
    put(facade, project_id, "a.png", encoded(Image.new("RGBA", (100, 100), (0, 0, 0, 0)), "PNG"))
    assert close(shown(facade.get(f"{test}/a.png")).getpixel((50, 50)), WHITE)


def test_a_browser_asks_once(facade: Facade, project_id: str, test: str) -> None:
    file = put(facade, project_id, "a.jpg", encoded(half_red(), "JPEG"))
    first = facade.get(f"{test}/a.jpg")
    assert first.headers["cache-control"].startswith("private, max-age=")
    etag = first.headers["etag"]
    again = facade.http.get(f"{test}/a.jpg", headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert facade.get(f"{test}/a.jpg", size=100).headers["etag"] != etag
    other = file.with_name("b")
    other.write_bytes(encoded(Image.new("RGB", (100, 100), WHITE), "JPEG"))
    other.replace(file)
    anew = facade.http.get(f"{test}/a.jpg", headers={"If-None-Match": etag})
    assert shown(anew).size == (100, 100)


def png(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A few bytes that claim to be a picture of this size."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (png(60_000, 60_000), 413, "exceeds limit"),
        (png(8_000, 8_000), 413, "8000 x 8000 pixels"),
        (png(3_000, 3_000), 415, "can't be decoded"),  # 27 MB of pixels, 1 MB is there
        (b"", 415, "no picture"),
        (b"PK\x03\x04" + bytes(100), 415, "no picture"),
        (encoded(half_red(), "JPEG")[:900], 415, "truncated"),
        (encoded(half_red(), "TIFF", compression="tiff_lzw")[:300], 415, ""),
        (encoded(half_red(), "WEBP")[:80], 415, ""),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", 415, "no picture"),
    ],
    ids=["bomb", "large", "hollow", "empty", "zip", "jpeg", "tiff", "webp", "postscript"],
)
def test_what_is_no_picture_or_too_large_a_one_says_so(
    facade: Facade, project_id: str, test: str, content: bytes, status: int, words: str
) -> None:
    put(facade, project_id, "a.jpg", content)
    answer = facade.get(f"{test}/a.jpg")
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert words in answer.json()["detail"]
    assert facade.get("/healthz").status_code == 200


def test_a_large_photograph_is_shown_for_it_is_decoded_small(
    facade: Facade, project_id: str, test: str
) -> None:
    put(facade, project_id, "a.jpg", encoded(half_red(size=(9_000, 8_000)), "JPEG", quality=50))
    assert shown(facade.get(f"{test}/a.jpg")).size == (320, 284)


@pytest.mark.parametrize("path", ["../t2/a.jpg", "b/../../t2/a.jpg", "/etc/passwd", "out/a.jpg", "link.jpg"])
def test_no_path_leaves_the_folder(
    facade: Facade, project_id: str, test: str, tmp_path: Path, path: str
) -> None:
    picture = encoded(half_red(), "JPEG")
    facade.put(f"test/{project_id}/t2/a.jpg", picture)
    folder = put(facade, project_id, "b/a.jpg", picture).parents[1]
    (tmp_path / "a.jpg").write_bytes(picture)
    (folder / "out").symlink_to(tmp_path)
    (folder / "link.jpg").symlink_to(tmp_path / "a.jpg")
    url = facade.http.base_url.copy_with(
        raw_path=httpx.URL(f"{test}/").raw_path + path.encode()
    )  # raw bytes on the wire, for clients tidy such paths up
    assert facade.http.send(facade.http.build_request("GET", url)).status_code == 404
    assert facade.get(f"{test}/b").status_code == 404  # a folder is no picture
    assert facade.get(f"{test}/b/a.jpg").status_code == 200


def test_a_runs_pictures_lie_in_the_runs_folder(facade: Facade, project_id: str) -> None:
    facade.put(f"train/{project_id}/r1/test/a.jpg", encoded(half_red(), "JPEG"))
    url = f"/api/v1/projects/{project_id}/runs/r1/pictures/test/a.jpg"
    assert shown(facade.get(url)).size == (320, 240)
    for size in (63, 2049, "large"):
        assert facade.get(url, size=size).status_code == 422


def test_small_pictures_are_made_once_and_kept_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for number in range(4):
        (tmp_path / "t" / f"{number}.jpg").write_bytes(encoded(half_red(), "JPEG"))

    async def look() -> None:
        pictures = Pictures(Volume(tmp_path))
        assert (await pictures.known("t", "0.jpg", 320)).jpeg is None
        one, other = await asyncio.gather(*(pictures.made("t", "0.jpg", 320) for _ in range(2)))
        assert one.jpeg == other.jpeg == (await pictures.known("t", "0.jpg", 320)).jpeg
        size = len(one.jpeg or b"")

        small = Pictures(Volume(tmp_path), most_bytes=2 * size + 10)
        for number in (0, 1, 0, 2):
            await small.made("t", f"{number}.jpg", 320)
        kept = [(await small.known("t", f"{number}.jpg", 320)).jpeg is not None for number in range(4)]
        assert kept == [True, False, True, False]  # 1 was looked at longest ago

    asyncio.run(look())
