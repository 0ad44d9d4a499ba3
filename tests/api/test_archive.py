"""A zip from anybody is unpacked whole, under safe names and within bounds, or nothing of it is."""

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_api.errors import BadRequest, FacadeError, TooLarge
from ocr_api.uploads import archive
from ocr_api.uploads.archive import unpack

LIMIT = 50 * 1024 * 1024
JPEG = bytes(range(256)) * 40

Maker = Callable[[zipfile.ZipFile], None]


def packed(folder: Path, make: Maker) -> Path:
    path = folder / "upload.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        make(file)
    return path


def of(*names: str) -> Maker:
    def make(file: zipfile.ZipFile) -> None:
        for name in names:
            file.writestr(name, JPEG)

    return make


def found(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("names", "placed", "left_out"),
    [
        pytest.param(["a.jpg", "b/c.jpg"], ["a.jpg", "b/c.jpg"], [], id="as packed"),
        pytest.param(["set/a.jpg", "set/b/c.jpg"], ["a.jpg", "b/c.jpg"], [], id="a folder was packed"),
        pytest.param(["收据 1.JPG", "a b/ü.png"], ["a b/ü.png", "收据 1.JPG"], [], id="names of any script"),
        pytest.param(
            ["set/a.jpg", "__MACOSX/set/._a.jpg", "set/.DS_Store", "set/Thumbs.db"], ["a.jpg"],
            ["__MACOSX/set/._a.jpg", "set/.DS_Store", "set/Thumbs.db"], id="rubbish of desktops",
        ),
        pytest.param(
            ["a.jpg", "status.json", "work/detection/last.pth", "log/record.log", "b/work/x.jpg"],
            ["a.jpg", "b/work/x.jpg"], ["log/record.log", "status.json", "work/detection/last.pth"],
            id="the service's own names",
        ),
    ],
)  # fmt: skip
def test_what_is_taken_and_what_is_left_out(
    tmp_path: Path, names: list[str], placed: list[str], left_out: list[str]
) -> None:
    result = unpack(packed(tmp_path, of(*names)), tmp_path / "out", LIMIT)
    assert found(tmp_path / "out") == placed
    assert sorted(result.left_out) == left_out
    assert (result.files, result.bytes) == (len(placed), len(JPEG) * len(placed))
    assert all((tmp_path / "out" / name).read_bytes() == JPEG for name in placed)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_names_that_are_not_flagged_as_utf_8_are_read_as_they_were_written(
    tmp_path: Path, encoding: str
) -> None:
    """Windows' own zips hold Chinese names in the system's encoding."""
    name = "收据1.jpg"
    placeholder = "x" * (len(name.encode(encoding)) - 4) + ".jpg"
    path = packed(tmp_path, of(placeholder))
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name.encode(encoding)))
    unpack(path, tmp_path / "out", LIMIT)
    assert found(tmp_path / "out") == [name]


def link(file: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    file.writestr(entry, "/etc/passwd")


def bomb(file: zipfile.ZipFile) -> None:
    file.writestr("annotations.json", b"0" * (40 * 1024 * 1024))


def twice(file: zipfile.ZipFile) -> None:
    file.writestr("a.jpg", b"1")
    with pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a.jpg", b"2")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(of("../a.jpg"), "'../a.jpg' can't be taken: its name leads out of the zip", id="up"),
        pytest.param(of("a/../../b.jpg"), "leads out of the zip", id="up in between"),
        pytest.param(of("/etc/cron.d/x"), "is an absolute path", id="absolute"),
        pytest.param(of("C:/x.jpg"), "is an absolute path", id="a drive"),
        pytest.param(of("a\\..\\b.jpg"), "a backslash or a control character", id="backslash"),
        pytest.param(of("a\nb.jpg"), "a backslash or a control character", id="line break"),
        pytest.param(of("a" * 300 + ".jpg"), "is too long", id="long name"),
        pytest.param(of("a/" * 600 + "b.jpg"), "is too long", id="long path"),
        pytest.param(of("a", "a/b.jpg"), "is a file and a folder", id="file and folder"),
        pytest.param(of(), "holds no images and no annotations", id="empty"),
        pytest.param(of("work/a.jpg", "status.json"), "holds no images", id="nothing but our own names"),
        pytest.param(twice, "two files 'a.jpg'", id="a name twice"),
        pytest.param(link, "is a link or a device", id="a link"),
    ],
)
def test_a_zip_that_is_refused_names_what_is_at_fault(tmp_path: Path, make: Maker, says: str) -> None:
    with pytest.raises(BadRequest, match=None) as refused:
        unpack(packed(tmp_path, make), tmp_path / "out", LIMIT)
    assert says in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    path = packed(tmp_path, bomb)
    assert path.stat().st_size < 100_000
    with pytest.raises(TooLarge, match=r"'annotations\.json' grows from"):
        unpack(path, tmp_path / "out", LIMIT)
    with pytest.raises(TooLarge, match="unpacks to 41943040 bytes; 1000000 are allowed"):
        unpack(path, tmp_path / "out", 1_000_000)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_lies_about_its_sizes_gives_no_byte_more(tmp_path: Path) -> None:
    """The directory declares 100 bytes for a file of 40 MB."""
    path = packed(tmp_path, bomb)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 100)
    path.write_bytes(data)
    with pytest.raises(BadRequest, match=r"'annotations\.json' is damaged"):
        unpack(path, tmp_path / "out", LIMIT)
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*")) <= 100


def test_a_list_of_contents_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 10_000)
    path = packed(tmp_path, of(*(f"{number:05d}.jpg" for number in range(1000))))
    with pytest.raises(TooLarge, match="list of contents is larger than 10000 bytes"):
        unpack(path, tmp_path / "out", LIMIT)


def encrypted(data: bytearray) -> None:
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1


def unknown_method(data: bytearray) -> None:
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + place] = 77


def flipped(data: bytearray) -> None:
    data[60] ^= 0xFF


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(encrypted, "'a.jpg' is encrypted", id="encrypted"),
        pytest.param(unknown_method, "'a.jpg' is damaged", id="unknown method"),
        pytest.param(flipped, "'a.jpg' is damaged", id="a flipped byte"),
        pytest.param(lambda data: data.__delitem__(slice(100, None)), "no zip that can be read", id="cut"),
        pytest.param(lambda data: data.clear(), "no zip that can be read", id="no bytes"),
    ],
)
def test_a_damaged_zip_is_an_error_in_the_senders_terms(
    tmp_path: Path, damage: Callable[[bytearray], None], says: str
) -> None:
    path = packed(tmp_path, of("a.jpg"))
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)
    with pytest.raises(FacadeError) as refused:
        unpack(path, tmp_path / "out", LIMIT)
    assert says in str(refused.value) and refused.value.status == 400


def test_no_random_damage_is_a_defect(tmp_path: Path) -> None:
    """Any change of any byte unpacks or is refused; nothing is written outside."""
    whole = packed(tmp_path, of("a.jpg", "b/c.jpg")).read_bytes()
    places = [*range(0, 80), *range(len(whole) - 220, len(whole))]
    for number, place in enumerate(places):
        data = bytearray(whole)
        data[place] = (data[place] + 1 + number % 250) % 256
        path = tmp_path / "damaged.zip"
        path.write_bytes(data)
        target = tmp_path / f"out-{number}"
        try:
            unpack(path, target, LIMIT)
        except FacadeError as refused:
            assert refused.status in (400, 413)
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} <= {"out", "damaged.zip", "upload.zip"}


def test_progress_is_told_while_it_unpacks(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    unpack(packed(tmp_path, of("a.jpg", "b.jpg")), tmp_path / "out", LIMIT, lambda *step: told.append(step))
    assert told == [(0, 2), (1, 2), (2, 2)]
